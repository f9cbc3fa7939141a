//! Sessions that take the place of forgotten ones, and what was said in those before.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::{Notify, mpsc};

use super::{
    server::{Caller, Got},
    *,
};

type Streams = Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>;

/// A server that forgets session `s0` as soon as a call of `forget` comes, and refuses with `refusal` what comes in it after
/// that. `said` holds what goes into the stream of each session.
async fn forgetful(refusal: (&'static str, &'static str), streams: &Streams) -> Server {
    let (begun, forgotten) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let streams = Arc::clone(streams);
    Server::start(move |got, mut caller| {
        let (begun, forgotten, streams) = (Arc::clone(&begun), Arc::clone(&forgotten), Arc::clone(&streams));
        async move {
            if got.rpc() == "initialize" {
                return begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await;
            }
            if got.body["params"]["name"] == "forget" {
                forgotten.store(1, Relaxed);
            }
            if got.header("mcp-session-id") == Some("s0") && forgotten.load(Relaxed) == 1 {
                return caller.status(refusal.0, &[("content-type", "application/json")], refusal.1).await;
            }
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => {
                    let (sender, mut said) = mpsc::unbounded_channel();
                    streams.lock().unwrap().push(sender);
                    caller.stream().await;
                    caller.raw(": here\n\n").await;
                    while let Some(text) = said.recv().await {
                        caller.event(&text).await;
                    }
                }
                (_, "") | (_, "notifications/initialized") => caller.accepted().await,
                _ => caller.json(&got.result(&json!({"session": got.header("mcp-session-id")}))).await,
            }
        }
    })
    .await
}

async fn begin(got: &Got, caller: &mut Caller, number: usize) {
    let capabilities = json!({
        "tools": {"listChanged": true}, "prompts": {}, "resources": {"subscribe": true}, "logging": {},
    });
    let server = json!({"name": "s", "version": "1"});
    let result = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": server});
    let name = format!("s{number}");
    let headers = [("content-type", "application/json"), ("mcp-session-id", name.as_str())];
    caller.status("200 OK", &headers, &got.result(&result)).await;
}

fn call(id: impl Into<Value>, name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {"name": name}})
}

const NOT_FOUND: (&str, &str) = ("404 Not Found", "");

impl Host {
    /// The answer to this request; what is told unasked before it is passed over.
    async fn answer_to(&mut self, id: &Value) -> Value {
        loop {
            let message = self.receive().await;
            if message["id"] == *id && message.get("method").is_none() {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn the_answer_to_a_question_of_one_session_is_none_to_a_question_of_another() {
    // proves: MCP-PX-14
    let streams = Streams::default();
    let server = forgetful(NOT_FOUND, &streams).await;
    let settings = BridgeSettings { listen_opens: PATIENCE, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    host.initialize().await;
    host.ask(&call(1, "any")).await;
    let asks = |stream: usize, method: &str| {
        let question = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": {"of": stream}});
        streams.lock().unwrap()[stream].send(question.to_string()).unwrap();
    };
    asks(0, "elicitation/create");
    let first = host.receive().await;
    assert_eq!((&first["method"], &first["id"]), (&json!("elicitation/create"), &json!(0)));
    // The host answers when the server has forgotten whom it asked.
    host.send(&call(2, "forget")).await;
    assert_eq!(host.answer_to(&json!(2)).await["result"], json!({"session": "s1"}));
    asks(1, "roots/list");
    let second = loop {
        let message = host.receive().await;
        if message["method"] == "roots/list" {
            break message;
        }
    };
    assert_ne!(second["id"], first["id"], "the host tells them apart");
    host.send(&json!({"jsonrpc": "2.0", "id": first["id"], "result": {"action": "accept"}})).await;
    host.send(&json!({"jsonrpc": "2.0", "id": second["id"], "result": {"roots": []}})).await;
    let answer = until_got(&server, |got| got.body["result"]["roots"].is_array()).await;
    assert_eq!((&answer.body["id"], answer.header("mcp-session-id")), (&json!(0), Some("s1")));
    let answers: Vec<_> = server.got().into_iter().filter(|got| got.body["result"]["action"] == "accept").collect();
    assert!(answers.is_empty(), "{answers:?}");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn an_answer_that_meets_a_forgotten_session_is_not_given_in_the_next_one() {
    // proves: MCP-PX-14, MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let begun = Arc::clone(&begun);
        async move {
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "initialize") => begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await,
                (_, "") => caller.status("404 Not Found", &[], "").await,
                (_, "tools/call") => caller.json(&got.result(&json!({}))).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&json!({"jsonrpc": "2.0", "id": 0, "result": {"action": "accept"}})).await;
    until_got(&server, |got| got.rpc() == "notifications/initialized" && got.header("mcp-session-id") == Some("s1"))
        .await;
    host.send(&call(1, "any")).await;
    host.answer_to(&json!(1)).await;
    host.end().await.0.unwrap();
    let answers = server.got().into_iter().filter(|got| got.body["result"].is_object()).count();
    assert_eq!(answers, 1, "it went where it belonged and nowhere else");
}

#[tokio::test]
async fn a_session_that_is_refused_in_other_words_is_begun_again_as_well() {
    // proves: MCP-HTTP-021
    let error = |message: &str| -> &'static str {
        let error = json!({"code": -32000, "message": message});
        Box::leak(json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string().into_boxed_str())
    };
    for (words, again) in [
        (error("Bad Request: No valid session ID provided"), true),
        (error("Bad Request: Server not initialized"), true),
        (error("Session not found"), true),
        ("Invalid session ID", true),
        (error("the tool wants a name"), false),
        // A call that ran, and failed with these words of its own, does not run twice.
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the shop says: invalid session"}}"#, false),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no","data":"session not found"}}"#, false),
    ] {
        let streams = Streams::default();
        let server = forgetful(("400 Bad Request", words), &streams).await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        host.initialize().await;
        host.send(&call(1, "forget")).await;
        let answer = host.answer_to(&json!(1)).await;
        assert_eq!(answer["result"].is_object(), again, "{words}: {answer}");
        let begun = server.methods().iter().filter(|method| *method == "initialize").count();
        assert_eq!(begun, if again { 2 } else { 1 }, "{words}");
        let sent = server.methods().iter().filter(|method| *method == "tools/call").count();
        assert_eq!(sent, if again { 2 } else { 1 }, "{words}");
        host.end().await.0.unwrap();
    }
}

#[tokio::test]
async fn what_the_host_asked_a_session_for_is_asked_of_the_next_one() {
    // proves: MCP-HTTP-021
    let streams = Streams::default();
    let server = forgetful(NOT_FOUND, &streams).await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    let ask =
        |id: u32, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    for (id, method, params) in [
        (1, "logging/setLevel", json!({"level": "debug"})),
        (2, "resources/subscribe", json!({"uri": "a:"})),
        (3, "resources/subscribe", json!({"uri": "b:"})),
        (4, "resources/unsubscribe", json!({"uri": "b:"})),
    ] {
        let done = host.ask(&ask(id, method, params)).await;
        assert!(done["result"].is_object(), "{done}");
    }
    host.send(&call(5, "forget")).await;
    let mut told = Vec::new();
    let mut answered = false;
    while !answered || told.len() < 2 {
        let message = host.receive().await;
        answered |= message["id"] == 5 && message["result"]["session"] == "s1";
        told.extend(message["method"].as_str().map(str::to_owned));
    }
    assert_eq!(told, ["notifications/tools/list_changed", "notifications/resources/updated"]);
    let again: Vec<_> = server.got().into_iter().filter(|got| got.header("mcp-session-id") == Some("s1")).collect();
    let params = |method: &str| -> Vec<_> {
        again.iter().filter(|got| got.rpc() == method).map(|got| got.body["params"].clone()).collect()
    };
    assert_eq!(params("logging/setLevel"), [json!({"level": "debug"})]);
    assert_eq!(params("resources/subscribe"), [json!({"uri": "a:"})]);
    let (_, rest) = host.end().await;
    assert!(rest.is_empty(), "the bridge's own requests are not the host's: {rest:?}");
}

#[tokio::test]
async fn a_stream_of_a_session_that_is_over_is_not_asked_for_in_the_next_one() {
    // proves: FCL-01, FCL-10
    let begun = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let begun = Arc::clone(&begun);
        async move {
            match (got.method.as_str(), got.rpc(), got.header("last-event-id"), got.header("mcp-session-id")) {
                (_, "initialize", ..) => begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await,
                ("GET", _, None, _) => caller.status("405 Method Not Allowed", &[], "").await,
                ("GET", _, _, Some("s0")) => caller.status("503 Service Unavailable", &[], "").await,
                // It says nothing, for there is nothing that it could say.
                ("GET", ..) => {
                    caller.stream().await;
                    caller.closed().await;
                }
                (_, "tools/call", ..) if got.body["params"]["name"] == "breaks" => {
                    caller.stream().await;
                    caller.raw("id: 1\nretry: 20000\ndata:\n\n").await;
                }
                (_, "tools/call", _, Some("s0")) => caller.status("404 Not Found", &[], "").await,
                (_, "tools/call", ..) => caller.json(&got.result(&json!({}))).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&call("broken", "breaks")).await;
    until_got(&server, |got| got.body["params"]["name"] == "breaks").await;
    let begun = tokio::time::Instant::now();
    host.send(&call("next", "any")).await;
    let mut both = Vec::new();
    while both.len() < 2 {
        let message = host.receive().await;
        if message.get("method").is_none() {
            both.push(message);
        }
    }
    both.sort_by_key(|message| message["id"] == "next");
    assert!(both[1]["result"].is_object(), "{both:?}");
    let broken = &both[0];
    assert!(
        broken["error"]["message"].as_str().is_some_and(|words| words.contains("may or may not have run")),
        "{broken}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15), "and not only when it is to be asked for again");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn nothing_is_said_in_a_new_session_before_the_server_has_taken_its_confirmation() {
    // proves: MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let (confirming, meanwhile) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let is_confirming = Arc::clone(&confirming);
    let server = Server::start(move |got, mut caller| {
        let (begun, confirming, meanwhile) = (Arc::clone(&begun), Arc::clone(&confirming), Arc::clone(&meanwhile));
        async move {
            match (got.method.as_str(), got.rpc(), got.header("mcp-session-id")) {
                ("GET", ..) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "initialize", _) => begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await,
                (_, "notifications/initialized", Some("s1")) => {
                    caller.status("503 Service Unavailable", &[], "").await;
                }
                (_, "notifications/initialized", Some("s2")) => {
                    confirming.notify_one();
                    meanwhile.notified().await;
                    caller.accepted().await;
                }
                (_, "tools/call", session) => {
                    if got.body["params"]["name"] == "meanwhile" {
                        meanwhile.notify_one();
                    }
                    match session {
                        Some("s0") => caller.status("404 Not Found", &[], "").await,
                        session => caller.json(&got.result(&json!({"session": session}))).await,
                    }
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&call(1, "any")).await;
    let answer = host.answer_to(&json!(1)).await;
    assert!(answer["error"].is_object(), "the session that was to come was not confirmed: {answer}");
    host.send(&call(2, "any")).await;
    tokio::time::timeout(PATIENCE, is_confirming.notified()).await.expect("another one is begun");
    host.send(&call(3, "meanwhile")).await;
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let message = host.receive().await;
        if message.get("method").is_none() {
            answers.push(message);
        }
    }
    assert!(answers.iter().all(|answer| answer["result"]["session"] == "s2"), "{answers:?}");
    host.end().await.0.unwrap();
    let said_in = |session: &str| -> Vec<String> {
        let of_it = server.got().into_iter().filter(|got| got.header("mcp-session-id") == Some(session));
        of_it.map(|got| if got.rpc().is_empty() { got.method } else { got.rpc().to_owned() }).collect()
    };
    assert_eq!(said_in("s1"), ["notifications/initialized", "DELETE"]);
    let first = server.got().into_iter().find(|got| got.body["params"]["name"] == "meanwhile").unwrap();
    assert_eq!(first.header("mcp-session-id"), Some("s0"));
}

#[tokio::test]
async fn what_the_host_asks_last_is_what_the_next_session_is_asked_last() {
    // proves: MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let set = Arc::new(Mutex::new(Vec::new()));
    let levels = Arc::clone(&set);
    let server = Server::start(move |got, mut caller| {
        let (begun, set) = (Arc::clone(&begun), Arc::clone(&set));
        async move {
            match (got.method.as_str(), got.rpc(), got.header("mcp-session-id")) {
                ("GET", ..) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "initialize", _) => begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await,
                (_, "logging/setLevel", Some("s0")) if got.body["params"]["level"] == "debug" => {
                    caller.status("404 Not Found", &[], "").await;
                }
                (_, "logging/setLevel", session) => {
                    if session == Some("s1") && got.body["params"]["level"] == "error" {
                        // Slow enough for what the host asks to overtake it.
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    set.lock().unwrap().push(got.body["params"]["level"].clone());
                    caller.json(&got.result(&json!({}))).await;
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    for (id, level) in [(1, "error"), (2, "debug")] {
        let params = json!({"level": level});
        host.send(&json!({"jsonrpc": "2.0", "id": id, "method": "logging/setLevel", "params": params})).await;
        assert!(host.answer_to(&json!(id)).await["result"].is_object());
    }
    host.end().await.0.unwrap();
    assert_eq!(*levels.lock().unwrap(), ["error", "error", "debug"]);
}

#[tokio::test]
async fn a_server_that_forgets_every_session_at_once_is_not_asked_for_one_after_another() {
    // proves: MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let listened = Arc::new(Mutex::new(BTreeSet::new()));
    let server = Server::start(move |got, mut caller| {
        let (begun, listened) = (Arc::clone(&begun), Arc::clone(&listened));
        async move {
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => {
                    let session = got.header("mcp-session-id").map(str::to_owned);
                    if !listened.lock().unwrap().insert(session) {
                        return caller.status("404 Not Found", &[], "").await;
                    }
                    caller.stream().await;
                    caller.raw("retry: 0\n\n").await;
                }
                (_, "initialize") => begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let first = tokio::time::Instant::now();
    host.initialize().await;
    until_got(&server, |got| got.method == "GET" && got.header("mcp-session-id") == Some("s2")).await;
    assert!(first.elapsed() > Duration::from_secs(3), "a second before the next, and two before the one after it");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn what_a_new_session_is_asked_for_unasked_begins_no_further_one() {
    // proves: MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let begun = Arc::clone(&begun);
        async move {
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "initialize") => begin(&got, &mut caller, begun.fetch_add(1, Relaxed)).await,
                _ if got.header("mcp-session-id").is_none() => caller.status("400 Bad Request", &[], "").await,
                // As where each request goes to another server that knows nothing of the others.
                (_, "logging/setLevel") => caller.status("404 Not Found", &[], "").await,
                (_, "tools/call") => caller.json(&got.result(&json!({"content": []}))).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let mut wants_log = modern(1, "tools/call", "any");
    wants_log["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = "debug".into();
    assert!(host.ask(&wants_log).await["result"].is_object());
    let levels = || server.methods().iter().filter(|method| *method == "logging/setLevel").count();
    tokio::time::timeout(PATIENCE, async {
        while levels() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("twice for the host, and once in the new session");
    // Its answer waits until what came unasked before has been dealt with.
    assert!(host.ask(&modern(2, "tools/call", "any")).await["result"].is_object());
    let begun = server.methods().iter().filter(|method| *method == "initialize").count();
    assert_eq!(begun, 2, "{:?}", server.methods());
    host.end().await.0.unwrap();
}

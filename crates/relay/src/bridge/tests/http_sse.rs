//! Servers of 2024-11-05.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::mpsc;

use super::{
    server::{Caller, Got},
    *,
};
use crate::bridge::Transport;

const RESULT: &str = r#"{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;

/// What the server does otherwise than others.
#[derive(Clone, Copy, Default)]
struct Ways {
    /// What it answers to a POST where the stream is.
    to_post: Option<&'static str>,
    endpoint: Option<&'static str>,
    /// What it answers to a message in a session that it has forgotten.
    to_forgotten: Option<(&'static str, &'static str)>,
    /// Whether it wants a token for the stream.
    wants_token: bool,
}

/// A server of that age: a call of `echo` is answered, `hang` never, `die` ends the stream, `forget` the session.
async fn older(ways: Ways) -> Server {
    let streams: Arc<Mutex<HashMap<usize, mpsc::UnboundedSender<String>>>> = Arc::default();
    let count = Arc::new(AtomicUsize::new(0));
    Server::start(move |got, mut caller| {
        let (streams, count) = (Arc::clone(&streams), Arc::clone(&count));
        async move {
            let path = got.path().to_owned();
            if got.method == "GET" && path == "/mcp" {
                if ways.wants_token && got.token() != Some("t1") {
                    return caller.status("401 Unauthorized", &[("www-authenticate", "Bearer")], "").await;
                }
                let number = count.fetch_add(1, Relaxed);
                let (sender, mut said) = mpsc::unbounded_channel();
                streams.lock().unwrap().insert(number, sender);
                caller.stream().await;
                caller.raw(": hello\n\nevent: greeting\ndata: x\n\n").await;
                let endpoint = ways.endpoint.unwrap_or("/messages?session=").to_owned();
                caller.raw(format!("event: endpoint\ndata: {endpoint}{number}\n\n")).await;
                while let Some(text) = said.recv().await {
                    caller.event(&text).await;
                }
                return;
            }
            let Some(number) = path.strip_prefix("/messages?session=").and_then(|number| number.parse().ok()) else {
                return caller.status(ways.to_post.unwrap_or("404 Not Found"), &[], "").await;
            };
            post(&streams, ways, number, &got, &mut caller).await;
        }
    })
    .await
}

async fn post(
    streams: &Mutex<HashMap<usize, mpsc::UnboundedSender<String>>>,
    ways: Ways,
    number: usize,
    got: &Got,
    caller: &mut Caller,
) {
    let Some(stream) = streams.lock().unwrap().get(&number).cloned() else {
        let (status, words) = ways.to_forgotten.unwrap_or(("404 Not Found", "no such session"));
        return caller.status(status, &[], words).await;
    };
    caller.status("202 Accepted", &[("content-type", "text/plain")], "Accepted").await;
    match (got.rpc(), got.body["params"]["name"].as_str().unwrap_or_default()) {
        ("initialize", _) => drop(stream.send(got.result(&serde_json::from_str(RESULT).unwrap()))),
        ("tools/call", "hang") => {}
        ("tools/call", "die" | "forget") => drop(streams.lock().unwrap().remove(&number)),
        ("tools/call", "forget quietly") => {
            // Its stream stays open, as one does whose end is lost.
            std::mem::forget(streams.lock().unwrap().remove(&number));
            let _ = stream.send(got.result(&json!({})));
        }
        ("tools/call", "many") => {
            for progress in 1..=20 {
                let params = json!({"progressToken": "p", "progress": progress});
                let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
                let _ = stream.send(note.to_string());
            }
            let _ = stream.send(got.result(&json!({"content": []})));
        }
        ("tools/call", name) => {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"for": name}});
            let _ = stream.send(note.to_string());
            let _ = stream.send(got.result(&json!({"text": name, "session": number})));
        }
        ("ping", _) => drop(stream.send(got.result(&json!({})))),
        _ => {}
    }
}

fn call(id: impl Into<Value>, name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {"name": name}})
}

impl Host {
    /// The next answer; what is said unasked before it is passed over.
    async fn answer(&mut self) -> Value {
        loop {
            let message = self.receive().await;
            if message.get("id").is_some() {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn a_server_of_that_age_is_found_by_its_refusal_and_serves_as_any_other() {
    for refusal in ["404 Not Found", "405 Method Not Allowed", "400 Bad Request", "415 Unsupported Media Type"] {
        let server = older(Ways { to_post: Some(refusal), ..Ways::default() }).await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        host.initialize().await;
        host.send(&call("c", "echo")).await;
        let mut seen = [host.receive().await, host.receive().await];
        seen.sort_by_key(|message| message.get("id").is_some());
        assert_eq!(seen[0]["params"]["for"], "echo", "{refusal}: {seen:?}");
        assert_eq!((&seen[1]["id"], &seen[1]["result"]["text"]), (&json!("c"), &json!("echo")), "{refusal}");
        let (ended, rest) = host.end().await;
        assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
        let got = server.got();
        assert_eq!((got[0].rpc(), got[0].path()), ("initialize", "/mcp"));
        assert_eq!((got[1].method.as_str(), got[1].header("accept")), ("GET", Some("text/event-stream")));
        for got in &got[2..] {
            assert_eq!((got.method.as_str(), got.path(), got.token()), ("POST", "/messages?session=0", Some("t0")));
            assert_eq!(got.header("mcp-session-id"), None, "that name is the bridge's own");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_caller_says_nothing_of_the_servers_age() {
    // proves: FCL-11
    for refusal in ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests", "500 Internal Server Error"] {
        let server = older(Ways { to_post: Some(refusal), ..Ways::default() }).await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        assert!(host.ask(&initialize()).await["error"].is_object(), "{refusal}");
        assert!(server.got().iter().all(|got| got.method == "POST"), "{refusal}: {:?}", server.methods());
    }
}

#[tokio::test]
async fn messages_and_the_token_go_to_no_other_origin() {
    // proves: DISC-04
    let elsewhere = Server::start(|_, mut caller| async move { caller.accepted().await }).await;
    let other: &'static str = Box::leak(elsewhere.url().into_boxed_str());
    let localhost: &'static str = Box::leak(other.replace("127.0.0.1", "localhost").into_boxed_str());
    for endpoint in [other, localhost, "//127.0.0.1:1/", "https://127.0.0.1/", "file:///etc/", "http://["] {
        let server = older(Ways { endpoint: Some(endpoint), ..Ways::default() }).await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        let answer = host.ask(&initialize()).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("another origin"), "{endpoint}: {message}");
        assert_eq!(server.got().len(), 2, "{endpoint}");
    }
    assert!(elsewhere.got().is_empty());
}

#[tokio::test]
async fn the_stream_is_opened_with_a_login_like_any_request() {
    let server = older(Ways { wants_token: true, ..Ways::default() }).await;
    let tokens = Tokens::new(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.initialize().await;
    host.send(&call(1, "echo")).await;
    assert_eq!(host.answer().await["result"]["text"], "echo");
    assert_eq!(tokens.asked().len(), 1, "{:?}", tokens.asked());
}

#[tokio::test]
async fn a_lost_stream_loses_its_calls_and_the_session_goes_on_in_another() {
    // proves: FCL-10
    let server = older(Ways::default()).await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&call("lost", "hang")).await;
    host.send(&call("killer", "die")).await;
    for _ in 0..2 {
        let answer = host.answer().await;
        let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(message.contains("may or may not have run"), "{message}");
    }
    host.send(&call("next", "echo")).await;
    assert_eq!(host.answer().await["result"], json!({"text": "echo", "session": 1}));
    let methods = server.methods();
    let count = |name: &str| methods.iter().filter(|method| *method == name).count();
    assert_eq!((count("tools/call"), count("notifications/initialized")), (3, 2), "{methods:?}");
}

#[tokio::test]
async fn a_session_that_is_forgotten_while_its_stream_stays_open_is_begun_again() {
    // proves: FCL-10
    for to_forgotten in [None, Some(("400 Bad Request", "No transport found for sessionId"))] {
        let server = older(Ways { to_forgotten, ..Ways::default() }).await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        host.initialize().await;
        host.send(&call("quiet", "forget quietly")).await;
        assert!(host.answer().await["result"].is_object());
        host.send(&call("next", "echo")).await;
        let answer = host.answer().await;
        assert_eq!(answer["result"], json!({"text": "echo", "session": 1}), "{to_forgotten:?}: {answer}");
        host.end().await.0.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_is_dead_without_saying_so_is_noticed_by_a_ping() {
    // proves: FCL-10
    let server = older(Ways::default()).await;
    let settings = BridgeSettings { listen_silence: Duration::from_millis(200), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    host.initialize().await;
    let until = tokio::time::Instant::now() + PATIENCE;
    while server.methods().iter().filter(|method| *method == "ping").count() < 2 {
        assert!(tokio::time::Instant::now() < until, "{:?}", server.methods());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    host.send(&call("c", "echo")).await;
    assert_eq!(host.answer().await["result"]["session"], 0, "it lives, and goes on");
}

#[tokio::test]
async fn the_order_of_transports_can_be_given() {
    let modes = [
        (Transport::SseFirst, Some("GET /mcp")),
        (Transport::SseOnly, Some("GET /mcp")),
        (Transport::HttpFirst, Some("POST /mcp")),
        (Transport::HttpOnly, None),
    ];
    for (transport, first) in modes {
        let server = older(Ways::default()).await;
        let settings = BridgeSettings { transport, ..BridgeSettings::default() };
        let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
        let answer = host.ask(&initialize()).await;
        let got = server.got();
        assert_eq!(answer["result"].is_object(), first.is_some(), "{transport:?}: {answer}");
        let line = format!("{} {}", got[0].method, got[0].path());
        assert_eq!(line, first.unwrap_or("POST /mcp"), "{transport:?}");
        assert!(first.is_some() || got.len() == 1, "{transport:?}");
    }
    // A server of today, asked in the old way first.
    let server = Server::start(|got, mut caller| async move {
        match got.rpc() {
            "initialize" => caller.json(&got.result(&serde_json::from_str(RESULT).unwrap())).await,
            _ => caller.status("405 Method Not Allowed", &[], "").await,
        }
    })
    .await;
    for (transport, works) in [(Transport::SseFirst, true), (Transport::SseOnly, false)] {
        let settings = BridgeSettings { transport, ..BridgeSettings::default() };
        let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
        assert_eq!(host.ask(&initialize()).await["result"].is_object(), works, "{transport:?}");
    }
}

#[tokio::test]
async fn what_was_said_before_an_answer_is_told_before_it() {
    // proves: MCP-PX-10
    let server = older(Ways::default()).await;
    let settings = BridgeSettings { catching_up: PATIENCE, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings.clone());
    host.initialize().await;
    let newer = Host::with(&server, &Tokens::new(&server.url()), settings);
    let mut params = json!({"name": "many", "_meta": {"progressToken": "p"}});
    let older_call = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": params});
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let newer_call = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": params});
    for (mut host, call) in [(host, older_call), (newer, newer_call)] {
        for _ in 0..3 {
            host.send(&call).await;
            for progress in 1..=20 {
                assert_eq!(host.receive().await["params"]["progress"], progress);
            }
            assert_eq!(host.receive().await["id"], "c");
        }
        host.end().await.0.unwrap();
    }
}

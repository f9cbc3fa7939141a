//! A host of the older era.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

use super::{server::Caller, server::Got, *};

const RESULT: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;

async fn begin(got: &Got, caller: &mut Caller, session: &str) {
    let body = got.result(&serde_json::from_str(RESULT).unwrap());
    let headers = [("content-type", "application/json"), ("Mcp-Session-Id", session)];
    caller.status("200 OK", &headers, &body).await;
}

#[tokio::test]
async fn a_session_is_kept_listened_to_and_ended() {
    // proves: MCP-HTTP-005, MCP-HTTP-019, MCP-HTTP-023
    let listening = Arc::new(Notify::new());
    let heard = Arc::clone(&listening);
    let server = Server::start(move |got, mut caller| {
        let listening = Arc::clone(&listening);
        async move {
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => {
                    caller.stream().await;
                    caller.event(r#"{"jsonrpc":"2.0","id":"s1","method":"roots/list"}"#).await;
                    caller.event(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#).await;
                    caller.event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#).await;
                    listening.notify_one();
                    caller.closed().await;
                }
                ("DELETE", _) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "initialize") => begin(&got, &mut caller, "session-1").await,
                (_, "tools/list") => caller.json(&got.result(&json!({"tools": []}))).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    tokio::time::timeout(PATIENCE, heard.notified()).await.expect("the stream is opened");
    assert_eq!(host.receive().await["method"], "roots/list");
    assert_eq!(host.receive().await["method"], "notifications/tools/list_changed", "an answer to nothing is dropped");
    host.send(&json!({"jsonrpc": "2.0", "id": "s1", "result": {"roots": []}})).await;
    assert_eq!(host.ask(&legacy(5, "tools/list")).await["result"], json!({"tools": []}));
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");

    let got = server.got();
    assert_eq!(got[0].rpc(), "initialize");
    assert_eq!((got[0].header("mcp-session-id"), got[0].header("mcp-protocol-version")), (None, None));
    assert_eq!(got[1].rpc(), "notifications/initialized", "nothing overtakes it");
    for later in &got[1..] {
        assert_eq!(later.header("mcp-session-id"), Some("session-1"), "{later:?}");
        assert_eq!(later.header("mcp-protocol-version"), Some("2025-11-25"), "{later:?}");
        assert_eq!(later.token(), Some("t0"));
        assert_eq!(later.header("mcp-method"), None);
    }
    assert!(got.iter().any(|got| got.body == json!({"jsonrpc": "2.0", "id": "s1", "result": {"roots": []}})));
    assert_eq!(got.last().unwrap().method, "DELETE");
}

#[tokio::test]
async fn the_name_of_a_session_goes_to_its_own_server_only() {
    // proves: MCP-HTTP-022
    let other = Server::start(|got, mut caller| async move { caller.json(&got.result(&json!({}))).await }).await;
    let there = other.url();
    let server = Server::start(move |got, mut caller| {
        let there = there.to_string();
        async move {
            match (got.method.as_str(), got.rpc()) {
                (_, "initialize") => begin(&got, &mut caller, "session-1").await,
                (_, "notifications/initialized") => caller.accepted().await,
                _ => caller.status("307 Temporary Redirect", &[("location", &there)], "").await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    assert!(host.ask(&legacy(1, "tools/list")).await["error"].is_object());
    host.end().await.0.unwrap();
    let named: Vec<_> = server.got().iter().map(|got| got.header("mcp-session-id").map(str::to_owned)).collect();
    assert!(named.len() >= 3 && named[1..].iter().all(|name| name.as_deref() == Some("session-1")), "{named:?}");
    assert!(other.got().is_empty());
}

#[tokio::test]
async fn without_a_session_nothing_is_listened_to_or_ended() {
    let server = Server::start(|got, mut caller| async move {
        match got.rpc() {
            "initialize" => caller.json(&got.result(&serde_json::from_str(RESULT).unwrap())).await,
            "tools/list" => caller.json(&got.result(&json!({}))).await,
            _ => caller.accepted().await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    // Cancelling is a message of its own in this era.
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}})).await;
    host.ask(&legacy(1, "tools/list")).await;
    host.end().await.0.unwrap();
    let mut methods = server.methods();
    methods.sort_unstable();
    assert_eq!(methods, ["initialize", "notifications/cancelled", "notifications/initialized", "tools/list"]);
}

#[tokio::test]
async fn a_forgotten_session_is_begun_again_once() {
    // proves: MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let begun = Arc::clone(&begun);
        async move {
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "initialize") => {
                    let session = format!("session-{}", begun.fetch_add(1, Relaxed));
                    begin(&got, &mut caller, &session).await;
                }
                (_, "notifications/initialized") => caller.accepted().await,
                _ if got.header("mcp-session-id") == Some("session-1") => caller.json(&got.result(&json!({}))).await,
                _ => caller.status("404 Not Found", &[], "").await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    for id in 1..=4 {
        host.send(&legacy(id, "tools/list")).await;
    }
    for _ in 0..4 {
        let answer = host.receive().await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    let (_, rest) = host.end().await;
    assert!(rest.is_empty(), "the second initialize is not the host's: {rest:?}");
    let methods = server.methods();
    let count = |name: &str| methods.iter().filter(|method| *method == name).count();
    assert_eq!((count("initialize"), count("notifications/initialized")), (2, 2), "{methods:?}");
}

#[tokio::test]
async fn nobody_is_asked_to_log_in_for_what_nobody_asked_for() {
    // proves: BRW-13
    for refusal in ["Bearer", "Bearer error=\"insufficient_scope\", scope=\"x\""] {
        let status = if refusal == "Bearer" { "401 Unauthorized" } else { "403 Forbidden" };
        let heard = Arc::new(Notify::new());
        let listened = Arc::clone(&heard);
        let server = Server::start(move |got, mut caller| {
            let listened = Arc::clone(&listened);
            async move {
                let headers = [("www-authenticate", refusal)];
                match (got.method.as_str(), got.rpc(), got.header("mcp-session-id")) {
                    ("GET", ..) => {
                        caller.status(status, &headers, "").await;
                        listened.notify_one();
                    }
                    // The login ends while the session is there: nothing begins it anew.
                    ("POST", "initialize", _) if got.token() == Some("t0") => {
                        begin(&got, &mut caller, "session-0").await;
                    }
                    ("POST", "tools/list", _) => caller.status("404 Not Found", &[], "").await,
                    ("POST", ..) if got.rpc() == "notifications/initialized" => caller.accepted().await,
                    _ => caller.status(status, &headers, "").await,
                }
            }
        })
        .await;
        let tokens = Tokens::new(&server.url());
        let mut host = Host::start(&server, &tokens);
        host.initialize().await;
        tokio::time::timeout(PATIENCE, heard.notified()).await.expect("the stream is asked for");
        assert!(host.ask(&legacy(1, "tools/list")).await["error"].is_object());
        host.end().await.0.unwrap();
        assert!(server.methods().contains(&"DELETE".to_owned()), "{:?}", server.methods());
        assert!(tokens.asked().iter().all(|asked| asked == "unasked"), "{:?}", tokens.asked());
    }
}

#[tokio::test]
async fn no_call_is_made_before_the_server_can_ask_something() {
    // proves: MCP-HTTP-019
    let is_open = Arc::new(AtomicBool::new(false));
    let server = Server::start(move |got, mut caller| {
        let is_open = Arc::clone(&is_open);
        async move {
            match (got.method.as_str(), got.rpc()) {
                ("GET", _) => {
                    // Slow enough for a call to overtake it.
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    is_open.store(true, Relaxed);
                    caller.stream().await;
                    caller.closed().await;
                }
                (_, "initialize") => begin(&got, &mut caller, "s").await,
                (_, "tools/call") => caller.json(&got.result(&json!({"open": is_open.load(Relaxed)}))).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let settings = BridgeSettings { listen_opens: PATIENCE, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    host.send(&initialize()).await;
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    host.send(&legacy(1, "tools/call")).await;
    assert_eq!(host.receive().await["id"], 0);
    assert_eq!(host.receive().await["result"], json!({"open": true}));
}

#[tokio::test]
async fn a_call_that_is_taken_back_ends_here_too_and_is_not_sent_any_more() {
    // proves: MCP-PX-14
    let (closed, mut was_closed) = tokio::sync::mpsc::channel(1);
    let server = Server::start(move |got, mut caller| {
        let closed = closed.clone();
        async move {
            match (got.method.as_str(), got.rpc()) {
                (_, "initialize") => {
                    // While it begins, calls wait.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    begin(&got, &mut caller, "s").await;
                }
                ("GET", _) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "tools/call") => {
                    // It has no answer to a call that was taken back, and never ends its stream.
                    caller.stream().await;
                    caller.raw(": here\n\n").await;
                    caller.closed().await;
                    closed.send(()).await.unwrap();
                }
                (_, "tools/list") => caller.json(&got.result(&json!({"tools": []}))).await,
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let take_back =
        |id: u32| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.send(&initialize()).await;
    host.send(&legacy(1, "tools/call")).await;
    host.send(&take_back(1)).await;
    assert_eq!(host.receive().await["id"], 0);
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    assert_eq!(host.ask(&legacy(2, "tools/list")).await["id"], 2);
    assert!(!server.methods().contains(&"tools/call".to_owned()), "{:?}", server.methods());
    host.send(&legacy(3, "tools/call")).await;
    until_got(&server, |got| got.rpc() == "tools/call").await;
    host.send(&take_back(3)).await;
    tokio::time::timeout(PATIENCE, was_closed.recv()).await.expect("nobody waits for its answer");
    let (_, rest) = host.end().await;
    assert!(rest.is_empty(), "{rest:?}");
    let told: Vec<_> = server.got().into_iter().filter(|got| got.rpc() == "notifications/cancelled").collect();
    assert!(told.iter().any(|got| got.body["params"]["requestId"] == 3), "{told:?}");
}

#[tokio::test]
async fn an_id_that_is_used_again_after_its_call_was_taken_back_is_the_new_calls() {
    // proves: MCP-PX-14
    let (closed, mut was_closed) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |got, mut caller| {
        let closed = closed.clone();
        async move {
            match (got.method.as_str(), got.rpc()) {
                (_, "initialize") => begin(&got, &mut caller, "s").await,
                ("GET", _) => caller.status("405 Method Not Allowed", &[], "").await,
                (_, "tools/call") => {
                    caller.stream().await;
                    caller.raw(": here\n\n").await;
                    caller.closed().await;
                    let _ = closed.send(got.body["params"]["name"].clone());
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let settings = BridgeSettings { drain: Duration::from_millis(100), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    host.initialize().await;
    let call = |name: &str| json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name}});
    host.send(&call("first")).await;
    until_got(&server, |got| got.body["params"]["name"] == "first").await;
    let take_back = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    host.write(&format!("{take_back}\n{}\n", call("second"))).await;
    let closes = tokio::time::timeout(PATIENCE, was_closed.recv()).await.expect("nobody waits for the first one");
    assert_eq!(closes, Some(json!("first")));
    until_got(&server, |got| got.body["params"]["name"] == "second").await;
    let (_, rest) = host.end().await;
    assert!(matches!(&rest[..], [line] if line.contains("before the server had answered")), "{rest:?}");
}

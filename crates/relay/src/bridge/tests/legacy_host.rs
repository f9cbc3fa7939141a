//! A host of the older era at a server of the newer one.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

use super::{
    server::{Caller, Got},
    *,
};

/// Answers as a server of the newer era does that knows no sessions, except for calls.
async fn modern_server(got: &Got, caller: &mut Caller) -> bool {
    let json = [("content-type", "application/json")];
    match got.rpc() {
        "initialize" => {
            let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32601, "message": "no"}});
            caller.status("404 Not Found", &json, &error.to_string()).await;
        }
        "server/discover" => {
            let discovered = json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private",
                "capabilities": {"tools": {"listChanged": true}, "resources": {"subscribe": true}, "logging": {}},
                "instructions": "i", "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "1"}},
            });
            caller.json(&got.result(&discovered)).await;
        }
        _ if got.method != "POST" => caller.status("405 Method Not Allowed", &[], "").await,
        _ => return false,
    }
    true
}

fn with(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn initialize_with(capabilities: &Value) -> Value {
    let params = json!({
        "protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": {"name": "host", "version": "1"},
    });
    with(0, "initialize", params)
}

#[tokio::test]
async fn it_is_told_what_it_expects_and_the_server_hears_all_of_it_each_time() {
    // proves: MCP-PX-10, MCP-PX-13, MCP-HTTP-005, MCP-HTTP-006, MCP-HTTP-012, MCP-HTTP-024, MCP-ADJ-001
    let server = Server::start(|got, mut caller| async move {
        if !modern_server(&got, &mut caller).await {
            let tools = json!([{"name": "t", "inputSchema": {"type": "object"}}]);
            let result = json!({"resultType": "complete", "ttlMs": 9, "cacheScope": "public", "tools": tools});
            caller.json(&got.result(&result)).await;
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let capabilities = json!({"elicitation": {}, "tasks": {}});
    let answer = host.ask(&initialize_with(&capabilities)).await;
    assert_eq!(
        answer["result"],
        json!({
            "protocolVersion": "2025-06-18", "instructions": "i", "serverInfo": {"name": "s", "version": "1"},
            "capabilities": {"tools": {"listChanged": true}, "resources": {"subscribe": true}, "logging": {}},
        })
    );
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})).await;
    assert_eq!(host.ask(&legacy("p", "ping")).await, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
    let listed = host.ask(&with(1, "tools/list", json!({"_meta": {"progressToken": 7}}))).await;
    assert_eq!(listed["result"], json!({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}));
    assert_eq!(host.ask(&with(2, "logging/setLevel", json!({"level": "loud"}))).await["error"]["code"], -32602);
    assert_eq!(host.ask(&with(3, "logging/setLevel", json!({"level": "warning"}))).await["result"], json!({}));
    host.ask(&with(4, "tools/list", json!({"cursor": "c"}))).await;
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");

    assert_eq!(server.methods(), ["initialize", "server/discover", "tools/list", "tools/list"], "one probe, no more");
    for got in &server.got()[1..] {
        let meta = &got.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({"elicitation": {}}));
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"], json!({"name": "host", "version": "1"}));
        assert_eq!(got.header("mcp-protocol-version"), Some("2026-07-28"));
        assert_eq!(got.header("mcp-method"), Some(got.rpc()));
        assert_eq!(got.header("mcp-session-id"), None);
    }
    let (first, last) = (&server.got()[2].body["params"], &server.got()[3].body["params"]);
    assert_eq!(first["_meta"]["progressToken"], 7);
    assert_eq!(first["_meta"].get("io.modelcontextprotocol/logLevel"), None);
    assert_eq!(last["_meta"]["io.modelcontextprotocol/logLevel"], "warning");
    assert_eq!(last["cursor"], "c");
}

#[tokio::test]
async fn a_server_that_contradicts_itself_about_its_era_is_asked_once_more_and_no_other_is_taken_for_a_newer_one() {
    // proves: MCP-PX-10
    let contradicts = json!({"error": {"code": -32022, "message": "", "data": {"supported": ["2026-07-28"]}}});
    let old = json!({"error": {"code": -32022, "message": "", "data": {"supported": ["2025-11-25"]}}});
    let other = json!({"error": {"code": -32000, "message": "", "data": {"supported": ["2026-07-28"]}}});
    let discovered = |version: &str| json!({"result": {"supportedVersions": [version], "capabilities": {}}});
    for (answers, served) in [
        (vec![contradicts.clone(), discovered("2026-07-28")], true),
        (vec![contradicts.clone(), contradicts], false),
        (vec![old], false),
        (vec![other], false),
        (vec![discovered("2025-11-25")], false),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, said) = (Arc::clone(&asked), answers.clone());
        let server = Server::start(move |got, mut caller| {
            let answer = (got.rpc() == "server/discover").then(|| said.get(counted.fetch_add(1, Relaxed)).cloned());
            async move {
                match answer {
                    Some(answer) => {
                        let mut body = answer.unwrap_or_default();
                        (body["jsonrpc"], body["id"]) = ("2.0".into(), got.body["id"].clone());
                        caller.json(&body.to_string()).await;
                    }
                    None => assert!(modern_server(&got, &mut caller).await),
                }
            }
        })
        .await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        let answer = host.ask(&initialize_with(&json!({}))).await;
        assert_eq!(answer["result"].is_object(), served, "{answers:?}: {answer}");
        assert_eq!(asked.load(Relaxed), answers.len(), "{answers:?}");
    }
}

#[tokio::test]
async fn what_the_server_needs_to_know_it_is_asked() {
    // proves: MCP-ADJ-011, MCP-PX-10, MCP-PX-14
    let server = Server::start(|got, mut caller| async move {
        if modern_server(&got, &mut caller).await {
            return;
        }
        let params = &got.body["params"];
        let ask = |state: &str| {
            let question = json!({"method": "elicitation/create", "params": {"message": "Who?"}});
            let more = json!({"method": "roots/list"});
            let requests = json!({"who": question, "where": more});
            json!({"resultType": "input_required", "requestState": state, "inputRequests": requests})
        };
        let result = match (params["name"].as_str().unwrap(), params["requestState"].as_str()) {
            ("twice", None) => ask("first"),
            ("twice", Some("first")) => json!({"resultType": "input_required", "requestState": "second"}),
            ("twice", Some("second")) if params.get("inputResponses").is_none() => {
                json!({"resultType": "complete", "content": []})
            }
            ("other", None) if params.get("inputResponses").is_none() => json!({"content": []}),
            ("endless", _) => json!({"resultType": "input_required", "requestState": "again", "inputRequests": {
                "r": {"method": "roots/list"},
            }}),
            ("samples", _) => json!({"resultType": "input_required", "inputRequests": {
                "s": {"method": "sampling/createMessage", "params": {}},
            }}),
            _ => ask("refused"),
        };
        caller.json(&got.result(&result)).await;
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&initialize_with(&json!({"elicitation": {}, "roots": {}}))).await;

    host.send(&with(1, "tools/call", json!({"name": "twice", "arguments": {"x": 1}}))).await;
    let mut asked = vec![host.receive().await, host.receive().await];
    asked.sort_by_key(|question| question["method"].to_string());
    assert_eq!(asked[0]["params"], json!({"message": "Who?"}), "{asked:?}");
    assert_eq!(asked[1]["method"], "roots/list");
    assert_ne!(asked[0]["id"], asked[1]["id"]);
    // Another call knows nothing of it.
    assert!(host.ask(&with(2, "tools/call", json!({"name": "other"}))).await["result"].is_object());
    let name = json!({"action": "accept", "content": {"name": "n"}});
    host.send(&json!({"jsonrpc": "2.0", "id": asked[1]["id"], "result": {"roots": []}})).await;
    let done = host.ask(&json!({"jsonrpc": "2.0", "id": asked[0]["id"], "result": name})).await;
    assert_eq!(done, json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}));
    let calls: Vec<_> = server.got().into_iter().filter(|got| got.body["params"]["name"] == "twice").collect();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1].body["params"]["inputResponses"], json!({"who": name, "where": {"roots": []}}));
    let mut ids: Vec<_> = calls.iter().map(|got| got.body["id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each try has an id of its own: {ids:?}");
    for call in &calls {
        assert_eq!(call.body["params"]["arguments"], json!({"x": 1}));
        assert_eq!(call.header("mcp-name"), Some("twice"));
    }

    // A host that refuses, and one that cannot be asked.
    host.send(&with(3, "tools/call", json!({"name": "refused"}))).await;
    let (one, two) = (host.receive().await, host.receive().await);
    let refused =
        host.ask(&json!({"jsonrpc": "2.0", "id": one["id"], "error": {"code": -1, "message": "not now"}})).await;
    // The other question is taken back.
    let said = [refused, host.receive().await];
    let back = said.iter().find(|said| said["method"] == "notifications/cancelled").expect("it is taken back");
    assert_eq!(back["params"]["requestId"], two["id"]);
    let error = said.iter().find(|said| said["id"] == 3).expect("an answer");
    assert!(error["error"]["message"].as_str().unwrap().contains("not now"), "{error}");
    let cannot = host.ask(&with(4, "tools/call", json!({"name": "samples"}))).await;
    assert!(cannot["error"]["message"].as_str().unwrap().contains("sampling/createMessage"), "{cannot}");

    // A server that is never content.
    host.send(&with(5, "tools/call", json!({"name": "endless"}))).await;
    let mut rounds = 0;
    let error = loop {
        let said = host.receive().await;
        if said["id"] == 5 {
            break said;
        }
        rounds += 1;
        host.send(&json!({"jsonrpc": "2.0", "id": said["id"], "result": {"roots": []}})).await;
    };
    assert!(error["error"].is_object() && rounds == 10, "{rounds} {error}");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn it_hears_of_changes_that_it_wants_to_hear_of() {
    // proves: MCP-PX-10
    let more = Arc::new(Notify::new());
    let go_on = Arc::clone(&more);
    let begun = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let (go_on, begun) = (Arc::clone(&go_on), Arc::clone(&begun));
        async move {
            if modern_server(&got, &mut caller).await {
                return;
            }
            assert_eq!(got.rpc(), "subscriptions/listen");
            let meta = json!({"io.modelcontextprotocol/subscriptionId": got.body["id"]});
            let note = |method: &str, mut params: Value| {
                params["_meta"] = meta.clone();
                json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
            };
            caller.stream().await;
            let filter = got.body["params"]["notifications"].clone();
            caller.event(&note("notifications/subscriptions/acknowledged", json!({"notifications": filter}))).await;
            let count = begun.fetch_add(1, Relaxed);
            if count == 0 {
                caller.event(&note("notifications/tools/list_changed", json!({}))).await;
                caller.closed().await;
            } else if count == 1 {
                caller.event(&note("notifications/resources/updated", json!({"uri": "a:"}))).await;
                go_on.notified().await;
                // It breaks off; what changed meanwhile is not known.
            } else {
                caller.closed().await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    assert_eq!(host.receive().await, changed, "without the name of a subscription that the host does not know");
    host.send(&with(1, "resources/subscribe", json!({"uri": "a:"}))).await;
    let updated = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a:"}});
    let (one, two) = (host.receive().await, host.receive().await);
    assert!([&one, &two].contains(&&json!({"jsonrpc": "2.0", "id": 1, "result": {}})), "{one} {two}");
    assert!([&one, &two].contains(&&updated), "{one} {two}");
    more.notify_one();
    assert_eq!(host.receive().await, changed, "all that may have changed is told when the stream is there again");
    assert_eq!(host.receive().await, updated);
    let listens: Vec<_> = server.got().into_iter().filter(|got| got.rpc() == "subscriptions/listen").collect();
    assert_eq!(listens[0].body["params"]["notifications"], json!({"toolsListChanged": true}));
    let both = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:"]});
    assert_eq!(listens[1].body["params"]["notifications"], both);
    let gone = host.ask(&with(2, "resources/unsubscribe", json!({"uri": "a:"}))).await;
    assert_eq!(gone["result"], json!({}), "{gone}");
    let last = server.got().pop().unwrap();
    assert_eq!(last.body["params"]["notifications"], json!({"toolsListChanged": true}));
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn what_it_takes_back_ends_with_the_connection() {
    // proves: MCP-PX-10
    let (closed, mut was_closed) = tokio::sync::mpsc::channel(1);
    let server = Server::start(move |got, mut caller| {
        let closed = closed.clone();
        async move {
            if modern_server(&got, &mut caller).await {
            } else if got.body["params"]["name"] == "endless" {
                caller.stream().await;
                caller.closed().await;
                closed.send(()).await.unwrap();
            } else {
                caller.json(&got.result(&json!({}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&initialize()).await;
    host.send(&with(1, "tools/call", json!({"name": "endless"}))).await;
    host.ask(&with(2, "tools/call", json!({"name": "quick"}))).await;
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    tokio::time::timeout(PATIENCE, was_closed.recv()).await.expect("the connection is closed");
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
    assert!(!server.methods().contains(&"notifications/cancelled".to_owned()), "{:?}", server.methods());
}

#[tokio::test]
async fn a_refusal_of_a_server_that_is_of_neither_era_is_told_as_it_is() {
    // proves: MCP-PX-10
    for (status, body, methods) in [
        ("400 Bad Request", json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -7, "message": "first"}}), 2),
        ("503 Service Unavailable", json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -7, "message": "first"}}), 1),
        // It might be a server of 2024-11-05: the stream is asked for.
        ("404 Not Found", json!("no"), 2),
    ] {
        let text = body.to_string();
        let server = Server::start(move |got, mut caller| {
            let text = text.clone();
            async move {
                let kind = if text.contains("jsonrpc") { "application/json" } else { "text/plain" };
                match got.rpc() {
                    "initialize" => caller.status(status, &[("content-type", kind)], &text).await,
                    _ => caller.status("404 Not Found", &[], "").await,
                }
            }
        })
        .await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        let answer = host.ask(&initialize()).await;
        let code = if body.is_object() { -7 } else { -32603 };
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(server.got().len(), methods, "{:?}", server.methods());
        let _ = host.end().await;
    }
}

#[tokio::test]
async fn of_many_resources_that_are_watched_at_once_all_are() {
    // proves: MCP-PX-10
    let server = Server::start(|got, mut caller| async move {
        if modern_server(&got, &mut caller).await {
            return;
        }
        let watched = got.body["params"]["notifications"]["resourceSubscriptions"].as_array().map_or(0, Vec::len);
        // The first one is slow to be confirmed.
        tokio::time::sleep(Duration::from_millis(if watched == 1 { 300 } else { 0 })).await;
        caller.stream().await;
        let acknowledged = "notifications/subscriptions/acknowledged";
        caller.event(&json!({"jsonrpc": "2.0", "method": acknowledged, "params": {}}).to_string()).await;
        for uri in got.body["params"]["notifications"]["resourceSubscriptions"].as_array().into_iter().flatten() {
            let changed =
                json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}});
            // Late enough for the streams that another one has taken the place of to be closed.
            tokio::time::sleep(Duration::from_millis(500)).await;
            caller.event(&changed.to_string()).await;
        }
        caller.closed().await;
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&initialize()).await;
    for (id, uri) in [(1, "a:"), (2, "b:")] {
        host.send(&with(id, "resources/subscribe", json!({"uri": uri}))).await;
    }
    let mut updated = std::collections::BTreeSet::new();
    while updated.len() < 2 {
        let message = host.receive().await;
        updated.extend(message["params"]["uri"].as_str().map(str::to_owned));
    }
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_resource_whose_watching_is_taken_back_too_late_has_no_stream_of_its_own_for_ever() {
    // proves: MCP-PX-10
    let taken_back = tokio_util::sync::CancellationToken::new();
    let (closed, mut was_closed) = tokio::sync::mpsc::unbounded_channel();
    let confirms = taken_back.clone();
    let server = Server::start(move |got, mut caller| {
        let (confirms, closed) = (confirms.clone(), closed.clone());
        async move {
            if modern_server(&got, &mut caller).await {
                return;
            }
            let watched = got.body["params"]["notifications"]["resourceSubscriptions"].clone();
            if watched == json!(["a:"]) {
                confirms.cancelled().await;
            }
            caller.stream().await;
            let acknowledged = "notifications/subscriptions/acknowledged";
            caller.event(&json!({"jsonrpc": "2.0", "method": acknowledged, "params": {}}).to_string()).await;
            caller.closed().await;
            let _ = closed.send(watched);
        }
    })
    .await;
    let watches = |got: &Got| got.body["params"]["notifications"]["resourceSubscriptions"] == json!(["a:"]);
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&with(1, "resources/subscribe", json!({"uri": "a:"}))).await;
    until_got(&server, watches).await;
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    host.ask(&legacy("p", "ping")).await;
    taken_back.cancel();
    assert_eq!(host.ask(&with(2, "resources/subscribe", json!({"uri": "b:"}))).await["result"], json!({}));
    let closes = async { while was_closed.recv().await.expect("streams") != json!(["a:"]) {} };
    tokio::time::timeout(PATIENCE, closes).await.expect("the stream of both takes its place");
    host.end().await.0.unwrap();
}

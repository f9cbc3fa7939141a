//! A host of the newer era.

use tokio::sync::mpsc;

use super::*;

#[tokio::test]
async fn requests_run_at_once_and_each_has_its_answer() {
    // proves: MCP-HTTP-005, MCP-HTTP-006, MCP-HTTP-012, MCP-AUTH-126, MCP-AUTH-127, MCP-ADJ-003, OA21-42
    let (both, mut waiting) = mpsc::channel::<()>(2);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let server = Server::start(move |got, mut caller| {
        let (both, held) = (both.clone(), Arc::clone(&held));
        async move {
            both.send(()).await.unwrap();
            held.acquire().await.unwrap().forget();
            if got.body["params"]["name"] == "slow" {
                caller.stream().await;
                caller.raw(": still here\n\n").await;
                let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
                caller.event(&note.to_string()).await;
                caller.event(&got.result(&json!({"content": []}))).await;
            } else {
                caller.json(&got.result(&json!({"content": []}))).await;
            }
        }
    })
    .await;
    let tokens = Tokens::new(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.send(&modern("a", "tools/call", "slow")).await;
    host.send(&modern(1, "tools/call", "naïve")).await;
    for _ in 0..2 {
        tokio::time::timeout(PATIENCE, waiting.recv()).await.expect("both are under way before one is answered");
    }
    gate.add_permits(2);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let message = host.receive().await;
        seen.push(message.get("id").unwrap_or(&message["method"]).to_string());
    }
    assert!(seen.iter().position(|s| s.contains("progress")) < seen.iter().position(|s| s == "\"a\""), "{seen:?}");
    assert!(seen.contains(&"1".to_owned()), "{seen:?}");

    for got in server.got() {
        assert_eq!(got.method, "POST");
        assert_eq!(got.token(), Some("t0"));
        assert_eq!(got.header("mcp-protocol-version"), Some("2026-07-28"));
        assert_eq!(got.header("mcp-method"), Some("tools/call"));
        assert_eq!(got.header("accept"), Some("application/json, text/event-stream"));
        assert_eq!(got.header("mcp-session-id"), None);
        let name = if got.body["id"] == 1 { "=?base64?bmHDr3Zl?=" } else { "slow" };
        assert_eq!(got.header("mcp-name"), Some(name));
    }
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{ended:?} {rest:?}");
    assert_eq!(server.got().len(), 2, "there is no session to end");
}

#[tokio::test]
async fn a_request_that_is_taken_back_ends_with_its_connection() {
    let (closed, mut was_closed) = mpsc::channel(1);
    let server = Server::start(move |got, mut caller| {
        let closed = closed.clone();
        async move {
            if got.body["params"]["name"] == "endless" {
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
    host.send(&modern(1, "tools/call", "endless")).await;
    // The other one's answer shows that the first is under way.
    host.ask(&modern(2, "tools/call", "quick")).await;
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    tokio::time::timeout(PATIENCE, was_closed.recv()).await.expect("the connection is closed");
    assert_eq!(host.ask(&modern(3, "tools/call", "quick")).await["id"], 3);
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "no answer to what was taken back: {rest:?}");
    assert_eq!(server.methods(), ["tools/call"; 3], "the cancellation itself is not sent");
}

#[tokio::test]
async fn errors_of_http_become_errors_of_json_rpc() {
    let server = Server::start(|got, mut caller| async move {
        let json = [("content-type", "application/json")];
        let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32601, "message": "no"}});
        let no_id = json!({"jsonrpc": "2.0", "error": {"code": -32020, "message": "header"}});
        match got.body["params"]["name"].as_str().unwrap() {
            "404" => caller.status("404 Not Found", &json, &error.to_string()).await,
            "400" => caller.status("400 Bad Request", &json, &no_id.to_string()).await,
            "502" => caller.status("502 Bad Gateway", &[("content-type", "text/html")], "<h1>oh</h1>").await,
            "503" => caller.status("503 Service Unavailable", &[("retry-after", "7")], "busy").await,
            "page" => caller.status("200 OK", &[("content-type", "text/html")], "<h1>hi</h1>").await,
            "redirect" => caller.status("307 Temporary Redirect", &[("location", "http://127.0.0.1:9/")], "").await,
            _ => caller.status("403 Forbidden", &json, "{\"error\":\"no\"}").await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    for (name, code, words) in [
        ("404", -32601, "no"),
        ("400", -32020, "header"),
        ("502", -32603, "502 Bad Gateway"),
        ("503", -32603, "(busy); try again in 7 s"),
        ("page", -32603, "is this the MCP URL?"),
        ("redirect", -32603, "a token is not sent elsewhere"),
        ("403", -32603, "403 Forbidden"),
    ] {
        let answer = host.ask(&modern(name, "tools/call", name)).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(name), &json!(code)), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_call_that_may_have_run_is_not_repeated() {
    let server = Server::start(|got, mut caller| async move {
        match got.body["params"]["name"].as_str().unwrap() {
            "stream" => {
                caller.stream().await;
                caller.raw("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"resu").await;
            }
            "short" => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{";
                caller.raw(head).await;
            }
            "none" => {}
            _ => caller.json("{\"jsonrpc\":\"2.0\",\"id\":\"another\",\"result\":{}}").await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    for name in ["stream", "short", "none", "other"] {
        let answer = host.ask(&modern(name, "tools/call", name)).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(name), &json!(-32603)), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("cut off") || message.contains("no answer from"), "{message}");
    }
    let (_, rest) = host.end().await;
    assert!(rest.is_empty(), "{rest:?}");
    assert_eq!(server.got().len(), 4, "each was sent once");
}

#[tokio::test]
async fn too_many_open_requests_are_refused_and_the_rest_is_told_at_the_end() {
    // proves: STDIO-10
    let server = Server::start(|_, mut caller| async move { caller.closed().await }).await;
    let settings = BridgeSettings { max_in_flight: 2, drain: Duration::from_millis(50), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    for id in 1..=3 {
        host.send(&modern(id, "tools/call", "x")).await;
    }
    let refused = host.receive().await;
    assert_eq!(refused["id"], 3, "{refused}");
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok());
    let mut ids: Vec<_> =
        rest.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2], "{rest:?}");
}

#[tokio::test]
async fn arguments_that_the_server_wants_in_headers_are_repeated_there() {
    let server = Server::start(|got, mut caller| async move {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string", "x-mcp-header": "City"},
            "days": {"type": "integer", "x-mcp-header": "Days"},
            "share": {"type": "number", "x-mcp-header": "Share"},
            "other": {"type": "string"},
        }});
        match got.rpc() {
            "tools/list" if got.body["params"]["cursor"].is_null() => {
                caller.json(&got.result(&json!({"tools": [], "nextCursor": "2"}))).await;
            }
            "tools/list" => {
                caller.json(&got.result(&json!({"tools": [{"name": "weather", "inputSchema": schema}]}))).await;
            }
            _ if got.header("mcp-param-city").is_none() => {
                let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32020, "message": "x"}});
                caller.status("400 Bad Request", &[("content-type", "application/json")], &error.to_string()).await;
            }
            _ => caller.json(&got.result(&json!({}))).await,
        }
    })
    .await;
    let mut call = modern(1, "tools/call", "weather");
    call["params"]["arguments"] = json!({"city": "Tromsø", "days": 3, "share": 0.5, "other": "x"});
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    assert!(host.ask(&call).await["result"].is_object(), "the bridge asks for the list when it has none");
    assert!(host.ask(&call).await["result"].is_object());
    // Without the argument there is no header, and the refusal reaches the host.
    let refused = host.ask(&modern(2, "tools/call", "weather")).await;
    assert_eq!(refused["error"]["code"], -32020, "{refused}");
    let (_, rest) = host.end().await;
    assert!(rest.is_empty(), "the bridge's own requests are its own: {rest:?}");
    let calls: Vec<_> = server.got().into_iter().filter(|got| got.rpc() == "tools/call").collect();
    assert_eq!(calls.len(), 5, "{:?}", server.methods());
    for good in &calls[1..3] {
        let of = |name| good.header(name);
        assert_eq!(of("mcp-param-city"), Some("=?base64?VHJvbXPDuA==?="));
        assert_eq!((of("mcp-param-days"), of("mcp-param-share"), of("mcp-param-other")), (Some("3"), None, None));
    }
}

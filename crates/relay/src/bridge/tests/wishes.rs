//! What the user adds to every request, and what they keep from the host.

use http::{HeaderMap, HeaderValue};

use super::{
    server::{Caller, Got},
    *,
};
use crate::bridge::HiddenTools;

/// What a server of the older era that keeps no sessions answers before anything is asked of it; says whether that was it.
async fn without_sessions(got: &Got, caller: &mut Caller) -> bool {
    match got.rpc() {
        "" => caller.status("405 Method Not Allowed", &[], "").await,
        "initialize" => {
            let server = json!({"name": "s", "version": "1"});
            let said = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": server});
            caller.json(&got.result(&said)).await;
        }
        "notifications/initialized" => caller.accepted().await,
        _ => return false,
    }
    true
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    headers
}

#[tokio::test]
async fn headers_of_the_user_go_along_and_take_no_place_of_the_protocols() {
    let server = Server::start(|got, mut caller| async move {
        if !without_sessions(&got, &mut caller).await {
            caller.json(&got.result(&json!({}))).await;
        }
    })
    .await;
    let wished = headers(&[
        ("x-tenant", "one"),
        ("content-type", "text/plain"),
        ("accept", "text/plain"),
        ("mcp-protocol-version", "1"),
        ("authorization", "Basic eDp5"),
    ]);
    let settings = BridgeSettings { headers: wished, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::only_one(&server.url()), settings);
    host.initialize().await;
    assert!(host.ask(&legacy(1, "tools/list")).await["result"].is_object());
    host.end().await.0.unwrap();
    let got = server.got();
    assert!(got.len() >= 3);
    for got in got {
        assert_eq!(got.header("x-tenant"), Some("one"));
        // A token of a login counts.
        assert_eq!(got.token(), Some("t0"));
        assert_ne!(got.header("accept"), Some("text/plain"));
        if got.method == "POST" {
            assert_eq!(got.header("content-type"), Some("application/json"));
        }
        if got.rpc() == "tools/list" {
            assert_eq!(got.header("mcp-protocol-version"), Some("2025-11-25"));
        }
    }
}

#[tokio::test]
async fn a_hidden_tool_is_neither_offered_nor_called() {
    let server = Server::start(|got, mut caller| async move {
        let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
        let modern = got.header("mcp-method").is_some();
        if without_sessions(&got, &mut caller).await {
            return;
        }
        match got.rpc() {
            "tools/list" => {
                let mut list = json!({"tools": [tool("read"), tool("deleteAll"), tool("drop")]});
                if modern {
                    list["resultType"] = json!("complete");
                }
                caller.json(&got.result(&list)).await;
            }
            _ => caller.json(&got.result(&json!({"content": []}))).await,
        }
    })
    .await;
    let settings =
        || BridgeSettings { hidden_tools: HiddenTools::new(["delete*", "DROP"]), ..BridgeSettings::default() };
    for is_modern in [false, true] {
        let mut host = Host::with(&server, &Tokens::only_one(&server.url()), settings());
        let call = |id: u8, method: &str, name: &str| match is_modern {
            true => modern(id, method, name),
            false => {
                let mut call = legacy(id, method);
                call["params"] = json!({"name": name, "arguments": {}});
                call
            }
        };
        if !is_modern {
            host.initialize().await;
        }
        let listed = host.ask(&call(1, "tools/list", "x")).await;
        let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{listed}"));
        assert_eq!(tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(), ["read"]);
        let before = server.got().len();
        for name in ["deleteAll", "DeleteSome", "drop"] {
            let answer = host.ask(&call(2, "tools/call", name)).await;
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
        }
        let calls = || server.got()[before..].iter().filter(|got| got.rpc() == "tools/call").count();
        assert_eq!(calls(), 0, "a call went out");
        assert!(host.ask(&call(3, "tools/call", "read")).await["result"].is_object());
        assert_eq!(calls(), 1);
        host.end().await.0.unwrap();
    }
}

#[tokio::test]
async fn a_hidden_tool_is_not_offered_by_a_server_of_the_older_era_to_a_host_of_the_newer() {
    let server = Server::start(|got, mut caller| async move {
        if got.method == "GET" {
            caller.status("405 Method Not Allowed", &[], "").await;
        } else if !super::modern_host::legacy_server(&got, &mut caller).await {
            let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
            caller.json(&got.result(&json!({"tools": [tool("read"), tool("deleteAll")]}))).await;
        }
    })
    .await;
    let settings = BridgeSettings { hidden_tools: HiddenTools::new(["delete*"]), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::only_one(&server.url()), settings);
    for id in 1..3 {
        let listed = host.ask(&modern(id, "tools/list", "x")).await;
        let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{listed}"));
        assert_eq!(tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(), ["read"]);
    }
    let answer = host.ask(&modern(3, "tools/call", "deleteAll")).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    host.end().await.0.unwrap();
}

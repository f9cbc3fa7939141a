//! MCP messages whose headers and body disagree.

use serde_json::{Value, json};

use crate::world::{App, CALLBACK, gateway, message, visitor};

#[tokio::test]
async fn headers_that_mirror_the_body_must_equal_it() {
    // proves: MCPP-03, MCP-HTTP-007, MCP-HTTP-013, MCP-HTTP-017
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let token = app.tokens(&mut visitor(&gateway)).await;
    let call = |headers: &'static [(&'static str, &'static str)]| {
        let params = json!({"name": "confess", "arguments": {}});
        message(&app.resource, token.access(), "tools/call", params, headers)
    };
    assert_eq!(call(&[]).await.status, 200);
    for headers in [
        &[("mcp-method", "tools/list")][..],
        &[("mcp-method", "TOOLS/CALL")],
        &[("mcp-method", "")],
        &[("mcp-method", "tools/call"), ("mcp-method", "tools/call")],
        &[("mcp-name", "another")],
        &[("mcp-name", "Confess")],
        &[("mcp-name", "")],
        &[("mcp-name", "confess"), ("mcp-name", "another")],
        &[("mcp-name", "=?base64?!!!?=")],
        &[("mcp-protocol-version", "2025-11-25")],
    ] {
        let refused = call(headers).await;
        assert_eq!(refused.status, 400, "{headers:?}: {refused:?}");
        assert_eq!(refused.body["error"]["code"], -32020, "{headers:?}: {refused:?}");
    }
    // The name in its encoded form is the same name: base64 of `confess`.
    assert_eq!(call(&[("mcp-name", "=?base64?Y29uZmVzcw==?=")]).await.status, 200);
}

#[tokio::test]
async fn versions_and_methods_nobody_knows_are_named() {
    // proves: MCP-HTTP-008, MCP-HTTP-011
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let token = app.tokens(&mut visitor(&gateway)).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2031-01-01",
        "io.modelcontextprotocol/clientInfo": {"name": "doorward-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = [("mcp-protocol-version", "2031-01-01")];
    let future = message(&app.resource, token.access(), "tools/list", json!({"_meta": meta}), &headers).await;
    assert_eq!(future.status, 400, "{future:?}");
    assert_eq!(future.body["error"]["code"], -32022, "{future:?}");
    let supported = future.body["error"]["data"]["supported"].as_array().expect("what is supported");
    assert!(supported.contains(&json!("2026-07-28")), "{future:?}");

    let unknown = message(&app.resource, token.access(), "no/such", json!({}), &[]).await;
    assert_eq!((unknown.status, &unknown.body["error"]["code"]), (404, &json!(-32601)), "{unknown:?}");
}

#[tokio::test]
async fn what_is_no_message_is_a_clients_mistake() {
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let token = app.tokens(&mut visitor(&gateway)).await;
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    for body in
        ["", "{", "null", "[]", "\"x\"", "{}", "{\"jsonrpc\":\"2.0\"}", "{\"a\":1e999}", "\u{feff}{}", deep.as_str()]
    {
        let response = doorward_testkit::process::http()
            .post(&app.resource)
            .header("authorization", format!("Bearer {}", token.access()))
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert!((400..500).contains(&status), "{body:.40}: {status} {text}");
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{body:.40}: {text}");
    }
    assert_eq!(app.call(token.access()).await, 200, "it still works");
}

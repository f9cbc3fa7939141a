//! Both eras of callers, both eras of servers.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn callers_of_both_eras_reach_servers_of_both_eras() {
    // proves: MCP-PX-10
    for era in ["legacy", "modern"] {
        let world = World::new(&[era]);
        let caller = world.caller("ann");
        let (status, answer) = caller.post(&modern("x", "server/discover", json!({}))).await;
        assert_eq!((status.as_u16(), &answer["id"]), (200, &json!("x")), "{answer}");
        let discovered = &answer["result"];
        assert_eq!(discovered["resultType"], "complete");
        assert_eq!(discovered["cacheScope"], "private");
        assert!(discovered["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{discovered}");
        assert_eq!(discovered["_meta"][format!("{META}serverInfo")]["name"], "test child");
        assert!(discovered["capabilities"]["tools"].is_object() && discovered["capabilities"]["tasks"].is_null());

        let (status, answer) = caller.post(&modern(1, "tools/list", json!({}))).await;
        assert_eq!((status.as_u16(), &answer["result"]["resultType"]), (200, &json!("complete")), "{answer}");
        assert_eq!(caller.tool("echo", json!({ "a": 1 })).await, r#"{"a": 1}"#);

        let mut caller = world.caller("ann");
        let answer = caller.initialize("2025-11-25").await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "test child");
        assert_eq!(caller.tool("echo", json!({ "b": 2 })).await, r#"{"b": 2}"#);
        let (status, answer) = caller.post(&legacy("p", "ping", json!({}))).await;
        assert_eq!((status.as_u16(), &answer["result"]), (200, &json!({})));
        world.gateway.shutdown().await;
    }
}

#[tokio::test]
async fn a_legacy_server_is_initialized_once_by_the_gateway() {
    // proves: STDIO-02, MCP-PX-10
    let world = World::new(&["legacy"]);
    for _ in 0..3 {
        let mut caller = world.caller("ann");
        caller.initialize("2025-06-18").await;
        caller.tool("echo", json!({})).await;
    }
    let seen = world.caller("ann").seen().await["seen"].as_array().unwrap().clone();
    let count = |method: &str| seen.iter().filter(|own| *own == method).count();
    assert_eq!((count("server/discover"), count("initialize"), count("notifications/initialized")), (1, 1, 1));
}

#[tokio::test]
async fn the_era_of_a_server_is_found_out_whatever_it_does_with_the_probe() {
    // proves: MCP-PX-10
    for flag in ["--silent-probe", "--noise-first", "--version=2024-11-05"] {
        let world = World::limited(&["legacy", flag], |limits| {
            limits.probe_timeout = std::time::Duration::from_millis(300);
        });
        assert_eq!(world.caller("ann").tool("echo", json!({})).await, "{}", "{flag}");
    }
}

#[tokio::test]
async fn a_server_that_the_probe_kills_is_started_without_it() {
    // proves: MCP-PX-10
    let world = World::new(&["legacy", "--crash-on-probe"]);
    assert_eq!(world.caller("ann").tool("echo", json!({})).await, "{}");
    assert_eq!(world.caller("bob").tool("echo", json!({})).await, "{}");
}

#[tokio::test]
async fn unknown_members_and_big_numbers_arrive_as_they_were() {
    // proves: MCP-PX-10, MCPP-05
    for era in ["legacy", "modern"] {
        let world = World::new(&[era]);
        let caller = world.caller("ann");
        let id = r#""\u0041\/""#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"raw","arguments":{{"big":123456789012345678901234567890,
               "f":1.10}},"vendor":{{"x":[1e2]}},"_meta":{{"{META}protocolVersion":"2026-07-28","{META}clientCapabilities":{{}},"traceparent":"00-1"}}}}}}"#
        );
        let sent: Value = serde_json::from_str(&body).unwrap();
        let answer = text(caller.send(caller.mirrored(&sent), body).await).await;
        assert!(answer.contains(&format!(r#""id":{id}"#)), "{answer}");
        let line = parsed(&answer)["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(line.contains(r#""big":123456789012345678901234567890,"f":1.10"#), "{line}");
        assert!(line.contains(r#""vendor":{"x":[1e2]}"#) && line.contains(r#""traceparent":"00-1""#), "{line}");
        assert_eq!(line.contains("protocolVersion"), era == "modern", "{line}");
        assert_eq!(line.trim_end().lines().count(), 1);
        // The answer's unknown members and numbers as well.
        let list = modern(1, "tools/list", json!({}));
        let answer = text(caller.send(caller.mirrored(&list), list.to_string()).await).await;
        assert!(answer.contains(r#""xVendor": 1.1"#) || answer.contains(r#""xVendor":1.1"#), "{answer}");
    }
    let world = World::new(&["legacy"]);
    let mut caller = world.caller("ann");
    caller.initialize("2025-11-25").await;
    let body = legacy(0, "initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {} }));
    let answer = text(caller.send(caller.request("POST"), body.to_string()).await).await;
    assert!(answer.contains("12345678901234567890123"), "{answer}");
}

#[tokio::test]
async fn errors_are_told_in_the_callers_era() {
    // proves: MCP-HTTP-011, MCP-PX-15
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let (status, answer) = caller.post(&modern(1, "resources/read", json!({ "uri": "missing:" }))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (200, &json!(-32602)));
    let (_, answer) = caller.post(&modern(1, "resources/read", json!({ "uri": "a:" }))).await;
    assert_eq!((&answer["result"]["ttlMs"], &answer["result"]["cacheScope"]), (&json!(0), &json!("private")));
    for unknown in ["x/y", "tasks/list", "initialize", "ping"] {
        let (status, answer) = caller.post(&modern("u", unknown, json!({}))).await;
        assert_eq!((status.as_u16(), &answer["error"]["code"]), (404, &json!(-32601)), "{unknown}");
        assert_eq!(answer["id"], "u");
    }
    // Known to us, unknown to the server.
    let (status, answer) = caller.post(&modern(1, "prompts/list", json!({}))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (404, &json!(-32601)));

    let mut caller = world.caller("ann");
    caller.initialize("2025-11-25").await;
    let (status, answer) = caller.post(&legacy(1, "resources/read", json!({ "uri": "missing:" }))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (200, &json!(-32002)));
    let (status, answer) = caller.post(&legacy(1, "x/y", json!({}))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (200, &json!(-32601)));
    let seen = world.caller("ann").seen().await.to_string();
    assert!(!seen.contains("x/y") && !seen.contains("tasks"), "{seen}");
}

#[tokio::test]
async fn a_question_of_a_modern_server_passes_only_to_a_modern_caller() {
    // proves: MCP-PX-10
    let world = World::new(&["modern"]);
    let (_, answer) = world.caller("ann").post(&modern(1, "tools/call", tool("need_input", json!({})))).await;
    assert_eq!(answer["result"]["resultType"], "input_required");
    let mut caller = world.caller("ann");
    caller.initialize("2025-11-25").await;
    let (status, answer) = caller.post(&legacy(1, "tools/call", tool("need_input", json!({})))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (200, &json!(-32603)), "{answer}");
}

#[tokio::test]
async fn tools_are_listed_with_what_they_need() {
    // proves: STEP-02
    let world = World::new(&["legacy"]);
    let tools = world.gateway.tools("ann").await.unwrap();
    let needs = |name: &str| tools.iter().find(|tool| tool.name == name).unwrap().permission.name();
    assert_eq!((needs("echo"), needs("note"), needs("wipe")), ("mcp:read", "mcp:write", "mcp:danger"));
    assert!(tools.len() > 20, "all pages are read: {}", tools.len());
    assert_eq!(tools[0].description.as_deref(), Some("The tool ask"));
    let settings = support_settings_of_nothing();
    let error = World::with(settings).gateway.tools("ann").await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/server"), "{error}");
}

fn support_settings_of_nothing() -> doorward_relay::Settings {
    doorward_relay::Settings::new(vec!["/nonexistent/server".into()], Default::default()).unwrap()
}

//! `doorward connect` as a stdio server for a host.

use std::time::Duration;

use doorward_testkit::process::{Browser, Stdio};
use serde_json::json;

use crate::world::{CONTENT, NAME, PASSWORD, PATIENCE, Person, World, over, post};

fn read(bridge: &mut Stdio, world: &World) -> String {
    let params = json!({"name": "read_text_file", "arguments": {"path": world.file()}});
    let response = bridge.request("tools/call", params, PATIENCE);
    let text = response["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {response}\n{}", bridge.process().errors())).to_owned()
}

#[tokio::test]
async fn a_host_gets_in_stays_in_and_is_put_out() {
    // proves: MCP-AUTH-012, MCP-AUTH-068, MCP-AUTH-070, MCP-AUTH-073, MCP-AUTH-126, MCP-AUTH-127
    let world = World::new(&["--access-token-seconds", "10"]);
    let browser = Browser::start().await;
    browser.set_up(world.gateway.setup_url().expect("a set-up link"), NAME, PASSWORD).await;
    let person = Person::new();

    let mut bridge = person.connect(&world.gateway);
    let client_info = json!({"name": "host", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client_info});
    bridge.send(&json!({"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params}));
    let address = person.opener.opened_by(bridge.process(), PATIENCE);
    for part in ["code_challenge_method=S256", "code_challenge=", "resource=", "state="] {
        assert!(address.contains(part), "{part} is missing in {address}");
    }
    browser.sign_in_and_allow(&address, NAME, PASSWORD).await;
    let initialized = bridge.receive(PATIENCE);
    assert_eq!(initialized["id"], "first", "{initialized}");
    assert!(initialized["result"]["capabilities"]["tools"].is_object(), "{initialized}");
    bridge.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));

    let tools = bridge.request("tools/list", json!({}), PATIENCE);
    let names: Vec<_> = tools["result"]["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]).collect();
    assert!(names.contains(&&json!("read_text_file")), "{names:?}");
    assert_eq!(read(&mut bridge, &world), CONTENT);

    // A second start uses what the first one stored.
    let mut second = person.connect(&world.gateway);
    second.initialize(PATIENCE);
    assert_eq!(read(&mut second, &world), CONTENT);

    // The access token is good for ten seconds; after that the bridge must have refreshed it by itself.
    let old = person.token(&world.gateway);
    over(&world.gateway, &old).await;
    assert_eq!(read(&mut bridge, &world), CONTENT);
    assert_eq!(read(&mut second, &world), CONTENT);
    assert_eq!(person.opener.opened(Duration::ZERO), None, "no second window");

    // The person takes the permission back: the token dies, and the bridge asks for a person again.
    let live = person.token(&world.gateway);
    assert_eq!(post(world.gateway.mcp_url(), Some(&live), "tools/list", json!({})).await.status, 200);
    browser.open(&format!("{}/apps", world.gateway.public_url())).await;
    browser.press("[data-grant] form.revoke button.revoke").await;
    browser.gone("[data-grant]").await;
    assert_eq!(post(world.gateway.mcp_url(), Some(&live), "tools/list", json!({})).await.status, 401);
    bridge.send(&json!({"jsonrpc": "2.0", "id": "last", "method": "tools/list", "params": {}}));
    assert!(person.opener.opened(PATIENCE).is_some(), "no new sign-in\n{}", bridge.process().errors());
    browser.quit().await.unwrap();
}

#[tokio::test]
async fn with_nobody_to_look_it_ends_quickly_and_says_what_to_type() {
    let world = World::new(&[]);
    let person = Person::new();
    let mut bridge = Stdio::start(&mut person.doorward_alone(&["connect", world.gateway.mcp_url()]));
    bridge.send(&json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}},
    }));
    let process = bridge.process();
    let status = process.wait(PATIENCE);
    assert_eq!(status.code(), Some(3), "{}", process.errors());
    let command = format!("doorward login {}", world.gateway.mcp_url());
    assert!(process.errors().contains(&command), "{}", process.errors());
    while let Some(line) = process.maybe_line(Duration::ZERO) {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("a stray line: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
    }
}

#[tokio::test]
async fn an_end_of_input_ends_it() {
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    person.log_in(&world.gateway, &browser).await;
    let mut bridge = person.connect(&world.gateway);
    bridge.initialize(PATIENCE);
    bridge.process().close_input();
    assert_eq!(bridge.process().wait(PATIENCE).code(), Some(0), "{}", bridge.process().errors());
    browser.quit().await.unwrap();
}

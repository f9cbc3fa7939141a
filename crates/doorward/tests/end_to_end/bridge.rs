//! `doorward connect` as a stdio server for a host.

use std::time::Duration;

use doorward_testkit::process::{Browser, Stdio, Visitor};
use serde_json::{Value, json};

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

/// Begins a session where nobody can look at a browser, as a host that shows pages or not.
fn alone(person: &Person, world: &World, capabilities: &Value) -> Stdio {
    let mut bridge = Stdio::start(&mut person.doorward_alone(&["connect", world.gateway.mcp_url()]));
    let client = json!({"name": "host", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client});
    let begun = bridge.request("initialize", params, PATIENCE);
    let words = begun["result"]["instructions"].as_str().unwrap_or_default();
    let command = person.login_command(world.gateway.mcp_url());
    assert!(words.contains(&command), "{begun}\n{}", bridge.process().errors());
    bridge.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    bridge
}

#[tokio::test]
async fn with_nobody_to_look_the_session_goes_on_after_a_login_elsewhere() {
    // proves: FCL-02
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    let mut bridge = alone(&person, &world, &json!({}));
    let call = json!({"name": "read_text_file", "arguments": {"path": world.file()}});
    let refused = bridge.request("tools/call", call, PATIENCE);
    let text = refused["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(refused["result"]["isError"] == true && text.contains("doorward login"), "{refused}");

    person.log_in(&world.gateway, &browser).await;
    assert_eq!(read(&mut bridge, &world), CONTENT, "the very next call");
    let tools = bridge.request("tools/list", json!({}), PATIENCE);
    assert!(tools["result"]["tools"].as_array().unwrap().len() > 1, "{tools}");
    let changed = |message: &Value| message["method"] == "notifications/tools/list_changed";
    assert!(bridge.notifications().iter().any(changed), "{:?}", bridge.notifications());
    browser.quit().await.unwrap();

    // The login ends, the person is told, and another one is enough.
    assert_eq!(person.run(&["logout", world.gateway.mcp_url()]).0, Some(0));
    let call = json!({"name": "read_text_file", "arguments": {"path": world.file()}});
    let refused = bridge.request("tools/call", call, PATIENCE);
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    let browser = Browser::start().await;
    person.log_in(&world.gateway, &browser).await;
    assert_eq!(read(&mut bridge, &world), CONTENT);
    bridge.process().close_input();
    assert_eq!(bridge.process().wait(PATIENCE).code(), Some(0), "{}", bridge.process().errors());
    browser.quit().await.unwrap();
}

#[tokio::test]
async fn a_host_that_shows_pages_sends_the_person_to_one_and_the_call_goes_through() {
    // proves: MCP-ADJ-018
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let person = Person::new();
    let mut bridge = alone(&person, &world, &json!({"elicitation": {"url": {}}}));
    let call = json!({"name": "read_text_file", "arguments": {"path": world.file()}});
    bridge.send(&json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": call}));
    let question = bridge.receive(PATIENCE);
    assert_eq!((&question["method"], &question["params"]["mode"]), (&json!("elicitation/create"), &json!("url")));
    let page = question["params"]["url"].as_str().unwrap();
    let message = question["params"]["message"].as_str().unwrap();
    let code = message.split_once("type the code ").unwrap().1.split(' ').next().unwrap();
    assert!(!page.contains(code), "the code is typed by hand: {page}");
    bridge.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}));

    let mut visitor = Visitor::new(world.gateway.public_url());
    let seen = visitor.open(page).await;
    let mut seen = visitor.submit(&seen, "device", &[("user_code", code)]).await;
    if seen.has_form("sign-in") {
        seen = visitor.submit(&seen, "sign-in", &[("name", NAME), ("password", PASSWORD)]).await;
    }
    visitor.submit(&seen, "consent", &[("answer", "allow")]).await;
    let answer = loop {
        let message = bridge.receive(PATIENCE);
        if message["id"] == "c" {
            break message;
        }
    };
    assert_eq!(answer["result"]["content"][0]["text"], CONTENT, "{answer}\n{}", bridge.process().errors());
    // It is told like any other login.
    let end = std::time::Instant::now() + PATIENCE;
    let told = loop {
        let (_, told, errors) = person.run(&["trace", "--last=16"]);
        let told = told + errors.as_str();
        // The call may go through a moment before the login is over.
        if told.contains("done after") || std::time::Instant::now() > end {
            break told;
        }
    };
    assert!(told.contains("Login at") && told.contains("/device") && told.contains("done after"), "{told}");
    assert!(!told.contains(code), "{told}");
}

#[tokio::test]
async fn a_host_that_ends_before_anybody_logged_in_leaves_word_what_to_type() {
    let world = World::new(&[]);
    let person = Person::new();
    let mut bridge = Stdio::start(&mut person.doorward_alone(&["connect", world.gateway.mcp_url()]));
    bridge.send(&json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}},
    }));
    let process = bridge.process();
    process.close_input();
    let status = process.wait(PATIENCE);
    assert_eq!(status.code(), Some(3), "{}", process.errors());
    let command = person.login_command(world.gateway.mcp_url());
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

//! The official TypeScript clients, both generations, with their own OAuth code.

use std::process::Command;

use doorward_testkit::process::{Browser, Running, foreign, repository};
use serde_json::{Value, json};

use crate::{
    from_mcp_remote::{mcp_remote, sign_in},
    world::{CONTENT, NAME, PASSWORD, PATIENCE, World},
};

#[tokio::test]
async fn the_first_generation_connects_refreshes_and_is_revoked() {
    // proves: MCP-AUTH-117, MCP-AUTH-133, AUD-04, MCP-AUTH-083
    whole_life("sdk1.mjs").await;
}

#[tokio::test]
async fn the_second_generation_connects_refreshes_and_is_revoked() {
    // proves: MCP-AUTH-117, MCP-AUTH-133, AUD-04, MCP-AUTH-083
    whole_life("sdk2.mjs").await;
}

async fn whole_life(script: &str) {
    foreign("npm/node_modules/@modelcontextprotocol/client");
    let world = World::new(&["--access-token-seconds", "10"]);
    let browser = Browser::start().await;
    browser.set_up(world.gateway.setup_url().expect("a set-up link"), NAME, PASSWORD).await;

    let arguments = json!({"path": world.file()}).to_string();
    let script = repository().join("tests/clients").join(script);
    let mut command = Command::new("node");
    command.arg(script).args([world.gateway.mcp_url(), "read_text_file", &arguments]);
    let mut client = Running::start(&mut command);
    let wanted = next(&mut client);
    let address = wanted["authorize"].as_str().unwrap_or_else(|| panic!("no browser was asked for: {wanted}"));
    browser.sign_in_and_allow(address, NAME, PASSWORD).await;

    let connected = next(&mut client);
    assert_eq!(connected["text"], CONTENT, "{connected}");
    let tools = connected["tools"].as_array().expect("tools");
    assert!(tools.contains(&json!("read_text_file")) && tools.len() > 5, "{connected}");
    assert_eq!(connected["mcp_statuses"][0], 401);
    assert_eq!(connected["grants"][0], "authorization_code");

    // The token expires: the client refreshes by itself, the same call succeeds, and no window opens. (The first
    // generation keeps a stream open besides, and that may be what notices first.)
    client.write_line("after-expiry");
    let refreshed = next(&mut client);
    assert_eq!(refreshed["text"], CONTENT, "{refreshed}");
    let statuses = refreshed["mcp_statuses"].as_array().expect("statuses");
    assert_eq!(statuses.last(), Some(&json!(200)), "{refreshed}");
    let grants = refreshed["grants"].as_array().expect("grants");
    assert!(!grants.is_empty() && grants.iter().all(|grant| grant == "refresh_token"), "{refreshed}");
    assert_eq!(refreshed["browser_wanted"], false);

    // The person takes the permission back: the next call is refused, and no refresh helps.
    browser.open(&format!("{}/apps", world.gateway.public_url())).await;
    browser.find("[data-grant]").await;
    browser.press("[data-grant] form.revoke button.revoke").await;
    browser.gone("[data-grant]").await;
    client.write_line("again");
    let refused = loop {
        let line = next(&mut client);
        if line.get("authorize").is_none() {
            break line;
        }
    };
    assert_eq!(refused.get("text"), None, "{refused}");
    assert_eq!(refused["mcp_statuses"], json!([401]), "{refused}");
    assert_eq!(refused["browser_wanted"], true, "{refused}");
    browser.quit().await.unwrap();
}

fn next(client: &mut Running) -> Value {
    let line = client.line(PATIENCE);
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}\n{}", client.errors()))
}

#[tokio::test]
async fn another_bridge_gets_in_too() {
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let home = tempfile::TempDir::new().unwrap();
    let mut bridge = mcp_remote(home.path(), &[world.gateway.mcp_url(), "--transport", "http-only"]);
    sign_in(&mut bridge).await;
    bridge.initialize(PATIENCE);
    let params = json!({"name": "read_text_file", "arguments": {"path": world.file()}});
    let response = bridge.request("tools/call", params, PATIENCE);
    assert_eq!(response["result"]["content"][0]["text"], CONTENT, "{response}\n{}", bridge.process().errors());
}

//! Other people's servers behind the gateway, of another language and of the newest revision.

use doorward_testkit::process::{Browser, Gateway, GatewayOptions, foreign};
use serde_json::json;

use crate::world::{DOORWARD, NAME, PASSWORD, PATIENCE, Person, post};

#[tokio::test]
async fn a_server_of_the_newest_revision_serves_hosts_of_both_eras() {
    let server = foreign("pypi/.venv/bin/mcp-server-time");
    let gateway = Gateway::start(GatewayOptions::new(DOORWARD, &[server.to_str().unwrap()]));
    gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    person.log_in(&gateway, &browser).await;
    let token = person.token(&gateway);

    let call = json!({"name": "get_current_time", "arguments": {"timezone": "UTC"}});
    let stateless = post(gateway.mcp_url(), Some(&token), "tools/call", call.clone()).await;
    assert_eq!(stateless.status, 200, "{stateless:?}");
    assert!(stateless.tool_text().contains("UTC"), "{stateless:?}");
    let discovered = post(gateway.mcp_url(), Some(&token), "server/discover", json!({})).await;
    let versions = &discovered.message()["result"]["supportedVersions"];
    assert!(versions.as_array().is_some_and(|all| all.contains(&json!("2026-07-28"))), "{discovered:?}");

    let mut bridge = person.connect(&gateway);
    bridge.initialize(PATIENCE);
    let response = bridge.request("tools/call", call, PATIENCE);
    let text = response["result"]["content"][0]["text"].as_str();
    assert!(text.is_some_and(|text| text.contains("UTC")), "{response}\n{}", bridge.process().errors());
    browser.quit().await.unwrap();
}

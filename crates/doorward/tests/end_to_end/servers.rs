//! Other people's servers behind the gateway, of another language and of the newest revision.

use std::{path::Path, process::Command};

use doorward_testkit::process::{Browser, Gateway, GatewayOptions, Running, Stdio, Visitor, foreign, http};
use serde_json::{Value, json};

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

/// The server that is started by this command behind a gateway, reached by somebody who signs in; and the names of its tools.
async fn reached(command: &[&str]) -> (Gateway, Person, Stdio, Vec<String>) {
    let gateway = Gateway::start(GatewayOptions::new(DOORWARD, command));
    gateway.add_user(NAME, PASSWORD);
    let person = Person::new();
    let mut login = Running::start(&mut person.doorward(&["login", gateway.mcp_url()]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    let back = Visitor::new(gateway.public_url()).authorize(&address, NAME, PASSWORD, "allow").await;
    http().get(&back).send().await.unwrap();
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    let mut bridge = person.connect(&gateway);
    bridge.initialize(PATIENCE);
    let listed = bridge.request("tools/list", json!({}), PATIENCE);
    let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {listed}"));
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    (gateway, person, bridge, names)
}

/// The text of a tool's result.
fn called(bridge: &mut Stdio, name: &str, arguments: &Value) -> String {
    let answer = bridge.request("tools/call", json!({"name": name, "arguments": arguments}), PATIENCE);
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}\n{}", bridge.process().errors())).to_owned()
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(arguments);
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_git_server_tells_of_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    git(folder.path(), &["init", "--quiet", "--initial-branch=trunk"]);
    std::fs::write(folder.path().join("old.txt"), "old\n").unwrap();
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "--message=The first of all"]);
    std::fs::write(folder.path().join("new.txt"), "new\n").unwrap();

    let server = foreign("pypi/.venv/bin/mcp-server-git");
    let (_gateway, person, mut bridge, names) = reached(&[server.to_str().unwrap(), "--repository", here]).await;
    for tool in ["git_status", "git_log", "git_diff", "git_commit"] {
        assert!(names.iter().any(|name| name == tool), "{tool} is not in {names:?}");
    }
    let status = called(&mut bridge, "git_status", &json!({"repo_path": here}));
    assert!(status.contains("On branch trunk") && status.contains("new.txt"), "{status}");
    assert!(!status.contains("old.txt"), "{status}");
    let log = called(&mut bridge, "git_log", &json!({"repo_path": here}));
    assert!(log.contains("The first of all") && log.contains("Ada"), "{log}");
    assert_eq!(person.opener.opened(std::time::Duration::ZERO), None, "a second window");
}

#[tokio::test]
async fn server_everything_over_its_standard_streams() {
    let server = foreign("npm/node_modules/.bin/mcp-server-everything");
    let (_gateway, _person, mut bridge, names) = reached(&[server.to_str().unwrap(), "stdio"]).await;
    assert!(names.iter().any(|name| name == "echo"), "{names:?}");
    assert_eq!(called(&mut bridge, "echo", &json!({"message": "naïve\u{2028}"})), "Echo: naïve\u{2028}");
}

//! The official MCP conformance suite against our authorization server, with the Node.js that it wants.

use std::process::Command;

use doorward_testkit::process::{Port, Running, Visitor, foreign, http};
use serde_json::{Value, json};

use crate::world::{NAME, PASSWORD, PATIENCE, spied};

/// What the suite prints before the address that a person is to open.
const ASKS: &str = "/oauth/authorize?";

/// Both scenarios in one run, since the second reads what the first found. The exit code counts.
#[tokio::test]
async fn the_metadata_and_a_code_grant_pass() {
    // proves: MCP-AUTH-021, MCP-AUTH-087, R8414-01, R8414-07, R8414-08, OA21-23, OA21-24, OA21-31, OA21-32
    let gateway = spied(&[], &[]);
    gateway.add_user(NAME, PASSWORD);
    // The suite wants a port by number.
    let held = Port::hold();
    let port = held.number();
    let registration = json!({
        "client_name": "The conformance suite",
        "redirect_uris": [format!("http://127.0.0.1:{port}/callback")],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let answer = http().post(format!("{}/oauth/register", gateway.public_url()));
    let answer = answer.header("content-type", "application/json").body(registration.to_string()).send().await.unwrap();
    let client: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let id = client["client_id"].as_str().unwrap_or_else(|| panic!("no client id in {client}"));

    foreign("conformance/node_modules/.bin/node");
    let folder = foreign("conformance/node_modules/.bin");
    let results = tempfile::TempDir::new().unwrap();
    let mut command = Command::new(folder.join("conformance"));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).args(["authorization", "--url", gateway.public_url()]);
    command.args(["--client-id", id, "--resource", gateway.mcp_url(), "--port", &port.to_string(), "--output-dir"]);
    let mut suite = Running::start(command.arg(results.path()));

    let mut said = String::new();
    while let Some(line) = suite.maybe_line(PATIENCE) {
        if let Some(address) = line.split_whitespace().find(|word| word.contains(ASKS)) {
            let mut visitor = Visitor::new(gateway.public_url());
            let back = visitor.authorize(address, NAME, PASSWORD, "allow").await;
            http().get(&back).send().await.unwrap();
        }
        said.push_str(&line);
        said.push('\n');
    }
    let status = suite.wait(PATIENCE);
    assert!(status.success(), "{status}\n{said}\n{}", suite.errors());
    for scenario in ["authorization-server-metadata-endpoint", "authorization-code-grant"] {
        let passed = said.lines().any(|line| line.contains(scenario) && line.contains("passed, 0 failed"));
        assert!(passed, "{scenario} did not pass\n{said}");
    }
}

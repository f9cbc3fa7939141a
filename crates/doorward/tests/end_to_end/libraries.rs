//! OAuth libraries that others wrote, each in a small program of its own: discovery, registration, a code flow with PKCE and
//! a resource, the token at the MCP endpoint, refresh, revocation, and what else the library knows.

use std::process::Command;

use doorward_testkit::process::{Gateway, Running, Visitor, foreign, http, repository};
use serde_json::{Value, json};

use crate::world::{NAME, PASSWORD, PATIENCE, spied};

/// The program of one library.
fn node(script: &str) -> Command {
    foreign("npm/node_modules/openid-client");
    let mut command = Command::new("node");
    command.arg(repository().join("tests/clients").join(script));
    command
}

fn python() -> Command {
    foreign("pypi/.venv/lib");
    let mut command = Command::new(foreign("pypi/.venv/bin/python"));
    command.arg(repository().join("tests/clients/authlib_client.py"));
    command
}

fn rust() -> Command {
    Command::new(foreign("rust-oauth2/target/debug/rust-oauth2-client"))
}

fn gateway(flags: &[&str]) -> Gateway {
    let gateway = spied(flags, &[]);
    gateway.add_user(NAME, PASSWORD);
    gateway
}

/// Lets the program run against the gateway; a person does what it asks a person to do. Returns what it got.
async fn life(gateway: &Gateway, mut program: Command, options: Value) -> Value {
    program.args([gateway.public_url(), gateway.mcp_url(), &options.to_string()]);
    let mut running = Running::start(&mut program);
    let mut visitor = Visitor::new(gateway.public_url());
    loop {
        let line = running.line(PATIENCE);
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}\n{}", running.errors()));
        if let Some(address) = said["authorize"].as_str() {
            let back = visitor.authorize(address, NAME, PASSWORD, "allow").await;
            assert_eq!(http().get(&back).send().await.unwrap().status(), 200, "{back}");
        } else if let Some(done) = said.get("done") {
            return done.clone();
        } else {
            panic!("what does this mean: {said}");
        }
    }
}

/// What every library must have got from its code flow.
fn whole(done: &Value) {
    assert_eq!(done["token"]["scope"], "mcp:read", "{done}");
    assert_eq!(done["token"]["expires_in"], 600, "{done}");
    assert_eq!((&done["call"], &done["refreshed_call"]), (&json!(200), &json!(200)), "{done}");
    assert_eq!(done["refreshed"], true, "{done}");
    assert_eq!((&done["revoked"], &done["revoked_call"]), (&json!("invalid_grant"), &json!(401)), "{done}");
    assert!(done["registered"].as_str().is_some_and(|id| !id.is_empty()), "{done}");
}

/// The type of the token, whose letter case is nobody's business.
fn token_type(done: &Value) -> String {
    done["token"]["type"].as_str().unwrap_or_default().to_ascii_lowercase()
}

#[tokio::test]
async fn openid_client_goes_the_whole_way() {
    // proves: MCP-AUTH-005, MCP-AUTH-034, R9700-06, R9700-13, R8414-02, R7591-01, R7591-08, R7009-03, R9207-01
    let done = life(&gateway(&[]), node("openid-client.mjs"), json!({})).await;
    whole(&done);
    assert_eq!(token_type(&done), "bearer");
    assert_eq!(done["methods"], json!(["S256"]));
}

#[tokio::test]
async fn oauth4webapi_goes_from_the_resource_to_its_server_and_the_whole_way() {
    // proves: MCP-AUTH-008, MCP-AUTH-034, R9207-01, R9207-02, R7009-03
    let gateway = gateway(&[]);
    let done = life(&gateway, node("oauth4webapi.mjs"), json!({})).await;
    whole(&done);
    assert_eq!(done["resource"], gateway.mcp_url());
}

#[tokio::test]
async fn authlib_goes_the_whole_way() {
    // proves: R8414-07, R7009-01, R7009-03
    let done = life(&gateway(&[]), python(), json!({})).await;
    whole(&done);
}

#[tokio::test]
async fn the_oauth2_crate_goes_the_whole_way() {
    // proves: OA21-24, R7009-01, R7009-03
    let done = life(&gateway(&[]), rust(), json!({})).await;
    whole(&done);
}

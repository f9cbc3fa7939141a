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
        } else if let Some(address) = said["device"].as_str() {
            let mut page = visitor.open(address).await;
            if page.has_form("sign-in") {
                page = visitor.submit(&page, "sign-in", &[("name", NAME), ("password", PASSWORD)]).await;
            }
            let code = said["code"].as_str().expect("a user code");
            let page = visitor.submit(&page, "device", &[("user_code", code)]).await;
            let last = visitor.submit(&page, "consent", &[("answer", "allow")]).await;
            assert_eq!(last.status, 200, "{last:?}");
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

/// What a library with credentials must have heard about its token, before and after its end.
fn asked(done: &Value) {
    whole(done);
    let expected = json!({"active": true, "scope": "mcp:read", "client_id": done["registered"]});
    assert_eq!(done["introspected"], expected, "{done}");
    assert_eq!(done["revoked_introspected"], json!({"active": false}), "{done}");
}

/// What a library must have got for a device.
fn on_a_device(done: &Value) {
    whole(done);
    assert_eq!(done["device"]["call"], 200, "{done}");
}

/// The type of the token, whose letter case is nobody's business.
fn token_type(done: &Value) -> String {
    done["token"]["type"].as_str().unwrap_or_default().to_ascii_lowercase()
}

#[tokio::test]
async fn openid_client_goes_the_whole_way() {
    // proves: MCP-AUTH-005, MCP-AUTH-034, R9700-06, R9700-13, R8414-02, R7591-01, R7591-08, R7009-03, R9207-01
    // proves: MCP-AUTH-116, MCP-LEG-006, OA21-51
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

#[tokio::test]
async fn openid_client_pushes_its_request_and_binds_its_tokens() {
    // proves: R9126-02, R9126-03, R9126-05, R9449-03, R9449-05, R9449-06, R9449-08, R9449-09, EXT-DRAFT-005, R9700-09
    let gateway = gateway(&["--require-par", "--require-dpop"]);
    let done = life(&gateway, node("openid-client.mjs"), json!({"par": true, "dpop": true})).await;
    whole(&done);
    assert_eq!((&done["pushed"], token_type(&done).as_str()), (&json!(true), "dpop"), "{done}");
}

#[tokio::test]
async fn oauth4webapi_pushes_its_request_and_binds_its_tokens() {
    // proves: R9126-02, R9126-04, R9449-03, R9449-06, R9449-08, R9449-09
    let gateway = gateway(&["--require-par", "--require-dpop"]);
    let done = life(&gateway, node("oauth4webapi.mjs"), json!({"par": true, "dpop": true})).await;
    whole(&done);
    assert_eq!((&done["pushed"], token_type(&done).as_str()), (&json!(true), "dpop"), "{done}");
    // It was asked for each place's nonce, and its authorization server's is not its resource's.
    assert!(done["nonces"].as_u64().is_some_and(|nonces| nonces >= 2), "{done}");
}

#[tokio::test]
async fn openid_client_has_a_secret_asks_about_its_token_and_lets_a_device_in() {
    // proves: OA21-13, R7662-01, R7662-02, R7662-03, R8628-01, R8628-03, R8628-06
    let options = json!({"confidential": true, "device": true});
    let done = life(&gateway(&[]), node("openid-client.mjs"), options).await;
    asked(&done);
    on_a_device(&done);
}

#[tokio::test]
async fn oauth4webapi_has_a_secret_asks_about_its_token_and_lets_a_device_in() {
    // proves: OA21-14, R7662-01, R7662-02, R8628-01, R8628-06
    let options = json!({"confidential": true, "device": true});
    let done = life(&gateway(&[]), node("oauth4webapi.mjs"), options).await;
    asked(&done);
    on_a_device(&done);
}

#[tokio::test]
async fn authlib_has_a_secret_asks_about_its_token_and_lets_a_device_in() {
    // proves: OA21-14, R7662-01, R7662-02, R8628-01
    let done = life(&gateway(&[]), python(), json!({"confidential": true, "device": true})).await;
    asked(&done);
    on_a_device(&done);
}

#[tokio::test]
async fn the_oauth2_crate_has_a_secret_asks_about_its_token_and_lets_a_device_in() {
    // proves: OA21-14, R7662-01, R7662-02, R8628-01, R8628-03
    let done = life(&gateway(&[]), rust(), json!({"confidential": true, "device": true})).await;
    asked(&done);
    on_a_device(&done);
}

#[tokio::test]
async fn openid_client_proves_itself_by_a_key_everywhere() {
    // proves: R9126-06, R9700-12, OA21-17, EXT-CC-005, R8414-04
    let done = life(&gateway(&[]), node("openid-client.mjs"), json!({"key": true, "par": true})).await;
    whole(&done);
    assert_eq!(done["pushed"], true, "{done}");
}

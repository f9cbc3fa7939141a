//! `doorward connect` at a gateway of our own, without a person and with tokens that are bound to a key.

use std::path::Path;

use doorward_testkit::process::{Browser, Gateway, Running, Stdio};
use serde_json::{Value, json};

use crate::world::{NAME, PASSWORD, PATIENCE, Person, World, over, post};

/// Adds a client and gives its identifier and its secret.
fn add(gateway: &Gateway, arguments: &[&str]) -> (String, Option<String>) {
    let (status, output, errors) = gateway.run(&[&["client", "add", "Robot", "--json"], arguments].concat());
    assert_eq!(status, Some(0), "{errors}");
    let client: Value = serde_json::from_str(&output).unwrap();
    (client["client_id"].as_str().unwrap().to_owned(), client["client_secret"].as_str().map(str::to_owned))
}

/// Connects where nobody can look at a browser, and lists the tools.
fn tools(person: &Person, flags: &[&str], gateway: &Gateway) -> Stdio {
    let mut bridge = Stdio::start(&mut person.doorward_alone(&[&["connect"], flags, &[gateway.mcp_url()]].concat()));
    bridge.initialize(PATIENCE);
    list(&mut bridge);
    bridge
}

fn list(bridge: &mut Stdio) {
    let tools = bridge.request("tools/list", json!({}), PATIENCE);
    assert!(tools["result"]["tools"].is_array(), "{tools}\n{}", bridge.process().errors());
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_robot_gets_in_by_its_secret_and_its_token_is_renewed_without_anybody() {
    // proves: EXT-CC-001, EXT-CC-002, EXT-CC-006
    let world = World::new(&["--access-token-seconds", "10"]);
    let (id, secret) =
        add(&world.gateway, &["--auth", "basic", "--grant", "client-credentials", "--scope", "mcp:read mcp:write"]);
    let folder = tempfile::tempdir().unwrap();
    let secret = write(folder.path(), "secret", &format!("{}\n", secret.unwrap()));
    let person = Person::new();
    let flags = ["--client-credentials", "--client-id", &id, "--client-secret-file", &secret, "--scope", "mcp:read"];
    let mut bridge = tools(&person, &flags, &world.gateway);
    // Another command, which knows nothing of the client's secret but what is stored, has the same login.
    let old = person.token(&world.gateway);
    // A real token has to end: ten seconds.
    over(&world.gateway, &old).await;
    list(&mut bridge);
    let (code, output, errors) = person.run(&["refresh", world.gateway.mcp_url()]);
    assert_eq!(code, Some(0), "{output}{errors}");
    let new = person.token(&world.gateway);
    assert_ne!(new, old);
    assert_eq!(post(world.gateway.mcp_url(), Some(&new), "tools/list", json!({})).await.status, 200);
    assert_eq!(person.opener.opened(std::time::Duration::ZERO), None);
}

#[test]
fn a_robot_gets_in_by_its_key() {
    // proves: EXT-CC-007, R7523-03, R9449-08, R9449-09
    // A gateway that takes bound tokens only says so, and that is enough.
    let world = World::new(&["--require-dpop"]);
    // RFC 7515 appendix A.3.1: a key that everybody knows.
    let public = json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "alg": "ES256", "use": "sig", "kid": "k1",
    });
    let mut private = public.clone();
    private["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let folder = tempfile::tempdir().unwrap();
    let keys = write(folder.path(), "keys.json", &json!({ "keys": [public] }).to_string());
    let key = write(folder.path(), "key.json", &private.to_string());
    let (id, _) = add(
        &world.gateway,
        &["--auth", "private-key-jwt", "--jwks-file", &keys, "--grant", "client-credentials", "--scope", "mcp:read"],
    );
    let person = Person::new();
    let flags = ["--client-credentials", "--client-id", &id, "--client-key-file", &key, "--scope", "mcp:read"];
    drop(tools(&person, &flags, &world.gateway));
    let (code, output, errors) = person.run(&["token", "--json", world.gateway.mcp_url()]);
    assert!(code == Some(0) && output.contains("\"DPoP\""), "{output}{errors}");
    // With another key of that name nobody gets in, and it is said why.
    private["x"] = json!("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ");
    private["y"] = json!("e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck");
    private["d"] = json!("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
    let other = write(folder.path(), "other.json", &private.to_string());
    let stranger = Person::new();
    let flags = ["--client-credentials", "--client-id", &id, "--client-key-file", &other];
    let (code, _, errors) = stranger.run(&[&["login"], &flags[..], &[world.gateway.mcp_url()]].concat());
    assert!(code == Some(5) && errors.contains("CL-404") && errors.contains("invalid_client"), "{code:?} {errors}");
}

#[tokio::test]
async fn a_login_that_is_bound_to_a_key_works_and_its_token_is_nothing_without_the_key() {
    // proves: R9449-01, R9449-08, R9449-09, R9449-10, EXT-05
    let world = World::new(&["--access-token-seconds", "10"]);
    let browser = Browser::start().await;
    browser.set_up(world.gateway.setup_url().expect("a set-up link"), NAME, PASSWORD).await;
    let person = Person::new();
    let mut login = Running::start(&mut person.doorward(&["login", "--dpop", world.gateway.mcp_url()]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    assert!(address.contains("dpop_jkt="), "{address}");
    browser.sign_in_and_allow(&address, NAME, PASSWORD).await;
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());

    let (code, output, errors) = person.run(&["token", "--json", world.gateway.mcp_url()]);
    assert_eq!(code, Some(0), "{errors}");
    let printed: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(printed["token_type"], "DPoP");
    let token = printed["access_token"].as_str().unwrap();
    assert_eq!(post(world.gateway.mcp_url(), Some(token), "tools/list", json!({})).await.status, 401);
    let (code, output, errors) = person.run(&["token", world.gateway.mcp_url()]);
    assert!(code == Some(5) && output.is_empty() && errors.contains("CL-406"), "{code:?} {output} {errors}");

    let mut bridge = tools(&person, &["--dpop"], &world.gateway);
    // A real token has to end: ten seconds. Nobody else can use it, so nobody can ask whether it has.
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    list(&mut bridge);
    assert_eq!(person.opener.opened(std::time::Duration::ZERO), None, "no second sign-in");
    browser.quit().await.unwrap();
}

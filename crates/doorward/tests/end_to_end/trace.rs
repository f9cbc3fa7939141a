//! `doorward trace --last` after what a person and a host did at a real gateway.

use std::os::unix::fs::PermissionsExt;

use doorward_testkit::{
    process::{Running, Stdio, Visitor, http},
    url_text,
};
use serde_json::Value;

use crate::world::{NAME, PASSWORD, PATIENCE, Person, World};

/// Signs in where the browser was sent to, and goes back: the secrets of that, as they were on the wire.
async fn sign_in(world: &World, address: &str) -> Vec<String> {
    let end = Visitor::new(world.gateway.public_url()).authorize(address, NAME, PASSWORD, "allow").await;
    http().get(&end).send().await.unwrap();
    let of = |url: &str, name: &str| url_text::parameter(url, name).unwrap_or_else(|| panic!("no {name} in {url}"));
    vec![of(&end, "code"), of(&end, "state"), of(address, "code_challenge")]
}

/// Whether the parts occur in this order.
fn in_order(text: &str, parts: &[&str]) {
    // Where lines are broken is of no concern.
    let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = whole.as_str();
    for part in parts {
        let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
        let at = rest.find(&part).unwrap_or_else(|| panic!("{part:?} does not come there in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[tokio::test]
async fn the_steps_of_a_login_a_refresh_and_a_logout_are_shown_without_a_secret() {
    // proves: LEAK-02, LEAK-08
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let (person, url) = (Person::new(), world.gateway.mcp_url());
    let (code, _, errors) = person.run(&["trace", "--last"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("TRC-01"), "{errors}");

    let mut login = Running::start(&mut person.doorward(&["login", "-v", url]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    let mut secrets = sign_in(&world, &address).await;
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    secrets.push(person.token(&world.gateway));

    let (code, shown, errors) = person.run(&["trace", "--last"]);
    assert_eq!(code, Some(0), "{errors}");
    let issuer = world.gateway.public_url();
    in_order(
        &shown,
        &[
            &format!("Login at {url}"),
            &format!("1.  POST {url}"),
            "<- 401",
            "=> asking where the server's metadata lies",
            "/.well-known/oauth-protected-resource",
            "<- 200",
            "=> asking the authorization server for its metadata",
            "/.well-known/oauth-authorization-server",
            &format!("=> the authorization server is {issuer}"),
            "there is none",
            "=> holding a port",
            "holding http://127.0.0.1:",
            "=> registering a client",
            "<- 201",
            "(registered now)",
            "stored the new client",
            "=> a person signs in at",
            "showed ",
            "the browser's answer came back:",
            "code=***",
            "=> asking for tokens",
            "grant_type=authorization_code",
            "code_verifier=***",
            "<- 200",
            "access_token=***",
            "=> a token for",
            "stored the tokens",
            &format!("POST {url}"),
            "authorization=\"Bearer ***\"",
            "<- 200",
            "done after",
        ],
    );
    // The same words came with -v.
    let said = login.errors();
    in_order(&said, &["<- 401", "=> registering a client", "=> asking for tokens", "=> a token for", "done after"]);
    let (_, more, _) = person.run(&["trace", "--last", "-v"]);
    assert!(more.contains("token_endpoint=") && !shown.contains("token_endpoint="), "{more}");

    for command in ["refresh", "logout"] {
        let (code, _, errors) = person.run(&[command, "-v", url]);
        assert_eq!(code, Some(0), "{errors}");
        let (_, shown, _) = person.run(&["trace", "--last"]);
        let wanted = if command == "refresh" { "grant_type=refresh_token" } else { "token_type_hint=refresh_token" };
        in_order(&shown, &[url, "1.  POST", wanted, "<- 200", "done after"]);
        secrets.iter().for_each(|secret| assert!(!errors.contains(secret), "{errors}"));
    }
    let (_, all, _) = person.run(&["trace", "--last=9", "--json", url]);
    let objects: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ends: Vec<_> =
        objects.iter().filter(|object| object["end"] == "done").map(|object| &object["flow"]["kind"]).collect();
    assert_eq!(ends, ["login", "refresh", "logout"]);
    assert!(objects[0]["step"]["did"]["request"]["outcome"]["answered"]["status"] == 401, "{}", objects[0]);
    assert_eq!(person.run(&["trace", "--last", "https://other.example/mcp"]).0, Some(1));

    let folder = person.client_dir().join("trace");
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mut kept = String::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        kept += &std::fs::read_to_string(file.path()).unwrap();
    }
    // The address of the sign-in page is for the person, who may have to type it.
    let said: String = said.lines().filter(|line| line.trim() != address).collect();
    for secret in &secrets {
        for (place, text) in
            [("trace", &shown), ("-v", &said), ("details", &more), ("--json", &all), ("the file", &kept)]
        {
            assert!(secret.len() > 20 && !text.contains(secret), "{secret} is shown by {place}");
        }
    }
}

#[tokio::test]
async fn the_login_of_a_host_is_shown_too() {
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let person = Person::new();
    let mut bridge: Stdio = person.connect(&world.gateway);
    bridge.send(&serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}},
    }));
    let address = person.opener.opened_by(bridge.process(), PATIENCE);
    let (_, shown, _) = person.run(&["trace", "--last"]);
    in_order(&shown, &["1.  the server refused a call", "resource_metadata=", "showed ", "not finished"]);
    sign_in(&world, &address).await;
    assert!(bridge.receive(PATIENCE)["result"].is_object());
    let (_, shown, _) = person.run(&["trace", "--last"]);
    in_order(&shown, &["1.  the server refused a call", "showed ", "stored the tokens", "done after"]);
}

//! What a server gives and what the user brings, to the letter.

use doorward_types::{Issuer, Secret, jose::SigningKey};
use serde_json::json;

use super::registration::given;
use crate::{
    AuthMethod, Code,
    scripted::{ISSUER, NOW, World, answer, server, with},
    target::PreRegistered,
};

const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const REGISTER: &str = "https://as.example/register";

#[test]
fn a_registration_that_says_more_or_less_than_it_has_to_is_read_for_what_it_means() {
    // proves: R7591-15
    for said in [
        json!({}),
        json!({ "client_secret": "", "client_secret_expires_at": 0 }),
        // The end of a secret that there is not is no end of the client.
        json!({ "client_secret_expires_at": NOW.as_unix() }),
        json!({ "redirect_uris": [] }),
    ] {
        let mut world = World::usual();
        world.register(with(said.clone(), json!({ "client_id": "c" })));
        let tokens = world.run().unwrap().tokens;
        assert_eq!(tokens.client.at(&tokens.server).unwrap().auth_method, AuthMethod::None, "{said}");
        assert!(!tokens.client.is_expired(NOW), "{said}");
    }
    // Most say again what they were asked for, and some add to it.
    let mut world = World::usual();
    world.route(&format!("POST {REGISTER}"), |sent| {
        let mut all = sent.json()["redirect_uris"].as_array().unwrap().clone();
        all.insert(0, json!("https://client.example/callback"));
        Ok(answer(201, &json!({ "client_id": "c", "redirect_uris": all })))
    });
    world.run().unwrap();
}

#[test]
fn a_registration_asks_for_nothing_that_the_login_has_no_use_for() {
    let mut world = World::usual();
    world.document(SERVER, with(server(ISSUER), json!({ "grant_types_supported": ["authorization_code"] })));
    world.run().unwrap();
    let body = world.sent_to(REGISTER)[0].json();
    assert_eq!(body["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert!(body.get("scope").is_none() && body["software_version"] == env!("CARGO_PKG_VERSION"), "{body}");
}

#[test]
fn a_client_that_was_brought_is_kept_with_what_its_method_needs_and_nothing_else() {
    // proves: MCP-AUTH-125
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public, PrivateKeyJwt};
    let key = super::client_key(&SigningKey::generate());
    // has a secret, has a key, the method that was named, the one that is used
    for (secret, signs, named, used) in [
        (false, false, None, Some(Public)),
        (true, false, None, Some(ClientSecretBasic)),
        (true, true, None, Some(PrivateKeyJwt)),
        (false, true, Some(PrivateKeyJwt), Some(PrivateKeyJwt)),
        (true, true, Some(ClientSecretPost), Some(ClientSecretPost)),
        (true, true, Some(Public), Some(Public)),
        (true, false, Some(PrivateKeyJwt), None),
        (false, true, Some(ClientSecretBasic), None),
        (false, true, Some(ClientSecretPost), None),
    ] {
        let mut world = World::usual();
        world.target.clients = vec![PreRegistered {
            secret: secret.then(|| Secret::parse("s").unwrap()),
            key: signs.then(|| key.clone()),
            auth_method: named,
            ..given(None, "mine")
        }];
        let row = format!("{secret} {signs} {named:?}");
        match (world.run(), used) {
            (Ok(connected), Some(used)) => {
                let client = connected.tokens.client.at(&connected.tokens.server).unwrap();
                assert_eq!(client.auth_method, used, "{row}");
                assert_eq!(
                    (client.secret.is_some(), client.key.is_some()),
                    (used.needs_secret(), used == PrivateKeyJwt)
                );
            }
            (Err(failed), None) => assert!(failed.code() == Code::NoRegistration && world.opened.is_empty(), "{row}"),
            (other, _) => panic!("{row}: {other:?}"),
        }
    }
    for method in [Public, ClientSecretBasic, ClientSecretPost, PrivateKeyJwt] {
        assert_eq!(AuthMethod::parse(method.as_str()), Some(method));
    }
}

#[test]
fn a_client_that_names_no_server_is_used_for_as_long_as_the_server_stays_the_same() {
    // proves: MCP-AUTH-067
    for (known, good) in [(ISSUER, true), ("https://before.example", false)] {
        let mut world = World::usual();
        world.target.clients = vec![given(None, "mine")];
        world.target.known_issuer = Issuer::parse(known).ok();
        assert_eq!(world.run().is_ok(), good, "{known}");
    }
}

//! Servers that change between two logins, and what stays of one login in the next.

use std::collections::BTreeSet;

use doorward_types::{ClientId, Issuer, RedirectUri};
use serde_json::json;

use crate::{
    Code, Note,
    scripted::{ISSUER, MCP, World, answer, parameter, query, resource, server, with},
    target::MetadataDocument,
};

const INSERTED: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const NEW: &str = "https://new.example";

/// The MCP server names another authorization server than before.
fn moved() -> World {
    let mut world = World::usual();
    world.document(INSERTED, resource(MCP, &[NEW]));
    world.document("https://new.example/.well-known/oauth-authorization-server", server(NEW));
    world.route("POST https://new.example/register", |_| Ok(answer(201, &json!({ "client_id": "new-1" }))));
    world.route("POST https://new.example/token", |_| {
        Ok(answer(200, &json!({ "access_token": "at-2", "token_type": "Bearer" })))
    });
    world.browser(|url| vec![query(&[("code", "c"), ("state", &parameter(url, "state").unwrap()), ("iss", NEW)])]);
    world.target.known_issuer = Some(Issuer::parse(ISSUER).unwrap());
    world
}

#[test]
fn a_changed_authorization_server_is_told_and_gets_nothing_of_the_old_one() {
    // proves: MCP-AUTH-018, MCP-AUTH-019, MCP-AUTH-065, MCP-AUTH-066, MIX-07, DISC-13, FCL-05, R9207-06, R9728-14
    let before = World::usual().run().unwrap().tokens;
    let mut world = moved();
    world.stored = Some(before.client.clone());
    let tokens = world.run().unwrap().tokens;
    assert_eq!(world.notes, [Note::IssuerChanged { from: Issuer::parse(ISSUER).unwrap() }]);
    assert_eq!(tokens.client.client_id().as_str(), "new-1");
    for sent in &world.sent {
        let body = String::from_utf8_lossy(&sent.body);
        assert!(!sent.url.contains("as.example") && !body.contains("dyn-1") && !body.contains("rt-1"), "{body}");
    }
}

#[test]
fn a_document_is_the_same_client_everywhere() {
    // proves: MCP-AUTH-056
    let id = "https://client.example/client.json";
    let takes = json!({ "client_id_metadata_document_supported": true });
    for (mut world, at) in [(World::usual(), ISSUER), (moved(), NEW)] {
        world.document(&format!("{at}/.well-known/oauth-authorization-server"), with(server(at), takes.clone()));
        world.target.metadata_document = Some(MetadataDocument {
            url: ClientId::parse(id).unwrap(),
            redirect_uri: RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
        });
        world.run().unwrap();
        assert_eq!(parameter(&world.opened[0], "client_id").as_deref(), Some(id));
        assert!(world.sent_to(&format!("{at}/register")).is_empty());
    }
}

#[test]
fn a_server_that_drops_pkce_later_is_refused_like_any_other() {
    // proves: CODE-12, MCP-AUTH-069, MCP-AUTH-071
    let before = World::usual().run().unwrap().tokens;
    let mut world = World::usual();
    world.target.known_issuer = Some(before.server.issuer().clone());
    world.target.requested_before.clone_from(&before.requested);
    world.challenge("Bearer error=\"insufficient_scope\", scope=\"more\"");
    world.document(SERVER, with(server(ISSUER), json!({ "code_challenge_methods_supported": ["plain"] })));
    assert_eq!(world.run().unwrap_err().code(), Code::NoPkce);
    assert!(world.opened.is_empty() && world.saved.is_empty());
}

#[test]
fn endpoints_that_lie_at_different_hosts_are_named_before_anybody_signs_in() {
    // proves: MIX-09, R9728-14
    let mut world = World::usual();
    let elsewhere = json!({ "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth" });
    world.document(SERVER, with(server(ISSUER), elsewhere));
    // The honest server's answer names itself, and then nothing goes to the token endpoint.
    world.browser(|url| {
        let state = parameter(url, "state").unwrap();
        vec![query(&[("code", "c"), ("state", &state), ("iss", "https://accounts.google.com")])]
    });
    assert_eq!(world.run().unwrap_err().code(), Code::CallbackIssuer);
    let told = Note::TwoHosts { page: "accounts.google.com".into(), tokens: "as.example".into() };
    assert_eq!(world.notes, [told]);
    assert!(world.sent_to("https://as.example/token").is_empty());
}

#[test]
fn another_servers_code_goes_nowhere() {
    // proves: BCP-05, BCP-24, BRW-15, OA21-09
    let mut paths = BTreeSet::new();
    for seed in 0..50 {
        let mut entropy = crate::scripted::Counting(seed);
        let mut world = World::usual();
        let (_, page) = world.run_to_browser(&mut entropy);
        let redirect = parameter(&page.url, "redirect_uri").unwrap();
        paths.insert(url::Url::parse(&redirect).unwrap().path().to_owned());
    }
    assert_eq!(paths.len(), 50, "each registration has a path of its own");
    let mut world = World::usual();
    world.browser(|url| {
        let state = parameter(url, "state").unwrap();
        vec![query(&[("code", "honest"), ("state", &state), ("iss", "https://honest.example")])]
    });
    assert_eq!(world.run().unwrap_err().code(), Code::CallbackIssuer);
    assert!(world.sent_to("https://as.example/token").is_empty());
}

#[test]
fn verifiers_and_states_are_long_never_repeated_and_never_shown() {
    // proves: CODE-10, OA21-28, R7636-01
    let mut seen = BTreeSet::new();
    for seed in 0..1000 {
        let mut entropy = crate::scripted::Counting(seed);
        let mut world = World::usual();
        let (connect, page) = world.run_to_browser(&mut entropy);
        let state = parameter(&page.url, "state").unwrap();
        // 32 bytes are 43 characters of base64.
        assert!(state.len() >= 43, "{state}");
        let back = crate::Input::Callback { query: query(&[("code", "c"), ("state", &state), ("iss", ISSUER)]) };
        let (_, step) = connect.on(back, crate::scripted::NOW, &mut entropy).unwrap();
        let crate::Step::Send(request) = step else { panic!("{step:?}") };
        let form = doorward_types::form::Form::parse(&request.body).unwrap();
        let verifier = form.get("code_verifier").unwrap().to_owned();
        assert!(verifier.len() >= 43 && verifier != state && !page.url.as_str().contains(&verifier));
        assert!(seen.insert(state) && seen.insert(verifier));
    }
}

//! Servers of the 2025-03-26 revision: no metadata of their own.

use doorward_types::Issuer;
use serde_json::json;

use crate::{
    Code, Note,
    scripted::{World, answer, parameter, query, server, with},
};

const MCP: &str = "https://old.example/v1/mcp";
const ORIGIN: &str = "https://old.example";
const INSERTED: &str = "https://old.example/.well-known/oauth-protected-resource/v1/mcp";
const ROOT: &str = "https://old.example/.well-known/oauth-protected-resource";
const METADATA: &str = "https://old.example/.well-known/oauth-authorization-server";

/// A server that asks for a login and names nothing.
fn world() -> World {
    let mut world = World::empty(MCP);
    world.challenge("Bearer");
    world.route("POST https://old.example/register", |_| Ok(answer(201, &json!({ "client_id": "c" }))));
    world.route("POST https://old.example/token", |_| {
        Ok(answer(200, &json!({ "access_token": "at-1", "token_type": "Bearer" })))
    });
    world.browser(|url| vec![query(&[("code", "c0de"), ("state", &parameter(url, "state").unwrap())])]);
    world
}

fn document(issuer: &str) -> serde_json::Value {
    with(server(ORIGIN), json!({ "issuer": issuer, "authorization_response_iss_parameter_supported": null }))
}

#[test]
fn its_metadata_is_looked_for_at_its_origin_and_then_its_endpoints_are() {
    // proves: MCP-LEG-001, MCP-LEG-002, MCP-LEG-004, MCP-LEG-005, MCP-LEG-007, MCP-AUTH-020
    let mut world = world();
    let connected = world.run().unwrap();
    assert_eq!(world.urls(), [INSERTED, ROOT, METADATA, "https://old.example/register", "https://old.example/token"]);
    assert_eq!(world.sent_to(METADATA)[0].headers["mcp-protocol-version"], "2025-03-26");
    let page = &world.opened[0];
    assert!(page.as_str().starts_with("https://old.example/authorize?"), "{page}");
    assert_eq!(parameter(page, "code_challenge_method").as_deref(), Some("S256"));
    // The token is still asked for this server alone.
    assert_eq!(parameter(page, "resource").as_deref(), Some(MCP));
    assert_eq!(world.notes, [Note::OldServer { guessed: true }]);
    assert_eq!(connected.tokens.server.issuer().as_str(), ORIGIN);

    for issuer in [ORIGIN, "https://old.example/"] {
        let mut world = self::world();
        world.document(METADATA, document(issuer));
        let connected = world.run().unwrap();
        // The same at the next login.
        world.target.known_issuer = Issuer::parse(issuer).ok();
        world.run().unwrap();
        let told = Note::OldServer { guessed: false };
        assert_eq!(world.notes, [told.clone(), told]);
        assert_eq!(connected.tokens.server.issuer().as_str(), issuer);
        let again = crate::StoredTokens::from_stored(connected.tokens.to_stored()).unwrap();
        assert_eq!(again.server.token_endpoint().as_str(), "https://old.example/token");
    }
}

#[test]
fn nothing_is_guessed_where_anything_newer_is_to_be_seen() {
    // proves: MCP-LEG-004, MIX-06, DISC-10
    let refused = |change: &dyn Fn(&mut World)| {
        let mut world = world();
        change(&mut world);
        let failed = world.run().unwrap_err();
        assert!(world.opened.is_empty(), "{failed}");
        assert!(world.sent.iter().all(|sent| sent.method == "GET"), "{failed}");
        failed.code()
    };
    // A challenge that names metadata is of a newer age, whatever lies there.
    let named = format!("Bearer resource_metadata=\"{ROOT}\"");
    assert_eq!(refused(&|world| world.challenge(&named)), Code::NoResourceMetadata);
    // So is metadata that cannot be used, and a server that is down says nothing of its age.
    let other = json!({ "resource": "https://other.example/mcp", "authorization_servers": [ORIGIN] });
    assert_eq!(refused(&|world| world.document(ROOT, other.clone())), Code::ResourceMismatch);
    assert_eq!(refused(&|world| world.status(INSERTED, 503)), Code::ServerFault);
    assert_eq!(refused(&|world| world.status(METADATA, 500)), Code::ServerFault);
    // Metadata that names another server is not passed over for the usual endpoints.
    let google = document("https://accounts.google.com");
    assert_eq!(refused(&|world| world.document(METADATA, google.clone())), Code::IssuerMismatch);
    let google = document("https://accounts.google.com/");
    assert_eq!(refused(&|world| world.document(METADATA, google.clone())), Code::IssuerMismatch);
    let silent = with(document(ORIGIN), json!({ "code_challenge_methods_supported": null }));
    assert_eq!(refused(&|world| world.document(METADATA, silent.clone())), Code::NoPkce);
    // A server that was newer at the last login has not grown older since.
    let before = Issuer::parse("https://as.example").unwrap();
    assert_eq!(refused(&|world| world.target.known_issuer = Some(before.clone())), Code::NoResourceMetadata);
    // And an open server is not asked to register anybody.
    assert_eq!(refused(&|world| world.challenge = None), Code::NoResourceMetadata);
}

#[test]
fn a_server_that_wants_an_api_key_is_told_from_an_old_one() {
    let mut world = world();
    world.route("POST https://old.example/register", |_| Ok(answer(404, &json!({ "message": "no such page" }))));
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::NoResourceMetadata);
    assert!(failed.hint().contains("API key") && world.opened.is_empty(), "{failed}");
    // One that refuses in the words of the protocol has something there.
    let closed = json!({ "error": "access_denied" });
    world.route("POST https://old.example/register", move |_| Ok(answer(403, &closed)));
    assert_eq!(world.run().unwrap_err().code(), Code::RegistrationRefused);
}

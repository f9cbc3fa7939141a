use base64ct::{Base64UrlUnpadded, Encoding as _};
use doorward_types::{ClientId, ScopeSet, Secret, redirect::RedirectUri};
use serde_json::json;

use super::registration::given;
use crate::{
    AuthMethod, Code, Registration,
    scripted::{ISSUER, MCP, NOW, World, resource, server, with},
    target::{Dpop, Grant, MetadataDocument, PreRegistered, TakenOver, TheirClient},
};

fn theirs() -> TakenOver {
    TakenOver {
        issuer: Some(ISSUER.to_owned()),
        client: Some(TheirClient {
            client_id: ClientId::parse("theirs").unwrap(),
            secret: None,
            secret_expires_at: None,
            auth_method: None,
            redirect_uri: RedirectUri::parse("http://localhost:3999/oauth/callback").unwrap(),
        }),
        access_token: Secret::parse("their-access-token").unwrap(),
        expires_at: None,
        refresh_token: Some(Secret::parse("their-refresh-token").unwrap()),
        requested: ScopeSet::parse("a b").ok(),
        granted: ScopeSet::parse("a").ok(),
    }
}

fn world(theirs: TakenOver) -> World {
    let mut world = World::usual();
    world.target.grant = Grant::TakenOver(Box::new(theirs));
    world
}

#[test]
fn a_login_of_another_program_is_filed_under_what_discovery_found_and_asks_nobody() {
    // proves: MCP-AUTH-064, MCP-AUTH-065
    let mut world = world(theirs());
    world.target.account = Some("work".into());
    let tokens = world.run().unwrap().tokens;
    let key = tokens.key();
    assert_eq!((key.issuer.as_str(), key.client_id.as_str(), key.account.as_deref()), (ISSUER, "theirs", Some("work")));
    assert_eq!(tokens.client.redirect_uri().as_str(), "http://localhost:3999/oauth/callback");
    assert_eq!(tokens.client.registration(), Registration::Dynamic);
    assert_eq!(tokens.refresh_token.as_ref().unwrap().expose(), "their-refresh-token");
    assert_eq!((tokens.requested, tokens.granted), (ScopeSet::parse("a b").ok(), ScopeSet::parse("a").ok()));
    assert_eq!(tokens.audience, world.target.resource.as_str());
    assert!(world.opened.is_empty() && world.held.is_empty() && world.saved.is_empty());
    assert!(world.sent.iter().all(|sent| sent.method == http::Method::GET), "nothing but documents was asked for");
}

#[test]
fn what_another_authorization_server_gave_is_not_taken_over() {
    // proves: MCP-AUTH-064, MCP-AUTH-065
    let jwt = |issuer: &str| {
        let claims = Base64UrlUnpadded::encode_string(json!({ "iss": issuer }).to_string().as_bytes());
        Secret::parse(format!("e30.{claims}.c2ln")).unwrap()
    };
    let of = |issuer: Option<&str>| TakenOver { issuer: issuer.map(str::to_owned), ..theirs() };
    for (login, taken) in [
        (of(Some("https://as.example/")), true),
        (of(Some("https://other.example")), false),
        (of(Some("https://as.example.evil.example")), false),
        (of(None), false),
        (TakenOver { access_token: jwt(ISSUER), ..of(None) }, true),
        (TakenOver { access_token: jwt("https://other.example"), ..of(None) }, false),
        // What the other program noted counts for more than what a text says of itself.
        (TakenOver { access_token: jwt(ISSUER), ..of(Some("https://other.example")) }, false),
    ] {
        let came = format!("{login:?}");
        match world(login).run() {
            Ok(_) => assert!(taken, "{came}"),
            Err(failed) => assert!(!taken && failed.code() == Code::IssuerChanged, "{came}: {failed}"),
        }
    }
}

#[test]
fn a_login_of_which_nothing_says_who_gave_it_is_shown_to_nobody() {
    // proves: MCP-AUTH-064
    // Nor to the MCP server itself: it may name another authorization server today than it did then.
    let own = "https://mcp.example";
    let mut world = world(TakenOver { issuer: None, ..theirs() });
    world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", resource(MCP, &[own]));
    world.document("https://mcp.example/.well-known/oauth-authorization-server", server(own));
    assert_eq!(world.run().unwrap_err().code(), Code::IssuerChanged);
}

#[test]
fn a_client_with_a_secret_proves_itself_as_it_did_there() {
    let with = |secret: Option<&str>, auth_method| {
        let mut login = theirs();
        let client = login.client.as_mut().unwrap();
        client.secret_expires_at = Some(NOW);
        client.secret = secret.map(|secret| Secret::parse(secret).unwrap());
        client.auth_method = auth_method;
        world(login).run().map(|connected| connected.tokens)
    };
    for (secret, method, wanted) in [
        (None, None, AuthMethod::None),
        (None, Some(AuthMethod::None), AuthMethod::None),
        (Some("s"), Some(AuthMethod::None), AuthMethod::None),
        (Some("s"), None, AuthMethod::ClientSecretBasic),
        (Some("s"), Some(AuthMethod::ClientSecretPost), AuthMethod::ClientSecretPost),
    ] {
        let tokens = with(secret, method).unwrap();
        let client = tokens.client.at(&tokens.server).unwrap();
        assert_eq!((client.auth_method, client.secret.is_some()), (wanted, wanted.needs_secret()));
        // What is not used does not end the client either.
        assert_eq!(tokens.client.is_expired(NOW), wanted.needs_secret());
    }
    for (secret, method) in [(None, AuthMethod::ClientSecretBasic), (Some("s"), AuthMethod::PrivateKeyJwt)] {
        assert_eq!(with(secret, Some(method)).unwrap_err().code(), Code::BadRegistration);
    }
}

#[test]
fn tokens_without_a_client_are_of_the_client_that_the_user_names() {
    let nobodys = TakenOver { client: None, ..theirs() };
    let mut own = world(nobodys.clone());
    own.target.clients = vec![PreRegistered { secret: Secret::parse("s").ok(), ..given(None, "mine") }];
    let tokens = own.run().unwrap().tokens;
    assert_eq!(tokens.client.client_id().as_str(), "mine");
    assert_eq!(tokens.client.registration(), Registration::PreRegistered);
    let mut documented = world(nobodys.clone());
    let takes = with(server(ISSUER), json!({ "client_id_metadata_document_supported": true }));
    documented.document("https://as.example/.well-known/oauth-authorization-server", takes);
    documented.target.metadata_document = Some(MetadataDocument {
        url: ClientId::parse("https://client.example/client.json").unwrap(),
        redirect_uri: RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
    });
    let tokens = documented.run().unwrap().tokens;
    assert_eq!(tokens.client.client_id().as_str(), "https://client.example/client.json");
    assert_eq!(world(nobodys).run().unwrap_err().code(), Code::NoRegistration);
}

#[test]
fn what_is_over_or_not_bound_as_wanted_is_not_taken_over() {
    let soon = NOW.plus(std::time::Duration::from_secs(1));
    let renews = theirs().refresh_token;
    for (refresh_token, expires_at, good) in [
        (None, Some(NOW), false),
        (None, Some(soon), true),
        (None, None, true),
        (renews.clone(), Some(NOW), true),
        (renews, None, true),
    ] {
        let text = format!("{} {expires_at:?}", refresh_token.is_some());
        match world(TakenOver { refresh_token, expires_at, ..theirs() }).run() {
            Ok(_) => assert!(good, "{text}"),
            Err(failed) => assert!(!good && failed.code() == Code::LoginNeeded, "{text}: {failed}"),
        }
    }
    let mut bound = world(theirs());
    let can = with(server(ISSUER), json!({ "dpop_signing_alg_values_supported": ["ES256"] }));
    bound.document("https://as.example/.well-known/oauth-authorization-server", can);
    bound.target.dpop = Dpop::Always;
    assert_eq!(bound.run().unwrap_err().code(), Code::NotBound);
}

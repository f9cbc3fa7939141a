//! Rules that the user has switched off, and providers that differ.

use doorward_types::Timestamp;
use serde_json::json;

use crate::{
    Code, Note, Refresh, StoredTokens,
    scripted::{Counting, ISSUER, MCP, NOW, World, answer, parameter, query, resource, server, with},
    target::Lenient,
};

const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server";
const ENTRA: &str = "https://login.microsoftonline.com/3aa4a235/v2.0";

fn tolerating(name: &str) -> World {
    let mut world = World::usual();
    assert!(world.target.lenient.tolerate(name), "{name}");
    world
}

#[test]
fn every_rule_has_a_name_and_is_off_for_nobody_by_itself() {
    let mut all = Lenient::default();
    for (name, _) in Lenient::NAMES {
        let before = all;
        assert!(all.tolerate(name) && all != before, "{name}");
    }
    assert!(!all.tolerate("everything"));
    let Lenient { foreign_metadata, parent_resource, other_issuer, unlisted_pkce, no_resource } = all;
    assert!(foreign_metadata && parent_resource && other_issuer && unlisted_pkce && no_resource);
}

#[test]
fn another_name_of_the_issuer_is_taken_only_where_the_user_says_so_and_changes_nothing_else() {
    // proves: MCP-LEG-013, MIX-05
    let other = with(server(ISSUER), json!({ "issuer": "https://login.example/" }));
    let mut world = World::usual();
    world.document(METADATA, other.clone());
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::IssuerMismatch);
    assert!(failed.hint().contains("--tolerate other-issuer"), "{failed}");

    let mut world = tolerating("other-issuer");
    world.document(METADATA, other.clone());
    let back = |iss: &'static str| {
        move |url: &url::Url| {
            vec![query(&[("code", "c0de"), ("state", &parameter(url, "state").unwrap()), ("iss", iss)])]
        }
    };
    world.browser(back("https://login.example/"));
    let tokens = world.run().unwrap().tokens;
    assert_eq!(world.notes, [Note::OtherIssuer { named: "https://login.example/".into() }]);
    // It stays the server that was asked for: what the other one gave is not sent here.
    assert_eq!((tokens.server.issuer().as_str(), tokens.client.issuer().as_str()), (ISSUER, ISSUER));
    let again = StoredTokens::from_stored(tokens.to_stored()).unwrap();
    assert_eq!(again.server.issuer().as_str(), ISSUER);
    // The answer in the browser must bear the name that was published, and no third one.
    let mut world = tolerating("other-issuer");
    world.document(METADATA, other);
    world.browser(back(ISSUER));
    assert_eq!(world.run().unwrap_err().code(), Code::CallbackIssuer);
}

#[test]
fn silence_about_pkce_is_taken_only_where_the_user_says_so_and_a_refusal_never() {
    // proves: MCP-AUTH-069, MCP-AUTH-071
    let silent = with(server(ISSUER), json!({ "code_challenge_methods_supported": null }));
    let mut world = World::usual();
    world.document(METADATA, silent.clone());
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::NoPkce);
    assert!(failed.hint().contains("--tolerate unlisted-pkce"), "{failed}");
    let mut world = tolerating("unlisted-pkce");
    world.document(METADATA, silent);
    world.run().unwrap();
    assert_eq!(world.notes, [Note::UnlistedPkce]);
    assert_eq!(parameter(&world.opened[0], "code_challenge_method").as_deref(), Some("S256"));
    let mut world = tolerating("unlisted-pkce");
    world.document(METADATA, with(server(ISSUER), json!({ "code_challenge_methods_supported": ["plain"] })));
    assert_eq!(world.run().unwrap_err().code(), Code::NoPkce);
    // A rule that made no difference is not told.
    let mut world = tolerating("unlisted-pkce");
    world.run().unwrap();
    assert!(world.notes.is_empty(), "{:?}", world.notes);
}

#[test]
fn metadata_elsewhere_on_this_computer_is_taken_only_for_a_server_that_is_here_and_when_the_user_says_so() {
    // proves: DISC-01
    let (elsewhere, by_another_name) = ("http://localhost:9999/x", "http://127.0.0.1:8420/x");
    for (mcp, metadata, tolerated, taken) in [
        ("http://localhost:8420/mcp", elsewhere, true, true),
        ("http://localhost:8420/mcp", elsewhere, false, false),
        ("http://localhost:8420/mcp", by_another_name, true, true),
        ("http://localhost:8420/mcp", by_another_name, false, false),
        ("https://mcp.example/mcp", elsewhere, true, false),
    ] {
        let mut world = World::empty(mcp);
        world.target.lenient.foreign_metadata = tolerated;
        world.challenge(&format!("Bearer resource_metadata=\"{metadata}\""));
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code() != Code::Forbidden, taken, "{mcp} {metadata} {tolerated}");
        assert_eq!(world.urls(), if taken { vec![metadata] } else { Vec::new() });
    }
}

/// The form of a refresh of these tokens.
fn refreshed(tokens: StoredTokens) -> doorward_types::form::Form {
    let (_, request) =
        Refresh::start(tokens, None, doorward_types::outbound::Reach::Public, NOW, &mut Counting(1)).unwrap();
    doorward_types::form::Form::parse(&request.body).unwrap()
}

#[test]
fn the_resource_is_named_everywhere_unless_the_user_leaves_it_out() {
    // proves: MCP-AUTH-073, MCP-AUTH-079
    for (mut world, wanted) in [(World::usual(), Some(MCP)), (tolerating("no-resource"), None)] {
        let tokens = world.run().unwrap().tokens;
        assert_eq!(parameter(&world.opened[0], "resource").as_deref(), wanted);
        assert_eq!(world.sent_to("https://as.example/token")[0].form().get("resource"), wanted);
        // Not even without a value.
        let sent = world.sent_to("https://as.example/token")[0].form();
        assert_eq!(sent.names().any(|name| name == "resource"), wanted.is_some());
        assert_eq!(refreshed(StoredTokens::from_stored(tokens.to_stored()).unwrap()).get("resource"), wanted);
        assert_eq!(world.notes.contains(&Note::NoResource), wanted.is_none());
    }
}

#[test]
fn what_entra_needs_is_known() {
    let mut world = World::empty(MCP);
    world.document(
        "https://mcp.example/.well-known/oauth-protected-resource/mcp",
        with(resource(MCP, &[ENTRA]), json!({ "scopes_supported": ["api://x/read"] })),
    );
    let at = |path: &str| format!("https://login.microsoftonline.com/3aa4a235/oauth2/v2.0/{path}");
    let document = json!({
        "issuer": ENTRA,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    });
    world.document(&format!("{ENTRA}/.well-known/openid-configuration"), document);
    world.route(&format!("POST {}", at("token")), |_| {
        let answer_ =
            json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt" });
        Ok(answer(200, &answer_))
    });
    world.browser(|url| vec![query(&[("code", "c0de"), ("state", &parameter(url, "state").unwrap())])]);

    // It says nothing of PKCE, and registers nobody: both errors say what to do at this very provider.
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::NoPkce);
    assert!(failed.hint().contains("Microsoft Entra ID supports it"), "{failed}");
    world.target.lenient.unlisted_pkce = true;
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::NoRegistration);
    let wanted = ["entra.microsoft.com", "http://localhost/callback", "--client-id", "--redirect-uri", MCP];
    for part in wanted.into_iter().chain(["--tolerate unlisted-pkce"]) {
        assert!(failed.hint().contains(part), "{part} is missing in {failed}");
    }
    assert!(!failed.hint().contains("--client-secret-file"), "{failed}");

    world.target.clients.push(super::registration::given(None, "app"));
    let tokens = world.run().unwrap().tokens;
    let page = &world.opened[0];
    assert_eq!(parameter(page, "resource"), None);
    assert_eq!(parameter(page, "scope").as_deref(), Some("api://x/read offline_access"));
    assert_eq!(world.sent_to(&at("token"))[0].form().get("resource"), None);
    let form = refreshed(tokens);
    assert_eq!((form.get("resource"), form.get("scope")), (None, Some("api://x/read offline_access")));
}

#[test]
fn what_google_and_github_need_is_known() {
    const GOOGLE: &str = "https://accounts.google.com";
    let mut world = World::empty(MCP);
    world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", resource(MCP, &[GOOGLE]));
    world.document("https://accounts.google.com/.well-known/oauth-authorization-server", server(GOOGLE));
    world.target.clients.push(super::registration::given(None, "app"));
    world.browser(|_| Vec::new());
    let _ = world.run();
    let page = &world.opened[0];
    assert_eq!(parameter(page, "access_type").as_deref(), Some("offline"));
    assert_eq!(parameter(page, "prompt").as_deref(), Some("consent"));
    assert_eq!(parameter(page, "resource").as_deref(), Some(MCP));
    // What the user says of the page goes before what is known of the provider.
    world.target.authorize = vec![crate::target::AuthorizeParameter::parse("prompt=login").unwrap()];
    let _ = world.run();
    assert_eq!(parameter(&world.opened[1], "prompt").as_deref(), Some("login"));

    const GITHUB: &str = "https://github.com/login/oauth";
    let mut world = World::empty(MCP);
    world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", resource(MCP, &[GITHUB]));
    world.document(
        "https://github.com/.well-known/oauth-authorization-server/login/oauth",
        with(
            server(GITHUB),
            json!({ "registration_endpoint": null, "authorization_response_iss_parameter_supported": null }),
        ),
    );
    let failed = world.run().unwrap_err();
    assert!(failed.hint().contains("github.com/settings/applications/new"), "{failed}");
    assert!(failed.hint().contains("--client-secret-file") && !failed.hint().contains("--tolerate"), "{failed}");
    world.target.clients.push(super::registration::given(None, "app"));
    world.route("POST https://github.com/login/oauth/token", |_| {
        Ok(answer(200, &json!({ "access_token": "at", "token_type": "bearer", "scope": "repo,gist" })))
    });
    world.browser(|url| vec![query(&[("code", "c0de"), ("state", &parameter(url, "state").unwrap())])]);
    let tokens = world.run().unwrap().tokens;
    assert_eq!(tokens.granted, doorward_types::ScopeSet::parse("repo gist").ok());
    assert!(tokens.issued_at >= Timestamp::from_unix(0));
}

#[test]
fn a_refresh_names_its_scopes_where_the_provider_needs_that_and_nowhere_else() {
    // proves: MCP-AUTH-119
    let set = |scopes: Option<&str>| scopes.map(|scopes| doorward_types::ScopeSet::parse(scopes).unwrap());
    for (issuer, requested, granted, named) in [
        (ENTRA, Some("a"), Some("a b"), Some("a")),
        (ENTRA, None, Some("b"), Some("b")),
        (ENTRA, Some(""), Some("b"), None),
        (ENTRA, None, None, None),
        ("https://accounts.google.com", Some("a"), Some("b"), None),
        (ISSUER, Some("a"), Some("b"), None),
    ] {
        let issuer = doorward_types::Issuer::parse(issuer).unwrap();
        let (requested, granted) = (set(requested), set(granted));
        let got = crate::provider::refresh_scope(&issuer, requested.as_ref(), granted.as_ref());
        assert_eq!(got, set(named).as_ref(), "{issuer}");
    }
}

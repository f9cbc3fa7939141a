use doorward_types::{CodeVerifier, RedirectUri, S256Challenge, ScopeSet, jose::SigningKey};
use serde_json::json;

use super::registration::{given, stored};
use crate::{
    Code, Connect, Input, Note,
    scripted::{Counting, ISSUER, MCP, NOW, World, answer, parameter, resource, server, with},
    target::{Audience, AuthorizeParameter, PreRegistered},
};

const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const INSERTED: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";

#[test]
fn the_person_is_sent_with_all_that_protects_the_login() {
    // proves: MCP-AUTH-068, MCP-AUTH-070, MCP-AUTH-072, MCP-AUTH-073, MCP-AUTH-080
    // proves: OA21-07, OA21-08, OA21-15, OA21-20, R8252-02, R9728-13
    let mut world = World::usual();
    world.challenge("Bearer scope=\"files:read\"");
    world.run().unwrap();
    let url = &world.opened[0];
    assert_eq!((url.origin().ascii_serialization().as_str(), url.path()), (ISSUER, "/authorize"));
    let get = |name| parameter(url, name);
    assert_eq!(get("response_type").as_deref(), Some("code"));
    assert_eq!(get("client_id").as_deref(), Some("dyn-1"));
    assert_eq!(get("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(get("resource").as_deref(), Some(MCP));
    assert_eq!(get("scope").as_deref(), Some("files:read"));
    assert!(get("state").unwrap().len() >= 43);
    assert!(get("redirect_uri").unwrap().starts_with("http://127.0.0.1:43121/callback/"));
    let sent = world.sent_to("https://as.example/token")[0];
    assert_eq!(sent.method, "POST");
    assert_eq!(sent.headers["content-type"], "application/x-www-form-urlencoded");
    let token = sent.form();
    let verifier = CodeVerifier::parse(token.get("code_verifier").unwrap()).unwrap();
    assert!(S256Challenge::parse(get("code_challenge").unwrap()).unwrap().matches(&verifier));
    assert!(!url.as_str().contains(verifier.expose()));
    assert_eq!((token.get("resource"), token.all("resource").count()), (Some(MCP), 1));
    assert_eq!(token.get("redirect_uri").map(str::to_owned), get("redirect_uri"));
    assert_eq!((token.get("grant_type"), token.get("code")), (Some("authorization_code"), Some("c0de")));
}

#[test]
fn whom_the_page_may_expect_is_told_only_when_the_person_said_so() {
    let mut world = World::usual();
    world.run().unwrap();
    assert_eq!(parameter(&world.opened[0], "login_hint"), None);
    let mut world = World::usual();
    world.target.login_hint = Some("ada+x@example.com".into());
    world.run().unwrap();
    assert_eq!(parameter(&world.opened[0], "login_hint").as_deref(), Some("ada+x@example.com"));
}

#[test]
fn each_login_has_its_own_state_and_verifier() {
    // proves: MCP-AUTH-080, R9700-04
    let start = |seed| {
        let (_, page) = World::usual().run_to_browser(&mut Counting(seed));
        ["state", "code_challenge", "redirect_uri"].map(|name| parameter(&page.url, name).unwrap())
    };
    let (one, two) = (start(1), start(2));
    assert!(one.iter().zip(&two).all(|(a, b)| a != b), "{one:?} {two:?}");
    assert_eq!(start(1), one);
}

#[test]
fn the_resource_is_sent_byte_for_byte_as_published() {
    // proves: MCP-AUTH-074, MCP-AUTH-075, MCP-AUTH-076, MCP-AUTH-077, R8707-01
    for (published, sent) in [(MCP, MCP), ("HTTPS://MCP.example/mcp", "HTTPS://MCP.example/mcp")] {
        let mut world = World::usual();
        world.document(INSERTED, resource(published, &[ISSUER]));
        world.run().unwrap();
        assert_eq!(parameter(&world.opened[0], "resource").unwrap(), sent);
        assert_eq!(world.sent_to("https://as.example/token")[0].form().get("resource"), Some(sent));
    }
}

#[test]
fn an_endpoints_own_query_is_kept_and_cannot_shadow_ours() {
    // proves: R9700-07
    let mut world = World::usual();
    let endpoint = "https://as.example/authorize?tenant=a%20b&response_type=token&state=fixed";
    world.document(SERVER, with(server(ISSUER), json!({ "authorization_endpoint": endpoint })));
    world.run().unwrap();
    let url = &world.opened[0];
    assert_eq!(parameter(url, "tenant").as_deref(), Some("a b"));
    assert_eq!(parameter(url, "response_type").as_deref(), Some("code"));
    assert_ne!(parameter(url, "state").as_deref(), Some("fixed"));
}

#[test]
fn scopes_come_from_the_challenge_then_from_the_resource_then_from_nowhere() {
    // proves: MCP-AUTH-104, MCP-AUTH-112, MCP-AUTH-121, MCP-SBP-043, R9728-12
    let scope = |challenge: Option<&str>, listed: serde_json::Value, offline: bool, before: Option<&str>| {
        let mut world = World::usual();
        world.document(INSERTED, with(resource(MCP, &[ISSUER]), json!({ "scopes_supported": listed })));
        let lists = if offline { json!(["offline_access"]) } else { json!(null) };
        world.document(SERVER, with(server(ISSUER), json!({ "scopes_supported": lists })));
        world.target.requested_before = before.map(|scopes| ScopeSet::parse(scopes).unwrap());
        if let Some(challenge) = challenge {
            world.challenge(challenge);
        }
        let connected = world.run().unwrap();
        let sent = parameter(&world.opened[0], "scope");
        assert_eq!(connected.tokens.requested.map(|scope| scope.to_string()), sent);
        (sent, parameter(&world.opened[0], "prompt"))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(scope(Some("Bearer scope=\"w\""), json!(["r"]), false, None), (some("w"), None));
    assert_eq!(scope(Some("Bearer"), json!(["r", "bad scope"]), false, None), (some("r"), None));
    assert_eq!(scope(None, json!(null), false, None), (None, None));
    assert_eq!(scope(None, json!(["r"]), true, None), (some("offline_access r"), some("consent")));
    assert_eq!(
        scope(Some("Bearer error=\"insufficient_scope\", scope=\"w\""), json!(["x"]), false, Some("r")),
        (some("r w"), None)
    );
}

#[test]
fn a_server_that_takes_pushed_requests_only_gets_one() {
    // proves: R9126-01
    let push = "https://as.example/par";
    let demands =
        json!({ "require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": push });
    for secret in [false, true] {
        let mut world = World::usual();
        // What the page's address says of itself stays there.
        let page = json!({ "authorization_endpoint": "https://as.example/authorize?p=one" });
        world.document(SERVER, with(with(server(ISSUER), demands.clone()), page));
        if secret {
            let method = "client_secret_basic";
            world.register(json!({ "client_id": "c", "client_secret": "s", "token_endpoint_auth_method": method }));
        }
        world.challenge("Bearer scope=\"a\"");
        world.route(&format!("POST {push}"), |_| {
            Ok(answer(201, &json!({ "request_uri": "urn:x:1", "expires_in": 60 })))
        });
        // The page's address holds no state, so the answer takes it from what was pushed.
        let (connect, page) = world.run_to_browser(&mut Counting(7));
        let all: Vec<_> = page.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(all, ["p", "client_id", "request_uri"]);
        assert_eq!(parameter(&page.url, "request_uri").as_deref(), Some("urn:x:1"));
        let sent = world.sent_to(push)[0];
        assert_eq!((sent.method.as_str(), sent.headers.contains_key("authorization")), ("POST", secret));
        let form = sent.form();
        assert_eq!(form.all("client_id").count(), 1);
        assert!(form.get("request_uri").is_none());
        for (name, value) in
            [("response_type", "code"), ("resource", MCP), ("scope", "a"), ("code_challenge_method", "S256")]
        {
            assert_eq!(form.get(name), Some(value), "{name}");
        }
        let back = crate::scripted::query(&[("code", "c0de"), ("state", form.get("state").unwrap()), ("iss", ISSUER)]);
        let (_, step) = connect.on(Input::Callback { query: back }, NOW, &mut Counting(8)).unwrap();
        let crate::Step::Send(request) = step else { panic!("{step:?}") };
        let token = doorward_types::form::Form::parse(&request.body).unwrap();
        let verifier = CodeVerifier::parse(token.get("code_verifier").unwrap()).unwrap();
        assert!(S256Challenge::parse(form.get("code_challenge").unwrap()).unwrap().matches(&verifier));
    }
    for (status, body, code) in [
        (400, json!({ "error": "invalid_request" }), Code::AuthorizationRefused),
        (401, json!({ "error": "invalid_client" }), Code::ClientUnknown),
        (201, json!({}), Code::AuthorizationRefused),
        (201, json!({ "request_uri": "" }), Code::AuthorizationRefused),
        (404, json!({ "request_uri": "urn:x:1" }), Code::AuthorizationRefused),
        (503, json!({}), Code::ServerFault),
    ] {
        let mut world = World::usual();
        world.document(SERVER, with(server(ISSUER), demands.clone()));
        world.route(&format!("POST {push}"), move |_| Ok(answer(status, &body)));
        assert_eq!(world.run().unwrap_err().code(), code, "{status}");
        assert!(world.opened.is_empty());
    }
    let mut world = World::usual();
    world.document(SERVER, with(server(ISSUER), json!({ "require_pushed_authorization_requests": true })));
    assert_eq!(world.run().unwrap_err().code(), Code::BadServerMetadata);
}

#[test]
fn a_pushed_request_names_a_client_that_signs_for_itself_and_a_forgotten_one_is_registered_again_once() {
    // proves: R9126-01, MCP-AUTH-066
    let push = "https://as.example/par";
    let demands =
        json!({ "require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": push });
    let world = || {
        let mut world = World::usual();
        world.document(SERVER, with(server(ISSUER), demands.clone()));
        world
    };
    let mut signs = world();
    let pair = SigningKey::generate();
    signs.target.clients = vec![PreRegistered { key: Some(super::client_key(&pair)), ..given(None, "signs") }];
    signs.route(&format!("POST {push}"), |_| Ok(answer(201, &json!({ "request_uri": "urn:x:1" }))));
    signs.run_to_browser(&mut Counting(7));
    let form = signs.sent_to(push)[0].form();
    assert_eq!((form.get("client_id"), form.all("client_assertion").count()), (Some("signs"), 1));

    // how the known client is refused, whether the new one is refused too, registrations, what comes of it
    for (error, always, registrations, code) in [
        ("invalid_client", false, 1, Code::LoginTimedOut),
        ("invalid_client", true, 1, Code::ClientUnknown),
        ("invalid_request", false, 0, Code::AuthorizationRefused),
    ] {
        let mut world = world();
        world.stored = Some(stored(ISSUER, "gone"));
        world.browser(|_| Vec::new());
        world.route(&format!("POST {push}"), move |sent| {
            let taken = !always && sent.form().get("client_id") == Some("dyn-1");
            let (status, body) =
                if taken { (201, json!({ "request_uri": "urn:x:1" })) } else { (400, json!({ "error": error })) };
            Ok(answer(status, &body))
        });
        assert_eq!(world.run().unwrap_err().code(), code, "{error} {always}");
        assert_eq!(world.saved.len(), registrations, "{error} {always}");
    }
}

#[test]
fn a_port_that_was_not_asked_for_is_not_used() {
    // proves: BRW-10, BRW-11
    for held in [
        "http://127.0.0.1:43121/other",
        "http://evil.example:43121/callback",
        "https://127.0.0.1:43121/callback",
        "http://localhost:43121/callback",
        "http://127.0.0.1/callback",
        "nonsense",
    ] {
        let mut world = World::usual();
        world.held_instead = Some(held.to_owned());
        assert_eq!(world.run().unwrap_err().code(), Code::BadRedirect, "{held}");
        assert!(world.opened.is_empty() && !world.order.contains(&"post"));
    }
    // A port that is registered is that one; where any will do, there is one all the same.
    for (registered, held, good) in [
        ("http://localhost:9000/cb", "http://localhost:9000/cb", true),
        ("http://localhost:9000/cb", "http://localhost:9001/cb", false),
        ("http://localhost:9000/cb", "http://localhost/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1/cb", false),
    ] {
        let mut world = World::usual();
        let redirect_uri = RedirectUri::parse(registered).ok();
        world.target.clients = vec![PreRegistered { redirect_uri, ..given(None, "mine") }];
        world.held_instead = Some(held.to_owned());
        assert_eq!(world.run().is_ok(), good, "{registered} {held}");
        assert_eq!(world.opened.len(), usize::from(good));
    }
}

#[test]
fn an_input_out_of_order_ends_the_login() {
    let target = World::usual().target;
    let (connect, _) = Connect::start(target, None).unwrap();
    let failed = connect.on(Input::ClientSaved, NOW, &mut Counting(1)).unwrap_err();
    assert_eq!(failed.code(), Code::OutOfOrder);
}

#[test]
fn what_the_user_adds_to_the_page_takes_the_place_of_nothing_that_protects_it() {
    // proves: MCP-AUTH-080
    let mut world = World::usual();
    world.challenge("Bearer scope=\"files:read offline_access\"");
    world.target.login_hint = Some("ada@example.com".into());
    world.target.authorize = ["audience=https://api.example.com/?a=b", "prompt=login", "login_hint=bob@example.com"]
        .map(|text| AuthorizeParameter::parse(text).unwrap())
        .into();
    world.run().unwrap();
    let url = &world.opened[0];
    assert_eq!(parameter(url, "audience").as_deref(), Some("https://api.example.com/?a=b"));
    for (name, value) in [("prompt", "login"), ("login_hint", "bob@example.com"), ("resource", MCP)] {
        assert_eq!(url.query_pairs().filter(|(own, _)| own == name).count(), 1, "{name}");
        assert_eq!(parameter(url, name).as_deref(), Some(value));
    }
    let token = world.sent_to("https://as.example/token")[0].form();
    assert!(token.get("audience").is_none() && token.get("prompt").is_none());
}

#[test]
fn another_audience_is_told_to_the_authorization_server_aloud() {
    let mut world = World::usual();
    world.target.audience = Some(Audience::parse("https://tenant.example/").unwrap());
    let tokens = world.run().unwrap().tokens;
    assert_eq!(parameter(&world.opened[0], "resource").as_deref(), Some("https://tenant.example/"));
    assert_eq!(world.sent_to("https://as.example/token")[0].form().get("resource"), Some("https://tenant.example/"));
    assert!(world.notes.contains(&Note::OtherAudience { named: "https://tenant.example/".into() }));
    // The token goes where it did, and stands for no other audience.
    assert_eq!(tokens.bearer().resource().as_str(), MCP);
    assert!(world.target.takes(&tokens));
    world.target.audience = Some(Audience::parse("https://other.example/").unwrap());
    assert!(!world.target.takes(&tokens));
    let mut same = World::usual();
    same.target.audience = Some(Audience::parse(MCP).unwrap());
    same.run().unwrap();
    assert!(same.notes.is_empty(), "{:?}", same.notes);
}

use doorward_types::{ClientId, Issuer, Secret, Timestamp, redirect::RedirectUri};
use serde_json::{Value, json};

use crate::{
    AuthMethod, ClientCredentials, Code, IssuerBound, Note, RegisteredClient, Registration,
    scripted::{ISSUER, MCP, NOW, World, allow, answer, parameter, query, resource, server, with},
    step::{HoldPort, PortChoice},
    target::{MetadataDocument, PreRegistered},
};

const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const REGISTER: &str = "https://as.example/register";
const TOKEN: &str = "https://as.example/token";

pub(super) fn stored(issuer: &str, id: &str) -> RegisteredClient {
    let credentials = ClientCredentials {
        client_id: ClientId::parse(id).unwrap(),
        secret: None,
        secret_expires_at: None,
        key: None,
        auth_method: AuthMethod::None,
        registration: Registration::Dynamic,
        redirect_uri: RedirectUri::parse("http://127.0.0.1:40000/callback/abc").unwrap(),
    };
    IssuerBound::new(Issuer::parse(issuer).unwrap(), credentials)
}

pub(super) fn given(issuer: Option<&str>, id: &str) -> PreRegistered {
    PreRegistered {
        issuer: issuer.map(|issuer| Issuer::parse(issuer).unwrap()),
        client_id: ClientId::parse(id).unwrap(),
        secret: None,
        key: None,
        auth_method: None,
        redirect_uri: None,
    }
}

pub(super) fn used_client(world: &World) -> String {
    parameter(world.opened.last().unwrap(), "client_id").unwrap()
}

#[test]
fn of_the_clients_at_several_providers_the_one_for_this_server_is_used_and_else_none() {
    // proves: MCP-AUTH-032
    for (issuer, used, noted) in [(ISSUER, "theirs", false), ("https://other.example", "dyn-1", true)] {
        let mut world = World::usual();
        world.target.clients_elsewhere =
            vec![given(Some("https://third.example"), "no"), given(Some(issuer), "theirs")];
        let connected = world.run().unwrap();
        assert_eq!(used_client(&world), used);
        let note = Note::NoneIsForHere { issuer: Issuer::parse(ISSUER).unwrap() };
        assert_eq!(world.notes.contains(&note), noted, "{:?}", world.notes);
        assert!(world.target.takes(&connected.tokens), "what was got so is what is wanted the next time");
    }
    // One that is named by itself is for its own server, and nothing takes its place.
    let mut world = World::usual();
    world.target.clients = vec![given(Some("https://other.example"), "mine")];
    world.target.clients_elsewhere = vec![given(Some("https://third.example"), "no")];
    assert_eq!(world.run().unwrap_err().code(), Code::IssuerChanged);
}

#[test]
fn the_ways_to_an_identifier_are_tried_in_order() {
    // proves: MCP-AUTH-030, MCP-AUTH-031, MCP-AUTH-032, MCP-AUTH-048, MCP-AUTH-049
    let document = MetadataDocument {
        url: ClientId::parse("https://client.example/doorward.json").unwrap(),
        redirect_uri: RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
    };
    // brought by the user, stored, has a document, the server takes documents, it registers; what is used
    for (given_id, stored_id, has_document, takes, registers, used) in [
        (true, true, true, true, true, Some("given")),
        (false, true, true, true, true, Some("stored")),
        (false, false, true, true, true, Some("https://client.example/doorward.json")),
        (false, false, true, false, true, Some("dyn-1")),
        (false, false, false, true, true, Some("dyn-1")),
        (false, false, true, false, false, None),
        (false, false, false, true, false, None),
        (false, true, false, false, false, Some("stored")),
    ] {
        let mut world = World::usual();
        let registration = if registers { json!(REGISTER) } else { Value::Null };
        let changes = json!({ "client_id_metadata_document_supported": takes, "registration_endpoint": registration });
        world.document(SERVER, with(server(ISSUER), changes));
        world.target.clients = if given_id { vec![given(Some(ISSUER), "given")] } else { Vec::new() };
        world.target.metadata_document = has_document.then(|| document.clone());
        world.stored = stored_id.then(|| stored(ISSUER, "stored"));
        match (world.run(), used) {
            (Ok(_), Some(used)) => assert_eq!(used_client(&world), used),
            (Err(failed), None) => {
                assert!(failed.code() == Code::NoRegistration && world.held.is_empty());
                assert_eq!(failed.why().contains("--client-metadata-url"), takes && !has_document);
            }
            (other, _) => panic!("{used:?}: {other:?}"),
        }
        assert_eq!(world.sent_to(REGISTER).len(), usize::from(used == Some("dyn-1")));
    }
}

#[test]
fn a_registration_says_what_this_client_is() {
    // proves: MCP-AUTH-057, MCP-AUTH-058, MCP-AUTH-081, MCP-AUTH-120, R7591-02, BRW-19, R7591-06
    let mut world = World::usual();
    world.challenge("Bearer scope=\"b a\"");
    world.run().unwrap();
    let sent = world.sent_to(REGISTER)[0];
    let body = sent.json();
    let redirect = body["redirect_uris"][0].as_str().unwrap().to_owned();
    assert!(redirect.starts_with("http://127.0.0.1:43121/callback/") && redirect.len() > 50, "{redirect}");
    assert_eq!(
        with(body, json!({ "redirect_uris": null, "software_version": null })),
        json!({
            "client_name": "Test Host",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "native",
            "scope": "a b",
            "software_id": "doorward",
        })
    );
    assert_eq!(sent.headers["content-type"], "application/json");
    assert_eq!(parameter(&world.opened[0], "redirect_uri"), Some(redirect));
    // The port is held before anything is registered, and what was registered is kept before it is used.
    assert_eq!(world.order, ["get", "get", "load", "hold", "post", "save", "browser", "post"]);
    assert_eq!(world.saved[0].client_id().as_str(), "dyn-1");
}

#[test]
fn the_method_that_is_asked_for_is_one_that_the_server_lists() {
    // proves: MCP-AUTH-125
    for (listed, asked) in [
        (json!(null), Some("none")),
        (json!(["client_secret_basic", "none"]), Some("none")),
        (json!(["client_secret_post", "client_secret_basic"]), Some("client_secret_post")),
        (json!(["private_key_jwt", "client_secret_basic", "client_secret_post"]), Some("client_secret_basic")),
        (json!(["client_secret_post"]), Some("client_secret_post")),
        (json!(["private_key_jwt"]), None),
    ] {
        let mut world = World::usual();
        world.document(SERVER, with(server(ISSUER), json!({ "token_endpoint_auth_methods_supported": listed })));
        world.register(json!({ "client_id": "c", "client_secret": "s", "token_endpoint_auth_method": asked }));
        match (world.run(), asked) {
            (Ok(_), Some(asked)) => assert_eq!(world.sent_to(REGISTER)[0].json()["token_endpoint_auth_method"], asked),
            (Err(failed), None) => assert_eq!(failed.code(), Code::NoRegistration),
            (other, _) => panic!("{listed}: {other:?}"),
        }
    }
}

#[test]
fn what_was_registered_counts_and_not_what_was_asked_for() {
    // proves: R7591-15, MCP-AUTH-125, OA21-15
    let basic = "Basic Y2xpZW50K2lkOnMlMkZw";
    let answers = [
        (json!({ "client_secret": "s/p", "token_endpoint_auth_method": "client_secret_basic" }), Some(basic), None),
        (json!({ "client_secret": "s/p", "token_endpoint_auth_method": "client_secret_post" }), None, Some("s/p")),
        (json!({ "client_secret": "s/p" }), Some(basic), None),
        (json!({ "client_secret": "s/p", "token_endpoint_auth_method": "none" }), None, None),
        (json!({}), None, None),
    ];
    for (registered, authorization, in_form) in answers {
        let mut world = World::usual();
        world.register(with(registered.clone(), json!({ "client_id": "client id" })));
        world.run().unwrap();
        let sent = world.sent_to(TOKEN)[0];
        assert_eq!(sent.headers.get("authorization").map(|v| v.to_str().unwrap()), authorization, "{registered}");
        assert_eq!(sent.form().get("client_secret"), in_form, "{registered}");
        assert_eq!(sent.form().get("client_id"), authorization.is_none().then_some("client id"), "{registered}");
        assert!(sent.headers.get("authorization").is_none_or(http::HeaderValue::is_sensitive));
    }
    for bad in [
        json!({ "client_secret": "s" }),
        json!({ "client_id": "" }),
        json!({ "client_id": "c", "token_endpoint_auth_method": "client_secret_basic" }),
        json!({ "client_id": "c", "token_endpoint_auth_method": "tls_client_auth" }),
        json!({ "client_id": "c", "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "client_id": "c", "redirect_uris": ["https://evil.example/"] }),
        json!("c"),
    ] {
        let mut world = World::usual();
        world.register(bad.clone());
        assert_eq!(world.run().unwrap_err().code(), Code::BadRegistration, "{bad}");
        assert!(world.opened.is_empty() && world.saved.is_empty());
    }
}

#[test]
fn a_refused_registration_is_explained() {
    // proves: MCP-AUTH-060, MCP-AUTH-061
    let mut world = World::usual();
    let error = json!({ "error": "invalid_redirect_uri", "error_description": "only \u{1b}[31mhttps is taken" });
    world.route(&format!("POST {REGISTER}"), move |_| Ok(answer(400, &error)));
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::RegistrationRefused);
    assert!(
        failed.why().contains("http://127.0.0.1:43121/") && failed.why().contains("only [31mhttps is taken"),
        "{failed}"
    );
    assert!(failed.hint().contains("register an application"));
    for (status, code) in [
        (403, Code::RegistrationRefused),
        (404, Code::RegistrationRefused),
        (307, Code::RegistrationRefused),
        (500, Code::ServerFault),
        (429, Code::TooOften),
    ] {
        let mut world = World::usual();
        world.route(&format!("POST {REGISTER}"), move |_| Ok(answer(status, &json!({}))));
        assert_eq!(world.run().unwrap_err().code(), code, "{status}");
    }
}

#[test]
fn a_client_is_used_only_where_it_was_registered() {
    // proves: MCP-AUTH-018, MCP-AUTH-019, MCP-AUTH-064, MCP-AUTH-065, MCP-AUTH-066, MIX-07, R9207-06
    // The store answers with another server's client: it is not used, and this one is registered anew.
    let mut world = World::usual();
    (world.stored, world.confused_store) = (Some(stored(ISSUER, "known")), true);
    world.document(
        "https://mcp.example/.well-known/oauth-protected-resource/mcp",
        resource(MCP, &["https://new.example"]),
    );
    world.document("https://new.example/.well-known/oauth-authorization-server", server("https://new.example"));
    world.route("POST https://new.example/register", |_| Ok(answer(201, &json!({ "client_id": "at-new" }))));
    world.route("POST https://new.example/token", |_| {
        Ok(answer(200, &json!({ "access_token": "t", "token_type": "bearer" })))
    });
    world.browser(|url| {
        vec![query(&[("code", "c"), ("state", &parameter(url, "state").unwrap()), ("iss", "https://new.example")])]
    });
    let connected = world.run().unwrap();
    assert_eq!((used_client(&world), connected.tokens.key().issuer.as_str()), ("at-new".into(), "https://new.example"));
    assert_eq!(world.saved[0].issuer().as_str(), "https://new.example");
    assert!(!world.urls().iter().any(|url| url.starts_with("https://as.example")));
}

#[test]
fn a_client_that_the_user_brought_is_never_shown_to_another_server() {
    // proves: MCP-AUTH-067, MIX-07, MIX-08
    let mut world = World::usual();
    world.target.clients = vec![given(Some("https://before.example"), "mine")];
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::IssuerChanged);
    assert!(failed.why().contains("https://before.example") && failed.why().contains(ISSUER));
    // Brought without an issuer: it is bound to the first one, and a change is refused.
    let mut world = World::usual();
    world.target.clients = vec![given(None, "mine")];
    world.target.known_issuer = Some(Issuer::parse("https://before.example").unwrap());
    assert_eq!(world.run().unwrap_err().code(), Code::IssuerChanged);
    assert!(world.opened.is_empty() && world.sent.len() == 2);
    world.target.known_issuer = None;
    world.run().unwrap();
    assert_eq!((used_client(&world).as_str(), world.saved.len()), ("mine", 0));
}

#[test]
fn a_client_with_a_secret_proves_itself_as_the_server_lists() {
    // proves: MCP-AUTH-125
    for (listed, basic) in [
        (json!(null), true),
        (json!(["client_secret_post"]), false),
        (json!(["client_secret_post", "client_secret_basic"]), true),
    ] {
        let mut world = World::usual();
        world.document(SERVER, with(server(ISSUER), json!({ "token_endpoint_auth_methods_supported": listed })));
        world.target.clients = vec![PreRegistered { secret: Some(Secret::parse("s").unwrap()), ..given(None, "mine") }];
        world.run().unwrap();
        assert_eq!(world.sent_to(TOKEN)[0].headers.contains_key("authorization"), basic, "{listed}");
    }
    let mut world = World::usual();
    world.target.clients =
        vec![PreRegistered { auth_method: Some(AuthMethod::ClientSecretBasic), ..given(None, "mine") }];
    assert_eq!(world.run().unwrap_err().code(), Code::NoRegistration);
}

#[test]
fn the_port_is_the_registered_one_where_that_matters() {
    // proves: BRW-11, MCP-AUTH-081, MCP-AUTH-082
    let hold = |path: &str, port| HoldPort { host: "127.0.0.1".into(), port, path: path.into(), either: false };
    let mut world = World::usual();
    world.stored = Some(stored(ISSUER, "known"));
    world.run().unwrap();
    assert_eq!(world.held, [hold("/callback/abc", PortChoice::Prefer(40000))]);
    assert_eq!(parameter(&world.opened[0], "redirect_uri").unwrap(), "http://127.0.0.1:43121/callback/abc");

    let redirect = |text: &str| Some(RedirectUri::parse(text).unwrap());
    let mut world = World::usual();
    world.target.clients =
        vec![PreRegistered { redirect_uri: redirect("http://localhost:9000/cb"), ..given(None, "mine") }];
    world.run().unwrap();
    assert_eq!(
        world.held,
        [HoldPort { host: "localhost".into(), port: PortChoice::Only(9000), path: "/cb".into(), either: false }]
    );
    assert_eq!(parameter(&world.opened[0], "redirect_uri").unwrap(), "http://localhost:9000/cb");

    let mut world = World::usual();
    world.target.clients = vec![given(None, "mine")];
    world.run().unwrap();
    assert_eq!(world.held, [hold("/callback", PortChoice::Any)]);

    let mut world = World::usual();
    world.target.clients =
        vec![PreRegistered { redirect_uri: redirect("https://web.example/cb"), ..given(None, "mine") }];
    assert_eq!(world.run().unwrap_err().code(), Code::BadRedirect);
}

#[test]
fn a_client_that_is_not_registered_yet_takes_the_loopback_address_that_there_is() {
    // proves: BRW-12
    let mut world = World::usual();
    let path = {
        let mut probe = World::usual();
        probe.run().unwrap();
        assert!(probe.held[0].either);
        probe.held[0].path.clone()
    };
    world.held_instead = Some(format!("http://[::1]:5000{path}"));
    world.run().unwrap();
    assert_eq!(parameter(&world.opened[0], "redirect_uri").unwrap(), format!("http://[::1]:5000{path}"));
    assert!(String::from_utf8_lossy(&world.sent_to(REGISTER)[0].body).contains("[::1]:5000"));

    // What is registered is kept to.
    let mut world = World::usual();
    world.stored = Some(stored(ISSUER, "known"));
    world.held_instead = Some("http://[::1]:5000/callback/abc".into());
    assert_eq!(world.run().unwrap_err().code(), Code::BadRedirect);
}

#[test]
fn a_secret_that_has_ended_is_not_used() {
    // proves: R7591-15
    let mut expired = stored(ISSUER, "old").to_stored();
    let mut json = serde_json::to_value(&expired).unwrap();
    json["secret_expires_at"] = json!(NOW.as_unix());
    expired = serde_json::from_value(json).unwrap();
    let mut world = World::usual();
    world.stored = Some(RegisteredClient::from_stored(expired).unwrap());
    world.run().unwrap();
    assert_eq!(used_client(&world), "dyn-1");

    let mut world = World::usual();
    world.register(json!({ "client_id": "c", "client_secret": "s", "client_secret_expires_at": NOW.as_unix() + 1 }));
    world.run().unwrap();
    assert!(!world.saved[0].is_expired(NOW) && world.saved[0].is_expired(Timestamp::from_unix(NOW.as_unix() + 1)));
    world.register(json!({ "client_id": "c", "client_secret": "s", "client_secret_expires_at": 0 }));
    world.run().unwrap();
    assert!(!world.saved[1].is_expired(Timestamp::from_unix(i64::MAX)));
}

#[test]
fn a_forgotten_client_is_registered_again_exactly_once() {
    // proves: MCP-AUTH-066
    let gone = || json!({ "error": "invalid_client" });
    // At the token endpoint.
    let mut world = World::usual();
    world.stored = Some(stored(ISSUER, "gone"));
    world.route(&format!("POST {TOKEN}"), move |sent| {
        let good = sent.form().get("client_id") == Some("dyn-1");
        Ok(if good {
            answer(200, &json!({ "access_token": "t", "token_type": "Bearer" }))
        } else {
            answer(401, &gone())
        })
    });
    world.run().unwrap();
    assert_eq!(world.notes, [Note::RegisteredAgain]);
    assert_eq!((world.opened.len(), world.saved.len(), world.held.len()), (2, 1, 1));
    assert_eq!(world.saved[0].redirect_uri().as_str(), "http://127.0.0.1:43121/callback/abc");
    // In the browser.
    let mut world = World::usual();
    world.stored = Some(stored(ISSUER, "gone"));
    world.browser(|url| {
        let state = parameter(url, "state").unwrap();
        let known = parameter(url, "client_id").unwrap() == "dyn-1";
        vec![if known {
            allow(url)
        } else {
            query(&[("error", "unauthorized_client"), ("state", &state), ("iss", ISSUER)])
        }]
    });
    world.run().unwrap();
    assert_eq!(world.notes, [Note::RegisteredAgain]);
    // Forgotten for ever: once and no more. A new client, or one that the user brought, never.
    for (client, registrations) in [(Some(stored(ISSUER, "gone")), 1), (None, 1)] {
        let mut world = World::usual();
        world.stored = client;
        world.route(&format!("POST {TOKEN}"), move |_| Ok(answer(401, &gone())));
        assert_eq!(world.run().unwrap_err().code(), Code::ClientUnknown);
        assert_eq!(world.sent_to(REGISTER).len(), registrations);
    }
    let mut world = World::usual();
    world.target.clients = vec![given(None, "mine")];
    world.route(&format!("POST {TOKEN}"), move |_| Ok(answer(401, &gone())));
    assert_eq!(world.run().unwrap_err().code(), Code::ClientUnknown);
    assert!(world.sent_to(REGISTER).is_empty());
    // Not even when it lies in the store.
    let mut record = serde_json::to_value(stored(ISSUER, "mine").to_stored()).unwrap();
    record["registration"] = json!("pre_registered");
    world.target.clients.clear();
    world.stored = Some(RegisteredClient::from_stored(serde_json::from_value(record).unwrap()).unwrap());
    assert_eq!(world.run().unwrap_err().code(), Code::ClientUnknown);
    assert!(world.sent_to(REGISTER).is_empty());
}

#[test]
fn a_client_survives_its_stored_form_and_never_prints_its_secret() {
    let mut world = World::usual();
    world.register(
        json!({ "client_id": "c", "client_secret": "s3cret", "token_endpoint_auth_method": "client_secret_post" }),
    );
    let connected = world.run().unwrap();
    let client = &world.saved[0];
    let text = serde_json::to_string(&client.to_stored()).unwrap();
    let back = RegisteredClient::from_stored(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(back.at(&connected.tokens.server).unwrap().secret.as_ref().unwrap().expose(), "s3cret");
    assert!(!format!("{client:?}").contains("s3cret"));
    let without = serde_json::from_str(&text.replace("\"client_secret\":\"s3cret\",", "")).unwrap();
    assert!(RegisteredClient::from_stored(without).is_err());
    let elsewhere = stored("https://other.example", "c");
    assert!(elsewhere.at(&connected.tokens.server).is_err());
}

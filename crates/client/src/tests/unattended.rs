//! Tokens without a person.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use doorward_types::{
    ClientId, Issuer, ScopeSet, Secret,
    jose::{KeySet, SigningKey, verify_typed},
};
use serde_json::{Value, json};

use crate::{
    Code, Got, Refresh, Refreshed, StoredTokens,
    scripted::{Counting, ISSUER, MCP, NOW, World, answer, resource, server, with},
    target::{Enterprise, Grant, MetadataDocument, PreRegistered, Who},
};

const TOKEN: &str = "https://as.example/token";
const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server";
const IDP: &str = "https://idp.example";

fn client(id: &str) -> PreRegistered {
    let client_id = ClientId::parse(id).unwrap();
    PreRegistered { issuer: None, client_id, secret: None, key: None, auth_method: None, redirect_uri: None }
}

fn with_secret(id: &str) -> PreRegistered {
    PreRegistered { secret: Some(Secret::parse("s3:cret").unwrap()), ..client(id) }
}

/// A server that has no use for pages: no authorization endpoint, no PKCE, no registration.
fn world(grant: Grant, clients: Vec<PreRegistered>) -> World {
    let mut world = World::usual();
    let changes = json!({
        "authorization_endpoint": null,
        "registration_endpoint": null,
        "code_challenge_methods_supported": null,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
        // No scope for a refresh token, which nobody gets here, is asked for.
        "scopes_supported": ["a", "b", "offline_access"],
    });
    world.document(METADATA, with(server(ISSUER), changes));
    (world.target.grant, world.target.clients) = (grant, clients);
    world.challenge("Bearer scope=\"a b\"");
    world
}

fn nobody_was_asked(world: &World) {
    assert!(world.order.iter().all(|kind| ["get", "post"].contains(kind)), "{:?}", world.order);
}

fn jwt(claims: &Value) -> Secret<doorward_types::secret::Assertion> {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    Secret::parse(format!("{}.{}.c2ln", part(&json!({ "alg": "ES256" })), part(claims))).unwrap()
}

#[test]
fn a_client_asks_for_itself_with_its_secret() {
    // proves: EXT-CC-002, EXT-CC-003, EXT-CC-006
    let mut world = world(Grant::ClientCredentials, vec![with_secret("robot")]);
    let tokens = world.run().unwrap().tokens;
    nobody_was_asked(&world);
    let sent = world.sent_to(TOKEN)[0];
    let form = sent.form();
    assert_eq!(form.names().collect::<Vec<_>>(), ["grant_type", "resource", "scope"]);
    assert_eq!(form.get("grant_type"), Some("client_credentials"));
    assert_eq!((form.get("resource"), form.get("scope")), (Some(MCP), Some("a b")));
    let basic = format!("Basic {}", Base64::encode_string(b"robot:s3%3Acret"));
    assert!(sent.headers["authorization"] == basic && sent.headers["authorization"].is_sensitive());
    // A refresh token, which should not have come, is not kept.
    assert!(tokens.got == Got::ClientCredentials && tokens.refresh_token.is_none() && tokens.can_be_renewed());
}

#[test]
fn without_a_person_nothing_is_asked_for_that_nobody_named() {
    for (challenge, wanted, sent) in [
        ("Bearer", None, None),
        ("Bearer scope=\"a\"", None, Some("a")),
        ("Bearer scope=\"a\"", Some("b c"), Some("b c")),
    ] {
        let mut world = world(Grant::ClientCredentials, vec![with_secret("robot")]);
        let listed = with(resource(MCP, &[ISSUER]), json!({ "scopes_supported": ["a", "b", "admin"] }));
        world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", listed);
        world.challenge(challenge);
        world.target.scope = wanted.map(|wanted| ScopeSet::parse(wanted).unwrap());
        world.run().unwrap();
        assert_eq!(world.sent_to(TOKEN)[0].form().get("scope"), sent);
    }
}

#[test]
fn a_token_of_the_client_itself_is_renewed_by_asking_again() {
    let mut world = world(Grant::ClientCredentials, vec![with_secret("robot")]);
    let tokens = world.run().unwrap().tokens;
    let stored = serde_json::to_value(tokens.to_stored()).unwrap();
    let read = StoredTokens::from_stored(serde_json::from_value(stored).unwrap()).unwrap();
    let (refresh, request) = Refresh::start(read, None, world.target.reach, NOW, &mut Counting(1)).unwrap();
    let form = doorward_types::form::Form::parse(&request.body).unwrap();
    assert_eq!((form.get("grant_type"), form.get("scope")), (Some("client_credentials"), Some("a b")));
    assert_eq!(form.get("resource"), Some(MCP));
    let new = json!({ "access_token": "at-2", "token_type": "Bearer", "refresh_token": "rt-2" });
    let Refreshed::New(new) = refresh.on(Ok(answer(200, &new)), NOW, &mut Counting(2)) else { panic!() };
    assert_eq!((new.access_token.expose(), new.refresh_token.is_some()), ("at-2", false));
}

#[test]
fn a_client_signs_an_assertion_for_this_server_alone_and_a_new_one_each_time() {
    // proves: EXT-CC-007, R7523-01, R7523-03, R7523-06, R7523-08
    let pair = SigningKey::generate();
    let key = Some(super::client_key(&pair));
    let mut world = world(Grant::ClientCredentials, vec![PreRegistered { key, ..client("robot") }]);
    let tokens = world.run().unwrap().tokens;
    assert!(!format!("{tokens:?}").contains(&Base64::encode_string(pair.to_pkcs8())));
    let first = world.sent_to(TOKEN)[0].form();
    assert_eq!(
        first.names().collect::<Vec<_>>(),
        ["grant_type", "resource", "scope", "client_assertion_type", "client_assertion"]
    );
    assert_eq!(first.get("client_assertion_type"), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    let keys = KeySet::new(vec![pair.verifying_key()]);
    let read = |assertion: &str| {
        let typ = |found: Option<&str>| found == Some("client-authentication+jwt");
        verify_typed(assertion, &keys, typ).unwrap().claims().clone()
    };
    let claims = read(first.get("client_assertion").unwrap());
    assert_eq!((&claims["iss"], &claims["sub"], &claims["aud"]), (&json!("robot"), &json!("robot"), &json!(ISSUER)));
    let life = claims["exp"].as_i64().unwrap() - NOW.as_unix();
    assert!(claims["iat"] == NOW.as_unix() && (60..=300).contains(&life), "{life}");
    // What is stored renews by itself, and says it anew.
    let stored = serde_json::to_value(tokens.to_stored()).unwrap();
    let read_again = |value: Value| StoredTokens::from_stored(serde_json::from_value(value).unwrap());
    let (_, request) =
        Refresh::start(read_again(stored.clone()).unwrap(), None, world.target.reach, NOW, &mut Counting(5)).unwrap();
    let second = doorward_types::form::Form::parse(&request.body).unwrap();
    assert_ne!(read(second.get("client_assertion").unwrap())["jti"], claims["jti"]);
    let mut keyless = stored;
    keyless["client"].as_object_mut().unwrap().remove("client_key");
    assert!(read_again(keyless).is_err());
}

#[test]
fn a_client_that_nobody_has_given_out_or_that_has_nothing_to_show_gets_nothing() {
    // proves: EXT-CC-003
    for clients in [Vec::new(), vec![client("robot")]] {
        let mut world = world(Grant::ClientCredentials, clients);
        world.document(METADATA, server(ISSUER));
        world.stored = Some(super::registration::stored(ISSUER, "a-persons"));
        let failed = world.run().unwrap_err();
        nobody_was_asked(&world);
        assert_eq!(failed.code(), Code::NoRegistration, "{failed}");
        assert!(world.sent_to(TOKEN).is_empty() && world.sent_to("https://as.example/register").is_empty());
    }
}

#[test]
fn of_several_assertions_the_one_for_this_server_that_is_good_the_longest_is_shown() {
    // proves: R7523-01, R7523-05
    let until = |seconds: i64| NOW.as_unix() + seconds;
    let good = jwt(&json!({ "aud": ISSUER, "exp": until(300), "n": 1 }));
    let better = jwt(&json!({ "aud": [format!("{ISSUER}/"), "x"], "exp": until(600), "n": 2 }));
    let by_endpoint = jwt(&json!({ "aud": TOKEN, "exp": until(5), "n": 3 }));
    let foreign = jwt(&json!({ "aud": "https://wrong.example", "exp": until(900) }));
    let nobodys = jwt(&json!({ "exp": until(900) }));
    let over = jwt(&json!({ "aud": ISSUER, "exp": until(0) }));
    let opaque = Secret::parse("abc").unwrap();
    let endless = jwt(&json!({ "aud": ISSUER, "n": 4 }));
    for (all, shown) in [
        (vec![&endless, &better], Some(&endless)),
        (vec![&better, &endless], Some(&endless)),
        (vec![&foreign, &good, &over], Some(&good)),
        (vec![&good, &better], Some(&better)),
        (vec![&better, &good], Some(&better)),
        (vec![&by_endpoint], Some(&by_endpoint)),
        (vec![&foreign, &nobodys, &over, &opaque], None),
        (vec![], None),
    ] {
        let all = all.into_iter().cloned().collect();
        let mut world = world(Grant::Assertion(all), vec![client("workload")]);
        let outcome = world.run();
        nobody_was_asked(&world);
        let sent = world.sent_to(TOKEN);
        match shown {
            Some(shown) => {
                assert_eq!(outcome.unwrap().tokens.got, Got::Assertion);
                let form = sent[0].form();
                assert_eq!(form.get("grant_type"), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
                assert_eq!(form.get("assertion"), Some(shown.expose()));
                assert_eq!((form.get("client_id"), form.get("resource")), (Some("workload"), Some(MCP)));
                assert_eq!(form.get("scope"), Some("a b"));
            }
            None => {
                assert_eq!(outcome.unwrap_err().code(), Code::NoAssertion);
                assert!(sent.is_empty());
            }
        }
    }
}

#[test]
fn a_refused_assertion_is_neither_shown_again_nor_followed_by_another_grant() {
    for error in ["invalid_grant", "invalid_scope", "unauthorized_client"] {
        let assertion = jwt(&json!({ "aud": ISSUER, "exp": NOW.as_unix() + 60 }));
        let mut world = world(Grant::Assertion(vec![assertion]), vec![client("workload")]);
        world.route(&format!("POST {TOKEN}"), move |_| Ok(answer(400, &json!({ "error": error }))));
        assert_eq!(world.run().unwrap_err().code(), Code::TokenRefused, "{error}");
        assert_eq!(world.sent_to(TOKEN).len(), 1);
    }
}

fn enterprise(id_token: &Value) -> Grant {
    enterprise_of(IDP, id_token)
}

fn enterprise_of(issuer: &str, id_token: &Value) -> Grant {
    let issuer = Issuer::parse(issuer).unwrap();
    let client = PreRegistered { issuer: Some(issuer.clone()), ..with_secret("at-idp") };
    Grant::Enterprise(Box::new(Enterprise { who: Who::Given(jwt(id_token)), ..Enterprise::new(issuer, client) }))
}

/// A world with an identity provider that answers the exchange with this.
fn organisation(status: u16, exchange: &Value) -> World {
    organisation_of(IDP, status, exchange)
}

fn organisation_of(idp: &str, status: u16, exchange: &Value) -> World {
    let id_token = json!({ "sub": "ada", "aud": "at-idp", "exp": NOW.as_unix() + 60 });
    let mut world = world(enterprise_of(idp, &id_token), vec![with_secret("at-as")]);
    let provider = json!({ "issuer": idp, "token_endpoint": format!("{idp}/token") });
    world.document(&format!("{idp}/.well-known/openid-configuration"), provider);
    let exchange = exchange.clone();
    world.route(&format!("POST {idp}/token"), move |_| Ok(answer(status, &exchange)));
    world
}

fn jag(audience: &Value) -> Value {
    json!({
        "access_token": jwt(&json!({ "aud": audience, "sub": "ada" })).expose(),
        "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        "token_type": "N_A",
    })
}

#[test]
fn the_identity_providers_word_becomes_a_token_and_nobody_visits_a_page() {
    // proves: EXT-EMA-001, EXT-EMA-002, EXT-EMA-003, EXT-EMA-004, EXT-EMA-005, EXT-EMA-011, R8693-01
    let mut world = organisation(200, &jag(&json!(ISSUER)));
    let tokens = world.run().unwrap().tokens;
    nobody_was_asked(&world);
    assert!(tokens.got == Got::Assertion && !tokens.can_be_renewed() || tokens.refresh_token.is_some());
    let exchange = world.sent_to("https://idp.example/token")[0];
    let form = exchange.form();
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("audience", ISSUER),
        ("resource", MCP),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("scope", "a b"),
    ] {
        assert_eq!(form.get(name), Some(value), "{name}");
    }
    assert_eq!(exchange.headers["authorization"], format!("Basic {}", Base64::encode_string(b"at-idp:s3%3Acret")));
    let shown = world.sent_to(TOKEN)[0];
    assert_eq!(shown.headers["authorization"], format!("Basic {}", Base64::encode_string(b"at-as:s3%3Acret")));
    let jag = jag(&json!(ISSUER));
    assert_eq!(shown.form().get("assertion"), jag["access_token"].as_str());
    let array = organisation(200, &self::jag(&json!([ISSUER]))).run();
    assert!(array.is_ok());
}

#[test]
fn an_assertion_for_another_server_or_of_another_kind_is_not_shown() {
    // proves: IDJAG-09, EXT-EMA-008
    let good = jag(&json!(ISSUER));
    for exchange in [
        jag(&json!("https://other.example")),
        jag(&json!([ISSUER, "https://other.example"])),
        jag(&json!(format!("{ISSUER}/"))),
        jag(&Value::Null),
        with(good.clone(), json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:access_token" })),
        with(good.clone(), json!({ "issued_token_type": null })),
        with(good, json!({ "access_token": "opaque" })),
    ] {
        let mut world = organisation(200, &exchange);
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code(), Code::BadTokenAnswer, "{exchange}");
        assert!(world.sent_to(TOKEN).is_empty());
    }
}

#[test]
fn a_server_that_takes_no_such_assertions_is_told_from_one_that_does_not_say() {
    // proves: EXT-EMA-018, MCP-EXT-002
    let id_jag = "urn:ietf:params:oauth:grant-profile:id-jag";
    for (listed, good) in [(json!(null), true), (json!(["x", id_jag]), true), (json!(["x"]), false)] {
        let mut world = organisation(200, &jag(&json!(ISSUER)));
        let lists = json!({ "authorization_grant_profiles_supported": listed, "authorization_endpoint": null });
        world.document(METADATA, with(server(ISSUER), lists));
        match world.run() {
            Ok(_) => assert!(good, "{listed}"),
            Err(failed) => {
                assert!(!good && failed.code() == Code::NoAssertion && failed.why().contains(id_jag), "{failed}");
                assert!(world.sent.iter().all(|sent| sent.method == "GET" && !sent.url.starts_with(IDP)));
            }
        }
    }
}

#[test]
fn each_token_of_the_organisation_is_had_with_a_new_assertion() {
    // proves: EXT-EMA-017
    let mut world = organisation(200, &jag(&json!(ISSUER)));
    let mut made = 0;
    world.route("POST https://idp.example/token", move |_| {
        made += 1;
        let assertion = jwt(&json!({ "aud": ISSUER, "n": made }));
        Ok(answer(200, &with(jag(&json!(ISSUER)), json!({ "access_token": assertion.expose() }))))
    });
    world.tokens(json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 60 }));
    let tokens = world.run().unwrap().tokens;
    // Nothing of the provider's is kept: it is asked again, with what it said at sign-in.
    assert!(!tokens.can_be_renewed() && world.target.takes(&tokens));
    let failed = Refresh::start(tokens, None, world.target.reach, NOW, &mut Counting(1)).unwrap_err();
    assert_eq!(failed.code(), Code::LoginNeeded);
    world.run().unwrap();
    let sent = world.sent_to(TOKEN);
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0].form().get("assertion"), sent[1].form().get("assertion"));
}

#[test]
fn a_program_with_a_document_needs_no_registration_to_show_an_assertion() {
    // proves: EXT-EMA-012
    let mut world = organisation(200, &jag(&json!(ISSUER)));
    world.target.clients.clear();
    let takes = json!({ "client_id_metadata_document_supported": true, "authorization_endpoint": null });
    world.document(METADATA, with(server(ISSUER), takes));
    let id = "https://client.example/client.json";
    let redirect_uri = doorward_types::RedirectUri::parse("http://127.0.0.1/callback").unwrap();
    world.target.metadata_document = Some(MetadataDocument { url: ClientId::parse(id).unwrap(), redirect_uri });
    world.run().unwrap();
    assert_eq!(world.sent_to(TOKEN)[0].form().get("client_id"), Some(id));
    assert!(world.sent_to("https://as.example/register").is_empty());
}

#[test]
fn a_client_without_a_person_asks_for_what_it_had_and_what_the_challenge_names() {
    // proves: MCP-AUTH-111
    let mut world = world(Grant::ClientCredentials, vec![with_secret("robot")]);
    world.target.requested_before = ScopeSet::parse("a").ok();
    world.challenge("Bearer error=\"insufficient_scope\", scope=\"w\"");
    world.run().unwrap();
    nobody_was_asked(&world);
    assert_eq!(world.sent_to(TOKEN)[0].form().get("scope"), Some("a w"));
    // What it may not have ends it.
    let no = json!({ "error": "invalid_scope" });
    world.route(&format!("POST {TOKEN}"), move |_| Ok(answer(400, &no)));
    assert_eq!(world.run().unwrap_err().code(), Code::TokenRefused);
    assert_eq!(world.sent_to(TOKEN).len(), 2);
}

#[test]
fn what_the_identity_provider_does_wrong_is_told_apart() {
    // proves: IDJAG-11, EXT-EMA-026
    let refused = json!({ "error": "insufficient_user_authentication", "error_description": "step up" });
    let failed = organisation(400, &refused).run().unwrap_err();
    assert_eq!(failed.code(), Code::ProviderRefused);
    assert!(failed.why().contains("insufficient_user_authentication (step up)"), "{failed}");
    assert_eq!(organisation(503, &json!({})).run().unwrap_err().code(), Code::ServerFault);

    let mut mistaken = organisation(200, &jag(&json!(ISSUER)));
    let other = json!({ "issuer": "https://evil.example", "token_endpoint": "https://evil.example/token" });
    mistaken.document("https://idp.example/.well-known/openid-configuration", other);
    assert_eq!(mistaken.run().unwrap_err().code(), Code::BadServerMetadata);
    assert!(mistaken.sent.iter().all(|sent| sent.method == "GET"));

    let mut late = organisation(200, &jag(&json!(ISSUER)));
    late.target.grant = enterprise(&json!({ "exp": NOW.as_unix() }));
    assert_eq!(late.run().unwrap_err().code(), Code::NoAssertion);
    assert!(late.sent.iter().all(|sent| sent.method == "GET"));
    let text = format!("{:?}", late.target.grant);
    assert!(!text.contains("eyJ") && !text.contains("s3:cret"), "{text}");
}

#[test]
fn where_a_provider_is_known_to_give_no_assertions_its_refusal_says_so() {
    for (error, doubted) in [("unsupported_grant_type", true), ("invalid_client", false)] {
        let refused = json!({ "error": error });
        let failed = organisation_of("https://id.example/realms/one", 400, &refused).run().unwrap_err();
        assert_eq!(failed.why().contains("Keycloak was not known to issue ID-JAGs"), doubted, "{failed}");
        assert!(!organisation(400, &refused).run().unwrap_err().why().contains("known"));
    }
}

#[test]
fn tokens_of_another_way_or_client_are_not_taken_for_these() {
    let person: StoredTokens = World::usual().run().unwrap().tokens;
    let robot = world(Grant::ClientCredentials, vec![with_secret("robot")]).run().unwrap().tokens;
    let target = |grant, clients| world(grant, clients).target;
    let wants_robot = target(Grant::ClientCredentials, vec![with_secret("robot")]);
    assert!(wants_robot.takes(&robot) && !wants_robot.takes(&person));
    assert!(!target(Grant::ClientCredentials, vec![with_secret("other")]).takes(&robot));
    assert!(!target(Grant::Assertion(Vec::new()), Vec::new()).takes(&robot));
    let elsewhere = PreRegistered { issuer: Issuer::parse(IDP).ok(), ..client("other") };
    let anybody = target(Grant::Code, vec![elsewhere]);
    assert!(anybody.takes(&person) && anybody.takes(&robot));
    assert!(!target(Grant::Code, vec![client("mine")]).takes(&person));
    let mut bound = target(Grant::Code, Vec::new());
    bound.dpop = crate::target::Dpop::Always;
    assert!(!bound.takes(&person));
}

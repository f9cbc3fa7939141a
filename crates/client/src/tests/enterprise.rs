//! A person signs in at the organisation's identity provider, once for all servers that believe it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{ClientId, Issuer, ScopeSet, Secret, jose::SigningKey, outbound::FetchFailed};
use serde_json::{Value, json};
use url::Url;

use crate::{
    Code, Got, Note, StoredIdentity,
    scripted::{ISSUER, MCP, NOW, World, answer, parameter, query, server, with},
    target::{By, Enterprise, Grant, PreRegistered, Who},
};

pub(super) const IDP: &str = "https://idp.example";
pub(super) const CONFIGURATION: &str = "https://idp.example/.well-known/openid-configuration";
const PROVIDER: &str = "POST https://idp.example/token";
const TOKEN: &str = "https://as.example/token";

pub(super) fn client(id: &str) -> PreRegistered {
    let (client_id, secret) = (ClientId::parse(id).unwrap(), Secret::parse("s3cret").ok());
    PreRegistered { issuer: None, client_id, secret, key: None, auth_method: None, redirect_uri: None }
}

/// What the identity provider does, and what it has seen.
pub(super) struct Idp {
    pub(super) key: SigningKey,
    /// What is changed in its ID tokens.
    pub(super) spoilt: Value,
    /// How it answers the exchange, one after the other; then with an assertion.
    exchanges: Vec<(u16, Value)>,
    /// How it answers a refresh instead of with a new ID token.
    refresh: Option<(u16, Value)>,
    nonce: Option<String>,
    refresh_token: Option<&'static str>,
    /// The grant types that were asked for, and what was shown, in order.
    pub(super) seen: Vec<String>,
    shown: Vec<String>,
    pub(super) now: i64,
}

pub(super) type Shared = Rc<RefCell<Idp>>;

impl Idp {
    fn id_token(&self) -> String {
        let claims = json!({
            "iss": IDP, "sub": "ada", "aud": "at-idp", "iat": self.now, "exp": self.now + 600, "nonce": self.nonce,
        });
        self.key.sign("JWT", &with(claims, self.spoilt.clone()))
    }

    fn answer(&mut self, form: &doorward_types::form::Form) -> (u16, Value) {
        let grant = form.get("grant_type").unwrap().rsplit(':').next().unwrap().to_owned();
        self.seen.push(grant.clone());
        let tokens = || {
            with(
                json!({ "access_token": "idp-at", "token_type": "Bearer", "id_token": self.id_token() }),
                self.refresh_token.map_or_else(|| json!({}), |token| json!({ "refresh_token": token })),
            )
        };
        match grant.as_str() {
            "authorization_code" => (200, tokens()),
            "refresh_token" => self.refresh.clone().unwrap_or_else(|| (200, tokens())),
            "token-exchange" => {
                let kind = form.get("subject_token_type").unwrap().rsplit(':').next().unwrap();
                self.shown.push(format!("{kind} {}", form.get("subject_token").unwrap()));
                if self.exchanges.is_empty() {
                    (200, id_jag(form.get("audience").unwrap()))
                } else {
                    self.exchanges.remove(0)
                }
            }
            other => panic!("{other}"),
        }
    }
}

fn id_jag(audience: &str) -> Value {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let jwt = format!("{}.{}.c2ln", part(&json!({ "alg": "ES256" })), part(&json!({ "aud": audience })));
    json!({
        "access_token": jwt, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A",
    })
}

pub(super) fn metadata() -> Value {
    let changes = json!({
        "jwks_uri": format!("{IDP}/keys"),
        "registration_endpoint": null,
        "scopes_supported": ["openid", "email", "offline_access", "profile", "phone"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    });
    with(server(IDP), changes)
}

/// The metadata of an authorization server that believes the identity provider.
pub(super) fn believing() -> Value {
    let changes = json!({
        "authorization_endpoint": null,
        "registration_endpoint": null,
        "code_challenge_methods_supported": null,
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "authorization_grant_profiles_supported": ["urn:ietf:params:oauth:grant-profile:id-jag"],
    });
    with(server(ISSUER), changes)
}

/// A server that believes the identity provider, and a person whom nothing is known of.
pub(super) fn world() -> (World, Shared) {
    let mut world = World::usual();
    world.document("https://as.example/.well-known/oauth-authorization-server", believing());
    world.tokens(json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 600 }));
    world.challenge("Bearer scope=\"a b\"");
    world.target.clients = vec![client("at-as")];
    world.target.grant = enterprise(By::Browser);
    let idp = Idp {
        key: SigningKey::generate(),
        spoilt: json!({}),
        exchanges: Vec::new(),
        refresh: None,
        nonce: None,
        refresh_token: Some("idp-rt"),
        seen: Vec::new(),
        shown: Vec::new(),
        now: NOW.as_unix(),
    };
    let keys = json!({ "keys": [idp.key.public_jwk()] });
    let idp = Rc::new(RefCell::new(idp));
    world.document(CONFIGURATION, metadata());
    world.document(&format!("{IDP}/keys"), keys);
    let at_token = Rc::clone(&idp);
    world.route(PROVIDER, move |sent| {
        let (status, body) = at_token.borrow_mut().answer(&sent.form());
        Ok(answer(status, &body))
    });
    let at_page = Rc::clone(&idp);
    world.browser(move |url| {
        at_page.borrow_mut().nonce = parameter(url, "nonce");
        vec![back(url, IDP)]
    });
    (world, idp)
}

fn enterprise(by: By) -> Grant {
    let mut enterprise = Enterprise::new(Issuer::parse(IDP).unwrap(), client("at-idp"));
    enterprise.who = Who::SignsIn(by);
    Grant::Enterprise(Box::new(enterprise))
}

pub(super) fn back(url: &Url, iss: &str) -> String {
    query(&[("code", "c0de"), ("state", &parameter(url, "state").unwrap()), ("iss", iss)])
}

#[test]
fn a_person_signs_in_at_the_provider_and_their_word_is_shown_to_it_alone() {
    // proves: EXT-EMA-001, EXT-EMA-002, EXT-EMA-003, EXT-EMA-004, EXT-EMA-005, EXT-EMA-011, EXT-EMA-031
    let (mut world, idp) = world();
    world.target.login_hint = Some("ada@corp.example".into());
    let tokens = world.run().unwrap().tokens;
    let [page] = world.opened.as_slice() else { panic!("{:?}", world.opened) };
    let nonce = parameter(page, "nonce").unwrap();
    assert!(page.as_str().starts_with("https://idp.example/authorize?") && nonce.len() == 43);
    for (name, value) in [
        ("response_type", Some("code")),
        ("client_id", Some("at-idp")),
        ("scope", Some("openid email offline_access")),
        ("code_challenge_method", Some("S256")),
        ("redirect_uri", Some("http://127.0.0.1:43121/callback")),
        ("login_hint", Some("ada@corp.example")),
        ("resource", None),
        ("prompt", None),
    ] {
        let mut found = parameter(page, name);
        if name == "scope" {
            let set = |text: &str| ScopeSet::parse(text).unwrap().to_string();
            assert_eq!(found.as_deref().map(set), value.map(set));
            found = value.map(str::to_owned);
        }
        assert_eq!(found.as_deref(), value, "{name}");
    }
    let state = parameter(page, "state").unwrap();
    assert!(nonce != state && world.urls().iter().all(|url| !url.contains(&nonce)));
    // It is kept before it is used, and used at the provider alone.
    let order: Vec<_> = world.order.iter().filter(|step| !["get", "post"].contains(step)).copied().collect();
    assert_eq!(order, ["who", "hold", "browser", "keep"]);
    let id_token = idp.borrow().id_token();
    let idp = idp.borrow();
    assert_eq!(idp.seen, ["authorization_code", "token-exchange"]);
    assert!(idp.shown[0].starts_with("id_token ") && !idp.shown[0].contains("idp-at"));
    let (signed, _) = id_token.rsplit_once('.').unwrap();
    for sent in world.sent.iter().filter(|sent| !sent.url.starts_with(IDP)) {
        let body = String::from_utf8(sent.body.clone()).unwrap();
        assert!(!body.contains(signed) && !body.contains("idp-rt") && !body.contains("c0de"), "{}", sent.url);
    }
    let rests_on = tokens.identity.as_ref().unwrap();
    assert_eq!((rests_on.key.issuer.as_str(), rests_on.subject.as_str()), (IDP, "ada"));
    assert!(tokens.got == Got::Assertion && tokens.refresh_token.is_none() && tokens.can_be_renewed());
    assert!(world.target.takes(&tokens));
    assert!(world.notes.is_empty(), "{:?}", world.notes);
    // An identity provider is an OpenID provider first of all.
    let first = world.urls().into_iter().find(|url| url.starts_with(IDP));
    assert_eq!(first, Some(CONFIGURATION));
}

#[test]
fn what_has_ended_is_renewed_and_what_cannot_be_renewed_is_asked_for_once() {
    // proves: EXT-EMA-017, EXT-EMA-004
    let expired = NOW.plus(Duration::from_secs(590));
    let (mut world, idp) = world();
    let first = world.run().unwrap().tokens;
    world.now = expired;
    idp.borrow_mut().now = expired.as_unix();
    idp.borrow_mut().refresh_token = Some("idp-rt-2");
    let renewed = world.renew(first.clone()).unwrap().tokens;
    assert_eq!((world.opened.len(), renewed.identity.as_ref()), (1, first.identity.as_ref()));
    assert_eq!(idp.borrow().seen[2..], ["refresh_token", "token-exchange"]);
    let kept: &StoredIdentity = world.identity.as_ref().unwrap();
    assert_eq!(kept.refresh_token.as_ref().unwrap().expose(), "idp-rt-2");
    assert_eq!(kept.signed_in_at, NOW);
    // The refresh was asked for as any other, without a word of the MCP server.
    let refresh = world.sent_to("https://idp.example/token")[2].form();
    assert_eq!((refresh.get("refresh_token"), refresh.get("resource")), (Some("idp-rt"), None));

    // A provider that gives no new ID token takes the refresh token for its own word.
    world.now = NOW.plus(Duration::from_secs(3000));
    idp.borrow_mut().refresh = Some((200, json!({ "access_token": "x", "token_type": "Bearer" })));
    let renewed = world.renew(first.clone()).unwrap().tokens;
    assert_eq!(idp.borrow().shown.last().unwrap(), "refresh_token idp-rt-2");
    assert_eq!(renewed.identity, first.identity);

    // Once it says that the sign-in is over, somebody has to be there.
    idp.borrow_mut().refresh = Some((400, json!({ "error": "invalid_grant" })));
    let failed = world.renew(first.clone()).unwrap_err();
    assert_eq!((failed.code(), failed.exit() as u8), (Code::LoginNeeded, 3));
    idp.borrow_mut().now = world.now.as_unix();
    world.run().unwrap();
    assert_eq!(world.opened.len(), 2);
    // Nothing that happens on the way ends it.
    world.now = NOW.plus(Duration::from_secs(6000));
    world.route(PROVIDER, |_| Err(FetchFailed::Connect("reset".into())));
    assert_eq!(world.renew(first).unwrap_err().exit() as u8, 4);
}

/// Somebody who signed in long ago at a provider that gives another refresh token each time.
pub(super) fn grown_old() -> (World, Shared, crate::StoredTokens) {
    let (mut world, idp) = world();
    let tokens = world.run().unwrap().tokens;
    world.now = NOW.plus(Duration::from_secs(700));
    idp.borrow_mut().now = world.now.as_unix();
    idp.borrow_mut().refresh_token = Some("idp-rt-2");
    (world, idp, tokens)
}

fn kept(world: &World) -> Option<&str> {
    world.identity.as_ref().unwrap().refresh_token.as_ref().map(|token| token.expose())
}

#[test]
fn a_new_refresh_token_is_kept_whatever_comes_of_the_id_token_beside_it() {
    // proves: EXT-EMA-017
    let (mut world, idp, tokens) = grown_old();
    world.route(&format!("GET {IDP}/keys"), |_| Err(FetchFailed::Timeout(Duration::from_secs(10))));
    assert_eq!(world.renew(tokens.clone()).unwrap_err().exit() as u8, 4);
    assert_eq!(kept(&world), Some("idp-rt-2"));
    let keys = json!({ "keys": [idp.borrow().key.public_jwk()] });
    world.document(&format!("{IDP}/keys"), keys);
    world.renew(tokens).unwrap();
    let refreshes = world.sent_to("https://idp.example/token").into_iter().map(|sent| sent.form());
    let shown: Vec<_> = refreshes.filter_map(|form| form.get("refresh_token").map(str::to_owned)).collect();
    assert_eq!(shown, ["idp-rt", "idp-rt-2"]);
    // Nor does one that says that it is somebody else undo it.
    let (mut world, idp, tokens) = grown_old();
    idp.borrow_mut().spoilt = json!({ "sub": "bob" });
    assert_eq!(world.renew(tokens).unwrap_err().code(), Code::BadIdToken);
    assert_eq!((kept(&world), world.identity.as_ref().unwrap().subject.as_str()), (Some("idp-rt-2"), "ada"));
}

#[test]
fn only_the_providers_word_that_it_is_over_ends_a_sign_in() {
    // proves: EXT-EMA-017
    for (error, code, refresh_token) in [
        ("invalid_grant", Code::LoginNeeded, None),
        ("login_required", Code::LoginNeeded, Some("idp-rt")),
        ("interaction_required", Code::LoginNeeded, Some("idp-rt")),
        ("temporarily_unavailable", Code::ProviderRefused, Some("idp-rt")),
        ("invalid_request", Code::ProviderRefused, Some("idp-rt")),
        ("invalid_client", Code::ClientUnknown, Some("idp-rt")),
    ] {
        let (mut world, idp, tokens) = grown_old();
        idp.borrow_mut().refresh = Some((400, json!({ "error": error })));
        assert_eq!(world.renew(tokens).unwrap_err().code(), code, "{error}");
        assert_eq!(kept(&world), refresh_token, "{error}");
        // A person is sent to the page for the same reasons.
        let outcome = world.run();
        assert_eq!((outcome.is_ok(), world.opened.len() == 2), (code == Code::LoginNeeded, code == Code::LoginNeeded));
    }
}

#[test]
fn a_refresh_token_that_the_provider_has_ended_is_shown_once() {
    let (mut world, idp, tokens) = grown_old();
    idp.borrow_mut().refresh = Some((400, json!({ "error": "invalid_grant" })));
    for _ in 0..2 {
        assert_eq!(world.renew(tokens.clone()).unwrap_err().code(), Code::LoginNeeded);
    }
    assert_eq!(idp.borrow().seen.iter().filter(|grant| *grant == "refresh_token").count(), 1);
    assert!(!world.identity.as_ref().unwrap().can_be_renewed());
}

#[test]
fn a_new_secret_and_new_metadata_reach_the_sign_in_that_is_kept() {
    let (mut world, idp) = world();
    let tokens = world.run().unwrap().tokens;
    let keeps = |world: &World| world.order.iter().filter(|step| **step == "keep").count();
    world.run().unwrap();
    assert_eq!(keeps(&world), 1, "what is kept already is not kept again");
    let Grant::Enterprise(enterprise) = &mut world.target.grant else { panic!() };
    enterprise.client.secret = Secret::parse("new-s3cret").ok();
    world.document(CONFIGURATION, with(metadata(), json!({ "token_endpoint": format!("{IDP}/new") })));
    let at_token = Rc::clone(&idp);
    world.route("POST https://idp.example/new", move |sent| {
        let (status, body) = at_token.borrow_mut().answer(&sent.form());
        Ok(answer(status, &body))
    });
    world.run().unwrap();
    assert_eq!((world.opened.len(), keeps(&world)), (1, 2));
    let before = world.sent.len();
    world.renew(tokens).unwrap();
    let sent = world.sent[before..].iter().find(|sent| sent.url.starts_with(IDP)).unwrap();
    let basic = format!("Basic {}", base64ct::Base64::encode_string(b"at-idp:new-s3cret"));
    let shown = sent.headers[http::header::AUTHORIZATION].to_str().unwrap();
    assert_eq!((sent.url.as_str(), shown), ("https://idp.example/new", basic.as_str()));
    // One that the provider does not know is no refusal of the person.
    idp.borrow_mut().exchanges = vec![(401, json!({ "error": "invalid_client" }))];
    assert_eq!(world.run().unwrap_err().code(), Code::ClientUnknown);
}

#[test]
fn what_the_provider_refuses_is_renewed_then_asked_for_and_then_told() {
    // proves: IDJAG-11
    let again = (400, json!({ "error": "insufficient_user_authentication", "error_description": "step up" }));
    let (mut world, idp) = world();
    world.run().unwrap();
    idp.borrow_mut().exchanges = vec![again.clone(), again.clone()];
    world.run().unwrap();
    let anew = world.opened.last().unwrap();
    assert_eq!((world.opened.len(), parameter(anew, "prompt").as_deref()), (2, Some("login")));
    assert_eq!(
        idp.borrow().seen[2..],
        ["token-exchange", "refresh_token", "token-exchange", "authorization_code", "token-exchange"]
    );
    // A refusal of the server, or of what was said a moment ago, is final.
    for (before, refusals) in [(true, vec![(400, json!({ "error": "invalid_target" }))]), (false, vec![again])] {
        let (mut world, idp) = self::world();
        if before {
            world.run().unwrap();
        }
        idp.borrow_mut().exchanges = refusals;
        let pages = world.opened.len();
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code(), Code::ProviderRefused);
        assert!(failed.why().contains("idp.example/token answered") && failed.hint().contains(MCP), "{failed}");
        assert_eq!(
            (world.opened.len() - pages, world.sent_to(TOKEN).len()),
            (usize::from(!before), usize::from(before))
        );
    }
}

#[test]
fn nothing_is_done_with_an_id_token_that_is_not_believed() {
    // proves: EXT-EMA-031, R68-05
    let stranger = SigningKey::generate();
    for spoilt in [
        json!({ "nonce": "another" }),
        json!({ "nonce": null }),
        json!({ "aud": "another" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": NOW.as_unix() - 100, "iat": NOW.as_unix() - 200 }),
    ] {
        let (mut world, idp) = world();
        idp.borrow_mut().spoilt = spoilt.clone();
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code(), Code::BadIdToken, "{spoilt}");
        assert!(
            world.identity.is_none() && idp.borrow().shown.is_empty() && world.sent_to(TOKEN).is_empty(),
            "{spoilt}"
        );
    }
    let (mut world, idp) = world();
    world.document(&format!("{IDP}/keys"), json!({ "keys": [stranger.public_jwk()] }));
    assert_eq!(world.run().unwrap_err().code(), Code::BadIdToken);
    assert!(idp.borrow().shown.is_empty());
    // Nor when a renewal says that it is somebody else.
    let (mut world, idp) = self::world();
    let tokens = world.run().unwrap().tokens;
    world.now = NOW.plus(Duration::from_secs(700));
    idp.borrow_mut().now = world.now.as_unix();
    idp.borrow_mut().spoilt = json!({ "sub": "bob" });
    assert_eq!(world.renew(tokens).unwrap_err().code(), Code::BadIdToken);
    assert_eq!(world.identity.as_ref().unwrap().subject, "ada");
}

#[test]
fn nobody_is_sent_to_a_page_in_vain() {
    // proves: EXT-EMA-018, EXT-EMA-023
    // The server does not take what would come of it.
    let (mut world, _) = self::world();
    let deaf = with(server(ISSUER), json!({ "grant_types_supported": ["authorization_code"] }));
    world.document("https://as.example/.well-known/oauth-authorization-server", deaf);
    assert_eq!(world.run().unwrap_err().code(), Code::NoAssertion);
    // The page is not protected with PKCE.
    let (mut world, _) = self::world();
    world.document(CONFIGURATION, with(metadata(), json!({ "code_challenge_methods_supported": null })));
    assert_eq!(world.run().unwrap_err().code(), Code::NoPkce);
    assert!(world.opened.is_empty());
    world.target.lenient.unlisted_pkce = true;
    world.run().unwrap();
    assert_eq!(world.notes, [Note::UnlistedPkce]);
    let (mut world, _) = self::world();
    world.target.lenient.unlisted_pkce = true;
    world.run().unwrap();
    assert!(world.notes.is_empty(), "a rule that made no difference is not told");
    // The keys lie where nobody may be led.
    let (mut world, idp) = self::world();
    for bad in [json!("https://localhost/keys"), json!("http://idp.example/keys"), json!(null)] {
        world.document(CONFIGURATION, with(metadata(), json!({ "jwks_uri": bad })));
        assert_eq!(world.run().unwrap_err().code(), Code::BadServerMetadata, "{bad}");
        assert!(idp.borrow().shown.is_empty());
    }
}

#[test]
fn a_code_for_another_device_does_as_well() {
    // proves: EXT-EMA-031
    let (mut world, idp) = self::world();
    world.target.grant = enterprise(By::Device);
    // It needs no page of the provider's that PKCE would have to protect.
    let changes = json!({
        "device_authorization_endpoint": format!("{IDP}/device"), "authorization_endpoint": null,
        "code_challenge_methods_supported": null,
    });
    world.document(CONFIGURATION, with(metadata(), changes));
    world.route("POST https://idp.example/device", |_| {
        let code = json!({
            "device_code": "d3vice", "user_code": "WDJB-MJHT", "verification_uri": format!("{IDP}/device"), "expires_in": 900,
        });
        Ok(answer(200, &code))
    });
    let at_token = Rc::clone(&idp);
    world.route(PROVIDER, move |sent| {
        let mut idp = at_token.borrow_mut();
        if sent.form().get("device_code").is_some() {
            let tokens = json!({ "access_token": "x", "token_type": "Bearer", "id_token": idp.id_token() });
            return Ok(answer(200, &tokens));
        }
        let (status, body) = idp.answer(&sent.form());
        Ok(answer(status, &body))
    });
    assert!(world.run().unwrap().tokens.identity.is_some());
    assert!(world.shown.len() == 1 && world.opened.is_empty());
}

//! Requests that nobody would write: whatever comes, it is answered, and never as a fault of ours.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::body::Body;
use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::{
    jose::SigningKey,
    outbound::{FetchFailed, Http, Inbound, Outbound},
};
use doorward_web::Strangers;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    app::{App, Tokens},
    html,
    world::{CALLBACK, LOCAL, World},
};

const PATHS: &[&str] = &[
    "/",
    "/oauth/authorize",
    "/oauth/token",
    "/oauth/register",
    "/oauth/register/dwcl_x",
    "/oauth/register/%00%ff",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/par",
    "/oauth/device_authorization",
    "/device",
    "/oauth/jwks",
    "/sign-in",
    "/sign-out",
    "/consent",
    "/setup",
    "/apps",
    "/apps/revoke",
    "/assets/style.css",
    "/healthz",
    "/readyz",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "//",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/assets/%2e%2e%2fstyle",
    "/assets/%ff",
    "/.well-known/oauth-protected-resource/%ff%00",
    "*",
];
const METHODS: &[&str] = &["GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"];
const NAMES: &[&str] = &[
    "response_type",
    "client_id",
    "client_secret",
    "redirect_uri",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "scope",
    "state",
    "prompt",
    "response_mode",
    "request",
    "request_uri",
    "dpop_jkt",
    "device_code",
    "user_code",
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "token_type_hint",
    "client_assertion",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "actor_token",
    "audience",
    "assertion",
    "interaction",
    "form_token",
    "answer",
    "duration",
    "grant",
    "all",
    "done",
    "name",
    "redirect_uris",
    "grant_types",
    "response_types",
    "token_endpoint_auth_method",
    "client_name",
    "application_type",
    "client_assertion_type",
    "jwks",
    "jwks_uri",
    "client_uri",
    "scope",
    "software_id",
];
const HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "cookie",
    "origin",
    "host",
    "sec-fetch-site",
    "sec-fetch-dest",
    "sec-purpose",
    "access-control-request-method",
    "content-length",
    "transfer-encoding",
    "accept",
    "expect",
    "range",
    "if-none-match",
    "x-http-method-override",
    "upgrade",
];

struct Draw {
    entropy: SeededEntropy,
    values: Vec<String>,
}

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.entropy.below(bound as u64)).unwrap()
    }

    fn one<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let at = self.below(all.len());
        all[at]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.entropy.next_u64().to_le_bytes()[0]).collect()
    }

    /// Something that means something here, something broken, or noise.
    fn value(&mut self) -> String {
        let at = self.below(self.values.len());
        let mut value = self.values[at].clone();
        match self.below(8) {
            0 => String::from_utf8_lossy(&self.bytes(40)).into_owned(),
            1 => {
                let cut = self.below(value.chars().count() + 1);
                value.chars().take(cut).collect()
            }
            2 => {
                value.push_str(&String::from_utf8_lossy(&self.bytes(3)));
                value
            }
            3 => {
                let times = self.below(2000);
                value.chars().take(8).collect::<String>().repeat(times)
            }
            _ => value,
        }
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        let count = if self.below(40) == 0 { 70 } else { self.below(9) };
        (0..count).map(|_| (self.one(NAMES).to_owned(), self.value())).collect()
    }

    fn form(&mut self, right: &[(String, String)]) -> String {
        // A right form with a few things wrong reaches further than noise.
        let mut fields = if self.below(3) == 0 { right.to_vec() } else { Vec::new() };
        let wrong = self.fields();
        if self.below(2) == 0 {
            fields.retain(|(name, _)| !wrong.iter().any(|(other, _)| other == name));
        }
        fields.extend(wrong);
        let pairs: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut text = url_text::form(&pairs);
        if self.below(10) == 0 {
            text.push_str(self.one(&["%", "%zz", "%ff", "&&&", "=", "&=&=", "%00=%00", "+", "a=b=c", "%c0%af"]));
        }
        text
    }

    /// A right description of a client with a few things wrong.
    fn json(&mut self, mut body: Value) -> Vec<u8> {
        for _ in 0..self.below(4) {
            let name = self.one(NAMES);
            body[name] = match self.below(7) {
                0 => json!(null),
                1 => json!(self.entropy.next_u64()),
                2 => json!([self.value(), self.value()]),
                3 => json!({self.value(): self.value()}),
                4 => json!([[[]], {}]),
                5 => json!(true),
                _ => json!(self.value()),
            };
        }
        let mut text = body.to_string().into_bytes();
        if self.below(4) == 0 {
            let at = self.below(text.len());
            text[at] = self.entropy.next_u64().to_le_bytes()[0];
        }
        text
    }
}

fn description() -> Value {
    json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"})
}

/// Web sites of apps, of which many answer with something else than the description of the app.
struct Sites {
    draw: Mutex<Draw>,
    jwks: Value,
}

const JWKS: &str = "https://app.example/jwks";

#[async_trait]
impl Http for Sites {
    async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
        tokio::task::yield_now().await;
        let mut draw = self.draw.lock().unwrap();
        let status = match draw.below(16) {
            0 => return Err(FetchFailed::Timeout(request.timeout)),
            1 => return Err(FetchFailed::Forbidden("10.0.0.1".into())),
            2 => draw.one(&["201", "204", "206", "301", "304", "404", "500", "599"]).parse().unwrap(),
            _ => StatusCode::OK,
        };
        let mut headers = HeaderMap::new();
        let kinds = ["application/json", "application/json", "application/json", "application/x+json", "text/html", ""];
        headers.insert("content-type", HeaderValue::from_static(draw.one(&kinds)));
        let lives = ["max-age=3600", "max-age=99999999999999999999", "max-age=-1", "no-store", "max-age=\"", ",,=,"];
        headers.insert("cache-control", HeaderValue::from_static(draw.one(&lives)));
        if request.url.as_str() == JWKS {
            let body = if draw.below(2) == 0 { self.jwks.to_string().into_bytes() } else { draw.json(json!({})) };
            return Ok(Inbound { status, headers, body });
        }
        let mut right = description();
        right["client_id"] = json!(request.url.as_str());
        match draw.below(4) {
            0 => right["jwks_uri"] = json!(JWKS),
            1 => right["jwks"] = self.jwks.clone(),
            _ => {}
        }
        if draw.below(3) == 0 {
            right["token_endpoint_auth_method"] = json!("private_key_jwt");
        }
        let body = match draw.below(6) {
            0 => draw.bytes(12_000),
            1..3 => draw.json(right),
            _ => right.to_string().into_bytes(),
        };
        Ok(Inbound { status, headers, body })
    }
}

/// Every route of the router with its methods, as its source names them.
fn routes() -> Vec<(&'static str, &'static str)> {
    let source = include_str!("../../src/lib.rs");
    let mut found = Vec::new();
    for part in source.split(".route(\"").skip(1) {
        let (path, rest) = part.split_once("\", ").unwrap();
        let handlers = rest.lines().next().unwrap();
        for (call, method) in [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE")] {
            if handlers.starts_with(call) || handlers.contains(&format!(".{call}")) {
                found.push((path, method));
            }
        }
    }
    assert!(found.len() >= 28, "the source is not read as it should be: {found:?}");
    found
}

/// Whether a route is the one that answers for this path.
fn answers(route: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(rest)) if part.starts_with("{*") => return !rest.is_empty(),
            (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

/// A client whose registration is read, changed and deleted all the time.
struct Victim {
    id: String,
    token: String,
}

impl Victim {
    async fn register(world: &World) -> Self {
        let body = world.register(json!({})).await.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { id: text("client_id"), token: text("registration_access_token") }
    }

    /// A request for its registration that is nearly right.
    fn request(&self, draw: &mut Draw) -> Request<Body> {
        let method = draw.one(&["GET", "PUT", "PUT", "PUT", "PUT", "DELETE"]);
        let id = if draw.below(8) == 0 { url_text::encode(&draw.value()) } else { self.id.clone() };
        let token = if draw.below(6) == 0 { draw.value() } else { self.token.clone() };
        let mut right = description();
        right["client_id"] = json!(self.id);
        let body = draw.json(right);
        let mut request = Request::builder().method(method).uri(format!("/oauth/register/{id}"));
        if let Ok(bearer) = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()) {
            request = request.header("authorization", bearer);
        }
        let kind = if draw.below(8) == 0 { "text/plain" } else { "application/json" };
        request.header("host", "localhost:8420").header("content-type", kind).body(Body::from(body)).unwrap()
    }
}

/// Sends noise; returns which methods of which routes it drove.
async fn run(seed: u64, rounds: usize) -> BTreeSet<(&'static str, &'static str)> {
    let jwks = json!({"keys": [SigningKey::generate().public_jwk()]});
    let draw =
        Draw { entropy: SeededEntropy::new(seed + 1000), values: vec![JWKS.into(), CALLBACK.into(), "none".into()] };
    let sites = Arc::new(Sites { draw: Mutex::new(draw), jwks });
    let unlimited = Strangers::limited(1_000_000, 1_000_000);
    let world = World::with(LOCAL, |policy| policy.client_documents = true, Some(sites), unlimited).await;
    for name in ["ann", "bob"] {
        world.add_account(name).await;
    }
    let app = App::new(&world).await;
    let confidential = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let mut person = world.browser();
    let tokens = app.tokens(&mut person).await;
    let code = app.code(&mut person).await;
    let page = person.consent(&app.request(&[])).await;
    let consent = html::form(page.text(), "consent");
    let apps = person.get("/apps").await;
    let cookie = person.cookies.iter().map(|(name, value)| format!("{name}={value}")).next().unwrap();
    let basic = "Basic ZHdjbF94Ong=".to_owned();
    let mut values: Vec<String> = [
        "",
        "code",
        "token",
        "S256",
        "plain",
        "none",
        "mcp:read",
        "mcp:read mcp:write",
        "authorization_code",
        "refresh_token",
        "allow",
        "deny",
        "hours8",
        "yes",
        "the-state",
        CALLBACK,
        "https://evil.example/",
        "javascript:1",
        "ann",
        "same-origin",
        "cross-site",
        "document",
        "image",
        "prefetch",
        "null",
        LOCAL,
        "localhost:8420",
        "evil.example",
        "application/x-www-form-urlencoded",
        "application/json",
        "text/plain",
        "0",
        "-1",
        "99999999999999999999",
        "é\u{202e}",
        "a\0b",
        "chunked",
        "100-continue",
        "bytes=0-1",
        "POST",
        "'; DROP TABLE clients; --",
        "../../etc/passwd",
        "%00",
    ]
    .map(str::to_owned)
    .into();
    values.extend([
        app.id.clone(),
        confidential.id.clone(),
        confidential.secret.clone().unwrap(),
        app.challenge.clone(),
    ]);
    values.extend([
        app.verifier.clone(),
        code.clone(),
        tokens.access.clone(),
        tokens.refresh.clone(),
        world.resource(),
    ]);
    values.extend([cookie.clone(), basic, format!("Bearer {}", tokens.access), format!("{cookie}; {cookie}")]);
    values.extend(consent.fields.iter().map(|(_, value)| value.clone()));
    values.extend(html::forms(apps.text()).into_iter().flat_map(|form| form.fields).map(|(_, value)| value));
    let query = app.request(&[]).split_once('?').unwrap().1.to_owned();
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("client_id", &app.id)];
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", &app.id),
        ("code_verifier", &app.verifier),
    ];
    let right: Vec<(&str, Vec<(String, String)>)> = vec![
        ("/oauth/authorize", url_text::parameters(&query)),
        ("/oauth/token", refresh.map(owned).into()),
        ("/oauth/token", redeem.map(owned).into()),
        ("/oauth/revoke", [("token", "x"), ("client_id", &app.id)].map(owned).into()),
        ("/oauth/introspect", [("token", "x"), ("client_id", &app.id)].map(owned).into()),
        ("/oauth/par", url_text::parameters(&query)),
        ("/oauth/device_authorization", [("client_id", app.id.as_str()), ("scope", "mcp:read")].map(owned).into()),
        ("/device", [("user_code", "BCDF-GHJK")].map(owned).into()),
        ("/sign-in", [("name", "ann"), ("password", "x")].map(owned).into()),
        ("/consent", consent.with(&[("answer", "allow")])),
        ("/apps/revoke", html::forms(apps.text()).into_iter().find(|form| form.get("grant").is_some()).unwrap().fields),
    ];
    let mut draw = Draw { entropy: SeededEntropy::new(seed), values };
    let (mut seen, mut driven) = (BTreeSet::new(), BTreeSet::new());
    let (mut managed, mut documented) = (BTreeSet::new(), BTreeSet::new());
    let mut victim = Victim::register(&world).await;
    for round in 0..rounds {
        if draw.below(10) == 0 {
            let request = victim.request(&mut draw);
            driven.extend(
                routes()
                    .into_iter()
                    .filter(|(route, method)| request.method() == *method && answers(route, request.uri().path())),
            );
            let answer = world.ask(request).await;
            managed.insert(answer.status.as_u16());
            if answer.status == 204 {
                victim = Victim::register(&world).await;
            } else if let Some(token) = (answer.status == 200)
                .then(|| answer.json()["registration_access_token"].as_str().map(str::to_owned))
                .flatten()
            {
                victim.token = token;
            }
            continue;
        }
        if draw.below(10) == 0 {
            let id = format!("https://app.example/{}", draw.below(rounds / 4));
            let form = draw.form(&[("grant_type", "refresh_token"), ("refresh_token", "x")].map(owned));
            let answer = if draw.below(3) == 0 {
                let fields = url_text::form(&[("client_id", id.as_str())]);
                let kind = [("content-type", "application/x-www-form-urlencoded")];
                world.send(Method::POST, "/oauth/token", &kind, format!("{fields}&{form}")).await
            } else {
                world.get(&app.request(&[("client_id", Some(&id))])).await
            };
            documented.insert(answer.status.as_u16());
            continue;
        }
        let at = draw.below(right.len());
        let (known, fields) = &right[at];
        let mut path = match draw.below(20) {
            0 => format!("/{}", url_text::encode(&draw.value())),
            1..10 => draw.one(PATHS).to_owned(),
            _ => (*known).to_owned(),
        };
        if draw.below(2) == 0 && path != "*" {
            path = format!("{path}?{}", draw.form(fields));
        }
        let Ok(uri) = Uri::try_from(&path) else { continue };
        let (body, kind) = match draw.below(5) {
            0 => (draw.json(description()), "application/json"),
            1 => (draw.bytes(3000), "application/octet-stream"),
            2 => (Vec::new(), ""),
            _ => (draw.form(fields).into_bytes(), "application/x-www-form-urlencoded"),
        };
        let method = Method::from_bytes(draw.one(METHODS).as_bytes()).unwrap();
        driven.extend(routes().into_iter().filter(|(route, known)| method == *known && answers(route, uri.path())));
        let mut request = Request::builder().method(method).uri(uri).body(Body::from(body)).unwrap();
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("localhost:8420"));
        headers.insert("content-type", HeaderValue::from_static(kind));
        if draw.below(2) == 0 {
            headers.insert("cookie", HeaderValue::from_str(&cookie).unwrap());
        }
        for _ in 0..draw.below(4) {
            let bytes = if draw.below(5) == 0 { draw.bytes(200) } else { draw.value().into_bytes() };
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
            let name = HeaderName::from_static(draw.one(HEADERS));
            if draw.below(2) == 0 {
                headers.append(name, value)
            } else {
                headers.insert(name, value).is_some()
            };
        }
        // `ask` holds every answer to what must be true of any.
        let answer = world.ask(request).await;
        assert_eq!(answer.header("access-control-allow-credentials"), None, "seed {seed}, round {round}");
        seen.insert(answer.status.as_u16());
    }
    // The noise reached something, and what is right still works.
    for status in [200, 204, 303, 400, 401, 403, 404, 405, 415, 421] {
        assert!(seen.contains(&status), "no {status} in {seen:?}: the generator does not reach what it should");
    }
    for (name, wanted, seen) in
        [("management", &[200, 204, 400, 401][..], &managed), ("documents", &[303, 400, 401][..], &documented)]
    {
        assert!(wanted.iter().all(|status| seen.contains(status)), "{name}: {seen:?}");
    }
    let mut bob = world.browser();
    let page = bob.consent_as("bob", &app.request(&[])).await;
    let code = bob.answer(&page, "allow").await.sent_back("code").unwrap();
    Tokens::of(&app.redeem(&code, &[]).await);
    // Nobody became more than they were.
    let clients = world.table("clients").await;
    let (documents, others): (Vec<_>, Vec<_>) = clients.iter().partition(|row| row.contains("origin='document'"));
    assert!(documents.len() > 3 && documents.iter().all(|row| row.contains("id='https://app.example/")));
    assert!(others.iter().all(|row| row.contains("origin='dynamic'")));
    assert_eq!(world.table("accounts").await.len(), 2);
    driven
}

#[tokio::test]
async fn noise_is_answered_and_changes_nothing_it_may_not() {
    // proves: INV-8, HTTP-18, INV-3
    let mut driven = BTreeSet::new();
    for seed in 1..=3 {
        driven.extend(run(seed, 2500).await);
    }
    let missing: Vec<_> = routes().into_iter().filter(|route| !driven.contains(route)).collect();
    assert!(missing.is_empty(), "the generator does not drive {missing:?}");
}

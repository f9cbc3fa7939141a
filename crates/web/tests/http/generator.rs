//! Requests that nobody would write: whatever comes, it is answered, and never as a fault of ours.

use axum::body::Body;
use doorward_testkit::{SeededEntropy, url_text};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::json;

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

    fn json(&mut self) -> Vec<u8> {
        let mut body = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
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

async fn run(seed: u64, rounds: usize) {
    let world = World::at(LOCAL).await;
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
        ("/consent", consent.with(&[("answer", "allow")])),
        ("/apps/revoke", html::forms(apps.text()).into_iter().find(|form| form.get("grant").is_some()).unwrap().fields),
    ];
    let mut draw = Draw { entropy: SeededEntropy::new(seed), values };
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..rounds {
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
            0 => (draw.json(), "application/json"),
            1 => (draw.bytes(3000), "application/octet-stream"),
            2 => (Vec::new(), ""),
            _ => (draw.form(fields).into_bytes(), "application/x-www-form-urlencoded"),
        };
        let method = Method::from_bytes(draw.one(METHODS).as_bytes()).unwrap();
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
    let mut bob = world.browser();
    let page = bob.consent_as("bob", &app.request(&[])).await;
    let code = bob.answer(&page, "allow").await.sent_back("code").unwrap();
    Tokens::of(&app.redeem(&code, &[]).await);
    // Nobody became more than they were.
    let clients = world.table("clients").await;
    assert!(clients.iter().all(|row| row.contains("origin='dynamic'")));
    assert_eq!(world.table("accounts").await.len(), 2);
}

#[tokio::test]
async fn noise_is_answered_and_changes_nothing_it_may_not() {
    // proves: INV-8, HTTP-18, INV-3
    for seed in 1..=3 {
        run(seed, 2000).await;
    }
}

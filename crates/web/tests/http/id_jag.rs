//! An enterprise lets a client in without asking the person.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use doorward_authorization_server::policy::Enterprise;
use doorward_types::{
    Issuer,
    jose::SigningKey,
    outbound::{FetchFailed, Http, Inbound, Outbound},
};
use doorward_web::Strangers;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    service::{Service, access_token},
    world::{Answer, PUBLIC, World, advance, now},
};

const IDP: &str = "https://idp.example";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An identity provider that publishes its keys.
struct Provider {
    keys: Mutex<Vec<SigningKey>>,
}

#[async_trait]
impl Http for Provider {
    async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
        let body = match request.url.path() {
            "/.well-known/oauth-authorization-server" => json!({"issuer": IDP, "jwks_uri": format!("{IDP}/keys")}),
            "/keys" => {
                let keys = self.keys.lock().unwrap();
                json!({"keys": keys.iter().map(SigningKey::public_jwk).collect::<Vec<_>>()})
            }
            path => panic!("{path}"),
        };
        Ok(Inbound { status: StatusCode::OK, headers: HeaderMap::new(), body: body.to_string().into_bytes() })
    }
}

impl Provider {
    /// A good assertion for the robot but for a change, signed with the newest key.
    fn assertion(&self, world: &World, jti: &str, change: impl Fn(&mut Value)) -> String {
        let mut claims = json!({
            "iss": IDP, "sub": "00u1", "aud": world.origin, "client_id": "dwcl_robot", "jti": jti, "iat": now(),
            "exp": now().as_unix() + 300, "resource": world.resource(), "scope": "mcp:read", "email": "cara@corp.example",
        });
        change(&mut claims);
        self.keys.lock().unwrap().last().unwrap().sign("oauth-id-jag+jwt", &claims)
    }
}

async fn world(provider: &Arc<Provider>) -> World {
    let trust = |policy: &mut doorward_authorization_server::Policy| {
        policy.enterprises = vec![Enterprise { issuer: Issuer::parse(IDP).unwrap(), jwks_uri: None }];
    };
    World::with(PUBLIC, trust, Some(provider.clone()), Strangers::limited(1_000_000, 1_000_000)).await
}

fn provider() -> Arc<Provider> {
    Arc::new(Provider { keys: Mutex::new(vec![SigningKey::generate()]) })
}

async fn ask(service: &Service<'_>, assertion: &str) -> Answer {
    service.post("/oauth/token", &[], &[("grant_type", JWT_BEARER), ("assertion", assertion)]).await
}

async fn robot(world: &World) -> Service<'_> {
    Service::new(world, "robot", |client| client.grant_types = vec![JWT_BEARER.into()]).await
}

#[tokio::test]
async fn an_assertion_of_the_enterprise_is_good_once() {
    // proves: EXT-EMA-001, EXT-EMA-014, EXT-EMA-016, EXT-EMA-025, EXT-01, R7523-07
    let provider = provider();
    let world = world(&provider).await;
    let service = robot(&world).await;
    let assertion = provider.assertion(&world, "one", |_| {});
    let answer = ask(&service, &assertion).await;
    let body = answer.json();
    access_token(&answer);
    assert_eq!((&body["scope"], &body["token_type"]), (&json!("mcp:read"), &json!("Bearer")));
    assert!(body.get("refresh_token").is_none());
    ask(&service, &assertion).await.must_be(400, "invalid_grant");
    // The next one is for the same account, which was made with the first.
    access_token(&ask(&service, &provider.assertion(&world, "two", |_| {})).await);
    assert_eq!(world.table("accounts").await.len(), 1);
    assert!(world.table("accounts").await[0].contains("cara@corp.example"));
    let other = provider.assertion(&world, "three", |claims| claims["sub"] = json!("00u2"));
    access_token(&ask(&service, &other).await);
    assert_eq!(world.table("accounts").await.len(), 2, "another person of the same address is another account");
    // Sixteen at once: one counts.
    let assertion = provider.assertion(&world, "four", |claims| claims["sub"] = json!("00u3"));
    let all = futures_util::future::join_all((0..16).map(|_| ask(&service, &assertion))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(world.table("accounts").await.len(), 3);
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_met_and_a_foreign_one_is_not() {
    // proves: EXT-EMA-024, JWT-19, R7523-09
    let provider = provider();
    let world = world(&provider).await;
    let service = robot(&world).await;
    access_token(&ask(&service, &provider.assertion(&world, "one", |_| {})).await);
    provider.keys.lock().unwrap().push(SigningKey::generate());
    advance(60);
    access_token(&ask(&service, &provider.assertion(&world, "two", |_| {})).await);
    let thief = Provider { keys: Mutex::new(vec![SigningKey::generate()]) };
    ask(&service, &thief.assertion(&world, "three", |_| {})).await.must_be(400, "invalid_grant");
}

#[tokio::test]
async fn a_wrong_assertion_changes_nothing() {
    // proves: EXT-01, EXT-03, EXT-EMA-013, EXT-EMA-028, EXT-EMA-023
    let provider = provider();
    let world = world(&provider).await;
    let service = robot(&world).await;
    let before = world.state().await;
    let changes = [
        ("aud", json!([world.origin, "https://evil.example"])),
        ("aud", json!("https://evil.example")),
        ("iss", json!("https://evil.example")),
        ("client_id", json!("dwcl_other")),
        ("resource", json!("https://evil.example/mcp")),
        ("exp", json!(now().as_unix() - 60)),
        ("exp", json!("soon")),
        ("iat", json!(now().as_unix() + 600)),
        ("cnf", json!({"x5t#S256": "x"})),
        ("authorization_details", json!([])),
        ("jti", json!("")),
    ];
    for (claim, value) in changes {
        let assertion = provider.assertion(&world, "one", |claims| claims[claim] = value.clone());
        ask(&service, &assertion).await.must_be(400, "invalid_grant");
    }
    ask(&service, "x").await.must_be(400, "invalid_grant");
    ask(&service, "").await.must_be(400, "invalid_request");
    // Not in the address, and not by somebody who only says the name.
    let assertion = provider.assertion(&world, "one", |_| {});
    let address = format!("/oauth/token?grant_type={JWT_BEARER}&assertion={assertion}");
    service.post(&address, &[], &[]).await.must_be(400, "invalid_request");
    let bare = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str()), ("client_id", "dwcl_robot")];
    world.form("/oauth/token", &[], &bare).await.must_be(401, "invalid_client");
    assert_eq!(world.state().await, before);
    access_token(&ask(&service, &assertion).await);
    // Where nobody is trusted, there is no such grant.
    let world = World::at(PUBLIC).await;
    let service = robot(&world).await;
    ask(&service, &assertion).await.must_be(400, "unsupported_grant_type");
}

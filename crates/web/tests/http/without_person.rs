//! Programs that act for themselves, and tokens that are exchanged.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use doorward_authorization_server::{Resource, facts::Client};
use doorward_store::Engine as _;
use doorward_types::{Permission, ResourceId};
use serde_json::{Value, json};

use crate::{
    app::{App, Tokens},
    service::{ACCESS_TOKEN, Service, access_token},
    world::{PUBLIC, World, advance},
};

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

async fn events(world: &World, kind: &str) -> Vec<String> {
    let kind = format!("kind='{kind}'");
    world.table("audit").await.into_iter().filter(|row| row.contains(&kind)).collect()
}

#[tokio::test]
async fn a_program_gets_a_token_for_itself_and_nobody_else_does() {
    // proves: EXT-02, EXT-CC-004, EXT-CC-006
    let world = World::at(PUBLIC).await;
    let service = Service::new(&world, "robot", |_| {}).await;
    let answer = service.token("mcp:read").await;
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["scope"]), (&json!("Bearer"), &json!("mcp:read")));
    assert!(body.get("refresh_token").is_none());
    let token = claims(&access_token(&answer));
    assert_eq!((&token["sub"], &token["aud"]), (&json!(service.id), &json!(world.resource())));
    // It has a grant like any other, and ends with it.
    assert!(world.table("grants").await[0].contains("client_credentials"));
    let revoked = service.post("/oauth/revoke", &[], &[("token", body["access_token"].as_str().unwrap())]).await;
    assert_eq!(revoked.status, 200);
    assert!(world.store.revocations().is_revoked(token["gid"].as_str().unwrap()));
    // Not a public client, not one that registered itself, and nothing beyond the registration.
    let app = App::new(&world).await;
    let asked = [("grant_type", "client_credentials"), ("client_id", app.id.as_str()), ("scope", "mcp:read")];
    world.form("/oauth/token", &[], &asked).await.must_be(400, "unauthorized_client");
    service.token("offline_access").await.must_be(400, "invalid_scope");
    let wrong = [("grant_type", "client_credentials"), ("resource", "https://evil.example/mcp")];
    service.post("/oauth/token", &[], &wrong).await.must_be(400, "invalid_target");
}

#[tokio::test]
async fn a_resource_server_exchanges_what_was_sent_to_it() {
    // proves: R8693-02, R8693-04, AUD-16, INV-3
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let gateway = Service::gateway(&world).await;
    let stranger = Service::new(&world, "stranger", |_| {}).await;
    let tokens = app.tokens(&mut world.browser()).await;
    advance(60);
    let answer = gateway.exchange(&tokens.access, "mcp:read").await;
    let body = answer.json();
    assert_eq!((&body["issued_token_type"], &body["scope"]), (&json!(ACCESS_TOKEN), &json!("mcp:read")));
    let (before, after) = (tokens.claims(), claims(&access_token(&answer)));
    assert_eq!((&after["sub"], &after["gid"], &after["exp"]), (&before["sub"], &before["gid"], &before["exp"]));
    assert_eq!((&after["client_id"], &after["act"]), (&json!(gateway.id), &json!({"sub": gateway.id})));
    let recorded = events(&world, "exchanged").await;
    assert!(recorded.len() == 1 && recorded[0].contains(&gateway.id), "{recorded:?}");
    // Nobody else exchanges it, and nothing is gained.
    let before = world.state().await;
    stranger.exchange(&tokens.access, "mcp:read").await.must_be(400, "invalid_request");
    gateway.exchange(&tokens.access, "mcp:danger").await.must_be(400, "invalid_scope");
    gateway.exchange(&tokens.refresh, "mcp:read").await.must_be(400, "invalid_request");
    // Whoever acts may not end what the person allowed to the app.
    let exchanged = access_token(&answer);
    let given_back = gateway.post("/oauth/revoke", &[], &[("token", &exchanged)]).await;
    given_back.must_be(400, "unsupported_token_type");
    assert!(!tokens.is_revoked(&world));
    assert_eq!(world.state().await, before);
    // When the app's access ends, so does what rests on it.
    assert_eq!(app.revoke(&tokens.refresh, &[]).await.status, 200);
    assert_eq!(gateway.introspect(&exchanged).await.text(), r#"{"active":false}"#);
    gateway.exchange(&tokens.access, "mcp:read").await.must_be(400, "invalid_request");
}

#[tokio::test]
async fn failed_client_authentication_is_recorded_once_a_minute() {
    // proves: INV-12, CODE-15
    let world = World::at(PUBLIC).await;
    let service = Service::new(&world, "robot", |_| {}).await;
    let wrong = |path: &'static str, id: String| {
        let world = &world;
        async move {
            let fields = [("client_id", id.as_str()), ("client_secret", "dwk_wrong"), ("token", "x")];
            world.form(path, &[], &fields).await.must_be(401, "invalid_client");
        }
    };
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        for _ in 0..3 {
            wrong(path, service.id.clone()).await;
        }
    }
    let recorded = events(&world, "client_authentication_failed").await;
    assert!(recorded.len() == 1 && recorded[0].contains(&service.id), "{recorded:?}");
    for unknown in 0..5 {
        wrong("/oauth/token", format!("dwcl_{unknown}")).await;
    }
    assert_eq!(events(&world, "client_authentication_failed").await.len(), 2, "unknown clients share one entry");
    advance(60);
    wrong("/oauth/token", service.id.clone()).await;
    assert_eq!(events(&world, "client_authentication_failed").await.len(), 3);
}

#[tokio::test]
async fn a_part_of_a_secret_is_worth_nothing() {
    // proves: INT-05
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let service = Service::new(&world, "robot", |_| {}).await;
    let tokens = app.tokens(&mut person).await;
    let code = app.code(&mut person).await;
    let before = world.state().await;
    let parts = |secret: &str| {
        let flipped = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('A') { 'B' } else { 'A' });
        let cut = [1, 4, 10, secret.len() - 1].map(|length| secret[..length].to_owned());
        cut.into_iter().chain([flipped, format!("{secret}A"), secret.to_uppercase()]).collect::<Vec<_>>()
    };
    for part in parts(&code) {
        app.redeem(&part, &[]).await.must_be(400, "invalid_grant");
    }
    for part in parts(&tokens.refresh) {
        app.refresh(&part, &[]).await.must_be(400, "invalid_grant");
    }
    for secret in parts(&service.secret) {
        let guess = Service { world: &world, id: service.id.clone(), secret };
        guess.post("/oauth/revoke", &[], &[("token", "x")]).await.must_be(401, "invalid_client");
    }
    assert_eq!(service.post("/oauth/revoke", &[], &[("token", "x")]).await.status, 200);
    assert_eq!(world.state().await, before);
    Tokens::of(&app.redeem(&code, &[]).await);
}

#[tokio::test]
async fn people_are_told_where_their_consent_can_be_carried() {
    // proves: INV-4, AUD-16
    let tickets = ResourceId::parse("https://tickets.example/mcp").unwrap();
    let other = Resource { id: tickets.clone(), name: "Tickets".into(), scopes: Permission::all_scopes() };
    let world = World::empty(PUBLIC, |policy| policy.resources.push(other)).await;
    world.add_account("ann").await;
    let app = App::new(&world).await;
    let resource = ResourceId::parse(world.resource()).unwrap();
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    assert!(!page.text().contains("Tickets"), "{page:?}");
    let protects = |client: &mut Client| client.protects = Some(resource.clone());
    let narrow = Service::new(&world, "narrow", protects).await;
    assert!(!person.consent(&app.request(&[])).await.text().contains("Tickets"));
    let gateway = Service::new(&world, "gateway", |client| {
        protects(client);
        client.exchanges_for = vec![tickets.clone()];
    })
    .await;
    let page = person.consent(&app.request(&[])).await;
    assert!(page.text().contains("id=\"also-at\"") && page.text().contains("Tickets"), "{page:?}");
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    assert!(person.get("/apps").await.text().contains("Tickets"));
    let before = world.state().await;
    narrow.exchange_for(&tokens.access, "mcp:read", tickets.as_str()).await.must_be(400, "invalid_target");
    gateway.exchange_for(&tokens.access, "mcp:danger", tickets.as_str()).await.must_be(400, "invalid_scope");
    assert_eq!(world.state().await, before);
    let exchanged = gateway.exchange_for(&tokens.access, "mcp:read", tickets.as_str()).await;
    assert_eq!(claims(&access_token(&exchanged))["aud"], json!(tickets.as_str()));
}

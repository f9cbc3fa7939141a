//! A client asks what a token is worth.

use http::Method;
use serde_json::json;

use crate::{
    app::{App, Tokens},
    service::{Service, access_token},
    world::{PUBLIC, World, advance},
};

const INACTIVE: &str = r#"{"active":false}"#;

#[tokio::test]
async fn a_resource_server_is_told_about_tokens_for_it() {
    // proves: INT-01, INT-02, INT-08, R7662-01, R7662-02, R7662-03, R7662-06
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let gateway = Service::gateway(&world).await;
    let stranger = Service::new(&world, "stranger", |_| {}).await;
    let tokens = app.tokens(&mut world.browser()).await;
    let answer = gateway.introspect(&tokens.access).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
    let told = answer.json();
    let claims = tokens.claims();
    for name in ["sub", "aud", "client_id", "scope", "exp", "iat", "iss", "jti"] {
        assert_eq!(told[name], claims[name], "{name}");
    }
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
    // All that is not for the caller looks like what does not exist.
    let mut all = vec![gateway.introspect(&tokens.refresh).await];
    for token in [&tokens.access, &tokens.refresh, "x", "dwr_x", "a.b.c", &tokens.access[1..]] {
        all.push(stranger.introspect(token).await);
    }
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let fields = [("token", "x"), ("token_type_hint", hint)];
        all.push(gateway.post("/oauth/introspect", &[], &fields).await);
        let fields = [("token", tokens.access.as_str()), ("token_type_hint", hint)];
        assert_eq!(gateway.post("/oauth/introspect", &[], &fields).await.json()["active"], true, "{hint}");
    }
    let rotated = Tokens::of(&app.refresh(&tokens.refresh, &[]).await);
    advance(3600);
    all.push(gateway.introspect(&tokens.access).await);
    let renewed = Tokens::of(&app.refresh(&rotated.refresh, &[]).await);
    assert_eq!(gateway.introspect(&renewed.access).await.json()["active"], true);
    assert_eq!(app.revoke(&renewed.refresh, &[]).await.status, 200);
    all.push(gateway.introspect(&renewed.access).await);
    for answer in &all {
        assert_eq!((answer.status.as_u16(), answer.text()), (200, INACTIVE), "{answer:?}");
        assert_eq!(answer.headers, all[0].headers);
    }
    // A client's own token, by that client.
    let own = access_token(&stranger.token("mcp:read").await);
    assert_eq!(stranger.introspect(&own).await.json()["sub"], stranger.id.as_str());
    assert_eq!(world.table("used_once").await.len(), 0);
}

#[tokio::test]
async fn only_a_client_that_proves_who_it_is_may_ask() {
    // proves: INT-01, R7662-04, R7662-01
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let service = Service::new(&world, "robot", |_| {}).await;
    let tokens = app.tokens(&mut world.browser()).await;
    let token = ("token", tokens.access.as_str());
    world.form("/oauth/introspect", &[], &[token]).await.must_be(400, "invalid_request");
    let bearer = format!("Bearer {}", tokens.access);
    world.form("/oauth/introspect", &[("authorization", &bearer)], &[token]).await.must_be(401, "invalid_client");
    // A public client proves nothing by its name, though the token is its own.
    world.form("/oauth/introspect", &[], &[("client_id", &app.id), token]).await.must_be(401, "invalid_client");
    let wrong = [("client_id", service.id.as_str()), ("client_secret", "dwk_x"), token];
    world.form("/oauth/introspect", &[], &wrong).await.must_be(401, "invalid_client");
    service.post("/oauth/introspect", &[], &[]).await.must_be(400, "invalid_request");
    let query = format!("/oauth/introspect?token={}", tokens.access);
    assert_eq!(world.send(Method::GET, &query, &[], "").await.status, 405);
}

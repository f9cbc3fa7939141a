//! A client gives a token back.

use doorward_testkit::url_text;
use http::Method;
use serde_json::json;

use crate::{
    app::{App, Tokens},
    world::{LOCAL, World, advance},
};

#[tokio::test]
async fn either_token_ends_the_grant() {
    // proves: R7009-01, R7009-03, R7009-04, R7009-05, INV-9
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    for (which, hint) in [
        ("refresh", None),
        ("refresh", Some("refresh_token")),
        ("refresh", Some("access_token")),
        ("refresh", Some("nonsense")),
        ("access", None),
        ("access", Some("refresh_token")),
        ("rotated", None),
    ] {
        let tokens = app.tokens(&mut person).await;
        let head = Tokens::of(&app.refresh(&tokens.refresh, &[]).await);
        let token = match which {
            "refresh" => &head.refresh,
            "access" => &head.access,
            _ => &tokens.refresh,
        };
        assert!(!head.is_revoked(&world));
        let answer = app.revoke(token, &[("token_type_hint", hint)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{which} {hint:?}");
        assert!(head.is_revoked(&world), "{which} {hint:?}");
        app.refresh(&head.refresh, &[]).await.must_be(400, "invalid_grant");
        // A second time is fine.
        assert_eq!(app.revoke(token, &[]).await.status, 200);
    }
    assert!(!person.get("/apps").await.text().contains("data-grant"));
    let reasons = world.table("grants").await;
    assert!(reasons.iter().all(|row| row.contains("revoked_reason='client'")), "{reasons:?}");
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_as_good_as_revoked() {
    // proves: R7009-05, R7009-06
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let tokens = app.tokens(&mut world.browser()).await;
    let before = world.state().await;
    let mut parts: Vec<_> = tokens.access.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    parts[0] = none;
    let unsigned = parts.join(".");
    let cut = &tokens.access[..tokens.access.len() - 4];
    let unknown = format!("dwr_{}", "A".repeat(43));
    for token in ["x", "dwr_", unknown.as_str(), "a.b.c", unsigned.as_str(), cut, &"x".repeat(16_000)] {
        let answer = app.revoke(token, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{token}");
    }
    app.revoke("", &[]).await.must_be(400, "invalid_request");
    app.revoke("é", &[]).await.must_be(400, "invalid_request");
    app.revoke("a\0b", &[]).await.must_be(400, "invalid_request");
    assert_eq!(world.state().await, before);
    // An access token that has expired names its grant all the same.
    advance(3600);
    assert_eq!(app.revoke(&tokens.access, &[]).await.status, 200);
    assert!(tokens.is_revoked(&world));
}

#[tokio::test]
async fn nobody_gives_back_what_is_anothers() {
    // proves: R7009-02, R7009-01
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let other = App::new(&world).await;
    let confidential = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let tokens = app.tokens(&mut world.browser()).await;
    let before = world.state().await;
    for token in [&tokens.refresh, &tokens.access] {
        other.revoke(token, &[]).await.must_be(400, "invalid_grant");
        confidential.revoke(token, &[]).await.must_be(401, "invalid_client");
        let secret = confidential.secret.as_deref();
        confidential.revoke(token, &[("client_secret", secret)]).await.must_be(400, "invalid_grant");
        app.revoke(token, &[("client_id", None)]).await.must_be(400, "invalid_request");
        app.revoke(token, &[("client_id", Some("dwcl_x"))]).await.must_be(401, "invalid_client");
        app.revoke(token, &[("token", Some(token)), ("token", Some(token))]).await.must_be(400, "invalid_request");
        // In the address, or as JSON, nothing is read.
        let query = url_text::form(&[("token", token), ("client_id", &app.id)]);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let target = format!("/oauth/revoke?{query}");
        world.send(Method::POST, &target, &form, "").await.must_be(400, "invalid_request");
        let body = json!({"token": token, "client_id": app.id}).to_string();
        world.json("/oauth/revoke", body).await.must_be(400, "invalid_request");
    }
    assert_eq!(world.state().await, before);
    assert_eq!(app.refresh(&tokens.refresh, &[]).await.status, 200);
}

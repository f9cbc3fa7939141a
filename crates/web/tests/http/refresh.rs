//! Refresh tokens: each good once, a short grace for lost answers, and theft ends the family.

use serde_json::json;

use crate::{
    app::{App, Tokens},
    world::{LOCAL, World, advance},
};

#[tokio::test]
async fn each_refresh_gives_a_new_pair_for_the_same_things() {
    // proves: RT-01, OA21-38, OA21-39, INV-2
    // proves: R9700-10
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let first = app.tokens(&mut world.browser()).await;
    advance(1);
    let answer = app.refresh(&first.refresh, &[]).await;
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    let second = Tokens::of(&answer);
    assert!(second.refresh != first.refresh && second.access != first.access);
    let (a, b) = (first.claims(), second.claims());
    for same in ["sub", "aud", "client_id", "scope", "gid", "iss"] {
        assert_eq!(a[same], b[same], "{same}");
    }
    assert_ne!(a["jti"], b["jti"]);
    let third = Tokens::of(&app.refresh(&second.refresh, &[]).await);
    assert_ne!(third.refresh, second.refresh);
    let rows = world.table("refresh_tokens").await;
    assert_eq!(rows.iter().filter(|row| row.contains("successor=NULL")).count(), 1, "one live head: {rows:?}");
}

#[tokio::test]
async fn a_token_of_before_the_last_is_theft() {
    // proves: RT-02, RT-05, RT-09, BCP-19, OA21-39
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    // Reused after the grace; and inside it, once the successor was refreshed itself.
    for (pause, used) in [(31, false), (0, true)] {
        let first = app.tokens(&mut person).await;
        let second = Tokens::of(&app.refresh(&first.refresh, &[]).await);
        let third = used.then_some(Tokens::of(&app.refresh(&second.refresh, &[]).await));
        advance(pause);
        app.refresh(&first.refresh, &[]).await.must_be(400, "invalid_grant");
        assert!(first.is_revoked(&world) && second.is_revoked(&world));
        let head = third.unwrap_or(second);
        app.refresh(&head.refresh, &[]).await.must_be(400, "invalid_grant");
    }
    let reasons = world.table("grants").await;
    assert!(reasons.iter().all(|row| row.contains("revoked_reason='refresh_reuse'")), "{reasons:?}");
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    // proves: RT-03, RT-04, INV-2
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let first = app.tokens(&mut world.browser()).await;
    let answers = futures_util::future::join_all((0..32).map(|_| app.refresh(&first.refresh, &[]))).await;
    let pairs: Vec<_> = answers.iter().map(Tokens::of).collect();
    assert!(pairs.iter().all(|pair| *pair == pairs[0]), "one successor");
    advance(29);
    assert_eq!(Tokens::of(&app.refresh(&first.refresh, &[]).await), pairs[0]);
    let rows = world.table("refresh_tokens").await;
    assert_eq!(rows.len(), 2);
    // The access token of the answer may be used meanwhile; only the successor's own refresh ends the grace.
    assert!(!pairs[0].is_revoked(&world));
    Tokens::of(&app.refresh(&pairs[0].refresh, &[]).await);
}

#[tokio::test]
async fn another_client_can_neither_use_nor_end_a_family() {
    // proves: RT-06, RT-13, OA21-38
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let other = App::new(&world).await;
    let confidential = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let first = app.tokens(&mut world.browser()).await;
    let second = Tokens::of(&app.refresh(&first.refresh, &[]).await);
    let secret = confidential.secret.clone();
    let unknown = app.refresh(&format!("dwr_{}", "A".repeat(43)), &[]).await;
    for token in [&first.refresh, &second.refresh] {
        for answer in [
            other.refresh(token, &[]).await,
            confidential.refresh(token, &[("client_secret", secret.as_deref())]).await,
        ] {
            answer.must_be(400, "invalid_grant");
            assert_eq!(answer.body, unknown.body, "another's token looks like one that does not exist");
        }
        app.refresh(token, &[("client_id", None)]).await.must_be(400, "invalid_request");
        app.refresh(token, &[("client_secret", Some("x"))]).await.must_be(401, "invalid_client");
    }
    // 64 replays inside the grace are one client's many processes; one more is not.
    for _ in 0..64 {
        assert_eq!(Tokens::of(&app.refresh(&first.refresh, &[]).await), second);
    }
    assert!(!second.is_revoked(&world));
    app.refresh(&first.refresh, &[]).await.must_be(400, "invalid_grant");
    assert!(second.is_revoked(&world));
}

#[tokio::test]
async fn a_refresh_never_gets_more_than_was_allowed() {
    // proves: RT-10, RT-11, RT-12, OA21-38
    // proves: R9700-20
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let code = app.code(&mut person).await;
    let first = Tokens::of(&app.redeem(&code, &[]).await);
    let before = world.state().await;
    for scope in ["mcp:danger", "mcp:read mcp:danger", "*", "offline_access mcp:read", "mcp:read  mcp:read", "é"] {
        app.refresh(&first.refresh, &[("scope", Some(scope))]).await.must_be(400, "invalid_scope");
    }
    for resource in ["https://evil.example/mcp", "x"] {
        app.refresh(&first.refresh, &[("resource", Some(resource))]).await.must_be(400, "invalid_target");
    }
    for other in [first.access.as_str(), &code, &app.id, "x", &"dwr_".repeat(9000)] {
        app.refresh(other, &[]).await.must_be(400, "invalid_grant");
    }
    assert_eq!(world.state().await, before, "no refusal used the token up");
    // Narrower is fine, and the next refresh has the whole again.
    let narrow = Tokens::of(&app.refresh(&first.refresh, &[("scope", Some("mcp:read"))]).await);
    assert_eq!(narrow.scope, "mcp:read");
    let whole = Tokens::of(&app.refresh(&narrow.refresh, &[]).await);
    assert_eq!(whole.scope, first.scope);
}

#[tokio::test]
async fn an_unused_token_ends_by_itself() {
    // proves: RT-07, RT-15, OA21-41
    const MONTH: i64 = 30 * 24 * 3600;
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    let form = crate::html::form(page.text(), "consent");
    let answer = person.submit(&form, &[("answer", "allow"), ("duration", "until_revoked")]).await;
    let first = Tokens::of(&app.redeem(&answer.sent_back("code").unwrap(), &[]).await);
    advance(MONTH - 1);
    let second = Tokens::of(&app.refresh(&first.refresh, &[]).await);
    // The grace does not outlast the token.
    advance(1);
    app.refresh(&first.refresh, &[]).await.must_be(400, "invalid_grant");
    advance(MONTH - 1);
    app.refresh(&second.refresh, &[]).await.must_be(400, "invalid_grant");
}

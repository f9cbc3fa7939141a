//! Tokens that are bound to a key.

use serde_json::json;

use crate::{
    app::{App, Tokens},
    proof::{Holder, nonce},
    service::Service,
    world::{Answer, LOCAL, PUBLIC, World, advance},
};

/// A token request of an app with a proof.
async fn send(app: &App<'_>, proof: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = proof.iter().map(|proof| ("dpop", *proof)).collect();
    let fields: Vec<_> = fields.iter().copied().chain([("client_id", app.id.as_str())]).collect();
    app.world.form("/oauth/token", &headers, &fields).await
}

async fn redeem(app: &App<'_>, proof: Option<&str>, code: &str) -> Answer {
    let fields = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", &app.verifier)];
    send(app, proof, &fields).await
}

async fn refresh(app: &App<'_>, proof: Option<&str>, token: &str) -> Answer {
    send(app, proof, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

#[tokio::test]
async fn a_public_client_binds_its_tokens_to_its_key() {
    // proves: R9449-03, R9449-08, R9449-12, EXT-05, EXT-DRAFT-002, RT-06
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let code = app.code(&mut world.browser()).await;
    let proof = |nonce: &str, jti: &str| holder.proof(&world, nonce, jti, |_| {});
    // The first try is told the nonce, and uses nothing up.
    let first = redeem(&app, Some(&proof("", "0")), &code).await;
    first.must_be(400, "use_dpop_nonce");
    let given = nonce(&first);
    let answer = redeem(&app, Some(&proof(&given, "1")), &code).await;
    let tokens = Tokens::of(&answer);
    assert_eq!((&answer.json()["token_type"], nonce(&answer)), (&json!("DPoP"), given.clone()));
    assert_eq!(tokens.claims()["cnf"]["jkt"], holder.key.kid());
    // The same proof again is no proof; nor is none, or another key's; the family lives on.
    refresh(&app, Some(&proof(&given, "1")), &tokens.refresh).await.must_be(400, "invalid_dpop_proof");
    refresh(&app, None, &tokens.refresh).await.must_be(400, "invalid_dpop_proof");
    let stolen = thief.proof(&world, &given, "1", |_| {});
    refresh(&app, Some(&stolen), &tokens.refresh).await.must_be(400, "invalid_grant");
    let next = refresh(&app, Some(&proof(&given, "2")), &tokens.refresh).await;
    assert_eq!(Tokens::of(&next).claims()["cnf"]["jkt"], holder.key.kid());
    // A lost answer comes again, to the holder of the key only and for a proof of its own.
    refresh(&app, Some(&proof(&given, "2")), &tokens.refresh).await.must_be(400, "invalid_dpop_proof");
    let stolen = thief.proof(&world, &given, "2", |_| {});
    refresh(&app, Some(&stolen), &tokens.refresh).await.must_be(400, "invalid_grant");
    assert_eq!(refresh(&app, Some(&proof(&given, "3")), &tokens.refresh).await.body, next.body);
    assert!(!tokens.is_revoked(&world));
    // Much later the nonce is another.
    advance(600);
    let late = refresh(&app, Some(&proof(&given, "4")), &Tokens::of(&next).refresh).await;
    late.must_be(400, "use_dpop_nonce");
    assert_ne!(nonce(&late), given);
    Tokens::of(&refresh(&app, Some(&proof(&nonce(&late), "5")), &Tokens::of(&next).refresh).await);
    // Reuse by the holder ends the family as ever.
    let reused = refresh(&app, Some(&proof(&nonce(&late), "6")), &tokens.refresh).await;
    reused.must_be(400, "invalid_grant");
    assert!(tokens.is_revoked(&world));
}

#[tokio::test]
async fn one_proof_of_many_requests_counts_once() {
    // proves: R9449-12, EXT-05
    let world = World::at(LOCAL).await;
    let service = Service::new(&world, "robot", |_| {}).await;
    let holder = Holder::new();
    let fields = [("grant_type", "client_credentials"), ("scope", "mcp:read")];
    let proof = holder.proof(&world, "", "0", |_| {});
    let given = nonce(&service.post("/oauth/token", &[("dpop", &proof)], &fields).await);
    let proof = holder.proof(&world, &given, "1", |_| {});
    let headers = [("dpop", proof.as_str())];
    let all = futures_util::future::join_all((0..16).map(|_| service.post("/oauth/token", &headers, &fields))).await;
    let (good, bad): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), good[0].json()["token_type"].as_str()), (1, Some("DPoP")));
    bad.iter().for_each(|answer| answer.must_be(400, "invalid_dpop_proof"));
}

#[tokio::test]
async fn a_bad_proof_is_refused_and_nothing_changes() {
    // proves: R9449-02, R9449-13, EXT-05
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let holder = Holder::new();
    let given = nonce(&redeem(&app, Some("x"), &code).await);
    let before = world.state().await;
    let elsewhere = format!("{}/oauth/revoke", world.origin);
    let changes = [
        ("htm", json!("GET")),
        ("htu", json!(elsewhere)),
        ("htu", json!("https://evil.example/oauth/token")),
        ("iat", json!(0)),
        ("iat", json!("now")),
        ("jti", json!(7)),
        ("jti", json!("")),
    ];
    for (claim, value) in changes {
        let proof = holder.proof(&world, &given, "1", |claims| claims[claim] = value.clone());
        redeem(&app, Some(&proof), &code).await.must_be(400, "invalid_dpop_proof");
    }
    for garbage in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\u{e9}"] {
        redeem(&app, Some(garbage), &code).await.must_be(400, "invalid_dpop_proof");
    }
    let good = holder.proof(&world, &given, "1", |_| {});
    let twice = [("dpop", good.as_str()), ("dpop", good.as_str())];
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", &app.verifier),
        ("client_id", &app.id),
    ];
    world.form("/oauth/token", &twice, &fields).await.must_be(400, "invalid_dpop_proof");
    assert_eq!(world.state().await, before);
    Tokens::of(&redeem(&app, Some(&good), &code).await);
}

#[tokio::test]
async fn where_keys_are_demanded_there_are_no_other_tokens() {
    // proves: R9449-04, EXT-DRAFT-005
    let world = World::empty(PUBLIC, |policy| policy.dpop_only = true).await;
    world.add_account("ann").await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    redeem(&app, None, &code).await.must_be(400, "invalid_dpop_proof");
    let holder = Holder::new();
    let given = nonce(&redeem(&app, Some(&holder.proof(&world, "", "0", |_| {})), &code).await);
    let answer = redeem(&app, Some(&holder.proof(&world, &given, "1", |_| {})), &code).await;
    assert_eq!(answer.json()["token_type"], "DPoP");
    let bound = Service::new(&World::at(PUBLIC).await, "robot", |_| {}).await.token("mcp:read").await;
    assert_eq!(bound.json()["token_type"], "Bearer");
    let world = World::at(PUBLIC).await;
    let bound = Service::new(&world, "robot", |client| client.dpop_bound = true).await;
    bound.token("mcp:read").await.must_be(400, "invalid_dpop_proof");
}

//! Redeeming a code: once, by its client, in time, with the verifier.

use serde_json::json;

use crate::{
    app::{App, Tokens},
    world::{LOCAL, World, advance},
};

#[tokio::test]
async fn a_second_redemption_ends_what_the_first_gave() {
    // proves: CODE-01, BCP-03, OA21-31, OA21-34, INV-1
    // proves: R9700-17
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let code = app.code(&mut person).await;
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    advance(3);
    app.redeem(&code, &[]).await.must_be(400, "invalid_grant");
    assert!(tokens.is_revoked(&world));
    app.refresh(&tokens.refresh, &[]).await.must_be(400, "invalid_grant");
    assert!(!person.get("/apps").await.text().contains("data-grant"));
    let row = &world.table("grants").await[0];
    assert!(row.contains("revoked_reason='code_replay'"), "{row}");
    // A third is refused alike.
    app.redeem(&code, &[]).await.must_be(400, "invalid_grant");
}

#[tokio::test]
async fn a_doubled_request_gets_one_answer_and_ends_nothing() {
    // proves: CODE-04, INV-1
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let answers = futures_util::future::join_all((0..8).map(|_| app.redeem(&code, &[]))).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(good.len(), 1);
    bad.iter().for_each(|answer| answer.must_be(400, "invalid_grant"));
    let tokens = Tokens::of(&good[0]);
    assert!(!tokens.is_revoked(&world));
    assert_eq!(app.refresh(&tokens.refresh, &[]).await.status, 200);
}

#[tokio::test]
async fn a_wrong_verifier_harms_nobody_but_the_guesser() {
    // proves: CODE-02, CODE-03, CODE-09, BCP-06, OA21-33, OA21-34, R7636-05
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let code = app.code(&mut person).await;
    let wrong = "A".repeat(43);
    let challenge = app.challenge.clone();
    for verifier in [wrong.as_str(), &challenge, &"A".repeat(128)] {
        app.redeem(&code, &[("code_verifier", Some(verifier))]).await.must_be(400, "invalid_grant");
    }
    for malformed in ["", "A", &"A".repeat(42), &"A".repeat(129), &format!("{}+", "A".repeat(42))] {
        app.redeem(&code, &[("code_verifier", Some(malformed))]).await.must_be(400, "invalid_request");
    }
    app.redeem(&code, &[("code_verifier", None)]).await.must_be(400, "invalid_request");
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    advance(60);
    app.redeem(&code, &[("code_verifier", Some(&wrong))]).await.must_be(400, "invalid_grant");
    assert!(!tokens.is_revoked(&world), "a guess after the fact ends nothing");

    // Five wrong guesses burn a code, and that code alone.
    let burned = app.code(&mut person).await;
    for _ in 0..5 {
        app.redeem(&burned, &[("code_verifier", Some(&wrong))]).await.must_be(400, "invalid_grant");
    }
    app.redeem(&burned, &[]).await.must_be(400, "invalid_grant");
    assert!(!tokens.is_revoked(&world));
}

#[tokio::test]
async fn a_code_is_its_clients_own() {
    // proves: CODE-05, BCP-06, OA21-35
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let public = App::new(&world).await;
    let confidential = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let secret = confidential.secret.clone();
    // Unknown and another's look alike.
    let unknown = app.redeem(&format!("dwc_{}", "A".repeat(43)), &[]).await;
    unknown.must_be(400, "invalid_grant");
    let foreign = public.redeem(&code, &[]).await;
    assert_eq!(foreign.body, unknown.body);
    let foreign = confidential.redeem(&code, &[("client_secret", secret.as_deref())]).await;
    assert_eq!(foreign.body, unknown.body);
    app.redeem(&code, &[("client_id", Some("dwcl_nobody"))]).await.must_be(401, "invalid_client");
    for odd in ["", "x", "dwc_", "dwc_'--", &"dwc_x".repeat(2000)] {
        let answer = app.redeem(odd, &[]).await;
        answer.must_be(400, if odd.is_empty() { "invalid_request" } else { "invalid_grant" });
    }
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    assert_eq!(tokens.claims()["client_id"], app.id);
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    // proves: CODE-06, OA21-31
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    for (age, good) in [(0, true), (59, true), (60, false), (61, false), (600, false)] {
        let code = app.code(&mut person).await;
        advance(age);
        let answer = app.redeem(&code, &[]).await;
        if good {
            Tokens::of(&answer);
        } else {
            answer.must_be(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn a_bad_resource_does_not_use_the_code_up() {
    // proves: AUD-03, CODE-19, R8707-05
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let mine = world.resource();
    for resource in ["https://evil.example/mcp", "x", "http://localhost:8420/mcp/", "http://localhost:8420"] {
        app.redeem(&code, &[("resource", Some(resource))]).await.must_be(400, "invalid_target");
    }
    let both = [("resource", Some(mine.as_str())), ("resource", Some("https://evil.example/mcp"))];
    app.redeem(&code, &both).await.must_be(400, "invalid_target");
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    assert_eq!(tokens.claims()["aud"], mine);
}

#[tokio::test]
async fn the_answer_says_what_was_granted() {
    // proves: OA21-23, OA21-24, INV-4, HTTP-09
    // proves: MCP-AUTH-116
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let answer = app.redeem(&code, &[]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let body = answer.json();
    let mut names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    let tokens = Tokens::of(&answer);
    // Only the milder half of what was asked is ticked by itself.
    let claims = tokens.claims();
    assert_eq!(claims["scope"], tokens.scope);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(LOCAL), &json!(world.resource())));
    // A client that did not register for refresh tokens gets none.
    let app = App::registered(&world, json!({"grant_types": ["authorization_code"]})).await;
    let code = app.code(&mut world.browser()).await;
    let body = app.redeem(&code, &[]).await.json();
    assert!(body.get("access_token").is_some() && body.get("refresh_token").is_none(), "{body}");
    app.refresh(&tokens.refresh, &[]).await.must_be(400, "invalid_grant");
}

//! Requests that a client pushes ahead of the browser.

use doorward_testkit::url_text;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    app::{App, Changes, Tokens, changed},
    proof::{Holder, nonce},
    world::{Answer, LOCAL, PUBLIC, World, advance},
};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:dwp_";

/// Pushes a right request but for `changes`.
async fn push(app: &App<'_>, changes: Changes<'_>) -> Answer {
    let query = app.request(changes);
    let pairs = url_text::parameters(&query);
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    app.world.form("/oauth/par", &[], &pairs).await
}

async fn pushed(app: &App<'_>) -> String {
    let answer = push(app, &[]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

/// What the browser brings.
fn brought(app: &App<'_>, uri: &str, changes: Changes<'_>) -> String {
    format!("/oauth/authorize?{}", url_text::form(&changed(&[("client_id", &app.id), ("request_uri", uri)], changes)))
}

#[tokio::test]
async fn a_pushed_request_ends_in_tokens() {
    // proves: R9126-02, R9126-04, CODE-20
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let answer = push(&app, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, Some("no-store")));
    let body = answer.json();
    assert_eq!((body["expires_in"].as_u64(), body.as_object().unwrap().len()), (Some(90), 2));
    let uri = body["request_uri"].as_str().unwrap();
    assert!(uri.starts_with(PREFIX) && uri.len() == PREFIX.len() + 43, "{uri}");
    // Nothing that the browser adds counts.
    let evil = [
        ("redirect_uri", Some("https://evil.example/")),
        ("scope", Some("mcp:danger")),
        ("state", Some("evil")),
        ("code_challenge", Some("evil")),
        ("response_type", Some("token")),
        ("prompt", Some("none")),
    ];
    let mut person = world.browser();
    let page = person.consent(&brought(&app, uri, &evil)).await;
    assert!(!page.text().contains("evil") && !page.text().contains("mcp:danger"), "{page:?}");
    let back = person.answer(&page, "allow").await;
    assert_eq!(back.sent_back("state").as_deref(), Some("the-state"));
    let tokens = Tokens::of(&app.redeem(&back.sent_back("code").unwrap(), &[]).await);
    assert_eq!(tokens.scope, "mcp:read mcp:write");
    // The rows show neither the reference nor the request.
    let rows = world.table("pushed_requests").await.join("\n");
    assert!(!rows.contains(&uri[PREFIX.len()..]) && !rows.contains("the-state"), "{rows}");
}

#[tokio::test]
async fn coming_back_to_the_page_goes_on_and_never_begins_again() {
    // proves: R9126-02
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let request = brought(&app, &pushed(&app).await, &[]);
    let mut person = world.browser();
    let first = person.get(&request).await;
    // Before the sign-in and after it, in one tab or another, and when the reference itself has long expired.
    let again = person.get(&request).await;
    assert_eq!(first.header("location"), again.header("location"));
    let page = person.consent(&request).await;
    advance(300);
    let later = person.open(&request).await;
    assert!(later.text().contains("id=\"consent\""), "{later:?}");
    // Another browser gets nowhere with it.
    let other = world.browser().consent_page(&request).await;
    other.must_be_page(403, "OA-109");
    person.answer(&page, "allow").await.back();
    person.open(&request).await.must_be_page(400, "OA-108");
}

#[tokio::test]
async fn a_reference_is_for_its_own_client_and_in_time() {
    // proves: R9126-04, CODE-20
    let world = World::at(LOCAL).await;
    let (app, other) = (App::new(&world).await, App::new(&world).await);
    let uri = pushed(&app).await;
    let mut person = world.browser();
    let before = world.state().await;
    person.get(&brought(&other, &uri, &[])).await.must_be_page(400, "OA-113");
    person.get(&brought(&app, &uri, &[("client_id", None)])).await.must_be_page(400, "OA-102");
    person.get(&brought(&app, &uri, &[("client_id", Some("dwcl_nobody"))])).await.must_be_page(400, "OA-103");
    for bad in [
        &uri[..uri.len() - 1],
        &format!("{uri}x"),
        &format!("{PREFIX}{}", "A".repeat(43)),
        "urn:ietf:params:oauth:request_uri:",
    ] {
        person.get(&brought(&app, bad, &[])).await.must_be_page(400, "OA-113");
    }
    assert_eq!(world.state().await, before);
    advance(90);
    person.get(&brought(&app, &uri, &[])).await.must_be_page(400, "OA-113");
    let uri = pushed(&app).await;
    advance(89);
    assert_eq!(person.get(&brought(&app, &uri, &[])).await.status, 303);
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once() {
    // proves: R9126-03
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let before = world.table("pushed_requests").await;
    for (change, error) in [
        (("redirect_uri", Some("https://evil.example/")), "invalid_request"),
        (("redirect_uri", None), "invalid_request"),
        (("request_uri", Some("https://a.example/r")), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("dpop_jkt", Some("x")), "invalid_request"),
        (("response_type", Some("token")), "unsupported_response_type"),
        (("scope", Some("mcp:evil")), "invalid_scope"),
        (("resource", Some("https://evil.example/mcp")), "invalid_target"),
        (("request", Some("eyJ")), "request_not_supported"),
    ] {
        let answer = push(&app, &[change]).await;
        answer.must_be(400, error);
        assert!(!answer.text().contains("evil"), "{answer:?}");
    }
    push(&app, &[("client_id", None)]).await.must_be(400, "invalid_request");
    push(&app, &[("client_id", Some("dwcl_nobody"))]).await.must_be(401, "invalid_client");
    let long = "x".repeat(70_000);
    assert_eq!(push(&app, &[("state", Some(&long))]).await.status, 413);
    assert_eq!(world.get("/oauth/par").await.status, 405);
    assert_eq!(world.table("pushed_requests").await, before);
}

#[tokio::test]
async fn the_client_proves_itself_as_at_the_token_endpoint() {
    // proves: R9126-03
    let world = World::at(LOCAL).await;
    let app = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    push(&app, &[]).await.must_be(401, "invalid_client");
    push(&app, &[("client_secret", Some("dwk_wrong"))]).await.must_be(401, "invalid_client");
    let secret = app.secret.clone().unwrap();
    let answer = push(&app, &[("client_secret", Some(&secret))]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn where_requests_must_be_pushed_no_other_is_taken() {
    // proves: R9126-05
    let world = World::empty(LOCAL, |policy| policy.pushed_only = true).await;
    world.add_account("ann").await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
    let app = App::new(&world).await;
    let mut person = world.browser();
    let refused = person.get(&app.request(&[])).await;
    assert_eq!(refused.sent_back("error").as_deref(), Some("invalid_request"));
    let request = brought(&app, &pushed(&app).await, &[]);
    let page = person.consent(&request).await;
    assert!(person.answer(&page, "allow").await.sent_back("code").is_some());
}

#[tokio::test]
async fn a_code_is_bound_to_the_key_that_was_proved_or_named() {
    // proves: R9449-10
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let query = app.request(&[]);
    let pairs = url_text::parameters(&query);
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let par = |given: &str, jti: &str| {
        holder.proof(&world, given, jti, |claims| claims["htu"] = json!(format!("{PUBLIC}/oauth/par")))
    };
    let first = world.form("/oauth/par", &[("dpop", &par("", "0"))], &pairs).await;
    first.must_be(400, "use_dpop_nonce");
    let given = nonce(&first);
    let elsewhere = holder.proof(&world, &given, "1", |_| {});
    world.form("/oauth/par", &[("dpop", &elsewhere)], &pairs).await.must_be(400, "invalid_dpop_proof");
    let proof = par(&given, "2");
    let answer = world.form("/oauth/par", &[("dpop", &proof)], &pairs).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    world.form("/oauth/par", &[("dpop", &proof)], &pairs).await.must_be(400, "invalid_dpop_proof");
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    for (turn, request) in
        [brought(&app, &uri, &[]), app.request(&[("dpop_jkt", Some(holder.key.kid()))])].into_iter().enumerate()
    {
        let mut person = world.browser();
        let page = person.consent(&request).await;
        let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
        app.redeem(&code, &[]).await.must_be(400, "invalid_dpop_proof");
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", &app.verifier),
            ("client_id", &app.id),
        ];
        let stolen = thief.proof(&world, &given, &format!("t{turn}"), |_| {});
        world.form("/oauth/token", &[("dpop", &stolen)], &fields).await.must_be(400, "invalid_grant");
        let own = holder.proof(&world, &given, &format!("h{turn}"), |_| {});
        let tokens = Tokens::of(&world.form("/oauth/token", &[("dpop", &own)], &fields).await);
        assert_eq!(tokens.claims()["cnf"]["jkt"], holder.key.kid());
    }
}

#[tokio::test]
async fn of_many_browsers_at_once_one_begins() {
    // proves: R9126-02, CODE-20
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let request = brought(&app, &pushed(&app).await, &[]);
    let mut browsers: Vec<_> = (0..4).map(|_| world.browser()).collect();
    for browser in &mut browsers {
        browser.sign_in("ann").await;
    }
    let pages = join_all(browsers.iter_mut().map(|browser| browser.open(&request))).await;
    let begun = pages.iter().filter(|page| page.text().contains("id=\"consent\"")).count();
    let elsewhere = pages.iter().filter(|page| page.code().as_deref() == Some("OA-109")).count();
    assert_eq!((begun, elsewhere, world.table("interactions").await.len()), (1, 3, 1));
}

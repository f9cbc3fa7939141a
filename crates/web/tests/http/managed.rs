//! Registrations over their life: recognised, limited, changed, deleted, expired.

use doorward_authorization_server::{
    client_management,
    store::{Committed, Store as _},
};
use doorward_store::Engine as _;
use http::Method;
use serde_json::{Value, json};

use crate::{
    app::{App, Tokens},
    service::Service,
    world::{Answer, CALLBACK, LOCAL, World, advance, now},
};
use doorward_web::Strangers;

async fn manage(world: &World, method: Method, id: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    world.send(method, &format!("/oauth/register/{id}"), &headers, body.to_string()).await
}

fn member<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}"))
}

#[tokio::test]
async fn a_client_reads_changes_and_deletes_its_registration_and_no_other() {
    // proves: R7592-01, R7592-02, R7592-03, R7592-05, R7592-06, R7592-07, REG-11
    let world = World::at(LOCAL).await;
    let body = world.register(json!({})).await.json();
    let (id, token) = (member(&body, "client_id"), member(&body, "registration_access_token"));
    let other = world.register(json!({})).await.json();
    let read = manage(&world, Method::GET, id, token, &json!(null)).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, body.clone()));
    let change =
        json!({"client_id": id, "redirect_uris": ["https://b.example/cb"], "token_endpoint_auth_method": "none"});
    // Every wrong way is refused alike.
    let state = world.state().await;
    let path = format!("/oauth/register/{id}");
    for scheme in ["Basic", "DPoP", "Token"] {
        let presented = format!("{scheme} {token}");
        let headers = [("authorization", presented.as_str()), ("content-type", "application/json")];
        let answer = world.send(Method::PUT, &path, &headers, change.to_string()).await;
        assert_eq!(answer.status, 401, "{scheme}");
    }
    let bearer = format!("Bearer {token}");
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let headers = [("authorization", bearer.as_str()), ("content-type", media)];
        let answer = world.send(Method::PUT, &path, &headers, change.to_string()).await;
        assert_eq!(answer.status, 415, "{media}");
    }
    assert_eq!(world.state().await, state);
    for (who, presented) in [
        (id, member(&other, "registration_access_token")),
        (member(&other, "client_id"), token),
        (id, "dwm_wrong"),
        (id, ""),
        ("dwcl_unknown", token),
        ("%00", token),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = manage(&world, method, who, presented, &change).await;
            answer.must_be(401, "invalid_token");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
        }
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        world.send(method, &format!("/oauth/register/{id}"), &[], "").await.must_be(401, "invalid_token");
    }
    assert_eq!(world.state().await, state);
    assert_eq!(manage(&world, Method::POST, id, token, &change).await.status, 405);
    let changed = manage(&world, Method::PUT, id, token, &change).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["redirect_uris"]), (200, &json!(["https://b.example/cb"])));
    let wrong = json!({"client_id": id, "redirect_uris": ["http://b.example/cb"]});
    manage(&world, Method::PUT, id, token, &wrong).await.must_be(400, "invalid_redirect_uri");
    // Deleting it ends what was granted to it.
    let app = App::new(&world).await;
    let tokens = app.tokens(&mut world.browser()).await;
    let own = world
        .answers
        .lock()
        .unwrap()
        .iter()
        .find(|answer| answer.status == 201 && answer.text().contains(&app.id))
        .unwrap()
        .json();
    let gone = manage(&world, Method::DELETE, &app.id, member(&own, "registration_access_token"), &json!(null)).await;
    assert_eq!((gone.status.as_u16(), gone.text()), (204, ""));
    app.refresh(&tokens.refresh, &[]).await.must_be(401, "invalid_client");
    assert!(tokens.is_revoked(&world));
    manage(&world, Method::GET, &app.id, member(&own, "registration_access_token"), &json!(null))
        .await
        .must_be(401, "invalid_token");
}

#[tokio::test]
async fn an_app_that_registers_on_every_connect_stays_one_client() {
    // proves: REG-04, REG-13, R7591-10
    let world = World::at(LOCAL).await;
    let same = json!({"software_id": "the same"});
    let first = world.register(same.clone()).await.json();
    for _ in 0..20 {
        let again = world.register(same.clone()).await.json();
        assert_eq!(again["client_id"], first["client_id"]);
        assert!(again.get("registration_access_token").is_none() && again.get("client_secret").is_none());
    }
    assert_eq!(world.table("clients").await.len(), 1);
    // Whoever came first cannot turn the others' answers towards itself any more.
    let (id, token) = (member(&first, "client_id"), member(&first, "registration_access_token"));
    let change =
        json!({"client_id": id, "redirect_uris": ["https://evil.example/cb"], "token_endpoint_auth_method": "none"});
    manage(&world, Method::PUT, id, token, &change).await.must_be(401, "invalid_token");
    manage(&world, Method::DELETE, id, token, &change).await.must_be(401, "invalid_token");
    // Secrets are never shared.
    let secret = json!({"software_id": "the same", "token_endpoint_auth_method": "client_secret_post"});
    let (one, two) = (world.register(secret.clone()).await.json(), world.register(secret).await.json());
    assert!(one["client_id"] != two["client_id"] && one["client_secret"] != two["client_secret"]);
}

#[tokio::test]
async fn a_flood_of_registrations_is_held_back() {
    // proves: REG-04, R7591-01
    let world = World::with(LOCAL, |policy| policy.most_strangers = 12, None, Strangers::limited(8, 100)).await;
    for _ in 0..8 {
        assert_eq!(world.register(json!({})).await.status, 201);
    }
    let refused = world.register(json!({})).await;
    refused.must_be(429, "temporarily_unavailable");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    advance(61);
    for _ in 0..4 {
        assert_eq!(world.register(json!({})).await.status, 201);
    }
    assert_eq!(world.table("clients").await.len(), 12);
    // There are as many as there may be. Whoever has registered before is recognised, and the operator's own do not count.
    let full = world.register(json!({})).await;
    full.must_be(503, "temporarily_unavailable");
    assert!(full.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(world.table("clients").await.len(), 12);
    assert_eq!(Service::new(&world, "robot", |_| {}).await.token("mcp:read").await.status, 200);
    assert_eq!(world.table("clients").await.len(), 13);
    // Those that nobody used make room again.
    advance(24 * 3600 + 61);
    world.store.sweep(now()).await.unwrap();
    assert_eq!(world.register(json!({})).await.status, 201);
}

#[tokio::test]
async fn a_closed_door_is_not_advertised_and_says_so() {
    // proves: REG-01, R7591-01
    let world = World::empty(LOCAL, |policy| policy.registration = false).await;
    world.register(json!({})).await.must_be(403, "access_denied");
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata.get("registration_endpoint"), None);
}

#[tokio::test]
async fn a_client_that_nobody_used_expires_and_one_in_use_does_not() {
    // proves: REG-02, REG-04, R7591-14
    let world = World::at(LOCAL).await;
    let (unused, used) = (App::new(&world).await, App::new(&world).await);
    let tokens = used.tokens(&mut world.browser()).await;
    advance(24 * 3600 + 1);
    // The page says what to do; a program is told to register again, which clients do on this answer.
    world.get(&unused.request(&[])).await.must_be_page(400, "OA-103");
    let refused = unused.redeem("dwc_x", &[]).await;
    refused.must_be(401, "invalid_client");
    assert!(refused.json()["error_description"].as_str().unwrap().contains("register again"));
    Tokens::of(&used.refresh(&tokens.refresh, &[]).await);
    // Registering the same again gives a client that works.
    let back = App::registered(&world, json!({"software_id": "back"})).await;
    assert_ne!(back.id, unused.id);
    back.tokens(&mut world.browser()).await;
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_is_told_on_the_page() {
    // proves: REG-01, REG-05, REG-07, R7591-12
    let world = World::at(LOCAL).await;
    let mut person = world.browser();
    for (name, callback, identity) in [
        ("An app", CALLBACK, "unverified"),
        ("Claude", CALLBACK, "imitation"),
        ("\u{421}laude", CALLBACK, "imitation"),
        ("Anthropic Support", CALLBACK, "imitation"),
        ("Claude Code", "http://localhost:3118/callback", "unverified"),
        ("Cursor", "cursor://anysphere.cursor-mcp/oauth/callback", "unverified"),
        ("<script>alert(1)</script>", CALLBACK, "unverified"),
    ] {
        let app = App::registered(&world, json!({"client_name": name, "redirect_uris": [callback]})).await;
        let page = person.consent(&app.request(&[])).await;
        assert!(page.text().contains(&format!("data-identity=\"{identity}\"")), "{name}: {page:?}");
        assert!(!page.text().contains("<script"), "{page:?}");
    }
}

#[tokio::test]
async fn a_registration_that_became_shared_meanwhile_is_not_deleted() {
    // proves: REG-12
    let world = World::at(LOCAL).await;
    let public = json!({"software_id": "the same"});
    let body = world.register(public.clone()).await.json();
    let id = doorward_types::ClientId::parse(member(&body, "client_id")).unwrap();
    let token = doorward_types::Secret::parse(member(&body, "registration_access_token")).unwrap();
    let seen = world.store.client(&id).await.unwrap();
    let managed = client_management::manager(seen, token, now()).unwrap();
    // Somebody else registers the same, between the look and the commit.
    assert_eq!(member(&world.register(public).await.json(), "client_id"), id.as_str());
    let committed = world.store.commit(client_management::delete(&managed, now())).await.unwrap();
    assert_eq!(committed, Committed::Conflict);
    assert!(world.store.client(&id).await.unwrap().is_some());
}

//! Requests that wait for somebody: how many one sender may leave, and how many there may be.

use doorward_authorization_server::Policy;
use doorward_types::RedirectUri;
use doorward_web::Strangers;
use serde_json::json;

use crate::{
    app::App,
    service::Service,
    world::{Answer, CALLBACK, PUBLIC, World, advance, come_from},
};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn world(per_minute: u32, change: impl FnOnce(&mut Policy)) -> World {
    let world = World::with(PUBLIC, change, None, Strangers::limited(per_minute, 1_000)).await;
    world.add_account("ann").await;
    world
}

async fn console(world: &World) -> App<'_> {
    App::registered(world, json!({"grant_types": ["authorization_code", "refresh_token", DEVICE]})).await
}

/// Pushes the request of an app, and has a device of it ask.
async fn push(app: &App<'_>) -> Answer {
    let pairs = doorward_testkit::url_text::parameters(&app.request(&[]));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    app.world.form("/oauth/par", &[], &pairs).await
}

async fn device(app: &App<'_>) -> Answer {
    app.world.form("/oauth/device_authorization", &[], &[("client_id", &app.id)]).await
}

/// The service pushes the same request, as a client that proves who it is.
async fn push_as(service: &Service<'_>, app: &App<'_>) -> Answer {
    let pairs = doorward_testkit::url_text::parameters(&app.request(&[("client_id", None)]));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    service.post("/oauth/par", &[], &pairs).await
}

async fn hosted(world: &World) -> Service<'_> {
    Service::new(world, "hosted", |client| {
        client.grant_types = vec!["authorization_code".into()];
        client.redirect_uris = vec![RedirectUri::parse(CALLBACK).unwrap()];
    })
    .await
}

#[track_caller]
fn says_when(answer: &Answer, most: u64) {
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=most).contains(&wait), "{answer:?}");
}

#[tokio::test]
async fn one_address_leaves_only_so_many_requests() {
    // proves: HTTP-14
    let world = world(3, |_| ()).await;
    let (app, hosted) = (console(&world).await, hosted(&world).await);
    come_from("192.0.2.1");
    for _ in 0..6 {
        assert_eq!(world.get(&app.request(&[])).await.status, 303);
        assert_eq!(push(&app).await.status, 201);
        assert_eq!(device(&app).await.status, 200);
    }
    let before = world.state().await;
    advance(20);
    let page = world.get(&app.request(&[])).await;
    page.must_be_page(429, "OA-117");
    says_when(&page, 40);
    let pushed = push(&app).await;
    pushed.must_be(429, "temporarily_unavailable");
    says_when(&pushed, 40);
    let asked = device(&app).await;
    asked.must_be(429, "temporarily_unavailable");
    says_when(&asked, 880);
    assert_eq!(world.state().await, before);
    // What the request itself is refused for is said all the same, and counts nothing.
    world.get(&app.request(&[("redirect_uri", Some("https://evil.example/"))])).await.must_be_page(400, "OA-105");
    let wrong = [("client_id", app.id.as_str()), ("scope", "mcp:nothing")];
    world.form("/oauth/device_authorization", &[], &wrong).await.must_be(400, "invalid_scope");
    // Another address goes on, a person who is signed in does, and so does the operator's own client from there.
    let mut person = world.browser();
    person.sign_in("ann").await;
    for _ in 0..6 {
        assert_eq!(person.get(&app.request(&[])).await.status, 303);
        assert_eq!(push_as(&hosted, &app).await.status, 201);
    }
    assert_eq!(push_as(&hosted, &app).await.status, 201);
    person.get(&app.request(&[])).await.must_be_page(429, "OA-117");
    come_from("192.0.2.2");
    assert_eq!(world.get(&app.request(&[])).await.status, 303);
    assert_eq!((push(&app).await.status.as_u16(), device(&app).await.status.as_u16()), (201, 200));
    come_from("192.0.2.1");
    advance(40);
    assert_eq!(world.get(&app.request(&[])).await.status, 303);
    assert_eq!(push(&app).await.status, 201);
    assert_eq!(device(&app).await.status, 429);
    advance(840);
    assert_eq!(device(&app).await.status, 200);
}

#[tokio::test]
async fn when_all_places_are_taken_strangers_wait_and_people_go_on() {
    // proves: HTTP-14
    let world = world(1_000, |policy| policy.most_waiting = 5).await;
    let (app, hosted) = (console(&world).await, hosted(&world).await);
    for source in 0..5 {
        come_from(&format!("192.0.2.{source}"));
        assert_eq!(world.get(&app.request(&[])).await.status, 303);
        assert_eq!((push(&app).await.status.as_u16(), device(&app).await.status.as_u16()), (201, 200));
    }
    let before = world.state().await;
    come_from("198.51.100.1");
    let page = world.get(&app.request(&[])).await;
    page.must_be_page(503, "OA-117");
    says_when(&page, 60);
    assert!(page.text().contains("/sign-in"), "{page:?}");
    for answer in [push(&app).await, device(&app).await] {
        answer.must_be(503, "temporarily_unavailable");
        says_when(&answer, 60);
    }
    assert_eq!(world.state().await, before);
    // Whoever follows the page's advice is let in, and the operator's own client still pushes.
    let mut person = world.browser();
    person.sign_in("ann").await;
    app.tokens(&mut person).await;
    assert_eq!(push_as(&hosted, &app).await.status, 201);
}

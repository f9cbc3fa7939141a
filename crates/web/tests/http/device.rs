//! Devices that show a code: from asking to tokens, and what goes wrong on the way.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    app::{App, Tokens},
    browser::Browser,
    html,
    world::{Answer, LOCAL, PASSWORD, PUBLIC, World, advance},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn console(world: &World) -> App<'_> {
    App::registered(world, json!({"grant_types": ["authorization_code", "refresh_token", GRANT]})).await
}

async fn ask(app: &App<'_>) -> Value {
    let fields = [("client_id", app.id.as_str()), ("scope", "mcp:read mcp:write offline_access")];
    let answer = app.world.form("/oauth/device_authorization", &[("user-agent", "tv/1")], &fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    answer.json()
}

async fn poll(app: &App<'_>, asked: &Value) -> Answer {
    let code = asked["device_code"].as_str().unwrap();
    app.world
        .form("/oauth/token", &[], &[("grant_type", GRANT), ("device_code", code), ("client_id", app.id.as_str())])
        .await
}

/// Types a code on the page.
async fn typed(person: &mut Browser<'_>, code: &str) -> Answer {
    let page = person.get("/device").await;
    person.submit(&html::form(page.text(), "device"), &[("user_code", code)]).await
}

/// Types a code, signs in if asked to, and stops at the consent page.
async fn opened(person: &mut Browser<'_>, code: &str) -> Answer {
    let answer = typed(person, code).await;
    let mut page = person.follow(answer).await;
    if page.text().contains("id=\"sign-in\"") {
        let form = html::form(page.text(), "sign-in");
        let answer = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
        page = person.follow(answer).await;
    }
    assert!(page.text().contains("id=\"consent\""), "{page:?}");
    page
}

#[tokio::test]
async fn a_person_lets_a_device_in() {
    // proves: R8628-01, R8628-03, R8628-05, R8628-06, EXT-04
    let world = World::at(PUBLIC).await;
    let app = console(&world).await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["device_authorization_endpoint"], format!("{PUBLIC}/oauth/device_authorization"));
    let asked = ask(&app).await;
    let code = asked["user_code"].as_str().unwrap();
    assert_eq!(asked["verification_uri"], format!("{PUBLIC}/device"));
    assert_eq!(asked["verification_uri_complete"], format!("{PUBLIC}/device?user_code={code}"));
    assert_eq!((asked["expires_in"].as_u64(), asked["interval"].as_u64()), (Some(900), Some(5)));
    poll(&app, &asked).await.must_be(400, "authorization_pending");
    let mut person = world.browser();
    let page = opened(&mut person, &code.to_lowercase().replace('-', " ")).await;
    // The person sees which device it is, from where it asked, and what to beware of.
    for words in [code, "tv/1", "device-warning", "a device elsewhere", "stay-connected"] {
        assert!(page.text().contains(words), "{words}: {page:?}");
    }
    let done = person.answer(&page, "allow").await;
    assert!(done.status == 200 && done.text().contains("The device is let in"), "{done:?}");
    advance(5);
    let tokens = Tokens::of(&poll(&app, &asked).await);
    assert_eq!(tokens.scope, "mcp:read mcp:write offline_access");
    poll(&app, &asked).await.must_be(400, "invalid_grant");
    assert_eq!(app.refresh(&tokens.refresh, &[]).await.status, 200);
    // The rows hold neither code.
    let rows = world.table("devices").await.join("\n");
    assert!(!rows.contains(code) && !rows.contains(&code.replace('-', "")), "{rows}");
    assert!(!rows.contains(asked["device_code"].as_str().unwrap()));
    assert!(person.get("/apps").await.text().contains("data-grant"));
}

#[tokio::test]
async fn a_no_reaches_the_device() {
    // proves: R8628-03
    let world = World::at(LOCAL).await;
    let app = console(&world).await;
    let asked = ask(&app).await;
    let mut person = world.browser();
    let page = opened(&mut person, asked["user_code"].as_str().unwrap()).await;
    let done = person.answer(&page, "deny").await;
    assert!(done.text().contains("The device is not let in"), "{done:?}");
    poll(&app, &asked).await.must_be(400, "access_denied");
    person.answer(&page, "allow").await.must_be_page(400, "OA-108");
    poll(&app, &asked).await.must_be(400, "access_denied");
    assert!(world.table("grants").await.is_empty());
    // It is asked anew with new codes only.
    let again = typed(&mut person, asked["user_code"].as_str().unwrap()).await;
    assert!(again.text().contains("No device is waiting"), "{again:?}");
}

#[tokio::test]
async fn polling_too_often_makes_it_slower_for_good() {
    // proves: R8628-02, R8628-03, EXT-04
    let world = World::at(LOCAL).await;
    let app = console(&world).await;
    let asked = ask(&app).await;
    poll(&app, &asked).await.must_be(400, "authorization_pending");
    advance(1);
    poll(&app, &asked).await.must_be(400, "slow_down");
    advance(9);
    poll(&app, &asked).await.must_be(400, "slow_down");
    advance(15);
    poll(&app, &asked).await.must_be(400, "authorization_pending");
    advance(900);
    poll(&app, &asked).await.must_be(400, "expired_token");
}

#[tokio::test]
async fn the_first_browser_that_types_a_code_has_it() {
    // proves: EXT-04
    let world = World::at(LOCAL).await;
    let app = console(&world).await;
    let asked = ask(&app).await;
    let code = asked["user_code"].as_str().unwrap();
    let (mut ann, mut thief) = (world.browser(), world.browser());
    let page = opened(&mut ann, code).await;
    thief.sign_in("bob").await;
    let answer = typed(&mut thief, code).await;
    thief.follow(answer).await.must_be_page(403, "OA-109");
    // Typed again in the same browser, it goes on.
    let again = opened(&mut ann, code).await;
    assert!(again.text().contains(code));
    ann.answer(&page, "allow").await;
    Tokens::of(&poll(&app, &asked).await);
}

#[tokio::test]
async fn a_link_with_the_code_fills_the_field_and_no_more() {
    // proves: EXT-04
    let world = World::at(LOCAL).await;
    let app = console(&world).await;
    let asked = ask(&app).await;
    let path = asked["verification_uri_complete"].as_str().unwrap().strip_prefix(LOCAL).unwrap().to_owned();
    let mut person = world.browser();
    person.sign_in("ann").await;
    let before = world.state().await;
    let page = person.get(&path).await;
    let form = html::form(page.text(), "device");
    assert_eq!(form.get("user_code"), asked["user_code"].as_str());
    assert!(page.text().contains("only if your device shows the very same one"), "{page:?}");
    assert_eq!(world.state().await, before, "looking changes nothing");
    let evil = person.get("/device?user_code=%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert_eq!(html::form(evil.text(), "device").get("user_code"), Some(""));
    // A form of another site, or of another session, opens nothing.
    let mut forged = form.clone();
    forged.fields.retain(|(name, _)| name != "form_token");
    person.submit(&forged, &[]).await.must_be_page(403, "OA-111");
    world.browser().submit(&form, &[]).await.must_be_page(403, "OA-111");
}

#[tokio::test]
async fn codes_cannot_be_guessed_for_long() {
    // proves: R8628-05, EXT-04
    let world = World::at(LOCAL).await;
    let app = console(&world).await;
    let asked = ask(&app).await;
    let mut thief = world.browser();
    thief.get("/device").await;
    for _ in 0..10 {
        let answer = typed(&mut thief, "BBBB-BBBB").await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("No device is waiting"), "{answer:?}");
    }
    // Not even with the right one, and not from the same address with another browser for ever.
    let held = typed(&mut thief, asked["user_code"].as_str().unwrap()).await;
    assert_eq!(held.status, 429, "{held:?}");
    for n in 0..30 {
        assert_eq!(typed(&mut world.browser(), "nonsense").await.status, 400, "{n}");
    }
    assert_eq!(typed(&mut world.browser(), "nonsense").await.status, 429);
    // People who are signed in are not held up by that.
    let mut person = world.browser();
    person.sign_in("ann").await;
    opened(&mut person, asked["user_code"].as_str().unwrap()).await;
    advance(15 * 60);
    assert_eq!(typed(&mut thief, "BBBB-BBBB").await.status, 400);
}

#[tokio::test]
async fn a_device_code_is_no_other_clients() {
    // proves: EXT-04
    let world = World::at(LOCAL).await;
    let (app, other, without) = (console(&world).await, console(&world).await, App::new(&world).await);
    let asked = ask(&app).await;
    poll(&other, &asked).await.must_be(400, "invalid_grant");
    poll(&without, &asked).await.must_be(400, "invalid_grant");
    let answer = world.form("/oauth/device_authorization", &[], &[("client_id", &without.id)]).await;
    answer.must_be(400, "unauthorized_client");
    let answer = world.form("/oauth/device_authorization", &[], &[("client_id", "dwcl_nobody")]).await;
    answer.must_be(401, "invalid_client");
    let answer = world.form("/oauth/device_authorization", &[], &[("client_id", &app.id), ("scope", "mcp:evil")]).await;
    answer.must_be(400, "invalid_scope");
    assert_eq!(world.get("/oauth/device_authorization").await.status, 405);
    for bad in ["", "x", "dwd_x"] {
        let fields = [("grant_type", GRANT), ("device_code", bad), ("client_id", app.id.as_str())];
        let error = if bad.is_empty() { "invalid_request" } else { "invalid_grant" };
        world.form("/oauth/token", &[], &fields).await.must_be(400, error);
    }
}

#[tokio::test]
async fn of_many_polls_at_once_one_gets_tokens() {
    // proves: EXT-04
    let world = World::at(LOCAL).await;
    let app = console(&world).await;
    let asked = ask(&app).await;
    // Whoever polls at once is slowed down, and nobody gets a fault.
    let early = join_all((0..16).map(|_| poll(&app, &asked))).await;
    let pending = early.iter().filter(|answer| answer.json()["error"] == "authorization_pending").count();
    assert_eq!(pending, 1);
    assert!(early.iter().all(|answer| answer.status == 400), "{early:?}");
    let mut person = world.browser();
    let page = opened(&mut person, asked["user_code"].as_str().unwrap()).await;
    let (mut here, mut there) = (person.clone(), person.clone());
    let answers = join_all([here.answer(&page, "allow"), there.answer(&page, "allow")]).await;
    let taken = answers.iter().filter(|answer| answer.text().contains("The device is let in")).count();
    assert_eq!((taken, world.table("grants").await.len()), (1, 1));
    let polls = join_all((0..16).map(|_| poll(&app, &asked))).await;
    assert_eq!(polls.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(polls.iter().filter(|answer| answer.status != 200).all(|answer| answer.json()["error"] == "invalid_grant"));
}

#[tokio::test]
async fn a_client_of_devices_alone_never_comes_to_a_browsers_consent() {
    // proves: R8628-01, R7591-01
    let world = World::at(PUBLIC).await;
    let alone = json!({"grant_types": [GRANT, "refresh_token"], "redirect_uris": []});
    let with_uri = json!({"grant_types": [GRANT]});
    for (changes, page, pushed) in [(alone, Some("OA-105"), "invalid_request"), (with_uri, None, "unauthorized_client")]
    {
        let app = App::registered(&world, changes).await;
        ask(&app).await;
        let answer = world.get(&app.request(&[])).await;
        match page {
            Some(code) => answer.must_be_page(400, code),
            None => assert_eq!(answer.sent_back("error").as_deref(), Some("unauthorized_client")),
        }
        world.get(&app.request(&[("redirect_uri", None)])).await.must_be_page(400, "OA-104");
        let pairs = doorward_testkit::url_text::parameters(&app.request(&[]));
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        world.form("/oauth/par", &[], &pairs).await.must_be(400, pushed);
        app.redeem("dwc_x", &[]).await.must_be(400, "invalid_grant");
    }
    assert!(world.table("interactions").await.is_empty() && world.table("pushed_requests").await.is_empty());
}

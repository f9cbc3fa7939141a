//! The question itself: it is asked every time, says what is asked, and its answer is worth exactly that.

use doorward_authorization_server::{Write, store::Store as _};
use doorward_types::ClientId;
use serde_json::json;

use crate::{
    app::{App, Tokens},
    html,
    world::{CALLBACK, LOCAL, PUBLIC, World, advance, now},
};

#[tokio::test]
async fn what_was_allowed_before_is_asked_again() {
    // proves: WEB-03, BCP-16, MCP-SBP-031
    let world = World::at(LOCAL).await;
    let app = App::registered(&world, json!({"redirect_uris": [CALLBACK, "https://a.example/other"]})).await;
    let mut person = world.browser();
    let first = person.consent(&app.request(&[])).await;
    assert!(first.text().contains("It has never asked here before") && !first.text().contains("id=\"again\""));
    person.answer(&first, "allow").await.back();
    // The very same request, and each difference to it, is a question for the person.
    let other = App::new(&world).await;
    for request in [
        app.request(&[]),
        app.request(&[("redirect_uri", Some("https://a.example/other"))]),
        app.request(&[("scope", Some("mcp:read"))]),
        app.request(&[("scope", Some("mcp:read mcp:write mcp:danger"))]),
        app.request(&[("scope", None), ("resource", None)]),
        other.request(&[]),
    ] {
        let codes = world.table("codes").await;
        let page = person.open(&request).await;
        assert!(page.text().contains("id=\"consent\""), "{page:?}");
        assert_eq!(world.table("codes").await, codes);
    }
    let again = person.consent(&app.request(&[("scope", Some("mcp:read mcp:danger"))])).await;
    assert!(again.text().contains("id=\"again\"") && !again.text().contains("It has never asked here before"));
    // Another client of the same name starts from nothing.
    let stranger = person.consent(&other.request(&[])).await;
    assert!(stranger.text().contains("It has never asked here before") && !stranger.text().contains("id=\"again\""));
    // So does the same client for another person.
    let bob = world.browser().consent_as("bob", &app.request(&[])).await;
    assert!(bob.text().contains("It has never asked here before") && !bob.text().contains("id=\"again\""));
}

#[tokio::test]
async fn an_app_that_is_removed_at_the_same_moment_gets_nothing() {
    // proves: INV-9
    let world = World::at(LOCAL).await;
    let mut lost = 0;
    for round in 0..40 {
        let app = App::new(&world).await;
        let mut person = world.browser();
        let page = person.consent(&app.request(&[])).await;
        let removal = Write::DeleteClient { client: ClientId::parse(app.id.as_str()).unwrap(), at: now() };
        let remove = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            world.store.commit(vec![removal]).await.unwrap()
        };
        let (answer, _) = futures_util::future::join(person.answer(&page, "allow"), remove).await;
        if answer.status != 200 {
            answer.must_be_page(400, "OA-103");
            lost += 1;
        }
        let live = world.table("grants").await.into_iter().filter(|row| row.contains("revoked_at=NULL")).count();
        assert_eq!(live, 0, "round {round}: {answer:?}");
    }
    assert!(lost > 0);
}

#[tokio::test]
async fn whoever_is_signed_out_while_answering_is_led_to_sign_in() {
    // proves: INV-9, CODE-17
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut led = 0;
    for round in 0..20 {
        let mut person = world.browser();
        let page = person.consent(&app.request(&[])).await;
        let account = world.store.account_by_name("ann").await.unwrap().unwrap().id;
        let disable = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let write = Write::DisableAccount { account: account.clone(), at: now() };
            world.store.commit(vec![write]).await.unwrap()
        };
        let (answer, _) = futures_util::future::join(person.answer(&page, "allow"), disable).await;
        // Either the answer was in time, or nobody is signed in any more: it is never taken for one that was given before.
        if answer.status != 200 {
            assert_eq!(answer.status, 303, "round {round}: {answer:?}");
            assert!(
                answer.header("location").is_some_and(|to| to.starts_with("/sign-in?interaction=dwi_")),
                "{answer:?}"
            );
            led += 1;
        }
        let live = world.table("grants").await.into_iter().filter(|row| row.contains("revoked_at=NULL")).count();
        assert_eq!(live, 0, "round {round}: {answer:?}");
        world.store.commit(vec![Write::EnableAccount { account, at: now() }]).await.unwrap();
    }
    assert!(led > 0);
}

#[tokio::test]
async fn nothing_skips_the_question() {
    // proves: WEB-04, BCP-16
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    app.tokens(&mut person).await;
    for prompt in ["none", "consent none", "none login"] {
        for mut browser in [person.clone(), world.browser()] {
            let before = world.state().await;
            let answer = browser.get(&app.request(&[("prompt", Some(prompt))])).await;
            assert_eq!(answer.sent_back("error").as_deref(), Some("interaction_required"), "{prompt}");
            assert_eq!(answer.sent_back("code"), None);
            assert_eq!(world.state().await, before, "{prompt}");
        }
    }
    let twice = format!("{}&prompt=none", app.request(&[("prompt", Some("consent"))]));
    person.get(&twice).await.must_be_page(400, "OA-101");
    for extra in [
        ("prompt", "consent"),
        ("prompt", "login"),
        ("prompt", "x"),
        ("max_age", "0"),
        ("max_age", "x"),
        ("approval_prompt", "auto"),
        ("answer", "allow"),
        ("skip_consent", "true"),
    ] {
        let page = person.open(&app.request(&[(extra.0, Some(extra.1))])).await;
        assert!(page.text().contains("id=\"consent\""), "{extra:?}: {page:?}");
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    // proves: WEB-04
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    app.tokens(&mut person).await;
    let page = person.consent(&app.request(&[])).await;
    let consent = html::form(page.text(), "consent").with(&[("answer", "allow")]);
    let apps = person.get("/apps").await;
    let revoke = html::forms(apps.text()).into_iter().find(|form| form.get("all").is_some()).unwrap().fields;
    let out = html::form(apps.text(), "sign-out").fields;
    let before = world.state().await;
    for (path, fields, status) in [
        ("/consent", &consent, 200),
        ("/sign-in", &out, 303),
        ("/apps", &revoke, 200),
        ("/apps/revoke", &revoke, 405),
        ("/sign-out", &out, 405),
    ] {
        let pairs: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let target = format!("{path}?{}", doorward_testkit::url_text::form(&pairs));
        assert_eq!(person.get(&target).await.status.as_u16(), status, "{target}");
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn the_person_decides_how_much_and_for_how_long() {
    // proves: INV-4, RT-15
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    let form = html::form(page.text(), "consent");
    let less = [("answer", "allow"), ("scope", "mcp:read"), ("duration", "hours8")];
    let code = person.submit(&form, &less).await.sent_back("code").unwrap();
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    assert_eq!((tokens.scope.as_str(), tokens.claims()["scope"].as_str()), ("mcp:read", Some("mcp:read")));
    // Nothing outlives what was allowed.
    advance(8 * 3600 - 60);
    let last = app.refresh(&tokens.refresh, &[]).await;
    assert_eq!(last.json()["expires_in"], 60);
    advance(60);
    app.refresh(&Tokens::of(&last).refresh, &[]).await.must_be(400, "invalid_grant");
    assert!(!person.get("/apps").await.text().contains("data-grant"));
}

#[tokio::test]
async fn a_request_waits_for_a_quarter_of_an_hour() {
    // proves: WEB-02
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    let in_time = person.consent(&app.request(&[])).await;
    advance(15 * 60 - 1);
    assert!(person.answer(&in_time, "allow").await.sent_back("code").is_some());
    advance(1);
    let before = world.state().await;
    person.answer(&page, "allow").await.must_be_page(400, "OA-107");
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn another_person_can_take_over_the_question() {
    // proves: WEB-05
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut browser = world.browser();
    let page = browser.consent(&app.request(&[])).await;
    let ann = browser.clone();
    let switched = browser.submit(&html::form(page.text(), "switch-account"), &[]).await;
    let sign_in = browser.follow(switched).await;
    let form = html::form(sign_in.text(), "sign-in");
    let answer = browser.submit(&form, &[("name", "bob"), ("password", crate::world::PASSWORD)]).await;
    let page = browser.follow(answer).await;
    assert!(page.text().contains("<bdi>bob</bdi>") && page.text().contains("id=\"consent\""), "{page:?}");
    // The session before cannot answer any more, and the answer is for who is signed in now.
    let late = ann.clone().answer(&page, "allow").await;
    late.must_be_page(403, "OA-111");
    assert!(browser.answer(&page, "allow").await.sent_back("code").is_some());
    let accounts = world.table("accounts").await;
    let bob = accounts.iter().find(|row| row.contains("'bob'")).unwrap();
    let id = bob.split("id='").nth(1).unwrap().split('\'').next().unwrap();
    assert!(world.table("grants").await[0].contains(&format!("account='{id}'")));
}

#[tokio::test]
async fn staying_connected_is_the_persons_choice() {
    // proves: STEP-08, RT-10
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let asked = app.request(&[("scope", Some("mcp:write offline_access"))]);
    for (ticked, granted) in [
        (&["mcp:read", "mcp:write", "offline_access"][..], "mcp:read mcp:write offline_access"),
        (&["mcp:read", "offline_access"], "mcp:read offline_access"),
        (&["mcp:read"], "mcp:read"),
    ] {
        let mut person = world.browser();
        let page = person.consent(&asked).await;
        assert!(page.text().contains("Stay connected without asking again"), "{page:?}");
        let form = html::form(page.text(), "consent");
        let mut answer = vec![("answer", "allow")];
        answer.extend(ticked.iter().map(|scope| ("scope", *scope)));
        let code = person.submit(&form, &answer).await.sent_back("code").unwrap();
        let body = app.redeem(&code, &[]).await.json();
        assert_eq!(body["scope"], granted);
        let refresh = body["refresh_token"].as_str();
        assert_eq!(refresh.is_some(), ticked.contains(&"offline_access"));
        // Less is given, also what a broader one implies; more is not.
        if let Some(refresh) = refresh {
            app.refresh(refresh, &[("scope", Some("mcp:danger"))]).await.must_be(400, "invalid_scope");
            let less = app.refresh(refresh, &[("scope", Some("mcp:read"))]).await;
            assert_eq!(less.json()["scope"], "mcp:read");
            let all = app.refresh(less.json()["refresh_token"].as_str().unwrap(), &[]).await;
            assert_eq!(all.json()["scope"], granted);
        }
    }
    // An app that never asks is not asked about.
    let page = world.browser().consent(&app.request(&[])).await;
    assert!(!page.text().contains("offline_access"));
    let tokens = app.tokens(&mut world.browser()).await;
    app.refresh(&tokens.refresh, &[("scope", Some("mcp:read offline_access"))]).await.must_be(400, "invalid_scope");
}

#[tokio::test]
async fn strangers_are_kept_within_their_ceilings() {
    let hour = std::time::Duration::from_secs(3600);
    let world = World::empty(LOCAL, |policy| {
        policy.strangers.scope = Some(doorward_types::ScopeSet::parse("mcp:read").unwrap());
        policy.strangers.grant = Some(24 * hour);
        policy.strangers.refresh_idle = Some(hour);
        policy.refresh_only_when_asked = true;
    })
    .await;
    world.add_account("ann").await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[("scope", Some("mcp:write offline_access"))])).await;
    assert!(page.text().contains("Until I revoke it, at most 1 day") && !page.text().contains("days30"), "{page:?}");
    assert!(!page.text().contains("value=\"mcp:write\""), "{page:?}");
    let form = html::form(page.text(), "consent");
    let more = [
        ("answer", "allow"),
        ("duration", "days30"),
        ("scope", "mcp:read"),
        ("scope", "mcp:danger"),
        ("scope", "offline_access"),
    ];
    let code = person.submit(&form, &more).await.sent_back("code").unwrap();
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    assert_eq!(tokens.scope, "mcp:read offline_access");
    advance(3600);
    app.refresh(&tokens.refresh, &[]).await.must_be(400, "invalid_grant");
    // Nobody stays connected without asking for it here.
    let code = app.code(&mut person).await;
    assert!(app.redeem(&code, &[]).await.json().get("refresh_token").is_none());
}

#[tokio::test]
async fn answers_and_failed_sign_ins_are_recorded_once() {
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.get("/sign-in").await;
    for password in ["wrong one", "wrong two"] {
        let form = html::form(page.text(), "sign-in");
        assert_eq!(person.submit(&form, &[("name", "ann"), ("password", password)]).await.status, 401);
    }
    let page = person.consent(&app.request(&[])).await;
    person.answer(&page, "deny").await.back();
    let kinds = world.recorded().await;
    for (kind, times) in [("sign_in_failed", 1), ("signed_in", 1), ("denied", 1), ("granted", 0)] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count(), times, "{kind}: {kinds:?}");
    }
    let page = person.consent(&app.request(&[])).await;
    person.answer(&page, "allow").await.back();
    assert_eq!(world.recorded().await.last(), Some(&"granted"));
}

#[tokio::test]
async fn a_step_up_asks_for_more_and_a_no_takes_nothing_away() {
    // proves: STEP-05
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[("scope", Some("mcp:read"))])).await;
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    let before = Tokens::of(&app.redeem(&code, &[]).await);
    let more = app.request(&[("scope", Some("mcp:read mcp:danger"))]);
    let page = person.consent(&more).await;
    // The person sees what is new, and has to tick what is dangerous.
    let all = page.text();
    assert!(all.contains("id=\"again\"") && all.contains("already allowed") && all.contains(">new<"), "{page:?}");
    assert!(!html::form(all, "consent").fields.contains(&("scope".to_owned(), "mcp:danger".to_owned())));
    person.answer(&page, "deny").await.back();
    assert!(!before.is_revoked(&world));
    let kept = Tokens::of(&app.refresh(&before.refresh, &[]).await);
    assert_eq!(kept.scope, "mcp:read");
    let page = person.consent(&more).await;
    let form = html::form(page.text(), "consent");
    let yes = [("answer", "allow"), ("scope", "mcp:read"), ("scope", "mcp:danger")];
    let code = person.submit(&form, &yes).await.sent_back("code").unwrap();
    assert_eq!(Tokens::of(&app.redeem(&code, &[]).await).scope, "mcp:danger mcp:read mcp:write");
    assert!(!kept.is_revoked(&world), "the earlier grant is the person's to end");
}

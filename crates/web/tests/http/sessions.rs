//! The session behind a browser: how it begins, what it is worth, how it ends.

use doorward_authorization_server::session;
use doorward_types::{Secret, secret::SessionToken};
use http::Method;

use crate::{
    app::App,
    browser::Browser,
    html,
    world::{LOCAL, PASSWORD, PUBLIC, World, advance},
};

const HOURS: i64 = 3600;

/// The name of the session's cookie at this origin.
fn cookie(origin: &str) -> &'static str {
    if origin == PUBLIC { "__Host-doorward" } else { "doorward-8420" }
}

/// Whether this browser is signed in.
async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.get("/apps").await;
    match answer.status.as_u16() {
        200 => true,
        303 => {
            assert_eq!(answer.header("location"), Some("/sign-in"));
            false
        }
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn signing_in_gives_a_new_session_and_the_old_one_dies() {
    // proves: WEB-05
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let mut person = world.browser();
        person.get("/sign-in").await;
        let before = person.clone();
        person.sign_in("ann").await;
        assert_ne!(person.cookies, before.cookies);
        assert!(is_signed_in(&mut person).await);
        assert!(!is_signed_in(&mut before.clone()).await, "the cookie from before is worth nothing");
        // Also when somebody signs in where somebody is signed in already.
        let old = person.clone();
        let token = Secret::<SessionToken>::parse(old.cookies[cookie(origin)].as_str()).unwrap();
        let form_token = session::form_token(&token, "sign-in");
        let fields = [("name", "bob"), ("password", PASSWORD), ("form_token", form_token.expose())];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(person.post("/sign-in", &fields).await.status, 303);
        assert_ne!(person.cookies, old.cookies);
        assert!(person.get("/apps").await.text().contains("bob"));
        assert!(!is_signed_in(&mut old.clone()).await, "one browser, one session");
        assert_eq!(world.table("sessions").await.len(), 1);
    }
}

#[tokio::test]
async fn a_sign_in_serves_every_tab_of_the_browser() {
    // proves: WEB-05
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let first = person.get(&app.request(&[])).await;
    let first = person.follow(first).await;
    let second = person.get(&app.request(&[])).await;
    let second = person.follow(second).await;
    let form = html::form(first.text(), "sign-in");
    let signed_in = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
    let consent = person.follow(signed_in).await;
    assert!(person.answer(&consent, "allow").await.sent_back("code").is_some());
    // The other tab still shows the form of before: sending it leads on to its own consent page.
    let form = html::form(second.text(), "sign-in");
    let there = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
    let consent = person.follow(there).await;
    assert!(person.answer(&consent, "allow").await.sent_back("code").is_some());
    assert_eq!(world.table("grants").await.len(), 2);
}

#[tokio::test]
async fn guesses_at_the_same_time_count_too() {
    // proves: WEB-14, OA21-16
    let world = World::at(LOCAL).await;
    let mut person = world.browser();
    let page = person.get("/sign-in").await;
    let form = html::form(page.text(), "sign-in");
    let mut statuses = Vec::new();
    let guess = async |mut browser: Browser<'_>| {
        browser.submit(&form, &[("name", "ann"), ("password", "not the password")]).await.status.as_u16()
    };
    let guesses = (0..20).map(|_| guess(person.clone()));
    statuses.extend(futures_util::future::join_all(guesses).await);
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!(looked_at <= 6, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 20 - looked_at, "{statuses:?}");
}

#[tokio::test]
async fn a_planted_cookie_is_worth_nothing_once_the_victim_signs_in() {
    // proves: WEB-05, WEB-06
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    // The attacker starts a request and plants the cookie that it is bound to.
    let mut attacker = world.browser();
    let waiting = attacker.get(&app.request(&[])).await;
    let mut victim = world.browser();
    victim.cookies = attacker.cookies.clone();
    let page = victim.follow(waiting.clone()).await;
    let form = html::form(page.text(), "sign-in");
    let signed_in = victim.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
    let consent = victim.follow(signed_in).await;
    assert!(consent.text().contains("id=\"consent\""));
    // The attacker holds the old cookie, the request's name and every form of before: none of it opens anything.
    let interaction = form.get("interaction").unwrap();
    let there = format!("/consent?interaction={interaction}");
    let asked = attacker.get(&there).await;
    assert_eq!(asked.header("location"), Some(format!("/sign-in?interaction={interaction}").as_str()));
    assert!(!is_signed_in(&mut attacker).await);
    let stolen = html::form(consent.text(), "consent");
    attacker.submit(&stolen, &[("answer", "allow")]).await.must_be_page(403, "OA-111");
    let own = attacker.submit(&form, &[("name", "bob"), ("password", PASSWORD)]).await;
    attacker.follow(own).await.must_be_page(403, "OA-109");
    assert!(world.table("grants").await.is_empty());
    // The victim sees whose account it is, and goes on.
    assert!(consent.text().contains("<bdi>ann</bdi>"));
    assert!(victim.answer(&consent, "allow").await.sent_back("code").is_some());
}

#[tokio::test]
async fn a_session_ends_by_itself_and_by_signing_out() {
    // proves: WEB-21, WEB-22
    let world = World::at(LOCAL).await;
    let mut person = world.browser();
    person.sign_in("ann").await;
    let page = person.get("/apps").await;
    let old = person.clone();
    let out = person.submit(&html::form(page.text(), "sign-out"), &[]).await;
    assert_eq!(out.status, 200);
    assert!(!is_signed_in(&mut person).await);
    assert!(!is_signed_in(&mut old.clone()).await, "a copy of the cookie is dead too");
    assert!(world.table("sessions").await.is_empty());

    person.sign_in("ann").await;
    advance(12 * HOURS - 1);
    assert!(is_signed_in(&mut person).await);
    let app = App::new(&world).await;
    let consent = person.consent(&app.request(&[])).await;
    advance(1);
    assert!(!is_signed_in(&mut person).await);
    let late = person.answer(&consent, "allow").await;
    assert!(late.header("location").is_some_and(|to| to.starts_with("/sign-in?interaction=dwi_")), "{late:?}");
    assert!(world.table("grants").await.is_empty());
}

#[tokio::test]
async fn the_cookie_is_for_this_host_and_for_http_alone() {
    // proves: WEB-07, MCP-SBP-024
    for (origin, expected) in [
        (LOCAL, "doorward-8420=; Path=/; HttpOnly; SameSite=Lax"),
        (PUBLIC, "__Host-doorward=; Path=/; HttpOnly; SameSite=Lax; Secure"),
    ] {
        let world = World::at(origin).await;
        let app = App::new(&world).await;
        let mut person = world.browser();
        let first = person.get(&app.request(&[])).await;
        let page = person.follow(first.clone()).await;
        let form = html::form(page.text(), "sign-in");
        let signed_in = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
        for answer in [first, signed_in] {
            let value = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
            let (name, rest) = value.split_once('=').unwrap();
            let (secret, attributes) = rest.split_once(';').unwrap();
            assert!(secret.starts_with("dws_") && secret.len() == 47, "{secret}");
            assert_eq!(format!("{name}=;{attributes}"), expected);
        }
        // It is set once, not with every page.
        assert_eq!(person.get("/apps").await.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn only_one_well_formed_cookie_of_ours_counts() {
    // proves: WEB-08
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let mut person = world.browser();
        person.sign_in("ann").await;
        let name = cookie(origin);
        let good = person.cookies[name].clone();
        let evil = format!("dws_{}", "A".repeat(43));
        let signed_in = async |headers: &[String]| {
            let headers: Vec<_> = headers.iter().map(|value| ("cookie", value.as_str())).collect();
            let answer = world.send(Method::GET, "/apps", &headers, "").await;
            assert!(matches!(answer.status.as_u16(), 200 | 303), "{answer:?}");
            answer.status == 200
        };
        let many = (0..200).map(|at| format!("c{at}=v")).collect::<Vec<_>>().join("; ");
        for right in [
            format!("{name}={good}"),
            format!("a=b; {name}={good}"),
            format!("a=b;{name}={good};c=d"),
            format!("$Version=1; {name}={good}"),
            format!("{many}; {name}={good}"),
            format!("X{name}={evil}; {name}={good}; {name}x={evil}"),
            format!("{}={evil}; {name}={good}", name.to_uppercase()),
        ] {
            assert!(signed_in(std::slice::from_ref(&right)).await, "{right}");
        }
        assert!(signed_in(&["a=b".into(), format!("{name}={good}")]).await);
        for wrong in [
            format!("{name}={good}; {name}={evil}"),
            format!("{name}={evil}; {name}={good}"),
            format!("{name}={good}; {name}={good}"),
            format!("{name}=; {name}={good}"),
            format!("{name}=\"{good}\""),
            format!("{name}={good}x"),
            format!("{name}={}", &good[..46]),
            format!("{name}={}", &good[4..]),
            format!("{}={good}", name.to_uppercase()),
            format!("\t{name}={good}"),
            format!("\u{a0}{name}={good}"),
            format!("{name} ={good}"),
            name.to_owned(),
            format!("{name}={}", "A".repeat(60_000)),
        ] {
            assert!(!signed_in(std::slice::from_ref(&wrong)).await, "{wrong}");
        }
        // A value that somebody chose is not gone on with, whoever put it there: the browser gets one of ours.
        for chosen in ["x", "dws_x", &good[..46], &good[4..]] {
            let answer = world.send(Method::GET, "/sign-in", &[("cookie", &format!("{name}={chosen}"))], "").await;
            assert!(answer.header("set-cookie").is_some(), "{chosen}");
        }
        assert!(!signed_in(&[format!("{name}={evil}"), format!("{name}={good}")]).await, "two headers");
        // Where the prefix is there to be had, the name without it is nothing.
        assert!(
            !signed_in(&[format!("{}={good}", if origin == PUBLIC { "doorward" } else { "__Host-doorward" })]).await
        );
    }
}

/// Tries to sign in from the sign-in page.
async fn try_name(browser: &mut Browser<'_>, name: &str, password: &str) -> crate::world::Answer {
    let page = browser.get("/sign-in").await;
    browser.submit(&html::form(page.text(), "sign-in"), &[("name", name), ("password", password)]).await
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_look_alike() {
    // proves: WEB-13, WEB-14, OA21-16
    let world = World::at(LOCAL).await;
    let mut person = world.browser();
    person.get("/sign-in").await;
    for round in 0..8 {
        let wrong = try_name(&mut person, "ann", "not the password").await;
        let unknown = try_name(&mut person, "eve", "not the password").await;
        let expected = if round < 6 { 401 } else { 429 };
        assert_eq!((wrong.status.as_u16(), unknown.status.as_u16()), (expected, expected), "round {round}");
        assert_eq!(wrong.text().replace("\"ann\"", "\"eve\""), unknown.text());
        let headers = |answer: &crate::world::Answer| format!("{:?}", answer.headers);
        assert_eq!(headers(&wrong), headers(&unknown));
    }
    // The right password does not count during the wait, another name is free, and the wait ends.
    assert_eq!(try_name(&mut person, "Ann", PASSWORD).await.status, 429);
    assert_eq!(try_name(&mut person.clone(), "bob", PASSWORD).await.status, 303);
    advance(60);
    assert_eq!(try_name(&mut person, "ann", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_password_is_taken_whole_or_not_at_all() {
    // proves: WEB-15
    let world = World::empty(LOCAL, |_| ()).await;
    let token = world.setup_token().await;
    let mut person = world.browser();
    let page = person.get(&format!("/setup?token={token}")).await;
    let form = html::form(page.text(), "setup");
    for bad in ["", "eleven char", &"x".repeat(1025)] {
        let again = person.submit(&form, &[("name", "ann"), ("password", bad)]).await;
        assert_eq!(again.status, 400, "{again:?}");
        assert!(again.text().contains("id=\"setup\"") && again.text().contains("id=\"password-error\""));
        assert!(bad.len() < 20 || !again.text().contains(bad), "a password is never shown again");
    }
    for bad in ["", "a b", "ann\u{202e}", "\u{430}nn", ".ann", &"a".repeat(65)] {
        let again = person.submit(&form, &[("name", bad), ("password", PASSWORD)]).await;
        assert!(again.status == 400 && again.text().contains("id=\"name-error\""), "{bad:?}: {again:?}");
    }
    let long = format!("é{}\0tail", "x".repeat(990));
    let made = person.submit(&form, &[("name", "ann"), ("password", &long)]).await;
    assert_eq!(made.status, 303, "{made:?}");
    let cut = |at: usize| long.chars().take(at).collect::<String>();
    for wrong in [cut(72), cut(990), cut(991), long.replace('é', "e\u{301}"), format!("{long}x"), "x".repeat(1025)] {
        assert_eq!(try_name(&mut world.browser(), "ann", &wrong).await.status, 401, "{}", wrong.len());
        advance(60);
    }
    let huge = "x".repeat(1024 * 1024);
    assert_eq!(try_name(&mut world.browser(), "ann", &huge).await.status, 413);
    assert_eq!(try_name(&mut world.browser(), "ann\0", &long).await.status, 401);
    assert_eq!(try_name(&mut world.browser(), "ANN", &long).await.status, 303);
}

#[tokio::test]
async fn after_signing_in_nobody_is_sent_elsewhere() {
    // proves: WEB-16, BCP-15
    let world = World::at(LOCAL).await;
    for to in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "/%2f%2fevil.example",
        "/.evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "dwi_",
        "dwi_../../evil",
        "dwi_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\nLocation: https://evil.example",
    ] {
        let mut person = world.browser();
        let names = ["interaction", "next", "return_to", "redirect", "redirect_uri", "continue", "url"];
        let query = doorward_testkit::url_text::form(&names.map(|name| (name, to)));
        let page = person.get(&format!("/sign-in?{query}")).await;
        let form = html::form(page.text(), "sign-in");
        assert!(!page.text().contains("evil"), "{page:?}");
        let mut fields = vec![("name", "ann"), ("password", PASSWORD)];
        fields.extend(names.map(|name| (name, to)));
        let answer = person.submit(&form, &fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/apps")), "{to:?}");
    }
    // A request that is not waiting is named on a page of ours, and the person is signed in all the same.
    let mut person = world.browser();
    let page = person.get(&format!("/sign-in?interaction=dwi_{}", "A".repeat(43))).await;
    let form = html::form(page.text(), "sign-in");
    let answer = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
    person.follow(answer).await.must_be_page(400, "OA-106");
    assert!(is_signed_in(&mut person).await);
}

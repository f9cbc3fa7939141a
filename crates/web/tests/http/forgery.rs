//! Forms that another site sends, and forms that were not served to the session that sends them.

use crate::{
    app::{App, Tokens},
    browser::Browser,
    html::{self, Form},
    world::{LOCAL, PASSWORD, PUBLIC, World},
};

/// Every form of every page, filled in so that it would do something, with the browser that it was served to.
struct Forms<'w> {
    person: Browser<'w>,
    stranger: Browser<'w>,
    sign_in: Form,
    all: Vec<Form>,
}

async fn forms(world: &World) -> Forms<'_> {
    let app = App::new(world).await;
    let mut person = world.browser();
    app.tokens(&mut person).await;
    let consent = person.consent(&app.request(&[])).await;
    let apps = person.get("/apps").await;
    let find = |action: &str, field: &str| {
        let mut found = html::forms(apps.text()).into_iter().filter(|form| form.action == action);
        found.find(|form| form.get(field).is_some()).unwrap_or_else(|| panic!("{action}: {}", apps.text()))
    };
    let mut allow = html::form(consent.text(), "consent");
    allow.fields.push(("answer".into(), "allow".into()));
    let all = vec![
        allow,
        html::form(consent.text(), "switch-account"),
        html::form(apps.text(), "sign-out"),
        find("/apps/revoke", "grant"),
        find("/apps/revoke", "all"),
    ];
    let mut stranger = world.browser();
    let page = stranger.get("/sign-in").await;
    let mut sign_in = html::form(page.text(), "sign-in");
    sign_in.fields.retain(|(name, _)| !matches!(name.as_str(), "name" | "password"));
    sign_in.fields.extend([("name".into(), "bob".into()), ("password".into(), PASSWORD.into())]);
    Forms { person, stranger, sign_in, all }
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    // proves: WEB-01, WEB-06, MCP-SBP-023
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let Forms { person, stranger, sign_in, all } = forms(&world).await;
        let before = world.state().await;
        let other = if origin == LOCAL { "http://localhost:8421" } else { "https://x.gw.example" };
        let lies: &[&[(&'static str, &str)]] = &[
            &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("origin", origin), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", other)],
            &[("origin", &origin.replace("://", "://evil."))],
            &[("origin", "http://gw.example")],
        ];
        for lie in lies {
            let entrance = std::slice::from_ref(&sign_in);
            for (mut browser, forms) in
                [(person.clone(), &all[..]), (stranger.clone(), entrance), (person.clone(), entrance)]
            {
                browser.form_headers = lie.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                for form in forms {
                    let refused = browser.submit(form, &[]).await;
                    refused.must_be_page(403, "OA-111");
                }
            }
        }
        assert_eq!(world.state().await, before, "nothing was changed");
        // The same forms count when they come from our own page: with today's headers, yesterday's, or none.
        for headers in [vec![("sec-fetch-site", "same-origin")], vec![("origin", origin)], vec![]] {
            let mut browser = stranger.clone();
            browser.form_headers = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            assert_eq!(browser.submit(&sign_in, &[]).await.status, 303);
        }
    }
}

#[tokio::test]
async fn a_form_without_its_own_token_changes_nothing() {
    // proves: WEB-01, WEB-02, WEB-06
    let world = World::at(LOCAL).await;
    let Forms { mut person, mut stranger, sign_in, all } = forms(&world).await;
    let before = world.state().await;
    let mut thief = world.browser();
    thief.sign_in("bob").await;
    let stolen = html::form(thief.get("/apps").await.text(), "sign-out");
    let with_thief = world.state().await;
    for (index, form) in all.iter().chain([&sign_in]).enumerate() {
        let browser = if index == all.len() { &mut stranger } else { &mut person };
        let good = form.get("form_token").unwrap();
        // Missing, empty, of another form of the same session, of another session, nearly right, and twice.
        let other_form = all.iter().chain([&sign_in]).find(|other| other.get("form_token") != Some(good)).unwrap();
        let nearly = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
        let wrong = ["", "x", "dwf_", &nearly, &good[..20], other_form.get("form_token").unwrap()];
        for token in wrong.into_iter().chain([stolen.get("form_token").unwrap()]) {
            browser.submit(form, &[("form_token", token)]).await.must_be_page(403, "OA-111");
        }
        let mut missing = form.clone();
        missing.fields.retain(|(name, _)| name != "form_token");
        browser.submit(&missing, &[]).await.must_be_page(403, "OA-111");
        let twice = browser.submit(form, &[("form_token", good), ("form_token", good)]).await;
        twice.must_be_page(400, "OA-121");
        // In the address, where another site can put it.
        let in_query = format!("{}?form_token={good}", form.action);
        browser.post(&in_query, &missing.fields).await.must_be_page(403, "OA-111");
    }
    assert_eq!(world.state().await, with_thief, "nothing was changed");
    assert_ne!(before, with_thief);
}

#[tokio::test]
async fn a_form_sent_by_another_session_changes_nothing() {
    // proves: WEB-01, WEB-02
    let world = World::at(LOCAL).await;
    let Forms { all, sign_in, .. } = forms(&world).await;
    let mut thief = world.browser();
    thief.sign_in("bob").await;
    let before = world.state().await;
    for form in all.iter().chain([&sign_in]) {
        let answer = thief.submit(form, &[]).await;
        if form.action == sign_in.action {
            // A stale sign-in form of somebody who is signed in goes on as what they are; it signs nobody in.
            assert_eq!(
                (answer.status.as_u16(), answer.header("location"), answer.header("set-cookie")),
                (303, Some("/apps"), None)
            );
        } else {
            answer.must_be_page(403, "OA-111");
        }
        // Without any cookie as well.
        world.browser().submit(form, &[]).await.must_be_page(403, "OA-111");
    }
    assert_eq!(world.state().await, before, "nothing was changed");
}

#[tokio::test]
async fn the_set_up_form_is_guarded_like_the_others() {
    // proves: WEB-01
    let world = World::empty(LOCAL, |_| ()).await;
    let token = world.setup_token().await;
    let mut person = world.browser();
    let page = person.get(&format!("/setup?token={token}")).await;
    let form = html::form(page.text(), "setup");
    let chosen = [("name", "ann"), ("password", PASSWORD)];
    let before = world.state().await;
    let honest = person.form_headers.clone();
    for lie in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
        person.form_headers = vec![(lie.0, lie.1.to_owned())];
        person.submit(&form, &chosen).await.must_be_page(403, "OA-111");
    }
    person.form_headers = honest;
    person.submit(&form, &[chosen[0], chosen[1], ("form_token", "x")]).await.must_be_page(403, "OA-111");
    world.browser().submit(&form, &chosen).await.must_be_page(403, "OA-111");
    assert_eq!(world.state().await, before, "nothing was changed");
    // And the link itself is needed.
    for wrong in ["", "x", "dwu_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        person.submit(&form, &[chosen[0], chosen[1], ("token", wrong)]).await.must_be_page(403, "OA-112");
        person.get(&format!("/setup?token={wrong}")).await.must_be_page(403, "OA-112");
    }
    let made = person.submit(&form, &chosen).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (303, Some("/apps")), "{made:?}");
    // It works once.
    person.get(&format!("/setup?token={token}")).await.must_be_page(403, "OA-112");
    assert!(person.get("/apps").await.text().contains("ann"));
}

#[tokio::test]
async fn a_consent_counts_once() {
    // proves: WEB-02, INV-1
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    let other = person.consent(&app.request(&[("state", Some("the-other"))])).await;
    let (form, other_form) = (html::form(page.text(), "consent"), html::form(other.text(), "consent"));
    let before = world.state().await;
    // A form for one request does not answer another, even of the same session.
    let mixed = [("answer", "allow"), ("interaction", other_form.get("interaction").unwrap())];
    person.submit(&form, &mixed).await.must_be_page(403, "OA-111");
    // A token alone, out of somebody's history, does not either.
    let mut thief = world.browser();
    thief.sign_in("bob").await;
    let with_thief = world.state().await;
    let there = format!("/consent?interaction={}", form.get("interaction").unwrap());
    thief.get(&there).await.must_be_page(403, "OA-109");
    assert_eq!(world.state().await, with_thief);
    assert_ne!(before, with_thief);

    let first = person.answer(&page, "allow").await;
    let code = first.sent_back("code").unwrap();
    let after = world.state().await;
    for again in ["allow", "deny"] {
        person.answer(&page, again).await.must_be_page(400, "OA-108");
    }
    person.get(&there).await.must_be_page(400, "OA-108");
    assert_eq!(world.state().await, after, "the first answer stands alone");
    assert_eq!(world.table("codes").await.len(), 1);
    Tokens::of(&app.redeem(&code, &[]).await);
    // The other request was not touched by any of it.
    let denied = person.answer(&other, "deny").await;
    assert_eq!(denied.sent_back("error").as_deref(), Some("access_denied"));
    assert_eq!(denied.sent_back("state").as_deref(), Some("the-other"));
}

#[tokio::test]
async fn a_doubled_click_gives_one_grant() {
    // proves: WEB-02, INV-1
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    let (mut left, mut right) = (person.clone(), person);
    let (first, second) = tokio::join!(left.answer(&page, "allow"), right.answer(&page, "allow"));
    let (allowed, refused) = if first.status == 200 { (first, second) } else { (second, first) };
    assert!(allowed.sent_back("code").is_some());
    refused.must_be_page(400, "OA-108");
    assert_eq!((world.table("grants").await.len(), world.table("codes").await.len()), (1, 1));
}

#[tokio::test]
async fn what_a_form_claims_about_the_request_is_ignored() {
    // proves: REDIR-25, WEB-02, INV-4
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let other = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[("scope", Some("mcp:read"))])).await;
    let lies = [
        ("answer", "allow"),
        ("redirect_uri", "https://evil.example/"),
        ("client_id", other.id.as_str()),
        ("state", "another"),
        ("resource", "https://evil.example/mcp"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("account", "bob"),
        ("scope", "mcp:read"),
        ("scope", "mcp:danger"),
        ("scope", "admin"),
    ];
    let answer = person.submit(&html::form(page.text(), "consent"), &lies).await;
    let back = answer.back();
    assert!(back.starts_with("https://a.example/cb?code=dwc_"), "{back}");
    assert_eq!(answer.sent_back("state").as_deref(), Some("the-state"));
    let code = answer.sent_back("code").unwrap();
    other.redeem(&code, &[]).await.must_be(400, "invalid_grant");
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    assert_eq!(tokens.scope, "mcp:read");
    assert_eq!(tokens.claims()["aud"], world.resource());
    assert!(!answer.text().contains("evil.example"));
}

#[tokio::test]
async fn an_answer_that_says_nothing_clear_is_asked_again() {
    // proves: WEB-02
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[])).await;
    let form = html::form(page.text(), "consent");
    let before = world.state().await;
    for values in [
        &[("answer", "")][..],
        &[("answer", "yes")],
        &[("answer", "ALLOW")],
        &[("answer", "allow"), ("duration", "forever")],
        &[("answer", "allow"), ("duration", "")],
        &[("answer", "allow"), ("scope", "")],
        &[("answer", "allow"), ("scope", "mcp:danger")],
    ] {
        let again = person.submit(&form, values).await;
        assert_eq!(again.status, 400, "{values:?}: {again:?}");
        assert!(again.text().contains("id=\"consent\""), "{values:?}");
    }
    assert_eq!(world.state().await, before);
    assert!(person.answer(&page, "allow").await.sent_back("code").is_some(), "it still waits");
}

//! Forged, replayed and misdirected forms, with a real session behind them.

use doorward_testkit::url_text::parameter;

use crate::world::{App, CALLBACK, NAME, PASSWORD, gateway, visitor};

#[tokio::test]
async fn a_forged_consent_is_refused_and_the_real_one_still_counts() {
    // proves: WEB-01
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let page = person.consent_page(&app.request(&[]), NAME, PASSWORD).await;
    let honest = person.form_headers.clone();
    for lie in [
        vec![("origin", "https://evil.example".to_owned()), ("sec-fetch-site", "cross-site".to_owned())],
        vec![("origin", "null".to_owned()), ("sec-fetch-site", "cross-site".to_owned())],
        vec![("origin", gateway.public_url().to_owned()), ("sec-fetch-site", "same-site".to_owned())],
        vec![("origin", "https://evil.example".to_owned())],
    ] {
        person.form_headers = lie.clone();
        let refused = person.submit(&page, "consent", &[("answer", "allow")]).await;
        assert_eq!(refused.status, 403, "{lie:?}: {refused:?}");
        assert_eq!(refused.link("continue"), None);
    }
    person.form_headers = honest;
    for forged in ["", "x", "dwf_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let refused = person.submit(&page, "consent", &[("answer", "allow"), ("form_token", forged)]).await;
        assert_eq!(refused.status, 403, "{forged:?}: {refused:?}");
    }
    let allowed = person.submit(&page, "consent", &[("answer", "allow")]).await;
    assert!(allowed.link("continue").is_some_and(|back| back.contains("code=")), "{allowed:?}");
}

#[tokio::test]
async fn forged_sign_outs_and_revocations_change_nothing() {
    // proves: WEB-01
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let tokens = app.tokens(&mut person).await;
    let apps = person.open("/apps").await;
    let grant = apps.body.split("data-grant=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a grant");
    person.form_headers = vec![("sec-fetch-site", "cross-site".to_owned())];
    for (path, body) in
        [("/apps/revoke", format!("grant={grant}")), ("/apps/revoke", "all=yes".into()), ("/sign-out", String::new())]
    {
        let refused = person.post(path, &body).await;
        assert!((400..500).contains(&refused.status), "{path}: {refused:?}");
    }
    assert_eq!(app.call(tokens.access()).await, 200);
    assert!(person.open("/apps").await.body.contains(grant), "still signed in, still granted");
}

#[tokio::test]
async fn an_answer_counts_once_for_its_own_session_and_request() {
    // proves: WEB-02
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let page = person.consent_page(&app.request(&[]), NAME, PASSWORD).await;
    let other_page = person.consent_page(&app.request(&[("state", Some("the-other"))]), NAME, PASSWORD).await;
    let mut stranger = visitor(&gateway);
    let strange_page = stranger.consent_page(&app.request(&[]), NAME, PASSWORD).await;

    let stolen = stranger.submit(&page, "consent", &[("answer", "allow")]).await;
    assert!((400..500).contains(&stolen.status) && stolen.link("continue").is_none(), "another session: {stolen:?}");
    let (_, strange_body) = strange_page.form("consent", &[]);
    let foreign = parameter(&strange_body, "interaction").expect("an interaction");
    let mixed = person.submit(&page, "consent", &[("answer", "allow"), ("interaction", &foreign)]).await;
    assert!((400..500).contains(&mixed.status) && mixed.link("continue").is_none(), "another request: {mixed:?}");

    let first = person.submit(&page, "consent", &[("answer", "allow")]).await;
    let back = first.link("continue").expect("the way back");
    assert_eq!(parameter(&back, "state").as_deref(), Some("the-state"));
    let second = person.submit(&page, "consent", &[("answer", "allow")]).await;
    let again = second.link("continue").and_then(|back| parameter(&back, "code"));
    assert!((400..500).contains(&second.status) && again.is_none(), "a second time: {second:?}");
    // The other request was not touched by any of it.
    let other = person.submit(&other_page, "consent", &[("answer", "deny")]).await;
    let back = other.link("continue").expect("the way back");
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "state").as_deref(), Some("the-other"));
}

#[tokio::test]
async fn what_a_form_claims_about_the_request_is_ignored() {
    // proves: WEB-02
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let page = person.consent_page(&app.request(&[]), NAME, PASSWORD).await;
    let lies = [
        ("answer", "allow"),
        ("redirect_uri", "https://evil.example/"),
        ("client_id", "somebody"),
        ("state", "another"),
        ("scope", "mcp:danger"),
    ];
    let answered = person.submit(&page, "consent", &lies).await;
    if let Some(back) = answered.link("continue") {
        assert!(back.starts_with(CALLBACK), "{back}");
        assert_eq!(parameter(&back, "state").as_deref(), Some("the-state"));
        if let Some(code) = parameter(&back, "code") {
            let tokens = app.redeem(&code, &[]).await;
            assert!(!tokens.body["scope"].as_str().unwrap_or_default().contains("danger"), "{tokens:?}");
        }
    } else {
        assert!((400..500).contains(&answered.status), "{answered:?}");
    }
}

#[tokio::test]
async fn nobody_can_be_signed_in_from_outside() {
    // proves: WEB-06
    let gateway = gateway();
    let mut victim = visitor(&gateway);
    let page = victim.open("/sign-in").await;
    let credentials = [("name", NAME), ("password", PASSWORD)];
    victim.form_headers = vec![("origin", "https://evil.example".into()), ("sec-fetch-site", "cross-site".into())];
    let forged = victim.submit(&page, "sign-in", &credentials).await;
    assert_eq!(forged.status, 403, "{forged:?}");
    // The attacker's own form token is for the attacker's session.
    let attacker = visitor(&gateway).open("/sign-in").await;
    victim.form_headers = visitor(&gateway).form_headers;
    let swapped = victim.submit(&attacker, "sign-in", &credentials).await;
    assert_eq!(swapped.status, 403, "{swapped:?}");
    assert!(!victim.open("/apps").await.body.contains("sign-out"), "signed in");
}

//! Where an authorization response may go: what was registered, byte for byte.

use doorward_testkit::{redirect_uris, url_text};
use http::Method;
use serde_json::json;

use crate::{
    app::{App, Tokens},
    html,
    world::{CALLBACK, LOCAL, PUBLIC, World},
};

#[tokio::test]
async fn an_unmatched_redirect_uri_is_a_page_that_leads_nowhere() {
    // proves: REDIR-01, REDIR-02, REDIR-03, REDIR-04, REDIR-05, REDIR-06, REDIR-07, REDIR-08, BCP-01, BCP-16, INV-3
    // proves: OA21-03, OA21-10, MCP-AUTH-083, MCP-AUTH-084
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let app = App::new(&world).await;
        let mut person = world.browser();
        person.sign_in("ann").await;
        let before = world.state().await;
        for uri in redirect_uris::NOT_THE_CALLBACK {
            for mut browser in [person.clone(), world.browser()] {
                let page = browser.get(&app.request(&[("redirect_uri", Some(uri))])).await;
                page.must_be_page(400, "OA-105");
                assert!(!page.text().contains("<a "), "{uri:?}: no way to go there: {}", page.text());
            }
        }
        assert_eq!(world.state().await, before, "no row was written");
        assert_eq!(person.get(&app.request(&[])).await.status, 303);
    }
}

#[tokio::test]
async fn a_host_is_compared_in_the_form_it_was_registered_in() {
    // proves: REDIR-09
    let world = World::at(PUBLIC).await;
    let refused = world.register(json!({"redirect_uris": ["https://bücher.example/cb"]})).await;
    refused.must_be(400, "invalid_redirect_uri");
    let app = App::registered(&world, json!({"redirect_uris": ["https://xn--bcher-kva.example/cb"]})).await;
    for uri in ["https://bücher.example/cb", "https://xn--BCHER-kva.example/cb", "https://b%C3%BCcher.example/cb"] {
        world.get(&app.request(&[("redirect_uri", Some(uri))])).await.must_be_page(400, "OA-105");
    }
    // The person reads the form that cannot be mistaken for another.
    let page = world.browser().consent(&app.request(&[])).await;
    assert!(page.text().contains("xn--bcher-kva.example"));
}

#[tokio::test]
async fn of_a_loopback_uri_the_port_alone_is_free() {
    // proves: REDIR-06, REDIR-10, REDIR-11, REDIR-12, REDIR-13, OA21-04
    let world = World::at(LOCAL).await;
    let app =
        App::registered(&world, json!({"redirect_uris": ["http://127.0.0.1/cb", "http://localhost:3000/cb"]})).await;
    for port in redirect_uris::LOOPBACK_PORTS {
        for host in ["127.0.0.1", "localhost"] {
            let uri = format!("http://{host}{port}/cb");
            let mut person = world.browser();
            let page = person.consent(&app.request(&[("redirect_uri", Some(&uri))])).await;
            assert!(page.text().contains(&format!("value=\"{uri}\"")), "shown as asked: {uri}");
            let back = person.answer(&page, "allow").await.back();
            assert!(back.starts_with(&format!("{uri}?code=")), "{back}");
        }
    }
    let before = world.state().await;
    for uri in redirect_uris::NOT_THE_LOOPBACK.iter().chain(redirect_uris::NOT_LOCALHOST) {
        world.get(&app.request(&[("redirect_uri", Some(uri))])).await.must_be_page(400, "OA-105");
    }
    assert_eq!(world.state().await, before, "no row was written");
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    // proves: REDIR-18, REDIR-19, REG-02, OA21-10, OA21-18, HTTP-07
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let right = app.request(&[]);
    let evil = url_text::encode("https://evil.example/");
    let good = url_text::encode(CALLBACK);
    let without = app.request(&[("redirect_uri", None)]);
    let before = world.state().await;
    let cases = [
        (format!("{right}&redirect_uri={evil}"), 400, "OA-101"),
        (format!("{without}&redirect_uri={evil}&redirect_uri={good}"), 400, "OA-101"),
        (format!("{right}&redirect_uri={good}"), 400, "OA-101"),
        (format!("{right}&redirect_ur%69={evil}"), 400, "OA-101"),
        (format!("{right}&state=again"), 400, "OA-101"),
        (format!("{right}&client_id={}", app.id), 400, "OA-101"),
        (format!("{right}&x=%"), 400, "OA-101"),
        (format!("{right}&x=%zz"), 400, "OA-101"),
        (format!("{right}&x=%ff"), 400, "OA-101"),
        (without.clone(), 400, "OA-104"),
        (format!("{without}&redirect_uri="), 400, "OA-104"),
        (format!("{without}&redirect_uri[]={good}"), 400, "OA-104"),
        (format!("{without}&redirect_uri[0]={good}"), 400, "OA-104"),
        (format!("{without}&Redirect_uri={good}"), 400, "OA-104"),
        (format!("{without}&redirect_uri={good},{evil}"), 400, "OA-105"),
        (app.request(&[("client_id", None)]), 400, "OA-102"),
        (app.request(&[("client_id", Some("evil_client_id"))]), 400, "OA-103"),
        (app.request(&[("client_id", Some(&format!("{} ", app.id)))]), 400, "OA-103"),
        (app.request(&[("client_id", Some(&format!("{}\0", app.id)))]), 400, "OA-103"),
        (app.request(&[("client_id", Some(&app.id.to_uppercase()))]), 400, "OA-103"),
        ("/oauth/authorize".to_owned(), 400, "OA-102"),
    ];
    for (request, status, code) in &cases {
        world.get(request).await.must_be_page(*status, code);
    }
    // The endpoint is asked by GET, and a body says nothing there.
    let json = [("content-type", "application/json")];
    let body = json!({"client_id": app.id, "redirect_uri": CALLBACK}).to_string();
    world.send(Method::GET, "/oauth/authorize", &json, body.clone()).await.must_be_page(400, "OA-102");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let query = right.split_once('?').unwrap().1;
    for (headers, body) in [(json, body), (form, query.to_owned())] {
        for target in ["/oauth/authorize", right.as_str()] {
            assert_eq!(world.send(Method::POST, target, &headers, body.clone()).await.status, 405);
        }
    }
    let mixed = world.send(Method::GET, &without, &form, format!("redirect_uri={good}")).await;
    mixed.must_be_page(400, "OA-104");
    assert_eq!(world.state().await, before, "no row was written");
}

#[tokio::test]
async fn the_response_says_whose_it_is_and_what_it_answers() {
    // proves: REDIR-17, OA21-32, R9207-01, MCP-AUTH-087, REDIR-26
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let with_query = json!({"redirect_uris": ["https://a.example/cb?foo=bar"]});
        let app = App::registered(&world, with_query).await;
        let state = "a b+c&d=e%41/?#~\"<>';";
        for answer in ["allow", "deny"] {
            let mut person = world.browser();
            let page = person.consent(&app.request(&[("state", Some(state))])).await;
            let back = person.answer(&page, answer).await.back();
            let read = url_text::parameters(&back);
            let names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).collect();
            let expected: &[&str] = if answer == "allow" {
                &["foo", "code", "state", "iss"]
            } else {
                &["foo", "error", "error_description", "state", "iss"]
            };
            assert_eq!(names, expected, "{back}");
            let value = |name: &str| url_text::parameter(&back, name).unwrap();
            assert_eq!((value("foo"), value("state"), value("iss")), ("bar".into(), state.into(), origin.into()));
            assert!(back.is_ascii() && !back.contains('#'), "{back}");
        }
        // Without a state none comes back; with one that cannot be one, it is not echoed.
        let mut person = world.browser();
        let page = person.consent(&app.request(&[("state", None)])).await;
        assert_eq!(person.answer(&page, "allow").await.sent_back("state"), None);
        for bad in ["é", "a\r\nb", &"s".repeat(4097)] {
            let page = person.get(&app.request(&[("state", Some(bad))])).await;
            assert_eq!(page.sent_back("error").as_deref(), Some("invalid_request"));
            assert_eq!(page.sent_back("state"), None);
            assert_eq!(page.sent_back("iss").as_deref(), Some(origin));
        }
    }
}

#[tokio::test]
async fn the_token_endpoint_compares_the_redirect_uri_too() {
    // proves: REDIR-01, REDIR-20, OA21-36
    let world = World::at(LOCAL).await;
    let app = App::registered(&world, json!({"redirect_uris": [CALLBACK, "https://a.example/other"]})).await;
    let code = app.code(&mut world.browser()).await;
    for uri in ["https://a.example/other", "https://evil.example/", "https://a.example/cb/"] {
        app.redeem(&code, &[("redirect_uri", Some(uri))]).await.must_be(400, "invalid_grant");
    }
    // The code was not used up, and clients of OAuth 2.1 leave the parameter out.
    Tokens::of(&app.redeem(&code, &[("redirect_uri", None)]).await);
}

#[tokio::test]
async fn a_response_to_an_app_on_this_device_is_a_link_of_its_own_scheme() {
    // proves: REDIR-14, REDIR-15
    let world = World::at(LOCAL).await;
    for (uri, shown) in
        [("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"), ("com.example.app:/cb", "com.example.app:")]
    {
        let app = App::registered(&world, json!({"redirect_uris": [uri]})).await;
        let mut person = world.browser();
        let page = person.consent(&app.request(&[])).await;
        assert!(page.text().contains("id=\"local-warning\"") && page.text().contains(shown.trim_end_matches(':')));
        let answer = person.answer(&page, "allow").await;
        assert!(answer.back().starts_with(&format!("{uri}?code=")));
        assert_eq!(html::tags(answer.text(), "a").len(), 1);
    }
}

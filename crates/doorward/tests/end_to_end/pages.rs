//! What protects the pages, seen from outside.

use doorward_testkit::{
    process::{Browser, Running, http},
    url_text::form,
};

use crate::world::{NAME, PASSWORD, PATIENCE, Person, World};

#[tokio::test]
async fn pages_allow_no_framing_no_script_and_no_caching() {
    // proves: WEB-12, BCP-21
    let world = World::new(&[]);
    let setup = world.gateway.setup_url().expect("a set-up link").to_owned();
    let sign_in = format!("{}/sign-in", world.gateway.public_url());
    for url in [setup, sign_in] {
        let response = http().get(&url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        let header =
            |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let policy = header("content-security-policy");
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(directive), "{directive} is missing in {policy}");
        }
        assert!(!policy.contains("script-src") || policy.contains("script-src 'none'"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("cache-control").contains("no-store"));
    }
}

#[tokio::test]
async fn forms_from_another_site_change_nothing() {
    // proves: WEB-01, WEB-06
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let body = form(&[("name", NAME), ("password", PASSWORD)]);
    for path in ["/sign-in", "/sign-out", "/consent", "/setup", "/apps/revoke"] {
        for origin in [Some("https://evil.example"), Some("null"), None] {
            let mut request = http()
                .post(format!("{}{path}", world.gateway.public_url()))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.clone());
            if let Some(origin) = origin {
                request = request.header("origin", origin).header("sec-fetch-site", "cross-site");
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            assert!((400..500).contains(&status), "{path} from {origin:?}: {status}");
            let signed_in = response.headers().get_all("set-cookie").iter().any(|cookie| {
                let cookie = cookie.to_str().unwrap();
                cookie.contains("dws_")
            });
            assert!(!signed_in, "{path} from {origin:?} signed in");
        }
    }
}

#[tokio::test]
async fn the_set_up_link_works_once_and_makes_the_account() {
    let world = World::new(&[]);
    let setup = world.gateway.setup_url().expect("a set-up link").to_owned();
    let browser = Browser::start().await;
    browser.set_up(&setup, NAME, PASSWORD).await;
    let stranger = Browser::start().await;
    stranger.open(&setup).await;
    assert!(!stranger.has("form#setup").await, "the link still works: {}", stranger.text().await);
    // The account is real: it signs in where nobody has a session.
    let person = Person::new();
    person.log_in(&world.gateway, &stranger).await;
    stranger.quit().await.unwrap();
    browser.quit().await.unwrap();
}

#[tokio::test]
async fn the_consent_page_says_who_and_where_and_no_is_an_answer() {
    // proves: MCP-AUTH-054
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    let mut login = Running::start(&mut person.doorward(&["login", world.gateway.mcp_url()]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    browser.consent_page(&address, NAME, PASSWORD).await;
    let text = browser.text().await;
    for part in [NAME, world.gateway.mcp_url(), "127.0.0.1"] {
        assert!(text.contains(part), "{part} is not on the page:\n{text}");
    }
    let arrived = browser.answer("deny").await;
    assert!(arrived.starts_with("http://127.0.0.1:"), "{arrived}");
    let status = login.wait(PATIENCE);
    assert!(!status.success(), "a refused login is no success");
    assert!(!login.errors().is_empty());
    browser.quit().await.unwrap();
}

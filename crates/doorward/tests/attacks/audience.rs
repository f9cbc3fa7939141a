//! Which resource a token is for.

use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_testkit::url_text::parameter;
use serde_json::Value;

use crate::world::{App, CALLBACK, gateway, visitor};

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a signed token");
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn the_audience_is_the_one_resource_and_nothing_else() {
    // proves: AUD-04, AUD-05
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let asked = app.tokens(&mut person).await;
    assert_eq!(claims(asked.access())["aud"], gateway.mcp_url());
    assert_ne!(gateway.mcp_url(), gateway.public_url());
    let code = app.code_for(&mut person, &[("resource", None)]).await;
    let unasked = app.redeem(&code, &[("resource", None)]).await;
    assert_eq!(claims(unasked.access())["aud"], gateway.mcp_url());
}

#[tokio::test]
async fn a_token_of_another_gateway_opens_nothing() {
    // proves: AUD-01, MCP-AUTH-132, MCP-AUTH-134, MCP-AUTH-135, R9700-11
    let (here, there) = (gateway(), gateway());
    let app = App::register(&there, &[CALLBACK]).await;
    let foreign = app.tokens(&mut visitor(&there)).await;
    assert_eq!(app.call(foreign.access()).await, 200);
    let mut lost = app.clone();
    lost.resource = here.mcp_url().to_owned();
    assert_eq!(lost.call(foreign.access()).await, 401);
}

#[tokio::test]
async fn a_resource_that_is_not_ours_is_refused_before_sign_in() {
    // proves: AUD-01, AUD-02
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let (mcp, base) = (gateway.mcp_url().to_owned(), gateway.public_url().to_owned());
    let long = format!("{mcp}/{}", "a".repeat(1500));
    for resource in [
        base.clone(),
        format!("{mcp}/"),
        format!("{mcp}?x"),
        format!("{mcp}#"),
        format!("{mcp}#x"),
        mcp.replace("/mcp", "/MCP"),
        mcp.replace("http:", "https:"),
        mcp.replace("localhost", "127.0.0.1"),
        mcp.replace("localhost", "user@localhost"),
        format!("{mcp}-v2"),
        "https://other.example/mcp".to_owned(),
        "/mcp".to_owned(),
        "mcp".to_owned(),
        "javascript:alert(1)".to_owned(),
        long,
    ] {
        let page = visitor(&gateway).open(&app.request(&[("resource", Some(&resource))])).await;
        assert!(!page.has_form("sign-in") && !page.has_form("consent"), "{resource:?}: {}", page.body);
        let back = page.link("continue").unwrap_or_else(|| panic!("{resource:?}: {page:?}"));
        assert_eq!(parameter(&back, "error").as_deref(), Some("invalid_target"), "{resource:?}: {back}");
    }
    let two = format!("{}&resource=https%3A%2F%2Fother.example%2Fmcp", app.request(&[]));
    let page = visitor(&gateway).open(&two).await;
    assert!(!page.has_form("sign-in") && !page.has_form("consent"), "two resources: {}", page.body);
}

#[tokio::test]
async fn a_code_for_one_resource_buys_nothing_for_another() {
    // proves: AUD-03
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let code = app.code(&mut visitor(&gateway)).await;
    let other = format!("{}/other", gateway.public_url());
    for resource in [other.as_str(), gateway.public_url(), "https://other.example/mcp", "x"] {
        app.redeem(&code, &[("resource", Some(resource))]).await.must_be("invalid_target");
    }
    assert_eq!(app.redeem(&code, &[]).await.status, 200, "the code is still good");
}

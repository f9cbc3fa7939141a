//! What an authorization request must say, and what follows when it does not.

use doorward_authorization_server::Resource;
use doorward_types::{Permission, ResourceId};

use crate::{
    app::{App, Changes, Tokens},
    world::{LOCAL, PUBLIC, World},
};

/// Asks, and gives the error that is sent back; nothing may be written for it.
async fn error(app: &App<'_>, changes: Changes<'_>) -> String {
    let before = app.world.state().await;
    let page = app.world.browser().get(&app.request(changes)).await;
    let error = page.sent_back("error").unwrap_or_else(|| panic!("{changes:?}: {page:?}"));
    assert_eq!(page.sent_back("code"), None, "{changes:?}");
    assert_eq!(page.sent_back("state").as_deref(), Some("the-state"), "{changes:?}");
    assert_eq!(page.sent_back("iss"), Some(app.world.origin.clone()), "{changes:?}");
    let description = page.sent_back("error_description").unwrap();
    assert!(!description.contains("evil") && !description.contains("<script>"), "nothing is reflected: {description}");
    assert_eq!(app.world.state().await, before, "{changes:?}");
    error
}

#[tokio::test]
async fn no_code_without_a_challenge_made_with_s256() {
    // proves: BCP-09, CODE-07, CODE-08, OA21-29, OA21-30, R7636-03, R7636-06, MCP-AUTH-068
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    for method in ["plain", "PLAIN", "s256", "S512", "S256 ", "none", ""] {
        assert_eq!(error(&app, &[("code_challenge_method", Some(method))]).await, "invalid_request", "{method}");
    }
    assert_eq!(error(&app, &[("code_challenge_method", None)]).await, "invalid_request");
    assert_eq!(error(&app, &[("code_challenge", None)]).await, "invalid_request");
    assert_eq!(error(&app, &[("code_challenge", None), ("code_challenge_method", None)]).await, "invalid_request");
    let right = app.challenge.clone();
    for challenge in [
        "",
        &right[..42],
        &format!("{right}A"),
        &format!("{right}="),
        &format!("{}+", &right[..42]),
        &format!("{}/", &right[..42]),
        &format!("{}B", &right[..42]),
        &format!("{}\0", &right[..42]),
        &format!("{}é", &right[..41]),
        &app.verifier.repeat(2),
    ] {
        assert_eq!(error(&app, &[("code_challenge", Some(challenge))]).await, "invalid_request", "{challenge:?}");
    }
}

#[tokio::test]
async fn only_a_code_can_be_asked_for() {
    // proves: OA21-27, BCP-22, BCP-26, CODE-21, AUD-02
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    for kind in ["token", "id_token", "code token", "code id_token", "none", "CODE", "<script>evil"] {
        assert_eq!(error(&app, &[("response_type", Some(kind))]).await, "unsupported_response_type", "{kind}");
    }
    assert_eq!(error(&app, &[("response_type", None)]).await, "invalid_request");
    for mode in ["fragment", "form_post", "web_message", "query.jwt"] {
        assert_eq!(error(&app, &[("response_mode", Some(mode))]).await, "invalid_request", "{mode}");
    }
    assert_eq!(error(&app, &[("request", Some("evil.e30."))]).await, "request_not_supported");
    let elsewhere = [("request_uri", Some("https://evil.example/request"))];
    assert_eq!(error(&app, &elsewhere).await, "request_uri_not_supported");
    for scope in ["mcp:read evil", "mcp:read  mcp:write", "MCP:READ", "\"", "*", "mcp:read\tmcp:write", "é"] {
        assert_eq!(error(&app, &[("scope", Some(scope))]).await, "invalid_scope", "{scope}");
    }
}

#[tokio::test]
async fn a_request_is_for_one_resource_of_ours() {
    // proves: AUD-02, R8707-02, OA21-18, MCP-AUTH-064
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let long = format!("{}/{}", world.resource(), "x".repeat(10_000));
    for resource in [
        "https://evil.example/mcp",
        "https://gw.example",
        "https://gw.example/",
        "https://gw.example/mcp/",
        "https://gw.example/MCP",
        "https://gw.example/mcp?x",
        "https://gw.example/mcp#",
        "https://gw.example/mcp#x",
        "https://gw.example/mcp/../mcp",
        "https://gw.example/mcp-v2",
        "https://gw.example.evil/mcp",
        "https://u@gw.example/mcp",
        "http://gw.example/mcp",
        "/mcp",
        "mcp",
        "javascript:alert(1)",
        "https://gw\u{3002}example/mcp",
        &long,
    ] {
        assert_eq!(error(&app, &[("resource", Some(resource))]).await, "invalid_target", "{resource}");
    }
    let mine = world.resource();
    for second in ["https://evil.example/mcp", mine.as_str()] {
        let twice = [("resource", Some(mine.as_str())), ("resource", Some(second))];
        assert_eq!(error(&app, &twice).await, "invalid_target", "{second}");
    }
    let ten = [("resource", Some(mine.as_str())); 10];
    assert_eq!(error(&app, &ten).await, "invalid_target");
}

#[tokio::test]
async fn a_request_without_a_resource_means_the_only_one_there_is() {
    // proves: AUD-05, R8707-06
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let page = person.consent(&app.request(&[("resource", None)])).await;
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    let tokens = Tokens::of(&app.redeem(&code, &[("resource", None)]).await);
    assert_eq!(tokens.claims()["aud"], world.resource());

    let two = World::empty(LOCAL, |policy| {
        let id = ResourceId::parse(format!("{LOCAL}/other/mcp")).unwrap();
        policy.resources.push(Resource { id, name: "Other".into(), scopes: Permission::all_scopes() });
    })
    .await;
    two.add_account("ann").await;
    let app = App::new(&two).await;
    assert_eq!(error(&app, &[("resource", None)]).await, "invalid_target");
    let other = format!("{LOCAL}/other/mcp");
    let mut person = two.browser();
    let page = person.consent(&app.request(&[("resource", Some(&other))])).await;
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    // What was allowed for one resource is not to be had for the other, and asking does not use the code up.
    app.redeem(&code, &[]).await.must_be(400, "invalid_target");
    let tokens = Tokens::of(&app.redeem(&code, &[("resource", Some(&other))]).await);
    assert_eq!(tokens.claims()["aud"], other);
    app.refresh(&tokens.refresh, &[]).await.must_be(400, "invalid_target");
    let both = [("resource", Some(other.as_str())), ("resource", Some("https://evil.example/mcp"))];
    app.refresh(&tokens.refresh, &both).await.must_be(400, "invalid_target");
    let again = Tokens::of(&app.refresh(&tokens.refresh, &[("resource", None)]).await);
    assert_eq!(again.claims()["aud"], other);
}

#[tokio::test]
async fn what_is_not_known_is_passed_over_and_what_is_empty_was_not_sent() {
    // proves: OA21-18
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let odd = [("x", Some("1")), ("nonce", Some("n")), ("audience", Some("https://evil.example")), ("scope", Some(""))];
    let page = world.browser().consent(&app.request(&odd)).await;
    // No scope means all of them, for the person to choose from.
    for scope in ["mcp:read", "mcp:write", "mcp:danger"] {
        assert!(page.text().contains(&format!("value=\"{scope}\"")), "{scope}");
    }
    assert!(!page.text().contains("evil"));
}

//! Redirect URIs: every row at registration, at the authorization endpoint and at the token endpoint.

use doorward_testkit::{process::Gateway, redirect_uris};

use crate::world::{App, CALLBACK, gateway, register, visitor};

/// Asks for authorization with this redirect URI and expects a page that leads nowhere.
async fn refused(gateway: &Gateway, app: &App, uri: &str) {
    let page = visitor(gateway).open(&app.request(&[("redirect_uri", Some(uri))])).await;
    assert_eq!(page.status, 400, "{uri:?}: {}", page.body);
    assert_eq!(page.headers.get("location"), None, "{uri:?}");
    assert!(!page.body.contains("http-equiv") && page.link("continue").is_none(), "{uri:?}: {}", page.body);
}

/// Asks for authorization with this redirect URI and expects to get as far as sign-in.
async fn accepted(gateway: &Gateway, app: &App, uri: &str) {
    let page = visitor(gateway).open(&app.request(&[("redirect_uri", Some(uri))])).await;
    assert!(page.status == 200 && page.has_form("sign-in"), "{uri:?}: {page:?}");
}

async fn not_registrable(gateway: &Gateway, uri: &str) {
    let answer = register(gateway, &[uri]).await;
    assert_eq!((answer.status, answer.error()), (400, "invalid_redirect_uri"), "{uri:?}: {answer:?}");
}

#[tokio::test]
async fn only_what_was_registered_byte_for_byte_is_a_target() {
    // proves: REDIR-01, REDIR-02, REDIR-03, REDIR-04, REDIR-05, REDIR-06, REDIR-07, REDIR-08, REDIR-09, MCP-AUTH-083, MCP-AUTH-084
    let gateway = gateway();
    let app = App::register(&gateway, &["https://a.example/cb", "https://xn--bcher-kva.example/cb"]).await;
    accepted(&gateway, &app, "https://a.example/cb").await;
    // The other spelling of an international host too.
    let spellings = ["https://b\u{fc}cher.example/cb", "https://xn--bcher-kva.example/CB"];
    for uri in redirect_uris::NOT_THE_CALLBACK.iter().chain(&spellings) {
        refused(&gateway, &app, uri).await;
    }
}

#[tokio::test]
async fn of_a_loopback_target_only_the_port_is_free() {
    // proves: REDIR-06, REDIR-10, REDIR-11, REDIR-12
    let gateway = gateway();
    let app = App::register(&gateway, &["http://127.0.0.1/cb"]).await;
    for port in redirect_uris::LOOPBACK_PORTS {
        accepted(&gateway, &app, &format!("http://127.0.0.1{port}/cb")).await;
    }
    for uri in redirect_uris::NOT_THE_LOOPBACK.iter().chain(&["http://localhost/cb"]) {
        refused(&gateway, &app, uri).await;
    }
    let app = App::register(&gateway, &["http://localhost/cb"]).await;
    accepted(&gateway, &app, "http://localhost:49152/cb").await;
    for uri in redirect_uris::NOT_LOCALHOST.iter().chain(&["http://127.0.0.1/cb"]) {
        refused(&gateway, &app, uri).await;
    }
}

#[tokio::test]
async fn what_could_never_be_a_target_is_not_registered() {
    // proves: REDIR-02, REDIR-03, REDIR-08, REDIR-09, REDIR-11, REDIR-12
    let gateway = gateway();
    for uri in [
        "https://a.example@evil.example/cb",
        "https://a.example/cb#",
        "https://a.example/cb#x",
        "https://a.example/cb ",
        "https://b\u{fc}cher.example/cb",
        "https://\u{430}pple.example/cb",
        "http://a.example/cb",
        "http://localhost.evil.example/cb",
        "http://127.1/cb",
        "http://0x7f.1/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://*.a.example/cb",
        "/cb",
        "",
    ] {
        not_registrable(&gateway, uri).await;
    }
}

#[tokio::test]
async fn the_token_endpoint_knows_where_the_code_went() {
    // proves: REDIR-01, MCP-AUTH-083
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let code = app.code(&mut person).await;
    for other in ["http://127.0.0.1:99/callback", "http://localhost/callback", "https://evil.example/", "x"] {
        app.redeem(&code, &[("redirect_uri", Some(other))]).await.must_be("invalid_grant");
    }
    // A mistake does not use the code up.
    assert_eq!(app.redeem(&code, &[]).await.status, 200);
}

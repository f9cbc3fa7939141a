//! Redirect URIs: every row at registration, at the authorization endpoint and at the token endpoint.

use doorward_testkit::process::Gateway;

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
    for uri in [
        // Not registered at all.
        "https://evil.example/cb",
        "https://a.example.evil.example/cb",
        "https://evil.example/?https://a.example/cb",
        // A user name that looks like the host.
        "https://a.example@evil.example/cb",
        "https://a.example:pw@evil.example/cb",
        "https://evil.example\\@a.example/cb",
        "https://a.example%40evil.example/cb",
        "https://user@a.example/cb",
        // Fragments.
        "https://a.example/cb#x",
        "https://a.example/cb#",
        "https://a.example/cb%23x",
        // Other paths, and spellings of the same one.
        "https://a.example/cb/../evil",
        "https://a.example/x/../cb",
        "https://a.example/cb/%2e%2e/evil",
        "https://a.example/cb/..%2fevil",
        "https://a.example/cb;/../evil",
        "https://a.example/cb/.",
        "https://a.example//cb",
        "https://a.example/cb/",
        "https://a.example/cb/39Y8n",
        "https://a.example/cb?x=1",
        // Letter case.
        "HTTPS://A.EXAMPLE/cb",
        "https://A.example/cb",
        "https://a.example/CB",
        "hTTps://a.example/cb",
        // Ports.
        "https://a.example:443/cb",
        "https://a.example:/cb",
        "https://a.example:0443/cb",
        // Percent-encoding and line breaks.
        "https://a.example/c%62",
        "https://a.example/cb%00",
        "https://a.example/cb%0d%0aX: y",
        "https://a.example/cb\r\nX: y",
        "https://a.example/cb%09",
        "https://a.example/cb%c0%af",
        // White space and what cannot be seen.
        " https://a.example/cb",
        "https://a.example/cb ",
        "https://a.example/cb\t",
        "https://a.example/cb\n",
        "https://a.example/cb\u{200b}",
        "\u{feff}https://a.example/cb",
        "https://a.example/\u{202e}cb",
        "https://a\u{ff0e}example/cb",
        "https://a\u{3002}example/cb",
        // The other spelling of an international host.
        "https://b\u{fc}cher.example/cb",
        "https://xn--bcher-kva.example/CB",
    ] {
        refused(&gateway, &app, uri).await;
    }
}

#[tokio::test]
async fn of_a_loopback_target_only_the_port_is_free() {
    // proves: REDIR-06, REDIR-10, REDIR-11, REDIR-12
    let gateway = gateway();
    let app = App::register(&gateway, &["http://127.0.0.1/cb"]).await;
    for uri in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:80/cb",
        "http://127.0.0.1:1024/cb",
        "http://127.0.0.1:65535/cb",
    ] {
        accepted(&gateway, &app, uri).await;
    }
    for uri in [
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:0x50/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:\u{ff18}\u{ff10}/cb",
        "http://127.0.0.1:8080/other",
        "http://127.0.0.1:8080/cb?x",
        "https://127.0.0.1:8080/cb",
        "http://localhost/cb",
        "http://[::1]/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://0177.0.0.1/cb",
        "http://0.0.0.0/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
    ] {
        refused(&gateway, &app, uri).await;
    }
    let app = App::register(&gateway, &["http://localhost/cb"]).await;
    accepted(&gateway, &app, "http://localhost:49152/cb").await;
    for uri in [
        "http://localhost.evil.example/cb",
        "http://localhost:80@evil.example/cb",
        "http://testlocalhost/cb",
        "http://foo.localhost/cb",
        "http://LOCALHOST/cb",
        "http://localhost./cb",
        "http://127.0.0.1/cb",
    ] {
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

use serde_json::json;

use super::*;
use crate::fixtures::{at, entropy, policy};

fn send(body: &Value) -> Result<(RegistrationResponse, Client), RegistrationRefusal> {
    let (response, mut writes) = register(&policy(), &serde_json::to_vec(body).unwrap(), at(0), &mut entropy())?;
    match (writes.pop(), writes.is_empty()) {
        (Some(Write::InsertClient(client)), true) => Ok((response, client)),
        other => panic!("{other:?}"),
    }
}

fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"redirect_uris": ["http://127.0.0.1/cb"]});
    body[name] = value;
    body
}

fn refused(body: &Value) -> (String, String) {
    let refusal = send(body).map(|_| ()).expect_err(&body.to_string());
    let response = refusal.response();
    let description = response.error_description.unwrap();
    assert!(description.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')), "{description}");
    (response.error, description)
}

#[test]
fn a_registration_is_answered_with_all_that_was_registered() {
    // proves: R7591-08, MCP-AUTH-063, R7591-04
    let body = json!({
        "redirect_uris": ["http://127.0.0.1/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/cb"],
        "client_name": "Cursor",
        "token_endpoint_auth_method": "none",
        "grant_types": ["refresh_token", "authorization_code"],
        "response_types": ["code"],
        "application_type": "native",
        "scope": "mcp:read",
        "software_id": "x",
        "contacts": null,
    });
    let (response, client) = send(&body).unwrap();
    assert_eq!(response.client_id, client.id.as_str());
    assert!(response.client_id.starts_with("dwcl_") && response.client_id.len() == 27);
    assert_eq!((response.client_secret, response.client_secret_expires_at), (None, None));
    assert_eq!(response.client_id_issued_at, Some(at(0).as_unix()));
    let echoed = response.metadata;
    assert_eq!(json!(echoed.redirect_uris), body["redirect_uris"]);
    assert_eq!(echoed.grant_types, Some(vec!["authorization_code".into(), "refresh_token".into()]));
    assert_eq!(echoed.token_endpoint_auth_method.as_deref(), Some("none"));
    assert_eq!((echoed.client_name, echoed.application_type), (Some("Cursor".into()), Some("native".into())));
    assert_eq!((echoed.scope, echoed.software_id), (None, None));
    assert_eq!((client.origin, client.authentication), (ClientOrigin::Dynamic, ClientAuthentication::None));
}

#[test]
fn what_is_not_said_has_the_standard_defaults() {
    // proves: R7591-03, R7591-08, REG-10
    let (response, client) = send(&json!({"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"]})).unwrap();
    let secret = Secret::<ClientSecret>::parse(response.client_secret.unwrap()).unwrap();
    assert_eq!(client.authentication, ClientAuthentication::SecretBasic(secret.digest()));
    assert_eq!(response.client_secret_expires_at, Some(0));
    assert_eq!(response.metadata.token_endpoint_auth_method.as_deref(), Some("client_secret_basic"));
    assert_eq!(client.grant_types, ["authorization_code"]);
    assert_eq!(response.metadata.response_types, Some(vec!["code".into()]));
    assert_eq!(client.application_type.as_deref(), Some("web"));
    let (_, post) = send(&with("token_endpoint_auth_method", json!("client_secret_post"))).unwrap();
    assert!(matches!(post.authentication, ClientAuthentication::SecretPost(_)));
    assert_eq!(post.application_type.as_deref(), Some("native"));
    let (_, said_web) = send(&with("application_type", json!("web"))).unwrap();
    assert_eq!(said_web.application_type.as_deref(), Some("native"));
}

#[test]
fn what_the_server_decides_cannot_be_sent_along() {
    // proves: REG-03, REG-06, R7591-04, R7591-10
    let mut body = with("client_id", json!("https://evil.tld/client"));
    for (name, value) in [
        ("client_secret", json!("chosen")),
        ("origin", json!("administrator")),
        ("is_admin", json!(true)),
        ("skip_consent", json!(true)),
        ("trusted", json!(true)),
        ("client_id_issued_at", json!(0)),
        ("software_statement", json!("eyJ.e30.")),
        ("jwks_uri", json!("http://169.254.169.254/")),
        ("logo_uri", json!("file:///etc/passwd")),
        ("sector_identifier_uri", json!(["odd"])),
    ] {
        body[name] = value;
    }
    let (response, client) = send(&body).unwrap();
    assert_eq!(client.origin, ClientOrigin::Dynamic);
    assert!(client.id.as_str().starts_with("dwcl_"));
    assert_ne!(response.client_secret.as_deref(), Some("chosen"));
    assert!(!serde_json::to_string(&response).unwrap().contains("169.254"));
}

#[test]
fn a_redirect_uri_that_cannot_be_registered_is_named_with_the_rule() {
    // proves: REDIR-02, REDIR-03, REDIR-04, REDIR-05, REDIR-06, REDIR-07, REDIR-08, REDIR-09, REDIR-10, REDIR-11
    // proves: REDIR-12, REDIR-13, REDIR-14, REDIR-15, REDIR-16, REDIR-21, REDIR-23, REDIR-24, OA21-05, OA21-06, R7591-09
    let long = format!("https://a.example/{}", "a".repeat(2048));
    for uri in [
        "https://a.example@evil.tld/cb",
        "https://u:p@a.example/cb",
        "https://@a.example/cb",
        "https://evil.tld\\@a.example/cb",
        "https://a.example/cb#x",
        "https://a.example/cb#",
        "https://a.example/cb/../evil",
        "https://a.example/cb/%2e%2e/evil",
        "https://a.example/cb/.",
        "HTTPS://A.EXAMPLE/cb",
        "hTTps://a.example/cb",
        "https://A.example/cb",
        "https://a.example:443/cb",
        "https://a.example:/cb",
        "https://a.example/cb%00",
        "https://a.example/cb%0d%0aX:y",
        "https://a.example/cb%09",
        "https://a.example/cb\r\nX: y",
        " https://a.example/cb",
        "https://a.example/cb ",
        "https://a.exam\tple/cb",
        "https://a.example/cb\u{200b}",
        "\u{feff}https://a.example/cb",
        "https://a\u{ff0e}example/cb",
        "https://bücher.example/cb",
        "https://\u{430}pple.example/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:0x50/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://0177.0.0.1/cb",
        "http://0.0.0.0/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://localhost.evil.tld/cb",
        "http://localhost:80@evil/cb",
        "http://testlocalhost/cb",
        "http://foo.localhost/cb",
        "http://a.example/cb",
        "http://[::1%25lo]/cb",
        "http://[::1%lo0]/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://[::0001]/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://a.example/x",
        "about:blank",
        "view-source:https://a.example/",
        "ws://a.example/",
        "ftp://a.example/",
        "intent://x#Intent;end",
        "intent:x",
        "ms-settings:x",
        "res://x",
        "jar:x!/",
        "chrome://x",
        "unknownapp://cb",
        "COM.EXAMPLE.APP:/cb",
        "com.example.app:",
        "https://a.example/cb?code=ATT",
        "https://a.example/cb?x=1&state=s",
        "https://a.example/cb?iss=x",
        "https://a.example/cb?error=x",
        "https://a.example/cb?response=x",
        "https://a.example/cb?id_token=x",
        "https://a.example/cb?%63ode=x",
        "https://*.a.example/cb",
        "https://a.example/*",
        "http://localhost:*/cb",
        "https://a.example/[0-9]*",
        "https://203.0.113.7/cb",
        "https://[2001:db8::1]/cb",
        "/cb",
        "a.example/cb",
        "",
        &long,
    ] {
        // It is named although it stands between good ones.
        let body = json!({"redirect_uris": ["https://a.example/ok", uri, "http://127.0.0.1/ok"]});
        let (error, description) = refused(&body);
        assert_eq!(error, "invalid_redirect_uri", "{uri:?}");
        let shown: String =
            uri.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).take(100).collect();
        assert!(description.starts_with(&shown) && description.contains(" cannot be registered: "), "{description}");
    }
}

#[test]
fn redirect_uris_that_known_apps_register_are_taken() {
    // proves: REDIR-14, REDIR-15, OA21-04
    for uris in [
        &[
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ][..],
        &["cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback"],
        &["http://localhost/callback", "http://127.0.0.1/callback"],
        &["http://127.0.0.1/oauth_callback", "http://[::1]/oauth_callback"],
        &["com.example.app:/oauth2redirect"],
        &["https://global.consent.azure-apim.net/redirect/doorward-5f"],
        &["https://xn--bcher-kva.example/cb?tenant=a%20b"],
    ] {
        let (response, client) = send(&json!({"redirect_uris": uris})).unwrap();
        assert_eq!(response.metadata.redirect_uris, uris);
        for uri in uris {
            assert!(client.match_redirect_uri(uri).is_some());
        }
    }
}

#[test]
fn a_known_apps_scheme_is_not_enough() {
    // proves: REDIR-14, REDIR-15
    for uri in [
        "cursor://anysphere.cursor-deeplink/mcp/install?name=x",
        "cursor://anysphere.cursor-mcp/oauth/callback?x",
        "cursor://anysphere.cursor-mcp/oauth",
        "vscode:extension/evil.ext",
        "vscode://vscode.git/clone?url=https://evil.example",
    ] {
        assert_eq!(refused(&json!({"redirect_uris": [uri]})).0, "invalid_redirect_uri", "{uri}");
    }
}

#[test]
fn redirect_uris_are_limited_in_number() {
    // proves: REDIR-23
    let uris = |count: usize| json!({"redirect_uris": (0..count).map(|n| format!("https://a.example/{n}")).collect::<Vec<_>>()});
    assert_eq!(send(&uris(20)).unwrap().1.redirect_uris.len(), 20);
    assert_eq!(refused(&uris(21)).0, "invalid_client_metadata");
    assert_eq!(refused(&uris(1000)).0, "invalid_client_metadata");
    assert_eq!(send(&json!({"redirect_uris": vec!["https://a.example/cb"; 3]})).unwrap().1.redirect_uris.len(), 1);
    for missing in [json!({}), json!({"redirect_uris": []}), json!({"redirect_uris": null})] {
        assert_eq!(refused(&missing).0, "invalid_redirect_uri");
    }
}

#[test]
fn what_is_not_supported_or_contradicts_itself_is_refused() {
    // proves: REG-08, R7591-05, R7591-09, BCP-26
    for (name, value) in [
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("")),
        ("token_endpoint_auth_method", json!(5)),
        ("grant_types", json!([])),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!(["authorization_code", "password"])),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!(["authorization_code", null])),
        ("grant_types", json!("authorization_code")),
        ("grant_types", json!({"0": "authorization_code"})),
        ("response_types", json!([])),
        ("response_types", json!(["token"])),
        ("response_types", json!(["code", "code token"])),
        ("response_types", json!("code")),
        ("application_type", json!("desktop")),
        ("application_type", json!(["native"])),
        ("client_name", json!(["x"])),
        ("redirect_uris", json!("https://a.example/cb")),
        ("redirect_uris", json!([["https://a.example/cb"]])),
        ("redirect_uris", json!({"0": "https://a.example/cb"})),
    ] {
        let (error, description) = refused(&with(name, value));
        assert_eq!(error, "invalid_client_metadata", "{name}");
        assert!(description.contains(name), "{description}");
    }
    // An app lists all the grants it knows; those of extensions are left out, and it is told.
    let grants = json!(["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:unknown"]);
    let (response, _) = send(&with("grant_types", grants)).unwrap();
    assert_eq!(response.metadata.grant_types, Some(vec!["authorization_code".into(), "refresh_token".into()]));
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    // proves: REG-09
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let twice = r#"{"redirect_uris":["https://a.example/cb"],"redirect_uris":["https://evil.tld/"]}"#;
    let large = format!(r#"{{"x":"{}","redirect_uris":["https://a.example/cb"]}}"#, "a".repeat(1 << 20));
    for body in [
        &b""[..],
        b"[]",
        b"null",
        b"{",
        b"{} x",
        b"\xef\xbb\xbf{}",
        b"{\x00\"\x00",
        b"{redirect_uris: []}",
        b"\xff",
        deep.as_bytes(),
        twice.as_bytes(),
        large.as_bytes(),
    ] {
        let refusal = register(&policy(), body, at(0), &mut entropy()).map(|_| ()).unwrap_err();
        assert_eq!(refusal.error(), "invalid_client_metadata");
    }
}

#[test]
fn a_name_is_made_fit_to_be_shown() {
    // proves: WEB-10, REG-05
    let name = |name: &str| send(&with("client_name", json!(name))).unwrap().1.name;
    for (sent, kept) in [
        ("  Claude\r\n\tDesktop ", Some("Claude Desktop")),
        ("Cl\u{200b}au\u{202e}de\u{feff}\u{1b}[31m", Some("Claude[31m")),
        ("\u{202e}\u{200f} \u{3000}", None),
        ("", None),
        ("<script>alert(1)</script>", Some("<script>alert(1)</script>")),
        ("Bücherei 📚", Some("Bücherei 📚")),
    ] {
        assert_eq!(name(sent).as_deref(), kept, "{sent:?}");
    }
    assert_eq!(name(&"é".repeat(10_000)).unwrap().chars().count(), 64);
}

#[test]
fn the_same_registration_twice_makes_two_clients() {
    // proves: REG-13
    let body = serde_json::to_vec(&with("client_name", json!("x"))).unwrap();
    let mut entropy = entropy();
    let first = register(&policy(), &body, at(0), &mut entropy).unwrap().0;
    let second = register(&policy(), &body, at(0), &mut entropy).unwrap().0;
    assert_ne!(first.client_id, second.client_id);
    assert_ne!(first.client_secret, second.client_secret);
}

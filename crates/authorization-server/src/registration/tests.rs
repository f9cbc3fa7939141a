use serde_json::{Value, json};

use super::*;
use crate::{
    client_metadata::shorten,
    facts::ClientKeys,
    fixtures::{SIGNER, at, entropy, policy},
};

type Registered = Result<(RegistrationResponse, Vec<Write>), RegistrationRefusal>;

fn bytes(policy: &Policy, body: &[u8], like: Option<&Client>, now: i64) -> Registered {
    register(policy, read(policy, body)?, like, 0, at(now), &mut entropy())
}

fn send_to(policy: &Policy, body: &Value) -> Result<(RegistrationResponse, Client), RegistrationRefusal> {
    let (response, mut writes) = bytes(policy, &serde_json::to_vec(body).unwrap(), None, 0)?;
    match (writes.pop(), writes.is_empty()) {
        (Some(Write::InsertClient(client)), true) => Ok((response, client)),
        other => panic!("{other:?}"),
    }
}

fn send(body: &Value) -> Result<(RegistrationResponse, Client), RegistrationRefusal> {
    send_to(&policy(), body)
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
        "scope": "mcp:read openid",
        "software_id": "x",
        "client_uri": "https://cursor.com",
        "dpop_bound_access_tokens": true,
        "require_pushed_authorization_requests": true,
        "policy_uri": "",
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
    // Of the scopes those that exist here; they are kept as said and limit nothing.
    assert_eq!((echoed.scope.as_deref(), echoed.software_id.as_deref()), (Some("mcp:read"), Some("x")));
    assert_eq!(client.scope_limit(), None);
    assert_eq!(echoed.client_uri.as_deref(), Some("https://cursor.com"));
    assert_eq!(
        (echoed.dpop_bound_access_tokens, echoed.require_pushed_authorization_requests),
        (Some(true), Some(true))
    );
    assert!(client.dpop_bound && client.pushed_only);
    assert_eq!((client.origin, client.authentication), (ClientOrigin::Dynamic, ClientAuthentication::None));
}

#[test]
fn what_is_not_said_has_the_standard_defaults() {
    // proves: R7591-03, R7591-08, REG-10, OA21-52, R7591-14
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
    // proves: REG-03, REG-06, R7591-04, R7591-10, R9700-14
    let mut body = with("client_id", json!("https://evil.tld/client"));
    for (name, value) in [
        ("client_secret", json!("chosen")),
        ("origin", json!("administrator")),
        ("is_admin", json!(true)),
        ("skip_consent", json!(true)),
        ("trusted", json!(true)),
        ("client_id_issued_at", json!(0)),
        ("software_statement", json!("eyJ.e30.")),
        ("protects", json!("https://as.example/mcp")),
        ("expires_at", json!(null)),
        ("logo_uri", json!("https://a.example/logo.png")),
    ] {
        body[name] = value;
    }
    let (response, client) = send(&body).unwrap();
    assert_eq!(client.origin, ClientOrigin::Dynamic);
    assert!(client.id.as_str().starts_with("dwcl_"));
    assert_ne!(response.client_secret.as_deref(), Some("chosen"));
    assert!(client.protects.is_none() && client.expires_at.is_some());
    assert!(!serde_json::to_string(&response).unwrap().contains("logo"));
}

#[test]
fn a_url_that_is_not_a_public_https_one_is_refused() {
    // proves: REG-06
    for name in
        ["client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri"]
    {
        for uri in [
            "http://a.example/",
            "http://127.0.0.1/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://2130706433/",
            "https://localhost/",
            "https://a.localhost/",
            "https://u:p@a.example/",
            "file:///etc/passwd",
            "gopher://a.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "//a.example/",
            "https://a.example/\0",
            "https://a.exa\nmple/",
            "x",
        ] {
            let (error, description) = refused(&with(name, json!(uri)));
            assert_eq!(error, "invalid_client_metadata", "{name} {uri}");
            assert!(description.starts_with(name), "{description}");
        }
        assert!(refused(&with(name, json!(["https://a.example/"]))).1.contains("not a string"));
        assert!(send(&with(name, json!("https://a.example/x"))).is_ok(), "{name}");
    }
}

#[test]
fn a_client_with_a_key_registers_public_keys_in_one_place() {
    // proves: R7591-06, R7523-09, CIMD-08, REG-08
    let key = serde_json::to_value(SIGNER.public_jwk()).unwrap();
    let keyed = |jwks: Value, uri: Value| {
        let mut body = with("token_endpoint_auth_method", json!("private_key_jwt"));
        body["jwks"] = jwks;
        body["jwks_uri"] = uri;
        body
    };
    let (response, client) = send(&keyed(json!({"keys": [key]}), json!(null))).unwrap();
    assert!(matches!(&client.authentication, ClientAuthentication::PrivateKeyJwt(ClientKeys::Inline(_))));
    assert_eq!(response.metadata.jwks, Some(json!({"keys": [key]})));
    assert!(response.client_secret.is_none() && client.fingerprint.is_none());
    let (response, client) = send(&keyed(json!(null), json!("https://a.example/jwks"))).unwrap();
    let place = ClientKeys::At("https://a.example/jwks".into());
    assert_eq!(client.authentication, ClientAuthentication::PrivateKeyJwt(place));
    assert_eq!(response.metadata.jwks_uri.as_deref(), Some("https://a.example/jwks"));
    let part = |name: &str| {
        let mut private = key.clone();
        private[name] = json!("AAAA");
        json!({"keys": [key, private]})
    };
    for (jwks, uri) in [
        (json!(null), json!(null)),
        (json!({"keys": [key]}), json!("https://a.example/jwks")),
        (json!({"keys": []}), json!(null)),
        (json!({"keys": key}), json!(null)),
        (json!([key]), json!(null)),
        (json!("x"), json!(null)),
        (json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}), json!(null)),
        (json!({"keys": [key, {"kty": "oct"}]}), json!(null)),
        (part("d"), json!(null)),
        (part("p"), json!(null)),
        (part("k"), json!(null)),
        (json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}), json!(null)),
        (json!({"keys": vec![key.clone(); 200]}), json!(null)),
        (json!(null), json!("http://a.example/jwks")),
    ] {
        let (error, description) = refused(&keyed(jwks.clone(), uri));
        assert_eq!(error, "invalid_client_metadata", "{jwks}");
        assert!(description.contains("jwks"), "{description}");
    }
    for method in ["client_secret_jwt", "tls_client_auth", "self_signed_tls_client_auth"] {
        assert_eq!(refused(&with("token_endpoint_auth_method", json!(method))).0, "invalid_client_metadata");
    }
}

#[test]
fn what_kind_of_app_it_is_follows_from_where_answers_go() {
    // proves: R7591-13, R7591-14, REG-10, MCP-AUTH-057
    let kind = |uris: Value, said: Value| {
        let body = json!({"redirect_uris": uris, "application_type": said, "token_endpoint_auth_method": "none"});
        send(&body).unwrap().1.application_type.unwrap()
    };
    for (uris, said, registered) in [
        (json!(["https://a.example/cb"]), json!(null), "web"),
        (json!(["https://a.example/cb"]), json!("web"), "web"),
        (json!(["https://a.example/cb"]), json!("native"), "native"),
        (json!(["http://127.0.0.1/cb"]), json!(null), "native"),
        (json!(["http://localhost/cb"]), json!("web"), "native"),
        (json!(["com.example.app:/cb"]), json!("web"), "native"),
        (json!(["https://a.example/cb", "http://[::1]/cb"]), json!("web"), "native"),
    ] {
        assert_eq!(kind(uris.clone(), said.clone()), registered, "{uris} {said}");
    }
    // Plain http to anywhere else is neither.
    for said in ["web", "native"] {
        let body = json!({"redirect_uris": ["http://a.example/cb"], "application_type": said});
        assert_eq!(refused(&body).0, "invalid_redirect_uri");
    }
}

#[test]
fn a_software_statement_gives_nothing() {
    // proves: R7591-07, REG-03
    // Nobody's statement is trusted here, so none of its values count, however it is signed.
    let claims =
        json!({"iss": "https://as.example", "client_name": "Claude", "redirect_uris": ["https://evil.example/cb"]});
    let plain =
        json!({"redirect_uris": ["https://a.example/cb"], "client_name": "x", "token_endpoint_auth_method": "none"});
    for statement in [SIGNER.sign("JWT", &claims), "e30.e30.".to_owned(), String::new()] {
        let mut body = plain.clone();
        body["software_statement"] = json!(statement);
        let (response, client) = send(&body).unwrap();
        assert_eq!(client, send(&plain).unwrap().1);
        assert!(!serde_json::to_string(&response).unwrap().contains("software_statement"));
    }
}

#[test]
fn a_device_needs_no_redirect_uri() {
    // proves: R7591-05, R8628-01
    const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    let body = json!({"grant_types": [DEVICE, "refresh_token"], "token_endpoint_auth_method": "none"});
    let (response, client) = send(&body).unwrap();
    assert_eq!(response.metadata.response_types, Some(Vec::new()));
    assert_eq!((client.redirect_uris.len(), client.application_type.as_deref()), (0, Some("native")));
    assert!(send(&json!({"grant_types": [DEVICE], "response_types": []})).is_ok());
    let contradiction = json!({"grant_types": [DEVICE], "response_types": ["code"]});
    assert!(refused(&contradiction).1.contains("response_types"));
}

#[test]
fn an_operator_can_close_registration_or_insist_on_secrets() {
    // proves: REG-01, R7591-01
    let closed = Policy { registration: false, ..policy() };
    let refusal = send_to(&closed, &with("client_name", json!("x"))).map(|_| ()).unwrap_err();
    assert_eq!((refusal.status().as_u16(), refusal.response().error.as_str()), (403, "access_denied"));
    assert_eq!(closed.metadata().registration_endpoint, None);
    let secretive = Policy { registration_confidential: true, ..policy() };
    let body = |uri: &str| json!({"redirect_uris": [uri], "token_endpoint_auth_method": "none"});
    let (response, client) = send_to(&secretive, &body("https://a.example/cb")).unwrap();
    assert!(response.client_secret.is_some() && client.fingerprint.is_none());
    assert_eq!(response.metadata.token_endpoint_auth_method.as_deref(), Some("client_secret_post"));
    // A program on somebody's own computer keeps no secret, whatever the operator wishes.
    let (response, _) = send_to(&secretive, &body("http://127.0.0.1/cb")).unwrap();
    assert_eq!(response.client_secret, None);
    assert_eq!(send(&body("https://a.example/cb")).unwrap().0.client_secret, None);
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let device = json!({"grant_types": [device], "token_endpoint_auth_method": "none"});
    assert_eq!(send_to(&secretive, &device).unwrap().0.client_secret, None);
}

#[test]
fn a_redirect_uri_that_cannot_be_registered_is_named_with_the_rule() {
    // proves: REDIR-02, REDIR-03, REDIR-04, REDIR-05, REDIR-06, REDIR-07, REDIR-08, REDIR-09, REDIR-10, REDIR-11
    // proves: REDIR-12, REDIR-13, REDIR-14, REDIR-15, REDIR-16, REDIR-21, REDIR-23, REDIR-24, OA21-05, OA21-06, R7591-09
    // proves: R9700-15, R7591-13
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
fn an_operator_can_name_more_callbacks_and_they_alone_count() {
    // proves: REDIR-14, REDIR-15
    let policy = Policy { known_callbacks: vec!["inhouse://oauth/cb".into()], ..policy() };
    let sent = |uri: &str| send_to(&policy, &json!({"redirect_uris": [uri]})).is_ok();
    assert!(sent("inhouse://oauth/cb"));
    assert!(!sent("inhouse://oauth/cb2") && !sent("inhouse://oauth") && !sent("other://oauth/cb"));
    assert!(send(&json!({"redirect_uris": ["inhouse://oauth/cb"]})).is_err());
}

#[test]
fn other_texts_are_short_and_lead_nowhere_but_to_public_https() {
    // proves: R7591-04, LEAK-05
    let taken = |name: &str, value: &str| send(&with(name, json!(value))).is_ok();
    assert!(taken("software_id", &"x".repeat(256)) && !taken("software_id", &"x".repeat(257)));
    assert!(!taken("software_id", "a\nb") && !taken("software_id", "a\u{1b}[31m"));
    let here = Policy { issuer: doorward_types::Issuer::parse("http://localhost:8420").unwrap(), ..policy() };
    for name in ["client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "initiate_login_uri"] {
        assert!(taken(name, "https://a.example/x") && taken(name, ""), "{name}");
        for bad in [
            "http://a.example/x",
            "javascript:alert(1)",
            "https://user@a.example/x",
            "https://:word@a.example/x",
            "https://a.example./x",
            "https://intranet/x",
            "https://a.localhost/x",
            "https://10.0.0.1/x",
            "https://a.example/\nx",
            "/x",
        ] {
            assert!(refused(&with(name, json!(bad))).1.contains(name), "{name} {bad:?}");
        }
        // While somebody develops, keys may be on this computer; nothing else may.
        let local = send_to(&here, &with(name, json!("https://localhost:8443/x")));
        assert_eq!(local.is_ok(), name == "jwks_uri", "{name}");
    }
    // What is told of a wrong value goes into logs too.
    assert_eq!(shorten("a\r\nb\u{1b}[31m"), "ab[31m");
    assert_eq!(shorten(&"x".repeat(1000)).len(), 120);
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
    let mut chosen = with("token_endpoint_auth_method", json!("none"));
    chosen["client_secret"] = json!("mine");
    assert_eq!(refused(&chosen).0, "invalid_client_metadata");
    for (name, value) in
        [("dpop_bound_access_tokens", json!("yes")), ("scope", json!("a  b")), ("software_id", json!(7))]
    {
        assert!(refused(&with(name, value)).1.contains(name));
    }
    // An app lists all the grants it knows; those that are not for strangers are left out, and it is told.
    let grants = json!(["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"]);
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
        let refusal = bytes(&policy(), body, None, 0).map(|_| ()).unwrap_err();
        assert_eq!(refusal.response().error, "invalid_client_metadata");
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
fn an_app_that_registers_again_gets_the_client_it_had_and_nobody_manages_it_then() {
    // proves: REG-13, R7591-10, REG-04
    let public = |name: &str| {
        let mut body = with("token_endpoint_auth_method", json!("none"));
        body["client_name"] = json!(name);
        serde_json::to_vec(&body).unwrap()
    };
    let (first, writes) = bytes(&policy(), &public("x"), None, 0).unwrap();
    let [Write::InsertClient(client)] = writes.as_slice() else { panic!("{writes:?}") };
    assert!(first.registration_access_token.is_some() && client.management.is_some());
    let (again, writes) = bytes(&policy(), &public("x"), Some(client), 60).unwrap();
    assert_eq!(again.client_id, first.client_id);
    assert_eq!((again.registration_access_token, again.registration_client_uri), (None, None));
    let [Write::ReplaceClient { before, after, .. }] = writes.as_slice() else { panic!("{writes:?}") };
    assert_eq!((before.as_ref(), after.management), (client, None));
    assert_eq!(after.expires_at, Some(at(60 + 24 * 3600)));
    // From then on it costs no write, until it would expire soon.
    assert!(bytes(&policy(), &public("x"), Some(after), 120).unwrap().1.is_empty());
    assert_eq!(bytes(&policy(), &public("x"), Some(after), 20 * 3600).unwrap().1.len(), 1);
    // Anything else makes a new client.
    let other = |like: Client, body: &[u8], now: i64| {
        let (response, _) = register(
            &policy(),
            read(&policy(), body).unwrap(),
            Some(&like),
            0,
            at(now),
            &mut doorward_testkit::SeededEntropy::new(8),
        )
        .unwrap();
        assert_ne!(response.client_id, first.client_id);
        assert!(response.registration_access_token.is_some());
    };
    other(client.clone(), &public("y"), 60);
    other(Client { expires_at: Some(at(60)), ..client.clone() }, &public("x"), 60);
    other(Client { origin: ClientOrigin::Administrator, ..client.clone() }, &public("x"), 60);
    other(Client { fingerprint: None, ..client.clone() }, &public("x"), 60);
    other(Client { authentication: ClientAuthentication::SecretPost(secret()), ..client.clone() }, &public("x"), 60);
    // Whoever has a secret has it alone.
    let confidential = serde_json::to_vec(&with("client_name", json!("x"))).unwrap();
    assert!(read(&policy(), &confidential).unwrap().fingerprint().is_none());
    other(client.clone(), &confidential, 60);
    other(Client { fingerprint: None, ..client.clone() }, &confidential, 60);
    // Registering again never shortens what there is.
    let lasting = Client { expires_at: Some(at(90 * 24 * 3600)), ..client.clone() };
    let (_, writes) = bytes(&policy(), &public("x"), Some(&lasting), 60).unwrap();
    let [Write::ReplaceClient { after, .. }] = writes.as_slice() else { panic!("{writes:?}") };
    assert_eq!(after.expires_at, lasting.expires_at);
}

fn secret() -> Digest<ClientSecret> {
    Secret::<ClientSecret>::generate(&mut entropy()).digest()
}

#[test]
fn there_are_so_many_unknown_clients_and_no_more() {
    // proves: REG-04, CIMD-09
    let policy = Policy { most_strangers: 3, ..policy() };
    let body = serde_json::to_vec(&with("token_endpoint_auth_method", json!("none"))).unwrap();
    let at_count = |count: u64, like: Option<&Client>| {
        register(&policy, read(&policy, &body).unwrap(), like, count, at(0), &mut entropy())
    };
    let (_, writes) = at_count(2, None).unwrap();
    let [Write::InsertClient(client)] = writes.as_slice() else { panic!("{writes:?}") };
    assert_eq!(client.expires_at, Some(at(24 * 3600)));
    let refusal = at_count(3, None).map(|_| ()).unwrap_err();
    assert_eq!((refusal.status().as_u16(), refusal.retry_after()), (503, Some(3600)));
    assert!(at_count(3, Some(client)).is_ok(), "a client that is there already is no new one");
}

//! Dynamic registration.

use http::Method;
use serde_json::{Value, json};

use crate::world::{CALLBACK, LOCAL, PUBLIC, World};

#[tokio::test]
async fn a_registration_is_answered_with_all_that_was_registered() {
    // proves: R7591-01, R7591-03, R7591-04, R7591-08, R7591-11, R7592-01, REG-03, HTTP-09, MCP-AUTH-057
    let world = World::at(PUBLIC).await;
    let answer = world
        .register(json!({
            "client_id": "mine", "client_secret_expires_at": 5, "is_admin": true, "registration_access_token": "mine",
            "skip_consent": true, "trusted": true, "origin": "administrator", "scope": "admin",
            "software_statement": "e30.e30.", "logo_uri": "https://a.example/logo", "jwks_uri": "https://a.example/jwks",
        }))
        .await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, Some("no-store")));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let body = answer.json();
    assert!(body["client_id"].as_str().unwrap().starts_with("dwcl_"));
    for absent in [
        "client_secret",
        "client_secret_expires_at",
        "is_admin",
        "trusted",
        "logo_uri",
        "jwks_uri",
        "software_statement",
        "scope",
    ] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    let uri = format!("{PUBLIC}/oauth/register/{}", body["client_id"].as_str().unwrap());
    assert_eq!(body["registration_client_uri"], uri);
    assert!(body["registration_access_token"].as_str().unwrap().starts_with("dwm_"));
    assert_eq!(body["redirect_uris"], json!([CALLBACK]));
    assert_eq!(body["token_endpoint_auth_method"], "none");
    assert_eq!(body["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!((&body["response_types"], &body["client_name"]), (&json!(["code"]), &json!("An app")));
    assert!(body["client_id_issued_at"].is_i64());
    let row = &world.table("clients").await[0];
    assert!(row.contains("origin='dynamic'") && row.contains("secret=NULL"), "{row}");

    // With nothing but where to go, the defaults of the specification.
    let body = world.json("/oauth/register", json!({"redirect_uris": [CALLBACK]}).to_string()).await.json();
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(body["grant_types"], json!(["authorization_code"]));
    assert!(body["client_secret"].as_str().unwrap().starts_with("dwk_"));
    assert_eq!(body["client_secret_expires_at"], 0);
    // No two are alike, whatever they say.
    let again = world.json("/oauth/register", json!({"redirect_uris": [CALLBACK]}).to_string()).await.json();
    assert!(again["client_id"] != body["client_id"] && again["client_secret"] != body["client_secret"]);
}

#[tokio::test]
async fn a_bad_registration_is_told_what_is_wrong_with_it() {
    // proves: R7591-09, R7591-05, REG-06, REG-08, REDIR-14, REDIR-16, REDIR-21, REDIR-23
    let world = World::at(LOCAL).await;
    let many: Vec<_> = (0..21).map(|at| format!("https://a.example/{at}")).collect();
    let long = format!("https://a.example/{}", "x".repeat(2048));
    for uris in [
        json!([]),
        json!([""]),
        json!(["javascript:alert(1)"]),
        json!(["JaVaScRiPt:alert(1)"]),
        json!(["java\tscript:alert(1)"]),
        json!(["data:text/html,x"]),
        json!(["vbscript:x"]),
        json!(["file:///etc/passwd"]),
        json!(["blob:https://a.example/x"]),
        json!(["view-source:https://a.example"]),
        json!(["intent://x"]),
        json!(["ms-settings:x"]),
        json!(["unknownapp:/cb"]),
        json!(["http://a.example/cb"]),
        json!(["http://127.0.0.2/cb"]),
        json!(["http://0.0.0.0/cb"]),
        json!(["http://testlocalhost/cb"]),
        json!(["https://1.2.3.4/cb"]),
        json!(["https://*.a.example/cb"]),
        json!(["https://a.example/*"]),
        json!(["http://localhost:*/cb"]),
        json!(["https://a.example/cb#x"]),
        json!(["https://a.example/cb#"]),
        json!(["https://u:p@a.example/cb"]),
        json!(["https://a.example/cb?code=x"]),
        json!(["https://a.example/cb?x=1&state=x"]),
        json!(["https://a.example/cb?iss=x"]),
        json!(["https://a.example/cb?error=x"]),
        json!(["https://a.example/cb?response=x"]),
        json!(["https://A.example/cb"]),
        json!(["https://a.example:443/cb"]),
        json!(["https://a.example/x/../cb"]),
        json!(["https://a.example/cb\r\nX: y"]),
        json!(["/cb"]),
        json!([long]),
        json!([CALLBACK, "https://a.example/cb#x"]),
    ] {
        world.register(json!({"redirect_uris": uris})).await.must_be(400, "invalid_redirect_uri");
    }
    for (name, value) in [
        ("redirect_uris", json!("https://a.example/cb")),
        ("redirect_uris", json!([CALLBACK, null])),
        ("redirect_uris", json!([[CALLBACK]])),
        ("redirect_uris", json!({"0": CALLBACK})),
        ("redirect_uris", json!(many)),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("")),
        ("token_endpoint_auth_method", json!(["none"])),
        ("grant_types", json!(["password"])),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!([])),
        ("grant_types", json!("authorization_code")),
        ("response_types", json!(["token"])),
        ("response_types", json!(["code", "id_token"])),
        ("response_types", json!([])),
        ("application_type", json!("robot")),
        ("client_name", json!(5)),
        ("client_name", json!({"x": 1})),
    ] {
        let answer = world.register(json!({name: value})).await;
        answer.must_be(400, "invalid_client_metadata");
        let description = answer.json()["error_description"].to_string();
        assert!(description.contains(name), "{name}: {description}");
    }
    world.json("/oauth/register", json!({"client_name": "x"}).to_string()).await.must_be(400, "invalid_redirect_uri");
    assert!(world.table("clients").await.is_empty());
}

#[tokio::test]
async fn what_is_not_strict_json_is_not_read() {
    // proves: R7591-01, REG-09, HTTP-06
    let world = World::at(LOCAL).await;
    let good = json!({"redirect_uris": [CALLBACK]}).to_string();
    let deep = |open: &str, close: &str, times| format!("{}{}", open.repeat(times), close.repeat(times));
    for bad in [
        "",
        "null",
        "[]",
        "5",
        "\"x\"",
        "{",
        &good[..good.len() - 1],
        &format!("{good}x"),
        &format!("{good}{good}"),
        &format!("\u{feff}{good}"),
        "{\"redirect_uris\":[\"https://a.example/cb\"],\"redirect_uris\":[\"https://evil.example/cb\"]}",
        "{\"redirect_uris\":[\"https://a.example/cb\"],\"redirect_uri\\u0073\":[\"https://evil.example/cb\"]}",
        "{\"redirect_uris\":[\"https://a.example/cb\"],\"x\":{\"y\":1,\"y\":2}}",
        "{redirect_uris:['https://a.example/cb']}",
        "{\"redirect_uris\":[\"https://a.example/cb\",]}",
        "{\"redirect_uris\":[\"https://a.example/cb\"]} // x",
        "{\"x\":NaN}",
        "{\"x\":1e999}",
        "{\"x\":\"\\ud800\"}",
        &format!("{{\"redirect_uris\":[\"{CALLBACK}\"],\"x\":{}}}", deep("[", "]", 1000)),
        &format!("{{\"redirect_uris\":[\"{CALLBACK}\"],\"x\":{}}}", deep("[", "]", 65)),
        &format!("{{\"redirect_uris\":[\"{CALLBACK}\"],\"x\":{}1{}}}", "{\"a\":".repeat(1000), "}".repeat(1000)),
        &deep("[", "]", 30_000),
        &"[".repeat(60_000),
    ] {
        world.json("/oauth/register", bad.to_owned()).await.must_be(400, "invalid_client_metadata");
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    world.json("/oauth/register", utf16).await.must_be(400, "invalid_client_metadata");
    world.json("/oauth/register", b"{\"x\":\"\xff\"}".to_vec()).await.must_be(400, "invalid_client_metadata");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", "", "text/html"] {
        let answer = world.send(Method::POST, "/oauth/register", &[("content-type", kind)], good.clone()).await;
        answer.must_be(415, "invalid_client_metadata");
    }
    assert_eq!(world.json("/oauth/register", format!("{good}{}", " ".repeat(70_000))).await.status, 413);
    assert!(world.table("clients").await.is_empty());
    let kind = [("content-type", "application/json; charset=utf-8")];
    let answer = world.send(Method::POST, "/oauth/register", &kind, good).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn a_registration_sees_and_sets_no_cookie() {
    // proves: REG-14, REG-13
    let world = World::at(LOCAL).await;
    let mut person = world.browser();
    person.sign_in("ann").await;
    let cookie = person.cookies.iter().map(|(name, value)| format!("{name}={value}")).next().unwrap();
    let headers =
        [("content-type", "application/json"), ("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    let body = json!({"redirect_uris": [CALLBACK]}).to_string();
    let with = world.send(Method::POST, "/oauth/register", &headers, body.clone()).await;
    let without = world.json("/oauth/register", body).await;
    assert_eq!((with.status.as_u16(), with.header("set-cookie")), (201, None));
    let names = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&with.json()), names(&without.json()));
}

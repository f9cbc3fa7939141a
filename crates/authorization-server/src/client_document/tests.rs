use serde_json::json;

use super::*;
use crate::{
    facts::ClientKeys,
    fixtures::{SIGNER, at, policy},
};

const URL: &str = "https://app.example/client.json";

fn document() -> Value {
    json!({
        "client_id": URL,
        "client_name": "An app",
        "redirect_uris": ["https://app.example/cb", "http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut document = document();
    match value {
        Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
        value => document[name] = value,
    }
    document
}

fn inbound(status: u16, headers: &[(&'static str, &str)], body: &str) -> Inbound {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    Inbound { status: StatusCode::from_u16(status).unwrap(), headers: map, body: body.as_bytes().to_vec() }
}

fn json_answer(document: &Value) -> Inbound {
    inbound(200, &[("content-type", "application/json")], &document.to_string())
}

fn judge(answer: &Inbound) -> Result<Client, DocumentRefusal> {
    read(&policy(), &DocumentUrl::parse(URL).unwrap(), answer, at(0))
}

fn judge_document(document: &Value) -> Result<Client, DocumentRefusal> {
    judge(&json_answer(document))
}

#[test]
fn an_identifier_is_a_documents_url_in_one_spelling_only() {
    // proves: CIMD-04, CIMD-01, CIMD-15, CIMD-16, CID-01
    let long = format!("https://app.example/{}", "a".repeat(10_000));
    for good in [
        URL,
        "https://app.example/a/",
        "https://app.example/a//b",
        "https://xn--bcher-kva.example/c",
        "https://app.example/%7Eme",
    ] {
        assert_eq!(DocumentUrl::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "http://app.example/client.json",
        "https://app.example",
        "https://app.example/",
        "https://app.example/./a",
        "https://app.example/../a",
        "https://app.example/a/..",
        "https://app.example/%2e/a",
        "https://app.example/%2e%2e/a",
        "https://app.example/%2E%2E/a",
        "https://app.example/.%2e/a",
        "https://app.example/a#",
        "https://app.example/a#x",
        "https://u@app.example/a",
        "https://u:p@app.example/a",
        "https://@app.example/a",
        "https://app.example/a?",
        "https://app.example/a?client_id=x",
        "https://APP.example/a",
        "HTTPS://app.example/a",
        "https://app.example:443/a",
        "https://app.example:/a",
        "https://app.example:8443/a",
        "https://app.example:22/a",
        "https://bücher.example/a",
        "https://app.example\\a",
        "https://app.example/a\\b",
        "https:/app.example/a",
        "https:app.example/a",
        "https:///app.example/a",
        "https://app.exam\tple/a",
        "https://app.example/a\n",
        " https://app.example/a",
        "https://app.example/a b",
        "https://app.example./a",
        "https://intranet/a",
        "https://10.0.0.1/a",
        "https://1.1.1.1/a",
        "https://2130706433/a",
        "https://0x7f000001/a",
        "https://0177.0.0.1/a",
        "https://127.1/a",
        "https://0.0.0.0/a",
        "https://[fd00::1]/a",
        "https://[::ffff:10.0.0.1]/a",
        "https://[64:ff9b::a00:1]/a",
        "https://[2606:4700::1111]/a",
        "https://foo.localhost:1/a",
        "http://localhost:8443/a",
        "http://127.0.0.1/a",
        "urn:uuid:x",
        "",
        &long,
    ] {
        assert!(DocumentUrl::parse(bad).is_err(), "{bad}");
    }
    let id = |text: &str| ClientId::parse(text).unwrap();
    assert!(is_meant(&id(URL)) && !is_meant(&id("dwcl_x")) && !is_meant(&id("HTTPS://app.example/a")));
}

#[test]
fn a_document_is_read_within_limits_and_from_public_addresses() {
    // proves: CIMD-01, CIMD-03, CIMD-06, CIMD-13, CIMD-14, CID-02, CID-13, CID-14, MCP-AUTH-051, MCP-SBP-022
    let request = |issuer: &str, url: &str| DocumentUrl::parse(url).unwrap().request(&Issuer::parse(issuer).unwrap());
    let made = request("https://as.example", URL);
    assert_eq!((made.most_bytes, made.timeout), (10 * 1024, Duration::from_secs(5)));
    assert_eq!((made.redirects, made.reach), (Redirects::Refuse, Reach::Public));
    assert_eq!((made.headers["accept-encoding"].as_bytes(), made.method.as_str()), (&b"identity"[..], "GET"));
    // This computer is reached only by a server that is there itself.
    for (issuer, url, reach) in [
        ("https://as.example", "https://localhost:8443/a", Reach::Public),
        ("http://localhost:8420", "https://localhost:8443/a", Reach::Anywhere),
        ("http://127.0.0.1:8420", "https://127.0.0.1/a", Reach::Anywhere),
        ("http://localhost:8420", URL, Reach::Public),
    ] {
        assert_eq!(request(issuer, url).reach, reach, "{issuer} {url}");
    }
}

#[test]
fn the_document_describes_the_client_of_its_url() {
    // proves: CIMD-03, CIMD-05, CIMD-07, CID-03, MCP-AUTH-042, CID-07, MCP-AUTH-044
    let client = judge_document(&document()).unwrap();
    assert_eq!((client.id.as_str(), client.origin), (URL, ClientOrigin::Document));
    assert_eq!((client.name.as_deref(), client.authentication.name()), (Some("An app"), "none"));
    assert!(client.match_redirect_uri("https://app.example/cb").is_some());
    assert!(client.match_redirect_uri("http://127.0.0.1:4000/cb").is_some());
    assert!(client.match_redirect_uri("https://app.example/cb/").is_none());
    assert!(client.management.is_none() && client.fingerprint.is_none() && client.protects.is_none());
    for other in [
        json!("https://app.example/client.json/"),
        json!("https://app.example/Client.json"),
        json!("https://APP.example/client.json"),
        json!("https://app.example:443/client.json"),
        json!("https://app.example/client%2Ejson"),
        json!("https://\u{430}pp.example/client.json"),
        json!("https://app.example/client.json "),
        json!("https://evil.example/client.json"),
        json!(""),
        Value::Null,
    ] {
        assert_eq!(
            judge_document(&with("client_id", other.clone())).unwrap_err(),
            DocumentRefusal::OtherClient,
            "{other}"
        );
    }
    for odd in [json!([URL]), json!({"x": URL}), json!(7)] {
        assert!(judge_document(&with("client_id", odd)).is_err());
    }
    let twice = format!(r#"{{"client_id":"{URL}","client_id":"{URL}","redirect_uris":["https://app.example/cb"]}}"#);
    assert!(judge(&inbound(200, &[("content-type", "application/json")], &twice)).is_err());
}

#[test]
fn only_a_200_with_json_is_a_document() {
    // proves: CIMD-02, CIMD-03, CIMD-05, CIMD-07, CID-02, MCP-AUTH-045
    let text = document().to_string();
    for status in [201, 202, 203, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 429, 500, 503] {
        let answer = inbound(status, &[("content-type", "application/json"), ("location", URL)], &text);
        assert_eq!(judge(&answer).unwrap_err(), DocumentRefusal::Status(status));
    }
    for media in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/oauth-client+json"]
    {
        assert!(judge(&inbound(200, &[("content-type", media)], &text)).is_ok(), "{media}");
    }
    for media in
        ["text/html", "text/json", "application/+json", "application/jsonx", "application/json+x", "image/svg+json", ""]
    {
        let refusal = judge(&inbound(200, &[("content-type", media)], &text)).unwrap_err();
        assert_eq!(refusal, DocumentRefusal::MediaType, "{media}");
    }
    assert!(judge(&inbound(200, &[], &text)).is_err());
    assert!(
        judge(&inbound(200, &[("content-type", "application/json"), ("content-type", "text/html")], &text)).is_err()
    );
    let large = format!("{}{}", text, " ".repeat(MOST_BYTES));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for body in ["", "null", "[]", &format!("[{text}]"), "{", "<html>", &format!("{text} x"), &deep, &large] {
        assert!(
            judge(&inbound(200, &[("content-type", "application/json")], body)).is_err(),
            "{}",
            &body[..body.len().min(20)]
        );
    }
}

#[test]
fn a_public_document_holds_no_secret() {
    // proves: CIMD-04, CIMD-08, CID-04
    let key = serde_json::to_value(SIGNER.public_jwk()).unwrap();
    for (name, value) in [
        ("client_secret", json!("s3cret")),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("jwks", json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})),
    ] {
        assert!(judge_document(&with(name, value)).is_err(), "{name}");
    }
    let keyed = |jwks: Value| {
        let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
        document["jwks"] = jwks;
        document
    };
    let client = judge_document(&keyed(json!({"keys": [key]}))).unwrap();
    assert!(matches!(client.authentication, ClientAuthentication::PrivateKeyJwt(ClientKeys::Inline(_))));
    let mut private = key.clone();
    private["d"] = json!("AAAA");
    assert!(judge_document(&keyed(json!({"keys": [private]}))).is_err());
    let mut elsewhere = with("token_endpoint_auth_method", json!("private_key_jwt"));
    for (uri, good) in [
        ("https://app.example/jwks", true),
        ("http://app.example/jwks", false),
        ("https://10.0.0.1/jwks", false),
        ("https://localhost/jwks", false),
    ] {
        elsewhere["jwks_uri"] = json!(uri);
        assert_eq!(judge_document(&elsewhere).is_ok(), good, "CIMD-17: {uri}");
    }
    // Where this server is on loopback, somebody is developing.
    let policy = Policy::new(Issuer::parse("http://localhost:8420").unwrap());
    let url = DocumentUrl::parse(URL).unwrap();
    for (uri, good) in [
        ("https://localhost:8443/jwks", true),
        ("https://127.0.0.1/jwks", true),
        ("http://localhost/jwks", false),
        ("https://a.localhost/jwks", false),
        ("https://10.0.0.1/jwks", false),
    ] {
        elsewhere["jwks_uri"] = json!(uri);
        assert_eq!(read(&policy, &url, &json_answer(&elsewhere), at(0)).is_ok(), good, "CIMD-17: {uri}");
    }
    elsewhere["jwks"] = json!({"keys": [key]});
    assert!(judge_document(&elsewhere).is_err());
}

#[test]
fn what_is_meant_for_other_servers_is_passed_over() {
    // proves: CIMD-13, R7591-04
    let uris = json!([
        "cursor://other/cb",
        "javascript:alert(1)",
        "http://evil.example/cb",
        "https://bank.example/cb",
        "http://localhost/cb"
    ]);
    let client = judge_document(&with("redirect_uris", uris)).unwrap();
    let kept: Vec<_> = client.redirect_uris.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["https://bank.example/cb", "http://localhost/cb"]);
    let grants = json!(["authorization_code", "client_credentials", "implicit", "refresh_token"]);
    assert_eq!(
        judge_document(&with("grant_types", grants)).unwrap().grant_types,
        ["authorization_code", "refresh_token"]
    );
    assert!(judge_document(&with("response_types", json!(["code", "code id_token"]))).is_ok());
    for (name, value) in [
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        ("redirect_uris", json!([7])),
        ("redirect_uris", Value::Null),
        ("grant_types", json!(["client_credentials"])),
        ("response_types", json!(["token"])),
        ("redirect_uris", json!((0..21).map(|n| format!("https://app.example/{n}")).collect::<Vec<_>>())),
    ] {
        assert!(judge_document(&with(name, value)).is_err(), "{name}");
    }
}

#[test]
fn a_copy_is_good_as_its_host_says_within_bounds() {
    // proves: CIMD-06, CIMD-09, CID-06, MCP-AUTH-043
    let good = |headers: &[(&'static str, &str)]| {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let client = judge(&inbound(200, &all, &document().to_string())).unwrap();
        client.fresh_until.unwrap().since(at(0)).as_secs()
    };
    for (headers, seconds) in [
        (&[][..], 600),
        (&[("cache-control", "max-age=3600")], 3600),
        (&[("cache-control", "public, Max-Age=\"3600\"")], 3600),
        (&[("cache-control", "max-age=10"), ("cache-control", "s-maxage=700")], 700),
        (&[("cache-control", "max-age=3600"), ("age", "3000")], 600),
        (&[("cache-control", "max-age=3600"), ("age", "9000")], 60),
        (&[("cache-control", "max-age=0")], 60),
        (&[("cache-control", "no-store")], 60),
        (&[("cache-control", "no-cache, max-age=9000")], 60),
        (&[("cache-control", "private, max-age=9000")], 60),
        (&[("cache-control", "max-age=315360000")], 86_400),
        (&[("cache-control", "max-age=99999999999999999999999")], 86_400),
        (&[("cache-control", "max-age=-1")], 600),
        (&[("cache-control", "max-age=")], 600),
        (&[("expires", "0")], 60),
    ] {
        assert_eq!(good(headers), seconds, "{headers:?}");
    }
    let client = judge_document(&document()).unwrap();
    assert!(is_fresh(&client, at(599)) && !is_fresh(&client, at(600)));
    assert!(!is_fresh(&Client { expires_at: Some(at(1)), ..client }, at(1)));
}

#[test]
fn a_new_copy_takes_the_place_of_the_old_and_keeps_its_age() {
    // proves: CIMD-09, CIMD-11, CIMD-18, CIMD-19
    let policy = Policy { most_strangers: 1, ..policy() };
    let read = judge_document(&document()).unwrap();
    assert!(matches!(refreshed(&policy, None, read.clone(), 0, at(0)).unwrap().1.as_slice(), [Write::InsertClient(_)]));
    assert_eq!(refreshed(&policy, None, read.clone(), 1, at(0)).unwrap_err(), TooManyClients);
    let before = Client { last_used_at: Some(at(5)), expires_at: Some(at(9_000_000)), ..read.clone() };
    let later = self::read(
        &policy,
        &DocumentUrl::parse(URL).unwrap(),
        &json_answer(&with("client_name", json!("New"))),
        at(700),
    )
    .unwrap();
    let (after, writes) = refreshed(&policy, Some(&before), later, 1, at(700)).unwrap();
    assert!(matches!(writes.as_slice(), [Write::ReplaceClient { .. }]), "grants of other installations go on");
    assert_eq!((after.created_at, after.last_used_at, after.expires_at), (at(0), Some(at(5)), Some(at(9_000_000))));
    assert_eq!((after.name.as_deref(), after.fresh_until), (Some("New"), Some(at(1300))));
    let ends_soon = Client { expires_at: Some(at(701)), ..before };
    let (kept, _) = refreshed(&policy, Some(&ends_soon), read.clone(), 1, at(700)).unwrap();
    assert_eq!(kept.expires_at, read.expires_at);
}

#[test]
fn a_client_that_shows_another_face_is_another_one() {
    // proves: CIMD-11, CID-11
    let key = serde_json::to_value(SIGNER.public_jwk()).unwrap();
    let before = judge_document(&document()).unwrap();
    let again = read(&policy(), &DocumentUrl::parse(URL).unwrap(), &json_answer(&document()), at(900)).unwrap();
    assert_eq!(before.face(), again.face());
    let mut keyed = with("token_endpoint_auth_method", json!("private_key_jwt"));
    keyed["jwks"] = json!({"keys": [key]});
    let changes = [
        with("client_name", json!("Bank")),
        with("redirect_uris", json!(["https://evil.example/cb"])),
        with("redirect_uris", json!(["https://app.example/cb", "http://127.0.0.1/cb", "https://evil.example/cb"])),
        keyed.clone(),
    ];
    for change in changes {
        assert_ne!(judge_document(&change).unwrap().face(), before.face(), "{change}");
    }
    let with_key = judge_document(&keyed).unwrap();
    keyed["jwks"] = json!({"keys": [doorward_types::jose::SigningKey::generate().public_jwk()]});
    let with_another = judge_document(&keyed).unwrap();
    assert_ne!(with_another.face(), with_key.face());
    let (_, writes) = refreshed(&policy(), Some(&with_key), with_another, 1, at(700)).unwrap();
    assert!(matches!(writes.as_slice(), [Write::ReplaceClient { .. }]), "keys are changed without ending anything");
    // Without its key anybody could be it: what it was allowed before ends.
    let (_, writes) = refreshed(&policy(), Some(&with_key), before.clone(), 1, at(700)).unwrap();
    let [Write::ReplaceClient { before: seen, after, .. }, Write::DeleteClient { .. }, Write::InsertClient(_)] =
        writes.as_slice()
    else {
        panic!("{writes:?}")
    };
    assert!(**seen == with_key && seen == after, "only as it was seen");
    let (_, writes) = refreshed(&policy(), Some(&before), with_key, 1, at(700)).unwrap();
    assert!(matches!(writes.as_slice(), [Write::ReplaceClient { .. }]));
}

#[test]
fn keys_are_read_like_documents() {
    // proves: CIMD-17
    let set = json!({"keys": [SIGNER.public_jwk()]}).to_string();
    let good =
        |status, media: &str, body: &str| read_keys(&inbound(status, &[("content-type", media)], body)).is_some();
    assert!(good(200, "application/json", &set) && good(200, "application/jwk-set+json", &set));
    for (status, media, body) in [
        (302, "application/json", set.as_str()),
        (404, "application/json", &set),
        (200, "text/html", &set),
        (200, "application/json", r#"{"keys":[]}"#),
        (200, "application/json", r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
        (200, "application/json", &format!("{set}{}", " ".repeat(MOST_BYTES))),
    ] {
        assert!(!good(status, media, body), "{status} {media}");
    }
}

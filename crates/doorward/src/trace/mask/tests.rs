use serde_json::json;

use super::*;

const CODE: &str = "SplxlOBeZQQYbYS6WxSbIA";

fn text(pairs: &[Pair]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|pair| format!("{}={}", pair.name.as_str(), pair.value.as_str())).collect();
    pairs.join(" ")
}

fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[test]
fn of_an_address_only_what_is_known_is_shown() {
    // proves: LEAK-02
    let mut mask = Mask::default();
    for (address, shown) in [
        (
            "https://as.example/authorize?response_type=code&client_id=c&state=xyzxyzxyz&code_challenge=abc&scope=a%20b",
            "https://as.example/authorize?response_type=code&client_id=c&state=***&code_challenge=***&scope=a+b",
        ),
        ("https://u:p@as.example:8443/x#access_token=1", "https://***@as.example:8443/x#***"),
        ("https://mcp.example/mcp?api_key=1&CODE=2&Scope=3", "https://mcp.example/mcp?api_key=***&CODE=***&Scope=***"),
        (
            "https://as.example/a?resource=https://mcp.example/mcp?key=s3cr3t",
            "https://as.example/a?resource=https://mcp.example/mcp?key=***",
        ),
        ("data:text/plain,secret", "data:***"),
        ("https://mcp.example/mcp?0123456789abcdef", "https://mcp.example/mcp?***"),
        ("https://mcp.example/mcp?MDEyMzQ1Njc4OWFiY2Q==&scope=a", "https://mcp.example/mcp?***&scope=a"),
    ] {
        assert_eq!(mask.url(&Url::parse(address).unwrap()).as_str(), shown);
    }
    let back = "http://127.0.0.1:4000/callback/4f6Jt0pBvR1b2Qy7m3kZxA";
    assert_eq!(mask.return_address(back).as_str(), "http://127.0.0.1:4000/callback/***");
}

#[test]
fn of_a_request_and_an_answer_only_what_is_known_is_shown() {
    // proves: LEAK-02, LEAK-08
    let mut mask = Mask::default();
    let form = format!("grant_type=authorization_code&code={CODE}&code_verifier=dBjftJeZ4CVP&client_id=it");
    let sent = headers(&[
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", "Basic aXQ6czNjcjN0czNjcjN0"),
        ("dpop", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"),
        ("x-api-key", "k3yk3yk3yk3y"),
    ]);
    let shown = text(&mask.sent(&sent, form.as_bytes()));
    for part in ["grant_type=authorization_code", "code=***", "client_id=it", "authorization=Basic ***", "dpop=***"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let answer = json!({
        "access_token": "at-0123456789", "refresh_token": "rt-0123456789", "token_type": "Bearer",
        "expires_in": 3600, "scope": "files:read rt-0123456789", "surprise": "s-0123456789", "inner": {"a": "b"},
    });
    let got = headers(&[
        ("content-type", "application/json"),
        ("set-cookie", "sid=0123456789"),
        ("location", "/next?code=1234567890"),
        ("www-authenticate", "Bearer error=\"invalid_token\", scope=\"a\", trick=\"t-0123456789\""),
    ]);
    let shown = [shown, text(&mask.got(&got, answer.to_string().as_bytes()))].join(" ");
    for part in ["expires_in=3600", "scope=files:read ***", "location=/next ", "error=invalid_token", "surprise=***"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    // What was hidden stays hidden in words that others choose.
    let told = mask.text(&format!("no such code {CODE}; k3yk3yk3yk3y at-0123456789"));
    assert_eq!(told.as_str(), "no such code ***; *** ***");
    for secret in [CODE, "dBjftJeZ4CVP", "aXQ6", "eyJ", "k3yk", "at-01", "rt-01", "s-01", "sid=", "12345", "t-01"] {
        assert!(!shown.contains(secret), "{secret} is shown in {shown}");
    }
}

#[test]
fn what_is_hidden_in_an_address_is_hidden_in_every_message_with_it() {
    // proves: LEAK-02, LEAK-08
    for (query, shown) in [
        ("auth=0123456789abcdef", "auth=***"),
        ("sig=a1", "sig=***"),
        ("pat=Abc-45678&pwd=hunter", "pat=***&pwd=***"),
        ("token=ab%2Fcd%2Bef012345", "token=***"),
        ("0123456789abcdef", "***"),
        ("MDEyMzQ1Njc4OWFiY2Q==", "***"),
        ("my+key=s3cr3t%20s3cr3t", "my+key=***"),
        ("mode=readonly&scope=read", "mode=***&scope=read"),
    ] {
        let url = Url::parse(&format!("https://mcp.example/mcp?{query}")).unwrap();
        let mut mask = Mask::default();
        assert_eq!(mask.url(&url).as_str(), format!("https://mcp.example/mcp?{shown}"));
        let told = mask.text(&format!("no answer from {url}; doorward login '{url}'"));
        let plain = format!("https://mcp.example/mcp?{shown}");
        assert_eq!(told.as_str(), format!("no answer from {plain}; doorward login '{plain}'"));
        for (name, value) in url.query_pairs().filter(|(name, _)| matches!(&**name, "auth" | "pat" | "token")) {
            assert_eq!(mask.text(&format!("{name} {value} is wrong")).as_str(), format!("{name} *** is wrong"));
        }
    }
    // Words that are common stay: they are hidden only where they stand as that value.
    let mut mask = Mask::default();
    mask.url(&Url::parse("https://mcp.example/mcp?mode=readonly&host=mcp.example&v=1&n=Ab123456").unwrap());
    let words = "readonly is no scope of mcp.example; v=12, 1 and xAb1234567 are";
    assert_eq!(mask.text(words).as_str(), words);
    assert_eq!(mask.text("v=1, Ab123456").as_str(), "v=***, ***");
    // What a person wants sent besides, and the secret that a client shows.
    mask.parameter("organization", "acme");
    mask.parameter("audience", "https://api.example");
    let hint = mask.text("doorward login --authorize-param organization=acme --authorize-param audience=a");
    assert_eq!(hint.as_str(), "doorward login --authorize-param organization=*** --authorize-param audience=a");
    mask.sent(&headers(&[("authorization", "Basic aXQ6czNjciUyRjN0czNjcjN0")]), b"");
    assert_eq!(mask.text("it: s3cr%2F3ts3cr3t, s3cr/3ts3cr3t").as_str(), "it: ***, ***");
}

#[test]
fn what_others_say_is_one_short_line() {
    // proves: LEAK-05
    let mut mask = Mask::default();
    let evil = "\u{1b}[31mred\r\nsecond\u{202e}".to_owned() + &"x".repeat(9000);
    let answer = json!({ "error": "invalid_grant", "error_description": evil });
    let pairs = mask.got(&headers(&[("content-type", "application/json")]), answer.to_string().as_bytes());
    let shown = text(&pairs);
    assert!(!shown.contains(['\u{1b}', '\r', '\n', '\u{202e}']) && shown.chars().count() < 600, "{shown}");
    let many: serde_json::Map<_, _> = (0..1000).map(|n| (format!("n{n}{}", "y".repeat(200)), json!(n))).collect();
    let pairs = mask.got(&headers(&[]), Value::Object(many).to_string().as_bytes());
    assert!(pairs.len() <= MOST_PAIRS && pairs.iter().all(|pair| pair.name.as_str().chars().count() <= MOST_NAME + 1));
    for nonsense in [&b"<html>code=abc"[..], b"[1,2]", b"\xff\xfe", b"{"] {
        assert!(mask.got(&headers(&[("content-type", "text/html")]), nonsense).len() == 1);
    }
}

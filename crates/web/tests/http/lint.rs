//! What must hold for every answer to anything: each request of each test goes through here.

use http::Method;

use crate::{html, world::Answer};

/// Documents that may be kept: they are public and the same for everybody.
fn is_public(path: &str) -> bool {
    path.starts_with("/.well-known/") || path == "/oauth/jwks" || path.starts_with("/assets/")
}

/// Whether an answer says that strangers have filled the room there is for them, and when to come again: nobody's mistake.
fn is_full(answer: &Answer) -> bool {
    let said = answer.code().as_deref() == Some("OA-117")
        || ["too many requests wait", "as many clients as it allows"].iter().any(|words| answer.text().contains(words));
    answer.status == 503 && answer.header("retry-after").is_some() && said
}

#[track_caller]
pub(crate) fn check(answer: &Answer, method: &Method, path: &str, secure: bool) {
    // proves: INV-8, WEB-12, WEB-22, BCP-02, BCP-17, BCP-21, HTTP-08, HTTP-09, HTTP-12, OA21-02
    let Answer { asked, status, .. } = answer;
    let header = |name: &str| answer.header(name);
    assert!(status.as_u16() < 500 || is_full(answer), "a client's mistake is never ours: {answer:?}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{asked}");
    let keeping = header("cache-control").unwrap_or_else(|| panic!("may this be kept? {answer:?}"));
    // A prefetch is answered with nothing (204), and there is nothing to keep of it.
    if status.as_u16() == 200 && is_public(path) && *method != Method::OPTIONS {
        assert!(keeping.starts_with("public, max-age="), "{answer:?}");
    } else {
        assert_eq!(keeping, "no-store", "{answer:?}");
    }
    let hsts = header("strict-transport-security").and_then(|value| value.strip_prefix("max-age="));
    assert_eq!(hsts.is_some(), secure, "{answer:?}");
    assert_eq!(header("server"), None);
    assert_eq!(header("access-control-allow-credentials"), None, "{answer:?}");
    assert!(matches!(header("access-control-allow-origin"), None | Some("*")), "an origin is reflected: {answer:?}");
    // The only redirect is to a page of our own, and it makes the next request a GET.
    if status.is_redirection() || header("location").is_some() {
        assert_eq!(status.as_u16(), 303, "{answer:?}");
        let location = header("location").unwrap();
        assert!(location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'), "{answer:?}");
    }
    for cookie in answer.headers.get_all("set-cookie") {
        check_cookie(cookie.to_str().unwrap(), secure);
    }
    if answer.is_html() {
        check_page(answer);
    }
}

fn check_cookie(cookie: &str, secure: bool) {
    // proves: WEB-07
    let mut parts = cookie.split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    let attributes: Vec<_> = parts.collect();
    let expected: &[&str] = if secure {
        &["Path=/", "HttpOnly", "SameSite=Lax", "Secure"]
    } else {
        &["Path=/", "HttpOnly", "SameSite=Lax"]
    };
    assert_eq!(attributes, expected, "{cookie}");
    assert_eq!(name, if secure { "__Host-doorward" } else { "doorward-8420" });
    assert!(value.starts_with("dws_") && cookie.len() < 200, "{cookie}");
}

fn check_page(answer: &Answer) {
    let header = |name: &str| answer.header(name);
    let policy = header("content-security-policy").unwrap_or_else(|| panic!("a page without a policy: {answer:?}"));
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    for needed in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(directives.contains(&needed), "{needed}: {answer:?}");
    }
    assert!(directives.iter().any(|one| matches!(*one, "form-action 'self'" | "form-action 'none'")), "{answer:?}");
    for forbidden in ["script-src", "unsafe", "http:", "https:", "*", "connect-src", "frame-src", "object-src"] {
        assert!(!policy.contains(forbidden), "{forbidden}: {answer:?}");
    }
    assert_eq!(header("x-frame-options"), Some("DENY"), "{answer:?}");
    assert_eq!(header("referrer-policy"), Some("no-referrer"), "{answer:?}");
    assert_eq!(header("cross-origin-opener-policy"), Some("same-origin"), "{answer:?}");
    assert_eq!(header("cross-origin-resource-policy"), Some("same-origin"), "{answer:?}");
    assert!(header("permissions-policy").is_some(), "{answer:?}");
    assert_eq!(header("access-control-allow-origin"), None, "{answer:?}");
    // Nothing runs, and nothing is loaded from elsewhere.
    let text = answer.text();
    for tag in ["script", "iframe", "object", "embed", "img", "base", "audio", "video", "source", "template"] {
        assert!(!text.contains(&format!("<{tag}")), "<{tag}>: {answer:?}");
    }
    for link in html::tags(text, "link") {
        let href = &link["href"];
        assert!(href.starts_with("/assets/") || href.starts_with("data:image/svg+xml,"), "{href}");
    }
    for form in html::forms(text) {
        assert!(form.method == "post" && form.action.starts_with('/') && !form.action.starts_with("//"), "{form:?}");
    }
}

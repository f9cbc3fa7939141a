//! What holds for every request and every answer.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use doorward_authorization_server::{PageRefusal, store::StoreFault};
use doorward_types::messages::ErrorResponse;

use crate::{Site, pages::ErrorPage};

/// The longest request target.
const MOST_TARGET: usize = 16 * 1024;

/// Headers of a page: nothing from elsewhere, no script, no frame, forms to ourselves only.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'";

/// The wider policy's stricter sister, for the page that leads back to an app and has no form.
pub(crate) const LEAVING_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// An answer that was decided early: a page of refusal, or a store that is away.
pub(crate) type Early = Box<Response>;

/// Refuses what names another host (a rebound name, a poisoned cache), and what is too long.
pub(crate) async fn for_everyone(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match misdirected(&site, &request) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if site.policy.issuer.url().scheme() == "https" {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

fn misdirected(site: &Site, request: &Request) -> Option<Response> {
    if request.uri().to_string().len() > MOST_TARGET {
        return Some(plain(StatusCode::URI_TOO_LONG, "the address is longer than 16 KiB\n"));
    }
    // A probe asks by address, whatever the gateway's name is, and learns nothing else.
    if matches!(request.uri().path(), "/healthz" | "/readyz") {
        return None;
    }
    match host_of(request) {
        Some(host) if site.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host)) => None,
        _ => {
            let expected = site.allowed_hosts.first().map_or("", String::as_str);
            let text = format!(
                "This gateway does not answer for this host name.\nIt is reached as {expected}; if that is wrong, start it with --public-url.\n"
            );
            Some(plain(StatusCode::MISDIRECTED_REQUEST, text))
        }
    }
}

/// The one host that a request names: the authority of its target, else its one `Host` header; they may not differ.
fn host_of(request: &Request) -> Option<String> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let header = named.next().map(|value| value.to_str().map(str::to_owned));
    if named.next().is_some() {
        return None;
    }
    let authority = request.uri().authority().map(ToString::to_string);
    match (authority, header) {
        (Some(authority), None) => Some(authority),
        (Some(authority), Some(Ok(host))) if authority.eq_ignore_ascii_case(&host) => Some(host),
        (None, Some(Ok(host))) => Some(host),
        _ => None,
    }
}

/// For pages: the strict headers, and no request from a place that is not a navigation.
pub(crate) async fn for_browsers(request: Request, next: Next) -> Response {
    let mut response = match not_a_navigation(&request) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn not_a_navigation(request: &Request) -> Option<Response> {
    let said = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if said("sec-purpose").is_some_and(|purpose| purpose.contains("prefetch")) {
        return Some(StatusCode::NO_CONTENT.into_response());
    }
    let style = request.uri().path().starts_with("/assets/");
    let opened = |wanted: &str| wanted == "document" || (style && wanted == "style");
    let refused = said("sec-fetch-dest").is_some_and(|wanted| !opened(wanted));
    refused.then(|| plain(StatusCode::FORBIDDEN, "this page can only be opened by itself\n"))
}

/// For protocol endpoints: programs in browsers may call them from any origin, without credentials.
pub(crate) async fn open_to_any_origin(request: Request, next: Next) -> Response {
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
        let allowed = HeaderValue::from_static("Authorization, Content-Type, DPoP, MCP-Protocol-Version");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce"));
    }
    response
}

pub(crate) async fn method_not_allowed() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "this address does not take that method\n")
}

/// Whether a form came from one of our own pages. Browsers say so in `Sec-Fetch-Site`; older ones name the origin.
/// (Under `Referrer-Policy: no-referrer` the origin of a form is `null`, so it cannot be asked for first.)
pub(crate) fn is_from_our_page(site: &Site, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(from), _) => from == "same-origin",
        (None, Some(origin)) => origin == site.policy.issuer.url().origin().ascii_serialization(),
        // Not a browser of this decade. The form token, which no other origin can read, still has to be right.
        (None, None) => true,
    }
}

/// A page.
pub(crate) fn page(status: StatusCode, html: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// A few words.
pub(crate) fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text.into()).into_response()
}

/// A JSON document that may be kept for a while.
pub(crate) fn document(value: &impl serde::Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, serde_json::to_vec(value).expect("metadata serialises")).into_response()
}

/// A JSON answer that must not be kept.
///
/// Source: RFC 6749 section 5.1.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (status, headers, body.into()).into_response()
}

/// An OAuth error answer.
pub(crate) fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    oauth_answer(status, &ErrorResponse { error: error.to_owned(), error_description: Some(description.to_owned()) })
}

/// An OAuth error answer that was decided.
pub(crate) fn oauth_answer(status: StatusCode, body: &ErrorResponse) -> Response {
    json(status, serde_json::to_vec(body).expect("two strings serialise"))
}

/// The browser's next page. 303 makes it a GET, so that a form with a password is never sent on.
pub(crate) fn see_other(path: &str) -> Response {
    let location = HeaderValue::try_from(path).expect("our own paths are visible ASCII");
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// A page that explains a refusal.
pub(crate) fn refusal_page(site: &Site, status: StatusCode, code: &str, texts: [&str; 4]) -> Response {
    let [title, what, why, next] = texts.map(str::to_owned);
    let html =
        ErrorPage { gateway: site.name.clone(), title, what, why, next, link: None, code: code.to_owned() }.render();
    page(status, html)
}

/// The page for a request that cannot be taken, and that nobody can be sent away from.
pub(crate) fn refused(site: &Site, refusal: &PageRefusal) -> Early {
    tracing::info!(code = refusal.code(), why = refusal.why(), "a request was refused");
    let why = refusal.why();
    let texts = [refusal.title(), refusal.what(), &why, refusal.next()];
    Box::new(refusal_page(site, refusal.status(), refusal.code(), texts))
}

/// The store is away: not the caller's fault, and worth another try soon.
pub(crate) fn away(site: &Site, fault: &StoreFault) -> Early {
    tracing::error!(%fault, "the store could not be used");
    let texts = [
        "Not available right now",
        "The gateway cannot reach its own state.",
        "This is a fault of the gateway, and its log says more.",
        "Try again in a few seconds.",
    ];
    let mut response = refusal_page(site, StatusCode::SERVICE_UNAVAILABLE, "OA-190", texts);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    Box::new(response)
}

/// The same, for programs.
pub(crate) fn away_json(fault: &StoreFault) -> Early {
    tracing::error!(%fault, "the store could not be used");
    let mut response =
        oauth_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "the server cannot reach its state");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    Box::new(response)
}

/// Whether the one `Content-Type` header names this media type, whatever its parameters.
pub(crate) fn has_media_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let first = values.next().and_then(|value| value.to_str().ok());
    let named = first.map(|text| text.split(';').next().unwrap_or_default().trim());
    values.next().is_none() && named.is_some_and(|named| named.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_host() {
        // proves: DISC-18
        let named = |target: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(target).body(Body::empty()).unwrap();
            for host in hosts {
                request.headers_mut().append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            host_of(&request)
        };
        let one = Some("gw.example".to_owned());
        assert_eq!(named("/", &["gw.example"]), one);
        // HTTP/2 names it in the target alone, and a proxy perhaps in both.
        assert_eq!(named("https://gw.example/", &[]), one);
        assert_eq!(named("https://GW.example/", &["gw.example"]), one);
        assert_eq!(named("https://evil.example/", &["gw.example"]), None);
        assert_eq!(named("https://gw.example/", &["evil.example"]), None);
        for hosts in [&[][..], &["gw.example", "gw.example"], &["gw.example", "evil.example"], &["\u{e9}"]] {
            assert_eq!(named("/", hosts), None, "{hosts:?}");
        }
        assert_eq!(named("https://gw.example/", &["gw.example", "gw.example"]), None);
    }
}

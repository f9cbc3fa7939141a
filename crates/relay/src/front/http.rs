use std::sync::Arc;

use bytes::Bytes;
use doorward_resource_server::{AuthorizedRequest, Refusal};
use doorward_types::{
    Permission,
    jose::dpop::{HEADER as DPOP, NONCE_HEADER as DPOP_NONCE},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{
    RelayBody,
    caller::{Accepts, SESSION, session},
    changes::{Changes, Listener, Source},
    headers, message,
    origin::{check_host, check_origin},
    response::{events, plain, problem, refuse, text},
};
use crate::{
    envelope::{self, RpcError},
    gateway::Parts,
    upstream::stdio::Unavailable,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers a request: where it comes from, who sends it, what it is.
pub(crate) async fn handle<B>(parts: &Arc<Parts>, request: Request<B>) -> Response<RelayBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let settings = &parts.settings;
    let origin = check_host(request.headers(), request.uri(), &settings.allowed_hosts)
        .and_then(|()| check_origin(request.headers(), &settings.allowed_origins));
    let proves = request.headers().contains_key(DPOP);
    let mut response = match &origin {
        Err(elsewhere) => text(elsewhere.status(), &elsewhere.to_string()),
        Ok(_) if request.method() == Method::OPTIONS => preflight(request.headers()),
        Ok(_) => known_origin(parts, request).await,
    };
    let headers = response.headers_mut();
    // Whoever sends proofs is told the nonce for the next one, so that it does not have to come back for it.
    if let Some(nonce) = parts.guard.nonce((parts.clock)()).filter(|_| proves)
        && let Ok(nonce) = HeaderValue::try_from(nonce)
    {
        headers.insert(DPOP_NONCE, nonce);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Ok(Some(origin)) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id"),
        );
    }
    response
}

/// What a browser asks before it lets a page of an allowed origin send what it wants to send.
fn preflight(asked: &HeaderMap) -> Response<RelayBody> {
    let mut response = plain(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, ALLOWED);
    if asked.contains_key(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED);
        let mut names =
            "Authorization, DPoP, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, \
                         Last-Event-ID"
                .to_owned();
        let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
        for name in wanted.unwrap_or_default().split(',').map(str::trim) {
            let is_parameter = name.to_ascii_lowercase().starts_with("mcp-param-");
            if is_parameter && HeaderName::from_bytes(name.as_bytes()).is_ok() {
                names.push_str(", ");
                names.push_str(name);
            }
        }
        if let Ok(names) = HeaderValue::from_str(&names) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

const ALLOWED: HeaderValue = HeaderValue::from_static("POST, GET, DELETE, OPTIONS");

async fn known_origin<B>(parts: &Arc<Parts>, request: Request<B>) -> Response<RelayBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    // Whoever may not even look is told so before anything else is read or started.
    let look = match look(parts, &request) {
        Ok(look) => look,
        Err(refusal) => return refuse(parts, &refusal),
    };
    match *request.method() {
        Method::POST => post(parts, look, request).await,
        Method::GET => get(parts, look, request.headers()).await,
        Method::DELETE => delete(parts, &look, request.headers()),
        _ => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this endpoint takes POST, GET and DELETE");
            response.headers_mut().insert(header::ALLOW, ALLOWED);
            response
        }
    }
}

/// The evidence that the caller may look: it stands for nothing yet that the caller asked for.
fn look<B>(parts: &Parts, request: &Request<B>) -> Result<AuthorizedRequest<()>, Refusal> {
    let now = (parts.clock)();
    let guard = &parts.guard;
    let verified = guard.verify(request.headers(), request.method(), &guard.resource().url(), now)?;
    guard.admit(verified, Request::new(()), &Permission::Read.set(), now)
}

async fn post<B>(parts: &Arc<Parts>, look: AuthorizedRequest<()>, request: Request<B>) -> Response<RelayBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let limits = &parts.settings.limits;
    if !is_json(request.headers()) {
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json, not encoded");
    }
    let accepts = Accepts::read(request.headers());
    if !accepts.json && !accepts.events {
        let why = "the answer is application/json or text/event-stream: accept both";
        return text(StatusCode::NOT_ACCEPTABLE, why);
    }
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(limits.body_timeout, Limited::new(body, limits.max_body).collect());
    let body = match body.await {
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let why = format!("the body is longer than {} bytes", limits.max_body);
            return text(StatusCode::PAYLOAD_TOO_LARGE, &why);
        }
        Ok(Err(_)) => return text(StatusCode::BAD_REQUEST, "the body broke off"),
        Ok(Ok(body)) => body.to_bytes(),
    };
    match envelope::read(&body, limits.max_batch) {
        Ok(incoming) => message::answer(parts, look, &head.headers, accepts, incoming).await,
        Err(not) => problem(StatusCode::BAD_REQUEST, not.id.as_ref(), &not.error),
    }
}

/// A legacy caller opens the stream of its session.
///
/// Source: MCP 2025-11-25 Streamable HTTP, "Listening for Messages from the Server".
async fn get(parts: &Arc<Parts>, look: AuthorizedRequest<()>, asked: &HeaderMap) -> Response<RelayBody> {
    if let Err((status, error)) = headers::check_session_version(asked) {
        return problem(status, None, &error);
    }
    if !Accepts::read(asked).events {
        return text(StatusCode::NOT_ACCEPTABLE, "the answer is text/event-stream: accept it");
    }
    let (authorized, _, ()) = look.into_parts();
    let principal = authorized.principal();
    let session = match session(parts, asked, &principal) {
        Ok(session) => session,
        Err((status, error)) => return problem(status, None, &error),
    };
    // Unlike a call, this has no answer that an error could be, and may be repeated.
    let none = |why: &dyn std::fmt::Display, seconds: u32| {
        let mut response = problem(
            StatusCode::SERVICE_UNAVAILABLE,
            None,
            &RpcError::new(envelope::INTERNAL_ERROR, format!("there is no stream now: {why}")),
        );
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    };
    if parts.stopping.is_cancelled() {
        return none(&Unavailable::Stopping, 5);
    }
    let (slot, child) = match parts.pool.child(&principal.subject).await {
        Ok(found) => found,
        Err(why) => return none(&why, 30),
    };
    let watches = session.watches_changed();
    let source = match Source::of(&slot, &child, &session, parts.settings.limits.request_timeout).await {
        Ok(Some(source)) => source,
        Ok(None) => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this server sends nothing by itself");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, DELETE, OPTIONS"));
            return response;
        }
        Err(failed) => return none(&failed, 5),
    };
    let ended = session.open_stream();
    let changes = Changes {
        parts: parts.clone(),
        authorized,
        source,
        listener: Listener::Session(session, watches),
        ended,
        watches: Vec::new(),
    };
    events(None, changes.start())
}

/// A legacy caller ends its session.
fn delete(parts: &Parts, look: &AuthorizedRequest<()>, asked: &HeaderMap) -> Response<RelayBody> {
    if let Err((status, error)) = headers::check_session_version(asked) {
        return problem(status, None, &error);
    }
    let principal = look.authorized().principal();
    match session(parts, asked, &principal) {
        Ok(_) => {
            let id = asked.get(&SESSION).and_then(|id| id.to_str().ok()).unwrap_or_default();
            parts.sessions.end(id, &principal);
            plain(StatusCode::NO_CONTENT)
        }
        Err((status, error)) => problem(status, None, &error),
    }
}

/// Whether the body is JSON as it stands. A page that may not ask first cannot send this type.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let essence = types.next().and_then(|value| value.to_str().ok()).and_then(|text| text.split(';').next());
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
        && types.next().is_none()
        && encodings.iter().all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn only_json_that_is_not_encoded_is_read() {
        // proves: MCPP-02, HTTP-06
        let with = |kind: &str| is_json(&headers(&[(header::CONTENT_TYPE, kind)]));
        assert!(with("application/json") && with("Application/JSON; charset=utf-8"));
        for other in
            ["text/plain", "text/plain;application/json", "application/json-patch+json", "", "multipart/form-data"]
        {
            assert!(!with(other), "{other}");
        }
        assert!(!is_json(&HeaderMap::new()));
        let both = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
        assert!(!is_json(&headers(&both)));
        let mut twice = headers(&[(header::CONTENT_TYPE, "application/json")]);
        twice.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(!is_json(&twice));
    }
}

//! Who sends a message, and what it may ask for.

use std::sync::Arc;

use doorward_resource_server::{Authorized, AuthorizedRequest, Principal, Refusal};
use doorward_types::Permission;
use http::{HeaderMap, HeaderName, Request, StatusCode, header};

use super::session::Session;
use crate::{
    envelope::{INVALID_REQUEST, RpcError},
    gateway::Parts,
};

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Who sends a message, and how.
pub(super) struct Caller<'a> {
    pub(super) parts: &'a Arc<Parts>,
    pub(super) asked: &'a HeaderMap,
    pub(super) look: &'a Authorized,
    pub(super) principal: &'a Principal,
    pub(super) accepts: Accepts,
}

/// Which forms of an answer the caller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) events: bool,
}

impl Accepts {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut accepts = Self { json: false, events: false };
        let mut named = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
                named |= !kind.is_empty();
                let refused = |part: &str| {
                    let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
                    weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
                };
                if parts.any(refused) {
                    continue;
                }
                accepts.json |= matches!(kind.as_str(), "application/json" | "application/*" | "*/*");
                accepts.events |= matches!(kind.as_str(), "text/event-stream" | "text/*" | "*/*");
            }
        }
        if named { accepts } else { Self { json: true, events: true } }
    }
}

/// Lets a part of a request through, without any of its headers: what it asks for stands in its body.
pub(super) fn admit<B>(
    parts: &Parts,
    look: &Authorized,
    body: B,
    needed: Permission,
) -> Result<AuthorizedRequest<B>, Refusal> {
    parts.guard.admit_also(look, Request::new(body), &needed.set(), (parts.clock)())
}

/// The session that a legacy request names.
///
/// Source: MCP 2025-11-25 Streamable HTTP, "Session Management".
pub(super) fn session(
    parts: &Parts,
    asked: &HeaderMap,
    principal: &Principal,
) -> Result<Arc<Session>, (StatusCode, RpcError)> {
    let mut named = asked.get_all(&SESSION).iter();
    let (id, more) = (named.next(), named.next());
    let (Some(id), None) = (id.map(|id| id.to_str()), more) else {
        let why = "the header Mcp-Session-Id is missing: start with initialize";
        return Err((StatusCode::BAD_REQUEST, RpcError::new(INVALID_REQUEST, why)));
    };
    id.ok().and_then(|id| parts.sessions.find(id, principal)).ok_or_else(|| {
        let why = "there is no such session: start again with initialize";
        (StatusCode::NOT_FOUND, RpcError::new(INVALID_REQUEST, why))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn the_forms_of_an_answer_are_the_accepted_ones() {
        // proves: MCPP-19
        let read = |value: &str| {
            let accepts = Accepts::read(&headers(&[(header::ACCEPT, value)]));
            (accepts.json, accepts.events)
        };
        assert_eq!(read("application/json, text/event-stream"), (true, true));
        assert_eq!(read("text/event-stream;q=0, */*"), (true, true));
        assert_eq!(read("application/json;q=0.5"), (true, false));
        assert_eq!(read("text/event-stream"), (false, true));
        assert_eq!(read("text/html"), (false, false));
        assert_eq!(read("application/json;q=0"), (false, false));
        assert_eq!(read(""), (true, true));
        let none = Accepts::read(&HeaderMap::new());
        assert!(none.json && none.events);
    }
}

use base64ct::{Base64, Encoding};
use doorward_types::Revision;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    envelope::{INVALID_PARAMS, Members, Message, RpcError},
    era::{Era, META_CAPABILITIES, META_VERSION, served},
    plan::name_member,
};

/// A header differs from what the body says, is missing or cannot be read.
///
/// Source: MCP 2026-07-28 basic, "Error Codes".
pub(super) const HEADER_MISMATCH: i64 = -32020;
/// A revision that is not served.
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

const VERSION: &str = "mcp-protocol-version";

/// Finds out which era a message is of, and whether its headers say what its body says. What counts is always
/// the body; the headers only have to agree, for the sake of those who read nothing else.
///
/// # Errors
/// With a JSON-RPC error, for an answer with status 400.
/// Source: MCP 2026-07-28 Streamable HTTP, "Protocol Version Header", "Server Validation".
pub(super) fn check(headers: &HeaderMap, message: &Message) -> Result<Era, RpcError> {
    let none = Members::default();
    let (method, params, is_request) = match message {
        Message::Request(request) => (request.method.as_str(), &request.params, true),
        Message::Notification { method, params } => (method.as_str(), params, false),
        Message::Response { .. } => ("", &none, false),
    };
    let header = once(headers, VERSION)?;
    let meta = params.object("_meta").unwrap_or_default();
    let Some(body) = meta.get(META_VERSION) else {
        return match header.map(|text| (text, Revision::parse(text))) {
            None => Ok(Era::Legacy),
            Some((_, Some(revision))) if !revision.is_stateless() => Ok(Era::Legacy),
            Some((_, Some(_))) if is_request => Err(missing(META_VERSION)),
            Some((_, Some(_))) => Ok(Era::Modern),
            Some((text, None)) => Err(unsupported(text)),
        };
    };
    let Ok(version) = serde_json::from_str::<String>(body.get()) else { return Err(missing(META_VERSION)) };
    if header.is_some_and(|header| header != version) || (is_request && header.is_none()) {
        return Err(mismatch("MCP-Protocol-Version"));
    }
    if Revision::parse(&version).is_none_or(|revision| !revision.is_stateless()) {
        return Err(unsupported(&version));
    }
    let mirrored = once(headers, "mcp-method")?;
    if mirrored.is_some_and(|mirrored| mirrored != method) || (is_request && mirrored.is_none()) {
        return Err(mismatch("Mcp-Method"));
    }
    if !is_request {
        return Ok(Era::Modern);
    }
    if meta.object(META_CAPABILITIES).is_none() {
        return Err(missing(META_CAPABILITIES));
    }
    if let Some(named) = name_member(method).and_then(|member| params.text(member))
        && once(headers, "mcp-name")?.and_then(decoded).is_none_or(|mirrored| mirrored != named)
    {
        return Err(mismatch("Mcp-Name"));
    }
    Ok(Era::Modern)
}

/// Whether a legacy caller's version header, if there is one, names a revision with sessions.
///
/// Source: MCP 2025-11-25 Streamable HTTP, "Protocol Version Header".
pub(super) fn check_session_version(headers: &HeaderMap) -> Result<(), (StatusCode, RpcError)> {
    let refused = |error| (StatusCode::BAD_REQUEST, error);
    match once(headers, VERSION).map_err(refused)? {
        None => Ok(()),
        Some(text) => match Revision::parse(text) {
            Some(revision) if revision.is_stateless() => {
                let why = "this revision has no sessions: POST is the only method";
                Err((StatusCode::METHOD_NOT_ALLOWED, RpcError::new(crate::envelope::INVALID_REQUEST, why)))
            }
            Some(_) => Ok(()),
            None => Err(refused(unsupported(text))),
        },
    }
}

/// The value of a header that may be there at most once.
fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(mismatch(name)),
    }
}

/// The value that a header stands for: itself, or what its Base64 says. It is decoded once.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Value Encoding".
fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(Base64::decode_vec(encoded).ok()?).ok(),
    }
}

fn mismatch(header: &str) -> RpcError {
    RpcError::new(
        HEADER_MISMATCH,
        format!("the header {header} is missing, repeated, unreadable or differs from the body"),
    )
}

fn missing(member: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("params._meta needs {member:?}"))
}

fn unsupported(requested: &str) -> RpcError {
    let requested: String = requested.chars().take(64).collect();
    RpcError {
        code: UNSUPPORTED_VERSION,
        message: "this protocol version is not served here".into(),
        data: Some(json!({ "supported": served(), "requested": requested })),
    }
}

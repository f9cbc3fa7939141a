//! The headers of a message to the server.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    envelope::{Members, Message},
    era::META_VERSION,
    plan::name_member,
};

pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The revision that a message of the modern era says it is written in.
pub(super) fn stated_version(message: &Message) -> Option<String> {
    let params = match message {
        Message::Request(request) => &request.params,
        Message::Notification { params, .. } => params,
        Message::Response { .. } => return None,
    };
    params.object("_meta")?.text(META_VERSION)
}

/// What every POST carries.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Sending Messages to the Server".
pub(super) fn of_post() -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT, EITHER), (header::CONTENT_TYPE, JSON)])
}

/// What a message of the modern era carries besides: what its body says, for those who read no bodies.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Protocol Version Header", "Standard Request Headers".
pub(super) fn mirrored(version: &str, message: &Message) -> HeaderMap {
    let mut headers = of_post();
    let none = Members::default();
    let (method, params) = match message {
        Message::Request(request) => (Some(request.method.as_str()), &request.params),
        Message::Notification { method, params } => (Some(method.as_str()), params),
        Message::Response { .. } => (None, &none),
    };
    headers.insert(VERSION, safe(version));
    if let Some(method) = method {
        headers.insert(METHOD, safe(method));
        if let Some(name) = name_member(method).and_then(|member| params.text(member)) {
            headers.insert(NAME, safe(&name));
        }
    }
    headers
}

/// A text as a header's value; in Base64 when it could not arrive as it is, or would be taken for Base64.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Value Encoding".
pub(super) fn safe(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && text.trim_matches([' ', '\t']) == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let value: Cow<'_, str> = match plain {
        true => text.into(),
        false => format!("=?base64?{}?=", Base64::encode_string(text.as_bytes())).into(),
    };
    HeaderValue::from_str(&value).expect("visible ASCII makes a header value")
}

/// The media type that headers name.
pub(super) fn kind(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the body with these headers is a stream of events.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    kind(headers) == "text/event-stream"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope;

    #[test]
    fn a_modern_message_says_in_headers_what_its_body_says() {
        // proves: MCP-HTTP-005, MCP-HTTP-006, MCP-HTTP-012
        let of = |method: &str, member: &str, value: &str| {
            let params = serde_json::json!({
                "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}, member: value,
            });
            let message = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let message = envelope::message(&message.to_string()).unwrap();
            mirrored(&stated_version(&message).unwrap(), &message)
        };
        for (method, member, value, header) in [
            ("tools/call", "name", "read_file", Some("read_file")),
            ("prompts/get", "name", "a b", Some("a b")),
            ("resources/read", "uri", "file:///a%20b", Some("file:///a%20b")),
            ("tools/call", "name", "naïve", Some("=?base64?bmHDr3Zl?=")),
            ("tools/call", "name", " x", Some("=?base64?IHg=?=")),
            ("tools/call", "name", "x\r\nAuthorization: y", Some("=?base64?eA0KQXV0aG9yaXphdGlvbjogeQ==?=")),
            ("tools/call", "name", "=?base64?eA==?=", Some("=?base64?PT9iYXNlNjQ/ZUE9PT89?=")),
            ("tools/call", "name", "x\t", Some("=?base64?eAk=?=")),
            ("tools/call", "name", "a\tb", Some("a\tb")),
            ("tools/call", "name", "=?base64?eA==", Some("=?base64?eA==")),
            ("tools/call", "name", "eA==?=", Some("eA==?=")),
            ("tools/call", "name", "", Some("")),
            ("tools/list", "name", "x", None),
        ] {
            let headers = of(method, member, value);
            assert_eq!(headers[METHOD], method);
            assert_eq!(headers[VERSION], "2026-07-28");
            assert_eq!(headers.get(NAME).map(|name| name.as_bytes()), header.map(str::as_bytes), "{method} {value:?}");
            assert_eq!(headers[header::ACCEPT], "application/json, text/event-stream");
            assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        }
    }

    #[test]
    fn a_message_that_says_no_revision_is_in_none_and_an_answer_has_no_method() {
        let message = |value: serde_json::Value| envelope::message(&value.to_string()).unwrap();
        let noted = message(serde_json::json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
        }}));
        assert_eq!(stated_version(&noted).as_deref(), Some("2026-07-28"));
        assert_eq!(mirrored("2026-07-28", &noted)[METHOD], "notifications/x");
        let silent = message(serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        assert_eq!(stated_version(&silent), None);
        let answer = message(serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
        assert_eq!(stated_version(&answer), None);
        let headers = mirrored("2026-07-28", &answer);
        assert!(!headers.contains_key(METHOD) && headers[VERSION] == "2026-07-28");
    }

    #[test]
    fn a_stream_is_known_by_its_media_type_alone() {
        for (kind, stream) in [
            (Some("text/event-stream"), true),
            (Some("Text/Event-Stream ; charset=utf-8"), true),
            (Some("text/event-streams"), false),
            (Some("application/json"), false),
            (None, false),
        ] {
            let headers = kind.map(|kind| (header::CONTENT_TYPE, HeaderValue::from_static(kind))).into_iter().collect();
            assert_eq!(is_stream(&headers), stream, "{kind:?}");
        }
    }
}

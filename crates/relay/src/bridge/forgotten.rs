//! Whether the server has forgotten the session.

use http::{Response, StatusCode};
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;

use super::{headers, incoming, wire::Body};
use crate::envelope::Members;

/// What servers say that refuse a session with 400, as some did before the revisions said 404.
const FORGOTTEN: [&str; 7] = [
    "no valid session",
    "session not found",
    "invalid session",
    "unknown session",
    "invalid or missing session",
    "server not initialized",
    // With HTTP+SSE, the examples of the TypeScript SDK.
    "no transport found for sessionid",
];

/// What the examples of the TypeScript SDK say, and servers that were made after them; some name the request in it. It has
/// the code of the SDK's transport.
const REFUSAL: (&str, &str) = ("-32000", "bad request: no valid session id");

/// What the Python SDK named no request with, before it said null.
const NO_REQUEST: &str = "server-error";

/// The longest text that is a refusal and no page, and no report of a call.
const LONGEST: usize = 200;

/// Whether an answer says that the server does not know the session that the request was in, and so did not run it; the
/// answer itself stays whole. With 400 that is a guess, and one to be sure of: a call that is sent again may run twice.
///
/// Source: MCP 2025-11-25 transports, "Session Management".
pub(super) async fn is_forgotten(answer: Response<Body>, until: Instant) -> (Response<Body>, bool) {
    match answer.status() {
        StatusCode::NOT_FOUND => (answer, true),
        // Who answers with a stream has taken the request, and may never end it.
        StatusCode::BAD_REQUEST if !headers::is_stream(answer.headers()) => {
            let (answer, bytes) = incoming::peek(answer, until).await;
            let is_forgotten = refuses_the_session(&String::from_utf8_lossy(&bytes));
            (answer, is_forgotten)
        }
        _ => (answer, false),
    }
}

/// Whether the body of a 400 is about the session, and not about the call.
fn refuses_the_session(body: &str) -> bool {
    let has_phrase = |words: &str| {
        let words = words.to_lowercase();
        FORGOTTEN.iter().any(|phrase| words.contains(phrase))
    };
    let members = Members::parse(body);
    let Some(error) = members.as_ref().and_then(|members| members.object("error")) else {
        return body.len() <= LONGEST && has_phrase(body);
    };
    let message = error.text("message").unwrap_or_default();
    let id =
        members.and_then(|members| members.get("id").map(RawValue::get).and_then(|id| serde_json::from_str(id).ok()));
    match id.unwrap_or_default() {
        Value::Null => has_phrase(&message),
        Value::String(id) if id == NO_REQUEST => has_phrase(&message),
        // An error of the request itself: a tool may have failed, with a session of its own in mind.
        _ => {
            error.get("code").is_some_and(|code| code.get() == REFUSAL.0)
                && message.to_lowercase().starts_with(REFUSAL.1)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_words_about_the_session_say_that_a_call_did_not_run() {
        // proves: MCP-HTTP-021
        let error = |id: Value, code: i32, message: &str, data: Value| {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": data}}).to_string()
        };
        let everything = "Bad Request: No valid session ID provided";
        let without_id = json!({"jsonrpc": "2.0", "error": {"code": -32000, "message": everything}}).to_string();
        for body in [
            error(Value::Null, -32000, everything, Value::Null),
            error(json!(7), -32000, everything, Value::Null),
            error(Value::Null, -32000, "Bad Request: Server not initialized", Value::Null),
            error(json!("server-error"), -32600, "Bad Request: Invalid session ID", Value::Null),
            without_id,
            "Invalid session ID".to_owned(),
            r#"{"error": "Session not found"}"#.to_owned(),
        ] {
            assert!(refuses_the_session(&body), "{body}");
        }
        for body in [
            error(json!(7), -32000, "invalid session", Value::Null),
            error(json!(7), -32603, everything, Value::Null),
            error(json!("c"), -32000, "the shop said: no valid session", Value::Null),
            error(Value::Null, -32602, "no such tool", json!({"said": "session not found"})),
            error(Value::Null, -32602, "", json!("invalid session")),
            format!("{} invalid session", "the shop said ".repeat(20)),
            json!({"arguments": "x".repeat(LONGEST), "error": "invalid session"}).to_string(),
            String::new(),
        ] {
            assert!(!refuses_the_session(&body), "{body}");
        }
    }
}

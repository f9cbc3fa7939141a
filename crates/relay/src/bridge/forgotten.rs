//! Whether the server has forgotten the session.

use http::{Response, StatusCode};
use tokio::time::Instant;

use super::{incoming, wire::Body};

/// What servers say that refuse a session with 400, as some did before the revisions said 404.
const FORGOTTEN: [&str; 6] = [
    "no valid session",
    "session not found",
    "invalid session",
    "unknown session",
    "invalid or missing session",
    "server not initialized",
];

/// Whether an answer says that the server does not know the session that the request was in, so that it did not run; the
/// answer itself stays whole.
///
/// Source: MCP 2025-11-25 transports, "Session Management".
pub(super) async fn is_forgotten(answer: Response<Body>, until: Instant) -> (Response<Body>, bool) {
    match answer.status() {
        StatusCode::NOT_FOUND => (answer, true),
        StatusCode::BAD_REQUEST => {
            let (answer, bytes) = incoming::peek(answer, until).await;
            let words = String::from_utf8_lossy(&bytes).to_lowercase();
            (answer, FORGOTTEN.iter().any(|phrase| words.contains(phrase)))
        }
        _ => (answer, false),
    }
}

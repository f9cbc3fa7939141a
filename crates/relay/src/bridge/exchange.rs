//! A request to the server and what comes of it, whatever carries them.

use std::pin::Pin;

use bytes::Bytes;
use doorward_client::{Exit, Failed};
use doorward_types::outbound::FetchFailed;
use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode};

/// The body of an answer, as it arrives.
pub(super) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, FetchFailed>> + Send>>;

/// A request to the server, but for its token.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// There is no token, or the server does not take it.
    NotAuthorized(Failed),
    /// The request or its answer was lost.
    Fetch(FetchFailed),
}

impl NoAnswer {
    /// Whether it may be otherwise another time, with the login that there is.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NotAuthorized(failed) => may_pass(failed),
            Self::Fetch(_) => true,
        }
    }
}

/// Whether what kept a token away says nothing of the login: after sleep the network is not there at once, and a token that
/// ended meanwhile cannot be renewed before it is.
pub(super) fn may_pass(failed: &Failed) -> bool {
    matches!(failed.exit(), Exit::Unreachable | Exit::Error)
}

/// Whether a stream that was refused like this may be had another time.
pub(super) fn comes_later(status: StatusCode) -> bool {
    // A stream that broke may still be there for the server, which gives no second one meanwhile.
    status.is_server_error()
        || matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

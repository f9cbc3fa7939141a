//! A request to the server and what comes of it, whatever carries them.

use std::pin::Pin;

use bytes::Bytes;
use doorward_client::Failed;
use doorward_types::outbound::FetchFailed;
use futures_util::Stream;
use http::{HeaderMap, Method};

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

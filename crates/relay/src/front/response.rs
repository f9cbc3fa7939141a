//! The forms of an answer.

use bytes::Bytes;
use doorward_resource_server::Refusal;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{
    RelayBody,
    answer::{Final, Out},
};
use crate::{
    envelope::{self, Id, RpcError},
    gateway::Parts,
    upstream::stdio::Unavailable,
};

/// The answer to somebody without the right.
pub(super) fn refuse(parts: &Parts, refusal: &Refusal) -> Response<RelayBody> {
    parts.guard.refuse(refusal).map(RelayBody::whole)
}

/// An answer without a body.
pub(super) fn plain(status: StatusCode) -> Response<RelayBody> {
    let mut response = Response::new(RelayBody::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// An answer for a person.
pub(super) fn text(status: StatusCode, why: &str) -> Response<RelayBody> {
    let error = RpcError::new(envelope::INVALID_REQUEST, why);
    problem(status, None, &error)
}

/// An answer that is a JSON-RPC error.
pub(super) fn problem(status: StatusCode, id: Option<&Id>, error: &RpcError) -> Response<RelayBody> {
    json(status, envelope::error_response(id, error))
}

pub(super) fn json(status: StatusCode, body: String) -> Response<RelayBody> {
    let mut response = Response::new(RelayBody::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn whole(last: Final) -> Response<RelayBody> {
    json(last.status, last.json)
}

/// An answer that is a stream.
pub(super) fn events(first: Option<Out>, rest: tokio::sync::mpsc::Receiver<Out>) -> Response<RelayBody> {
    let mut response = Response::new(RelayBody::events(first, rest));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Why there is no server, as an answer.
pub(super) fn unavailable(why: &Unavailable, id: Option<&Id>) -> Response<RelayBody> {
    let error = RpcError::new(envelope::INTERNAL_ERROR, why.to_string());
    // What is about the gateway as a whole has a status that says so; a server that fails is an answer.
    let (status, seconds) = match why {
        Unavailable::NotStarted(_) | Unavailable::TooOften { .. } => (StatusCode::OK, 0),
        Unavailable::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, 30),
        Unavailable::Stopping => (StatusCode::SERVICE_UNAVAILABLE, 5),
    };
    let mut response = problem(status, id, &error);
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

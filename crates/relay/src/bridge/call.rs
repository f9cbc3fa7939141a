//! One request of the host, from its line to the line that answers it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use doorward_types::outbound::FetchFailed;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header::RETRY_AFTER};
use serde_json::json;
use tokio::time::Instant;

use super::{
    headers,
    incoming::{self, Broken, Incoming},
    link::{Body, Link, NoAnswer, Outgoing},
    resume::Resume,
    session::Which,
};
use crate::envelope::{self, INTERNAL_ERROR, Id, Message, Reply, RpcError};

/// How long a stream is given to end by itself after its answer, so that the connection can be used again.
const AFTER_ANSWER: Duration = Duration::from_secs(1);

/// The headers are not what the body says.
///
/// Source: MCP 2026-07-28 basic, "Error Codes".
const HEADER_MISMATCH: i64 = -32020;

/// What a message of the host is to the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// Of the newer era, in this revision.
    Modern(String),
    /// Begins a session.
    Initialize,
    /// Confirms it.
    Initialized,
    /// Anything else of the older era.
    Legacy,
}

/// A message on its way.
pub(super) struct Call {
    pub(super) speech: Speech,
    pub(super) message: Message,
    pub(super) body: Bytes,
}

impl Call {
    /// The request that carries it, and the session that it is in.
    fn outgoing(&self, link: &Link) -> (Outgoing, Option<Which>) {
        let (headers, session) = match &self.speech {
            Speech::Modern(version) => {
                let mut headers = headers::mirrored(version, &self.message);
                if let Message::Request(request) = &self.message
                    && request.method == "tools/call"
                {
                    link.tools.repeat(&request.params, &mut headers);
                }
                (headers, None)
            }
            Speech::Initialize => (headers::of_post(), None),
            Speech::Initialized | Speech::Legacy => {
                let mut headers = headers::of_post();
                let session = link.session.mark(&mut headers);
                (headers, session)
            }
        };
        (Outgoing { method: Method::POST, headers, body: self.body.clone() }, session)
    }

    /// Sends it; once more in a new session when the server has forgotten this one, in which it cannot have run.
    async fn send(&self, link: &Arc<Link>) -> Result<Response<Body>, NoAnswer> {
        let (outgoing, session) = self.outgoing(link);
        let answer = link.send(&outgoing).await?;
        if let (Speech::Modern(version), Message::Request(request), StatusCode::BAD_REQUEST) =
            (&self.speech, &self.message, answer.status())
            && request.method == "tools/call"
        {
            let (answer, wants_headers) = wants_headers(answer, Instant::now() + link.settings.answer_timeout).await;
            if !wants_headers {
                return Ok(answer);
            }
            // Refused before it ran. The list of tools says which arguments the headers must repeat.
            link.list_tools(version, &request.params).await;
            return link.send(&self.outgoing(link).0).await;
        }
        match session {
            Some(session) if answer.status() == StatusCode::NOT_FOUND && link.renew(session).await => {
                link.send(&self.outgoing(link).0).await
            }
            _ => Ok(answer),
        }
    }

    fn lists_tools(&self) -> bool {
        matches!(&self.message, Message::Request(request) if request.method == "tools/list")
    }

    /// Sends a notification, or an answer of the host. Nothing comes back of it.
    pub(super) async fn tell(self, link: Arc<Link>) {
        match self.send(&link).await {
            Ok(answer) if answer.status().is_success() => {
                if self.speech == Speech::Initialized {
                    link.session.confirmed(&self.body);
                    link.listen();
                }
            }
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "the server did not take a notification"),
            Err(NoAnswer::NotAuthorized(failed)) => link.not_let_in(&failed),
            Err(NoAnswer::Fetch(failed)) => tracing::warn!("a notification was lost: {failed}"),
        }
    }

    /// Sends a request and writes its one answer, whatever happens.
    pub(super) async fn ask(self, id: Id, link: Arc<Link>) {
        let error = match self.send(&link).await {
            Ok(answer) => match self.relay(&id, answer, &link).await {
                Ok(()) => return,
                Err(error) => error,
            },
            Err(NoAnswer::NotAuthorized(failed)) => {
                let error = not_authorized(&failed);
                link.host.say(&envelope::error_response(Some(&id), &error)).await;
                link.not_let_in(&failed);
                return;
            }
            Err(NoAnswer::Fetch(failed)) => {
                let advice = if is_certainly_lost(&failed) {
                    ""
                } else {
                    "; the call may or may not have run and was not repeated"
                };
                RpcError::new(INTERNAL_ERROR, format!("no answer from {}: {failed}{advice}", link.place()))
            }
        };
        link.host.say(&envelope::error_response(Some(&id), &error)).await;
    }

    /// Writes what the server answers: notifications as they come, then the one answer.
    ///
    /// # Errors
    /// When the answer did not come; then nothing was written that answers the request.
    async fn relay(&self, id: &Id, answer: Response<Body>, link: &Arc<Link>) -> Result<(), RpcError> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut incoming = Incoming::new(answer, &link.settings);
        if matches!(self.speech, Speech::Initialize | Speech::Legacy) {
            // The newer era has no resumption: a stream that breaks has lost its answer.
            incoming = incoming.resumed_by(Resume::new(link, id));
        }
        if !status.is_success() {
            return self.relay_error(id, status, &headers, incoming, link).await;
        }
        if !incoming.has_messages() {
            let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let what = format!("{} answered {status} with {}", link.place(), kind.unwrap_or("no content"));
            return Err(RpcError::new(INTERNAL_ERROR, format!("{what}, which is no MCP answer: is this the MCP URL?")));
        }
        loop {
            let lost = |why: &dyn std::fmt::Display| {
                let advice = "the call may or may not have run and was not repeated";
                RpcError::new(INTERNAL_ERROR, format!("the answer from {} was cut off: {why}; {advice}", link.place()))
            };
            match incoming.next().await {
                Ok(Some((Message::Response { id: Some(own), reply }, _))) if own.key() == id.key() => {
                    if self.speech == Speech::Initialize
                        && let Reply::Result(result) = &reply
                    {
                        link.session.began(&self.body, session_id(&headers), result);
                    }
                    if let (Speech::Modern(_), Reply::Result(result), true) = (&self.speech, &reply, self.lists_tools())
                    {
                        link.tools.learn(result);
                    }
                    // The host's own spelling of its id.
                    link.host.say(&envelope::response(Some(id), &reply)).await;
                    break;
                }
                Ok(Some((Message::Response { id: None, reply: reply @ Reply::Error(_) }, _))) => {
                    link.host.say(&envelope::response(Some(id), &reply)).await;
                    break;
                }
                Ok(Some((Message::Response { .. }, _))) => tracing::warn!("an answer to no request is dropped"),
                Ok(Some((Message::Request(request), _))) if matches!(self.speech, Speech::Modern(_)) => {
                    tracing::warn!(method = %request.method, "a server of this revision asks nothing; dropped");
                }
                Ok(Some((_, text))) => link.host.say(&text).await,
                Ok(None) => return Err(lost(&"it ended before the answer")),
                Err(error @ Broken::NoMessage(_)) => {
                    return Err(RpcError::new(INTERNAL_ERROR, format!("{} answered, but {error}", link.place())));
                }
                Err(error) => return Err(lost(&error)),
            }
        }
        incoming.not_resumed();
        tokio::spawn(tokio::time::timeout(
            AFTER_ANSWER,
            async move { while let Ok(Some(_)) = incoming.next().await {} },
        ));
        Ok(())
    }

    /// Writes the JSON-RPC error that comes with an error of HTTP.
    ///
    /// # Errors
    /// When none comes with it: then what can be said of the status.
    async fn relay_error(
        &self,
        id: &Id,
        status: StatusCode,
        headers: &HeaderMap,
        mut incoming: Incoming,
        link: &Link,
    ) -> Result<(), RpcError> {
        if incoming.has_messages() {
            let own_error = async {
                while let Ok(Some((message, _))) = incoming.next().await {
                    if let Message::Response { id: own, reply: reply @ Reply::Error(_) } = message
                        && own.is_none_or(|own| own.key() == id.key())
                    {
                        return Some(reply);
                    }
                }
                None
            };
            // No error is an endless stream.
            let Ok(Some(reply)) = tokio::time::timeout(link.settings.answer_timeout, own_error).await else {
                return Err(refused(link, status, headers, ""));
            };
            link.host.say(&envelope::response(Some(id), &reply)).await;
            return Ok(());
        }
        Err(refused(link, status, headers, &incoming.words().await))
    }
}

/// Whether an answer says that headers and body differ; the answer itself stays whole.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Server Validation".
async fn wants_headers(answer: Response<Body>, until: Instant) -> (Response<Body>, bool) {
    let (parts, body) = answer.into_parts();
    let bytes = incoming::beginning(body, until).await;
    let wants = serde_json::from_slice::<serde_json::Value>(&bytes)
        .is_ok_and(|message| message["error"]["code"] == HEADER_MISMATCH);
    let body: Body = Box::pin(futures_util::stream::iter([Ok(bytes)]));
    (Response::from_parts(parts, body), wants)
}

/// Whether a request cannot have reached the server.
fn is_certainly_lost(failed: &FetchFailed) -> bool {
    matches!(failed, FetchFailed::Connect(_) | FetchFailed::Name(_) | FetchFailed::Tls(_) | FetchFailed::Forbidden(_))
}

fn session_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(headers::SESSION)?;
    let well_formed = !id.is_empty() && id.as_bytes().iter().all(|byte| matches!(byte, b'!'..=b'~'));
    well_formed.then(|| {
        let mut id = id.clone();
        id.set_sensitive(true);
        id
    })
}

fn not_authorized(failed: &doorward_client::Failed) -> RpcError {
    RpcError {
        code: INTERNAL_ERROR,
        message: format!("{}: {}. Next: {}", failed.what(), failed.why(), failed.hint()),
        data: Some(json!({ "code": failed.code().as_str() })),
    }
}

fn refused(link: &Link, status: StatusCode, headers: &HeaderMap, words: &str) -> RpcError {
    let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u32>().ok());
    let advice = match (status, wait) {
        (_, Some(seconds)) => format!("; try again in {seconds} s"),
        (StatusCode::NOT_FOUND, None) => "; is this the MCP URL?".to_owned(),
        (StatusCode::FORBIDDEN, None) => "; this account may not do that".to_owned(),
        _ if status.is_redirection() => "; a token is not sent elsewhere: give the URL that it redirects to".to_owned(),
        _ => String::new(),
    };
    let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
    RpcError {
        code: INTERNAL_ERROR,
        message: format!("{} answered {status}{said}{advice}", link.place()),
        data: Some(json!({ "status": status.as_u16() })),
    }
}

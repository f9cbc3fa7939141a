//! One message in the words in which it is sent, and what the server makes of it.

use std::sync::Arc;

use bytes::Bytes;
use doorward_client::Failed;
use doorward_types::outbound::FetchFailed;
use http::{Extensions, HeaderMap, Method, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::{
    answer::{Answer, Heard, NoReply},
    forgotten, headers, incoming,
    link::Link,
    session::Which,
    wire::{Body, NoAnswer, Outgoing},
};
use crate::{
    envelope::{self, HEADER_MISMATCH, INTERNAL_ERROR, Id, Message, Reply, RpcError},
    era::Era,
};

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

impl Speech {
    /// The era that it belongs to.
    pub(super) fn era(&self) -> Era {
        match self {
            Self::Modern(_) => Era::Modern,
            Self::Initialize | Self::Initialized | Self::Legacy => Era::Legacy,
        }
    }
}

/// What a request came to, and how it was said.
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) reply: Reply,
}

/// A message on its way.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) speech: Speech,
    pub(super) message: Message,
    pub(super) body: Bytes,
}

impl Call {
    /// A message in words of the bridge's own.
    pub(super) fn new(speech: Speech, message: Message) -> Self {
        let body = envelope::written(&message).into();
        Self { speech, message, body }
    }

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

    /// Sends it; once more in a new session when the server says that it does not know this one, and so did not run it.
    pub(super) async fn send(&self, link: &Arc<Link>) -> Result<Response<Body>, NoAnswer> {
        let (outgoing, session) = self.outgoing(link);
        let answer = link.send(&outgoing).await?;
        if let (Speech::Modern(version), Message::Request(request), StatusCode::BAD_REQUEST) =
            (&self.speech, &self.message, answer.status())
            && request.method == "tools/call"
            && !headers::is_stream(answer.headers())
        {
            let (answer, wants_headers) = wants_headers(answer, Instant::now() + link.settings.answer_timeout).await;
            if !wants_headers {
                return Ok(answer);
            }
            // Refused before it ran. The list of tools says which arguments the headers must repeat.
            link.list_tools(version, &request.params).await;
            return link.send(&self.outgoing(link).0).await;
        }
        let Some(session) = session else { return Ok(answer) };
        let (mut answer, forgotten) =
            forgotten::is_forgotten(answer, Instant::now() + link.settings.answer_timeout).await;
        // An answer to a question of the old session would be one to another question in the new one.
        let is_answer = matches!(self.message, Message::Response { .. });
        if forgotten && link.renew(session).await && !is_answer {
            let (outgoing, session) = self.outgoing(link);
            let mut answer = link.send(&outgoing).await?;
            answer.extensions_mut().extend(session.map(of_session).unwrap_or_default());
            return Ok(answer);
        }
        answer.extensions_mut().extend(of_session(session));
        Ok(answer)
    }

    /// Sends a notification, or an answer of the host. Nothing comes back of it; says whether the server took it.
    pub(super) async fn tell(&self, link: &Arc<Link>) -> bool {
        match self.send(link).await {
            Ok(answer) if answer.status().is_success() => return true,
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "the server did not take a notification"),
            Err(NoAnswer::NotAuthorized(failed)) => link.not_let_in(&failed),
            Err(NoAnswer::Fetch(failed)) => tracing::warn!("a notification was lost: {failed}"),
        }
        false
    }

    /// Sends a request; gives its answer as it begins.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn answer(&self, id: &Id, link: &Arc<Link>) -> Result<Answer, NoReply> {
        self.begin(id, link, self.send(link).await).await
    }

    /// Sends a request that nobody has asked for, so that no person is asked to log in for it.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn answer_unasked(&self, id: &Id, link: &Arc<Link>) -> Result<Answer, NoReply> {
        let (outgoing, session) = self.outgoing(link);
        let mut answer = link.send_unasked(&outgoing).await;
        if let Ok(answer) = &mut answer {
            answer.extensions_mut().extend(session.map(of_session).unwrap_or_default());
        }
        self.begin(id, link, answer).await
    }

    async fn begin(
        &self,
        id: &Id,
        link: &Arc<Link>,
        answer: Result<Response<Body>, NoAnswer>,
    ) -> Result<Answer, NoReply> {
        match answer {
            Ok(answer) => Answer::begin(link, id, answer, self.speech.era()).await,
            Err(NoAnswer::NotAuthorized(failed)) => Err(not_authorized(failed)),
            Err(NoAnswer::Fetch(failed)) => {
                let advice = if is_certainly_lost(&failed) {
                    ""
                } else {
                    "; the call may or may not have run and was not repeated"
                };
                let error = format!("no answer from {}: {failed}{advice}", link.place());
                Err(RpcError::new(INTERNAL_ERROR, error).into())
            }
        }
    }

    /// Sends a request, and writes to the host what comes before the reply.
    ///
    /// # Errors
    /// When the reply does not come.
    pub(super) async fn ask(&self, id: &Id, link: &Arc<Link>) -> Result<Outcome, NoReply> {
        let mut answer = self.answer(id, link).await?;
        if matches!(&self.message, Message::Request(request) if request.method == "subscriptions/listen") {
            // It speaks when something changes; a connection that is lost is noticed below it.
            answer = answer.silent_as_long_as_it_likes();
        }
        let reply = loop {
            match answer.next().await? {
                Heard::Reply(reply) => break reply,
                Heard::Other(Message::Request(request), _) if self.speech.era() == Era::Modern => {
                    tracing::warn!(method = %request.method, "a server of this revision asks nothing; dropped");
                }
                Heard::Other(message, text) => link.pass_on(answer.session, &message, &text).await,
            }
        };
        let (status, headers) = (answer.status, answer.headers.clone());
        answer.let_go();
        let reply = match (&self.message, reply) {
            (Message::Request(request), Reply::Result(result)) if request.method == "tools/list" => {
                let modern = self.speech.era() == Era::Modern;
                Reply::Result(if modern { link.tools.take(result) } else { result })
            }
            (_, reply) => reply,
        };
        Ok(Outcome { status, headers, reply })
    }
}

/// What an answer bears whose request was sent in this session.
fn of_session(session: Which) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(session);
    extensions
}

/// Whether an answer says that headers and body differ; the answer itself stays whole.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Server Validation".
async fn wants_headers(answer: Response<Body>, until: Instant) -> (Response<Body>, bool) {
    let (answer, bytes) = incoming::peek(answer, until).await;
    let wants = serde_json::from_slice::<serde_json::Value>(&bytes)
        .is_ok_and(|message| message["error"]["code"] == HEADER_MISMATCH);
    (answer, wants)
}

/// Whether a request cannot have reached the server.
fn is_certainly_lost(failed: &FetchFailed) -> bool {
    use FetchFailed::{Connect, Forbidden, Name, Proxy, Tls};
    matches!(failed, Connect(_) | Name(_) | Proxy { .. } | Tls(_) | Forbidden(_))
}

/// What the host is told when there is no token.
pub(super) fn not_authorized(failed: Failed) -> NoReply {
    let error = RpcError {
        code: INTERNAL_ERROR,
        message: format!("{}: {}. Next: {}", failed.what(), failed.why(), failed.hint()),
        data: Some(json!({ "code": failed.code().as_str() })),
    };
    NoReply { status: None, error, not_let_in: Some(Box::new(failed)) }
}

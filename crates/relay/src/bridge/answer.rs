//! The answer to one request: what comes before it, and the one message that it is.

use std::{fmt::Display, sync::Arc, time::Duration};

use doorward_client::Failed;
use http::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::json;

use super::{
    incoming::{Broken, Incoming},
    link::Link,
    resume::Resume,
    session::Which,
    wire::Body,
};
use crate::{
    envelope::{self, INTERNAL_ERROR, Id, Message, Reply, RpcError},
    era::Era,
};

/// How long a stream is given to end by itself after its answer, so that the connection can be used again.
const AFTER_ANSWER: Duration = Duration::from_secs(1);

/// The next thing in an answer.
pub(super) enum Heard {
    /// What the request came to.
    Reply(Reply),
    /// A message on the way there, and its text.
    Other(Message, String),
}

/// The answer to one request, as it arrives.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    id: Id,
    place: String,
    /// The session in which the server says what comes before the reply.
    pub(super) session: Which,
    incoming: Incoming,
    /// The JSON-RPC error that came with an error of HTTP.
    error: Option<Reply>,
}

/// There is no JSON-RPC message in answer to a request.
#[derive(Debug)]
pub(super) struct NoReply {
    /// The status that it was refused with, when there was one.
    pub(super) status: Option<StatusCode>,
    /// What is said of it to the host.
    pub(super) error: RpcError,
    /// There is no token that the server takes.
    pub(super) not_let_in: Option<Box<Failed>>,
}

impl From<RpcError> for NoReply {
    fn from(error: RpcError) -> Self {
        Self { status: None, error, not_let_in: None }
    }
}

impl Answer {
    /// Reads the beginning of an answer to the request with this id.
    ///
    /// # Errors
    /// When there is no message in it.
    pub(super) async fn begin(link: &Arc<Link>, id: &Id, answer: Response<Body>, server: Era) -> Result<Self, NoReply> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let named = answer.extensions().get::<Which>().copied();
        let session = named.unwrap_or_else(|| link.session.present());
        let mut incoming = Incoming::new(answer, &link.settings);
        if server == Era::Legacy {
            // The newer era has no resumption: a stream that breaks has lost its answer.
            incoming = incoming.resumed_by(Resume::new(link, id, named));
        }
        let no_reply = |error| NoReply { status: Some(status), error, not_let_in: None };
        let mut error = None;
        if !status.is_success() {
            if !incoming.has_messages() {
                return Err(no_reply(refused(link, status, &headers, &incoming.words().await)));
            }
            // No error is an endless stream.
            let own = tokio::time::timeout(link.settings.answer_timeout, error_for(id, &mut incoming)).await;
            error = own.ok().flatten();
            if error.is_none() {
                return Err(no_reply(refused(link, status, &headers, "")));
            }
        } else if !incoming.has_messages() {
            let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no content");
            let what = format!("{} answered {status} with {kind}, which is no MCP answer", link.place());
            return Err(no_reply(RpcError::new(INTERNAL_ERROR, format!("{what}: is this the MCP URL?"))));
        }
        Ok(Self { status, headers, id: id.clone(), place: link.place().to_owned(), session, incoming, error })
    }

    /// Lets the stream be silent as long as it likes.
    pub(super) fn silent_as_long_as_it_likes(mut self) -> Self {
        self.incoming = self.incoming.silent_for(None);
        self
    }

    /// Lets it be silent for this long.
    pub(super) fn silent_for(mut self, silence: Duration) -> Self {
        self.incoming = self.incoming.silent_for(Some(silence));
        self
    }

    /// The next message, the last of which is the reply.
    ///
    /// # Errors
    /// When the reply does not come.
    pub(super) async fn next(&mut self) -> Result<Heard, RpcError> {
        if let Some(error) = self.error.take() {
            return Ok(Heard::Reply(error));
        }
        loop {
            match self.incoming.next().await {
                Ok(Some((Message::Response { id: Some(own), reply }, _))) if own.key() == self.id.key() => {
                    return Ok(Heard::Reply(reply));
                }
                Ok(Some((Message::Response { id: None, reply: reply @ Reply::Error(_) }, _))) => {
                    return Ok(Heard::Reply(reply));
                }
                Ok(Some((Message::Response { .. }, _))) => tracing::warn!("an answer to no request is dropped"),
                Ok(Some((message, text))) => return Ok(Heard::Other(message, text)),
                Ok(None) => return Err(self.cut_off(&"it ended before the answer")),
                Err(error @ Broken::NoMessage(_)) => {
                    return Err(RpcError::new(INTERNAL_ERROR, format!("{} answered, but {error}", self.place)));
                }
                Err(error) => return Err(self.cut_off(&error)),
            }
        }
    }

    /// The reply, whatever comes before it.
    ///
    /// # Errors
    /// When the reply does not come.
    pub(super) async fn reply(mut self) -> Result<Reply, RpcError> {
        loop {
            if let Heard::Reply(reply) = self.next().await? {
                self.let_go();
                return Ok(reply);
            }
        }
    }

    /// Lets the stream end by itself, now that the reply is there.
    pub(super) fn let_go(mut self) {
        self.incoming.not_resumed();
        tokio::spawn(tokio::time::timeout(AFTER_ANSWER, async move {
            while let Ok(Some(_)) = self.incoming.next().await {}
        }));
    }

    fn cut_off(&self, why: &dyn Display) -> RpcError {
        let advice = "the call may or may not have run and was not repeated";
        RpcError::new(INTERNAL_ERROR, format!("the answer from {} was cut off: {why}; {advice}", self.place))
    }
}

impl Link {
    /// Writes what a request came to.
    pub(super) async fn conclude(&self, id: &Id, outcome: Result<Reply, NoReply>) {
        match outcome {
            // The host's own spelling of its id.
            Ok(reply) => self.host.say(&envelope::response(Some(id), &reply)).await,
            Err(NoReply { error, not_let_in, .. }) => {
                self.host.say(&envelope::error_response(Some(id), &error)).await;
                if let Some(failed) = not_let_in {
                    self.not_let_in(&failed);
                }
            }
        }
    }
}

/// The error for this request among the messages of an answer.
async fn error_for(id: &Id, incoming: &mut Incoming) -> Option<Reply> {
    while let Ok(Some((message, _))) = incoming.next().await {
        if let Message::Response { id: own, reply: reply @ Reply::Error(_) } = message
            && own.is_none_or(|own| own.key() == id.key())
        {
            return Some(reply);
        }
    }
    None
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

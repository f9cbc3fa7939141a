//! What the server answers with, as messages one by one.

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use doorward_types::outbound::FetchFailed;
use futures_util::{Stream, StreamExt as _, stream};
use http::Response;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{events::Events, exchange::Body, headers::kind, settings::BridgeSettings};
use crate::envelope::{self, Message};

/// How much of a short body is read.
const MOST_WORDS: usize = 64 << 10;

/// How an answer's body is to be read.
enum Form {
    /// One JSON text.
    Json,
    /// Server-sent events.
    Events(Box<Events>),
    /// Something else; a page, mostly.
    Other,
}

/// What goes on with a stream that broke.
#[async_trait]
pub(super) trait Resumption: Send + Sync {
    /// An answer that came in another stream.
    async fn elsewhere(&mut self) -> (Message, String);

    /// Something came: the time for a break begins anew.
    fn gained(&mut self);

    /// Another stream that goes on after this event; `None` when there is none, and none in time.
    async fn again(&mut self, last: Option<&str>, retry: Option<Duration>) -> Option<Response<Body>>;
}

/// A body that holds messages.
pub(super) struct Incoming {
    form: Form,
    body: Body,
    most: usize,
    /// When everything but a stream of events must be there; of a stream, when its next event must be.
    until: Instant,
    /// How long a stream may say nothing, not even that it is still there; `None` for as long as it likes.
    silence: Option<Duration>,
    ready: VecDeque<(Message, String)>,
    resume: Option<Box<dyn Resumption>>,
}

/// Why a body gives no further message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection was lost, or its content was.
    #[error("{0}")]
    Lost(String),
    /// A stream that is there, as far as one can tell, says nothing.
    #[error("nothing whole came for {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// What came is no message.
    #[error("what it sent is no JSON-RPC message: {0}")]
    NoMessage(String),
}

/// The next thing that happens to a stream.
enum Next {
    Chunk(Bytes),
    Elsewhere(Message, String),
    End,
    Lost(Broken),
}

impl Incoming {
    /// Reads the body of an answer. Its messages are limited in length; a body that is no stream is limited in time as
    /// well, and so is the silence of a stream.
    pub(super) fn new(answer: Response<Body>, settings: &BridgeSettings) -> Self {
        let most = settings.max_message;
        let form = match kind(answer.headers()).as_str() {
            "text/event-stream" => Form::Events(Box::new(Events::new(most))),
            "application/json" => Form::Json,
            kind if kind.starts_with("application/") && kind.ends_with("+json") => Form::Json,
            _ => Form::Other,
        };
        let silence = Some(settings.answer_timeout);
        let until = Instant::now() + settings.answer_timeout;
        Self { form, body: answer.into_body(), most, until, silence, ready: VecDeque::new(), resume: None }
    }

    /// Goes on after the last event in another stream when this one breaks.
    pub(super) fn resumed_by(mut self, resume: impl Resumption + 'static) -> Self {
        self.resume = Some(Box::new(resume));
        self
    }

    /// Lets a stream be silent for this long; for ever with `None`.
    pub(super) fn silent_for(mut self, silence: Option<Duration>) -> Self {
        self.silence = silence;
        self.heard();
        self
    }

    /// Goes on after this event of another stream.
    pub(super) fn after(mut self, last: Option<String>) -> Self {
        if let Form::Events(events) = &mut self.form {
            events.after(last);
        }
        self
    }

    /// From here on a stream that breaks is at its end.
    pub(super) fn not_resumed(&mut self) {
        self.resume = None;
    }

    /// Whether there can be messages in it.
    pub(super) fn has_messages(&self) -> bool {
        !matches!(self.form, Form::Other)
    }

    /// The id of the last event, and the time after which the server wants to be asked again.
    pub(super) fn resume(&self) -> (Option<String>, Option<Duration>) {
        match &self.form {
            Form::Events(events) => (events.last_id().map(str::to_owned), events.retry().map(Duration::from_millis)),
            _ => (None, None),
        }
    }

    /// The next message and its text; `None` at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<(Message, String)>, Broken> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            let texts = match &mut self.form {
                Form::Other => return Ok(None),
                Form::Json => {
                    self.form = Form::Other;
                    let whole = timeout_at(self.until, whole(&mut self.body, self.most)).await;
                    let whole = whole.map_err(|_| Broken::Lost("its rest did not come in time".to_owned()))?;
                    vec![String::from_utf8_lossy(&whole?).into_owned()]
                }
                Form::Events(_) => match self.next_of_stream().await {
                    Next::Chunk(chunk) => self.events(&chunk)?,
                    Next::Elsewhere(message, text) => return Ok(Some((message, text))),
                    Next::End if self.go_on().await => continue,
                    Next::End => return Ok(None),
                    Next::Lost(_) if self.go_on().await => continue,
                    Next::Lost(why) => return Err(why),
                },
            };
            for text in texts {
                match messages(&text) {
                    Ok(messages) => self.ready.extend(messages),
                    // The answer may still come: one unreadable event is not the end of a stream.
                    Err(why) if matches!(self.form, Form::Events(_)) => {
                        tracing::warn!("an event of the server is passed over: {why}");
                    }
                    Err(why) => return Err(why),
                }
            }
        }
    }

    async fn next_of_stream(&mut self) -> Next {
        let (until, silence) = (self.until, self.silence);
        let too_silent = async {
            match silence {
                Some(_) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let elsewhere = async {
            match &mut self.resume {
                Some(resume) => resume.elsewhere().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            chunk = self.body.next() => match chunk {
                Some(Ok(chunk)) => Next::Chunk(chunk),
                Some(Err(failed)) => Next::Lost(Broken::Lost(failed.to_string())),
                None => Next::End,
            },
            (message, text) = elsewhere => Next::Elsewhere(message, text),
            () = too_silent => Next::Lost(Broken::Silent(silence.unwrap_or_default())),
        }
    }

    /// The data of the events that these bytes complete.
    fn events(&mut self, chunk: &[u8]) -> Result<Vec<String>, Broken> {
        let Form::Events(events) = &mut self.form else { return Ok(Vec::new()) };
        let found = events.feed(chunk).map_err(|error| Broken::Lost(error.to_string()))?;
        // An event that never becomes whole is no sign of life.
        if !found.is_empty() || events.is_between() {
            self.heard();
        }
        if let Some(resume) = self.resume.as_mut().filter(|_| !found.is_empty()) {
            resume.gained();
        }
        // An event without data is a sign of life.
        Ok(found.into_iter().filter(|e| e.kind == "message" && !e.data.is_empty()).map(|e| e.data).collect())
    }

    fn heard(&mut self) {
        if let Some(silence) = self.silence {
            self.until = Instant::now() + silence;
        }
    }

    /// Goes on in another stream, if that is possible.
    async fn go_on(&mut self) -> bool {
        let Form::Events(events) = &mut self.form else { return false };
        let Some(resume) = &mut self.resume else { return false };
        let retry = events.retry().map(Duration::from_millis);
        let Some(answer) = resume.again(events.last_id(), retry).await else { return false };
        events.begin_again();
        self.body = answer.into_body();
        self.heard();
        true
    }

    /// The beginning of the body as text for people, when it is no message.
    pub(super) async fn words(self) -> String {
        let mut body = self.body;
        let bytes = beginning(&mut body, self.until).await;
        let text = String::from_utf8_lossy(&bytes);
        if text.trim_start().starts_with('<') {
            return String::new();
        }
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
    }
}

/// The messages of one JSON text: one, or some in an array (2025-03-26).
pub(super) fn messages(text: &str) -> Result<Vec<(Message, String)>, Broken> {
    let read = |text: &str| match envelope::message(text) {
        Ok(message) => Ok((message, text.to_owned())),
        Err(refusal) => Err(Broken::NoMessage(refusal.error.message)),
    };
    if !text.trim_start().starts_with('[') {
        return Ok(vec![read(text)?]);
    }
    let items: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|_| Broken::NoMessage("it is not JSON".to_owned()))?;
    items.into_iter().map(|item| read(item.get())).collect()
}

/// The beginning of a short body, as far as it is there in time.
async fn beginning(body: &mut (impl Stream<Item = Result<Bytes, FetchFailed>> + Unpin), until: Instant) -> Bytes {
    let mut bytes = Vec::new();
    while let Ok(Some(Ok(chunk))) = timeout_at(until, body.next()).await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_WORDS {
            break;
        }
    }
    bytes.into()
}

/// The beginning of an answer with a short body; the answer itself stays whole.
pub(super) async fn peek(answer: Response<Body>, until: Instant) -> (Response<Body>, Bytes) {
    let (parts, body) = answer.into_parts();
    let mut body = body.fuse();
    let bytes = beginning(&mut body, until).await;
    let body: Body = Box::pin(stream::iter([Ok(bytes.clone())]).chain(body));
    (Response::from_parts(parts, body), bytes)
}

async fn whole(body: &mut Body, most: usize) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|failed| Broken::Lost(failed.to_string()))?;
        if bytes.len() + chunk.len() > most {
            return Err(Broken::Lost(format!("it is longer than {most} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_looked_into_stays_whole() {
        for length in [0, 10, MOST_WORDS, 5 * MOST_WORDS] {
            let text: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).collect();
            let chunks: Vec<_> = text.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
            let body: Body = Box::pin(stream::iter(chunks));
            let until = Instant::now() + Duration::from_secs(60);
            let (answer, bytes) = peek(Response::new(body), until).await;
            assert!(text.starts_with(&bytes) && bytes.len() <= MOST_WORDS + 1000);
            assert!(whole(&mut answer.into_body(), length).await.unwrap() == text, "{length}");
        }
    }
}

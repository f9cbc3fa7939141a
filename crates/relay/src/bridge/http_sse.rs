//! The transport of 2024-11-05: one stream down, POSTs up.
//!
//! To the rest of the bridge such a server looks like one of the next revision: each POST is answered with a stream that
//! holds its answer, the GET is answered with what is left, and the connection is a session with a name of its own.
//!
//! Source: MCP 2024-11-05 transports, "HTTP with SSE"; MCP 2025-11-25 transports, "Backwards Compatibility".

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use doorward_types::outbound::FetchFailed;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::{
    events::{Event, Events},
    exchange::{Body, Outgoing},
    headers, incoming,
    room::{Held, Room},
    settings::BridgeSettings,
};
use crate::{
    envelope::{self, Id, Message},
    sse,
};

/// How long a server may take to say where messages go.
pub(super) const ENDPOINT: Duration = Duration::from_secs(10);
/// How many bytes of messages wait for somebody to listen.
const MOST_UNASKED: usize = 4 << 20;

/// What a connection is called as a session, with a number that no other one has.
const NAME: &str = "doorward-http-sse-";
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// One connection: the stream that is open, and where messages go.
pub(super) struct Pipe {
    number: u64,
    /// Where messages go.
    pub(super) endpoint: Url,
    shared: Arc<Shared>,
    _reading: DropGuard,
}

/// The text of a message, and the room that it takes.
type Text = (String, Held);
/// The same of an answer, and after how many other messages it came.
type Numbered = (Text, u64);

struct Shared {
    waiting: Mutex<HashMap<String, oneshot::Sender<Numbered>>>,
    unasked: (mpsc::UnboundedSender<Text>, tokio::sync::Mutex<mpsc::UnboundedReceiver<Text>>),
    /// For answers that their requests have not taken yet. While there is none, the stream is not read.
    for_answers: Room,
    /// For what is said unasked. While there is none, it is dropped: nobody may ever listen.
    for_unasked: Room,
    /// How many messages of that kind there were, and how many have been handed to a listener.
    count: AtomicU64,
    handed: AtomicU64,
    /// How many have been dealt with: what was said of a call before its answer is told before it.
    dealt_with: watch::Sender<u64>,
    /// How long an answer waits for that.
    catching_up: Duration,
    listeners: AtomicUsize,
    closed: CancellationToken,
}

impl Pipe {
    /// Waits for the first event of a stream, which says where messages go; `None` when this is no such stream.
    ///
    /// # Errors
    /// When messages are to go to another origin: the access token does not go there.
    pub(super) async fn open(
        server: &Url,
        answer: Response<Body>,
        settings: &BridgeSettings,
    ) -> Result<Option<Self>, FetchFailed> {
        if answer.status() != StatusCode::OK || !headers::is_stream(answer.headers()) {
            return Ok(None);
        }
        let most = settings.max_message;
        let (mut body, mut events) = (answer.into_body(), Events::new(most));
        let first = async {
            loop {
                let chunk = body.next().await?.ok()?;
                let found = events.feed(&chunk).ok()?;
                // Some servers say hello first.
                if let Some(at) = found.iter().position(|event| event.kind == "endpoint") {
                    return Some((found[at].data.clone(), found[at + 1..].to_vec()));
                }
            }
        };
        let Some((endpoint, rest)) = timeout(ENDPOINT, first).await.ok().flatten() else { return Ok(None) };
        let endpoint = server.join(endpoint.trim()).ok().filter(|url| url.origin() == server.origin());
        let Some(endpoint) = endpoint else {
            let why = "the server wants messages to go to another origin, where the access token does not go";
            return Err(FetchFailed::Other(why.to_owned()));
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let closed = CancellationToken::new();
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            unasked: (sender, receiver.into()),
            for_answers: Room::of(most),
            for_unasked: Room::of(MOST_UNASKED),
            count: AtomicU64::new(0),
            handed: AtomicU64::new(0),
            dealt_with: watch::Sender::new(0),
            catching_up: settings.catching_up,
            listeners: AtomicUsize::new(0),
            closed: closed.clone(),
        });
        let reading = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                () = reading.read(body, events, rest) => {}
                () = reading.closed.cancelled() => {}
            }
            reading.close();
        });
        let number = CONNECTIONS.fetch_add(1, Relaxed);
        Ok(Some(Self { number, endpoint, shared, _reading: closed.drop_guard() }))
    }

    pub(super) fn close(&self) {
        self.shared.close();
    }

    /// What a request in this connection is answered with as far as the connection knows; `None` when it is to be
    /// POSTed.
    pub(super) fn answer(&self, outgoing: &Outgoing) -> Option<Response<Body>> {
        let name = outgoing.headers.get(headers::SESSION);
        if self.shared.closed.is_cancelled() || name.is_some_and(|name| *name != self.name()) {
            return Some(empty(StatusCode::NOT_FOUND));
        }
        match outgoing.method {
            Method::GET => Some(events(Arc::clone(&self.shared).said())),
            Method::DELETE => {
                self.close();
                Some(empty(StatusCode::OK))
            }
            _ => None,
        }
    }

    /// What is to be POSTed for a message, and what is awaited on the stream.
    pub(super) fn expect(&self, outgoing: &Outgoing) -> (Outgoing, Option<Awaited>) {
        let mut outgoing = outgoing.clone();
        outgoing.headers.remove(headers::SESSION);
        let awaited = match message(&outgoing) {
            Some(Message::Request(request)) => Some(self.shared.expect(&request.id, request.method == "initialize")),
            _ => None,
        };
        (outgoing, awaited)
    }

    /// What a message is answered with after its POST was.
    pub(super) fn answered(&self, answer: Response<Body>, awaited: Option<Awaited>) -> Response<Body> {
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            // The server has forgotten the connection, whatever its stream looks like.
            self.close();
        }
        let Some(awaited) = awaited.filter(|_| answer.status().is_success()) else { return answer };
        let begins = awaited.begins;
        let answer = stream::once(awaited.answer()).filter_map(async |text| text.map(|(text, _held)| Ok(event(&text))));
        let mut answer = events(Box::pin(answer));
        if begins {
            answer.headers_mut().insert(headers::SESSION, self.name());
        }
        answer
    }

    fn name(&self) -> HeaderValue {
        HeaderValue::from_str(&format!("{NAME}{}", self.number)).expect("a name and a number make a header value")
    }
}

impl Shared {
    fn close(&self) {
        self.closed.cancel();
        // Whoever waits learns of it by the end of what they wait for.
        self.waiting.lock().expect("nobody panics with it in hand").clear();
    }

    async fn read(&self, mut body: Body, mut events: Events, first: Vec<Event>) {
        self.take(first).await;
        while let Some(Ok(chunk)) = body.next().await {
            let Ok(found) = events.feed(&chunk) else { return };
            self.take(found).await;
        }
    }

    async fn take(&self, events: Vec<Event>) {
        for event in events.into_iter().filter(|event| event.kind == "message" && !event.data.is_empty()) {
            let messages = match incoming::messages(&event.data) {
                Ok(messages) => messages,
                Err(why) => {
                    tracing::warn!("an event of the server is passed over: {why}");
                    continue;
                }
            };
            for (message, text) in messages {
                let waiting = match &message {
                    Message::Response { id: Some(id), .. } => {
                        self.waiting.lock().expect("nobody panics with it in hand").remove(&id.key())
                    }
                    _ => None,
                };
                match waiting {
                    Some(waiting) => {
                        let held = self.for_answers.take(text.len()).await;
                        drop(waiting.send(((text, held), self.count.load(Relaxed))));
                    }
                    None => match self.for_unasked.try_take(text.len()) {
                        Some(held) => {
                            self.count.fetch_add(1, Relaxed);
                            drop(self.unasked.0.send((text, held)));
                        }
                        None => tracing::warn!("nobody listens to the server: a message is dropped"),
                    },
                }
            }
        }
    }

    fn expect(self: &Arc<Self>, id: &Id, begins: bool) -> Awaited {
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().expect("nobody panics with it in hand").insert(id.key(), sender);
        Awaited { shared: Arc::clone(self), key: id.key(), answer: Some(answer), begins }
    }

    /// What the server says unasked, as the body of a stream that ends with the connection.
    fn said(self: Arc<Self>) -> Body {
        self.listeners.fetch_add(1, Relaxed);
        let said = stream::unfold(Listener(self), |listener| async move {
            let shared = &listener.0;
            // Who asks for the next one is done with those before.
            shared.dealt_with.send_replace(shared.handed.load(Relaxed));
            let text = {
                let mut waiting = shared.unasked.1.lock().await;
                tokio::select! {
                    biased;
                    text = waiting.recv() => text,
                    () = shared.closed.cancelled() => None,
                }
            };
            let (text, _held) = text?;
            shared.handed.fetch_add(1, Relaxed);
            Some((Ok(event(&text)), listener))
        });
        Box::pin(said)
    }

    /// Waits a moment until so many messages have been dealt with, if somebody listens to them.
    async fn are_dealt_with(&self, number: u64) {
        if self.listeners.load(Relaxed) > 0 {
            let mut dealt_with = self.dealt_with.subscribe();
            let _ = timeout(self.catching_up, dealt_with.wait_for(|dealt_with| *dealt_with >= number)).await;
        }
    }
}

/// Somebody who listens to what is said unasked.
struct Listener(Arc<Shared>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Relaxed);
    }
}

/// A request whose answer is on its way.
pub(super) struct Awaited {
    shared: Arc<Shared>,
    key: String,
    answer: Option<oneshot::Receiver<Numbered>>,
    /// Whether the request begins a session.
    begins: bool,
}

impl Awaited {
    async fn answer(mut self) -> Option<Text> {
        let (text, number) = self.answer.take()?.await.ok()?;
        self.shared.are_dealt_with(number).await;
        Some(text)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        drop(self.answer.take());
        let mut waiting = self.shared.waiting.lock().expect("nobody panics with it in hand");
        // An id that the host uses again has another request's entry.
        if waiting.get(&self.key).is_some_and(oneshot::Sender::is_closed) {
            waiting.remove(&self.key);
        }
    }
}

/// Whether a POST that was refused in this way may have met a server of that age.
///
/// Source: MCP 2025-11-25 transports, "Backwards Compatibility".
pub(super) fn may_be_spoken(status: StatusCode) -> bool {
    // What is about the caller, or about the moment, says nothing about the server.
    status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 407 | 408 | 429)
}

/// Whether a request begins a session.
pub(super) fn begins(outgoing: &Outgoing) -> bool {
    let is_first = outgoing.method == Method::POST
        && ![headers::SESSION, headers::VERSION].iter().any(|name| outgoing.headers.contains_key(name));
    is_first && matches!(message(outgoing), Some(Message::Request(request)) if request.method == "initialize")
}

fn message(outgoing: &Outgoing) -> Option<Message> {
    envelope::message(std::str::from_utf8(&outgoing.body).ok()?).ok()
}

/// The request that opens the stream.
pub(super) fn opening() -> Outgoing {
    let headers = HeaderMap::from_iter([(header::ACCEPT, headers::EVENTS)]);
    Outgoing { method: Method::GET, headers, body: Bytes::new() }
}

fn event(text: &str) -> Bytes {
    sse::event(&envelope::one_line(text)).into()
}

fn events(body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, headers::EVENTS);
    answer
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer: Response<Body> = Response::new(Box::pin(stream::empty()));
    *answer.status_mut() = status;
    answer
}

//! What stands before the gateway: it counts what matters and can hold a request for tokens.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use doorward_testkit::process::http;
use tokio::sync::Notify;

/// Which request is held until whoever sent it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// A refresh that the gateway has not seen yet.
    Request,
    /// A refresh that the gateway has answered, and nobody has the answer.
    Answer,
    /// The same for a code.
    Tokens,
}

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<&'static str, usize>,
    hold: Option<Hold>,
    held: bool,
    let_go: Arc<Notify>,
}

/// The public address of a gateway.
pub(crate) struct Front {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    listener: Option<TcpListener>,
}

#[derive(Clone)]
struct Way {
    to: String,
    host: String,
    seen: Arc<Mutex<Seen>>,
    client: reqwest::Client,
}

impl Front {
    /// Takes the address; whoever comes waits until it is [opened](Self::open).
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        Self { url, seen: Arc::default(), listener: Some(listener) }
    }

    /// Lets everything through to this address.
    pub(crate) fn open(&mut self, to: &str) {
        let host = self.url.replacen("http://", "", 1);
        let way = Way { to: to.to_owned(), host, seen: self.seen.clone(), client: http() };
        let listener = tokio::net::TcpListener::from_std(self.listener.take().expect("it is opened once")).unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(pass).with_state(way)).await });
    }

    /// How many of these there were since the last look: `register`, `code`, `refresh`.
    pub(crate) fn take(&self, what: &'static str) -> usize {
        self.seen().counts.remove(what).unwrap_or(0)
    }

    /// Holds the next request of this kind.
    pub(crate) fn hold(&self, hold: Hold) {
        let mut seen = self.seen();
        (seen.hold, seen.held) = (Some(hold), false);
    }

    /// Waits until it is held.
    pub(crate) async fn held(&self, patience: Duration) {
        let end = Instant::now() + patience;
        while !self.seen().held {
            assert!(Instant::now() < end, "nothing comes to be held");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets what is held go on.
    pub(crate) fn let_go(&self) {
        self.seen().let_go.notify_one();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Way {
    /// Counts, and says whether this one is to be held.
    fn note(&self, path: &str, body: &[u8]) -> Option<Hold> {
        let has = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
        let what = match path {
            "/oauth/register" => "register",
            "/oauth/token" if has("grant_type=refresh_token") => "refresh",
            "/oauth/token" => "code",
            _ => return None,
        };
        let mut seen = self.seen.lock().unwrap();
        *seen.counts.entry(what).or_default() += 1;
        let whose = |hold: &mut Hold| (*hold == Hold::Tokens) == (what == "code");
        if what == "register" { None } else { seen.hold.take_if(whose) }
    }

    /// Goes on when it is [let go](Front::let_go). When the caller is gone this is dropped.
    async fn wait(&self) {
        let let_go = {
            let mut seen = self.seen.lock().unwrap();
            seen.held = true;
            Arc::clone(&seen.let_go)
        };
        let_go.notified().await;
    }
}

async fn pass(State(way): State<Way>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let hold = way.note(uri.path(), &body);
    if hold == Some(Hold::Request) {
        way.wait().await;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = way.client.request(method, format!("http://{}{path}", way.to)).body(body);
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::HOST && **name != header::CONNECTION) {
        request = request.header(name, value);
    }
    let Ok(answer) = request.header(header::HOST, &way.host).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = if hold.is_some() {
        let complete = answer.bytes().await.unwrap_or_default();
        way.wait().await;
        Response::new(Body::from(complete))
    } else {
        Response::new(Body::from_stream(answer.bytes_stream()))
    };
    *response.status_mut() = status;
    for (name, value) in headers
        .iter()
        .filter(|(name, _)| ![header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH].contains(name))
    {
        response.headers_mut().append(name, value.clone());
    }
    response
}

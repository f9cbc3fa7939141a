//! One exchange with the server: a request, with authorization, and the answer as it begins. Whatever carries it is
//! known here and nowhere else.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use doorward_client::{Code, Exit, Failed};
use doorward_fetch::Fetcher;
use doorward_types::{ResourceId, challenge, outbound::FetchFailed};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::{sync::mpsc, time::Instant};
use url::Url;

pub(super) use super::exchange::{Body, NoAnswer, Outgoing};
use super::{
    bearer::{BearerSource, Credential, LoginPage, Why},
    http_sse::{self, Pipe},
    incoming,
    possession::Possession,
    settings::{BridgeSettings, Transport},
};
use crate::envelope;

/// How often one message is sent again because the server did not take its token: once after a refresh, and once
/// after a login.
const MOST_REJECTIONS: u8 = 2;
/// How often one message is sent again because the server asks for more scopes.
const MOST_STEP_UPS: u8 = 2;

/// How long a server that never answered is tried to be reached.
const FIRST_CONTACT: Duration = Duration::from_secs(3);
/// The pauses between tries to reach a server.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// For whom a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The host waits for it.
    Hosts,
    /// The bridge makes it of itself.
    Own,
}

/// The way to the server.
pub(super) struct Wire {
    pub(super) settings: BridgeSettings,
    resource: ResourceId,
    url: Url,
    /// The connection to a server of 2024-11-05.
    pipe: Mutex<Option<Arc<Pipe>>>,
    possession: Possession,
    source: Arc<dyn BearerSource>,
    fetcher: Fetcher,
    /// Whether the server has ever answered.
    reached: AtomicBool,
    /// Whether the server has ever taken a message.
    let_in: AtomicBool,
    shut_out: (mpsc::Sender<Failed>, tokio::sync::Mutex<mpsc::Receiver<Failed>>),
    /// Why the last request was not let in.
    why_not: Mutex<Option<Failed>>,
}

impl Wire {
    pub(super) fn new(
        settings: BridgeSettings,
        upstream: ResourceId,
        source: Arc<dyn BearerSource>,
        fetcher: Fetcher,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self {
            settings,
            url: upstream.url(),
            pipe: Mutex::default(),
            possession: Possession::default(),
            resource: upstream,
            source,
            fetcher,
            reached: AtomicBool::new(false),
            let_in: AtomicBool::new(false),
            shut_out: (sender, receiver.into()),
            why_not: Mutex::default(),
        }
    }

    /// Where the messages go, for people.
    pub(super) fn place(&self) -> &str {
        self.resource.as_str()
    }

    /// Sends a request. One that the server does not let in is sent again with a better token: it did not run.
    ///
    /// Source: MCP 2026-07-28 authorization, "Error Handling", "Step-Up Authorization Flow".
    pub(super) async fn send(&self, outgoing: &Outgoing) -> Result<Response<Body>, NoAnswer> {
        self.send_for(Whose::Hosts, outgoing).await
    }

    /// Sends a request that nobody has asked for. No person is asked to log in for it.
    pub(super) async fn send_unasked(&self, outgoing: &Outgoing) -> Result<Response<Body>, NoAnswer> {
        self.send_for(Whose::Own, outgoing).await
    }

    /// Sends a request by whatever carries messages to this server.
    async fn send_for(&self, whose: Whose, outgoing: &Outgoing) -> Result<Response<Body>, NoAnswer> {
        let begins = http_sse::begins(outgoing);
        let (pipe, transport) = (self.pipe(), self.settings.transport);
        match pipe {
            Some(pipe) if !begins => return self.send_in(&pipe, whose, outgoing).await,
            pipe if begins && (pipe.is_some() || matches!(transport, Transport::SseFirst | Transport::SseOnly)) => {
                if let Some(pipe) = self.open(whose).await? {
                    return self.send_in(&pipe, whose, outgoing).await;
                }
            }
            _ => {}
        }
        if transport == Transport::SseOnly {
            return Ok(http_sse::empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        let answer = self.send_to(&self.url, whose, outgoing, self.settings.answer_timeout).await?;
        if begins && answer.status().is_success() {
            // The server has become another one: nothing goes to the connection that there was.
            *self.pipe.lock().expect("nobody panics with it in hand") = None;
        }
        if !begins || transport == Transport::HttpOnly || !http_sse::may_be_spoken(answer.status()) {
            return Ok(answer);
        }
        // A server that refuses in the protocol's own words takes messages here.
        let (answer, words) = incoming::peek(answer, Instant::now() + self.settings.answer_timeout).await;
        if envelope::message(&String::from_utf8_lossy(&words)).is_ok() {
            return Ok(answer);
        }
        match self.open(whose).await? {
            Some(pipe) => self.send_in(&pipe, whose, outgoing).await,
            None => Ok(answer),
        }
    }

    fn pipe(&self) -> Option<Arc<Pipe>> {
        self.pipe.lock().expect("nobody panics with it in hand").clone()
    }

    /// Opens a connection in place of the present one, if the server is of that age.
    async fn open(&self, whose: Whose) -> Result<Option<Arc<Pipe>>, NoAnswer> {
        let answer = self.send_to(&self.url, whose, &http_sse::opening(), http_sse::ENDPOINT).await?;
        let opened = Pipe::open(&self.url, answer, &self.settings).await.map_err(NoAnswer::Fetch)?;
        let Some(opened) = opened.map(Arc::new) else { return Ok(None) };
        tracing::info!("the server speaks the HTTP+SSE of 2024-11-05");
        *self.pipe.lock().expect("nobody panics with it in hand") = Some(Arc::clone(&opened));
        Ok(Some(opened))
    }

    async fn send_in(&self, pipe: &Pipe, whose: Whose, outgoing: &Outgoing) -> Result<Response<Body>, NoAnswer> {
        if let Some(answer) = pipe.answer(outgoing) {
            return Ok(answer);
        }
        let (outgoing, awaited) = pipe.expect(outgoing);
        let answer = self.send_to(&pipe.endpoint, whose, &outgoing, self.settings.answer_timeout).await?;
        Ok(pipe.answered(answer, awaited))
    }

    /// Says that nothing comes any more in the stream that everything comes in, if there is one.
    pub(super) fn is_dead(&self) {
        if let Some(pipe) = self.pipe() {
            pipe.close();
        }
    }

    async fn send_to(
        &self,
        url: &Url,
        whose: Whose,
        outgoing: &Outgoing,
        within: Duration,
    ) -> Result<Response<Body>, NoAnswer> {
        let (mut rejections, mut step_ups) = (0, 0);
        let mut credential = self.bearer(Why::ToSend).await?;
        loop {
            let serial = credential.as_ref().map(|credential| credential.serial);
            let answer = self.send_until_reached(url, outgoing, credential, within).await?;
            let (status, headers) = (answer.status(), answer.headers());
            tracing::debug!(method = %outgoing.method, status = status.as_u16(), "the server answered");
            let why = match status {
                StatusCode::UNAUTHORIZED if rejections < MOST_REJECTIONS => {
                    rejections += 1;
                    match whose {
                        Whose::Hosts => Why::Rejected { serial, headers },
                        Whose::Own => Why::RejectedUnasked { serial },
                    }
                }
                StatusCode::FORBIDDEN
                    if whose == Whose::Hosts && asks_for_scope(headers) && step_ups < MOST_STEP_UPS =>
                {
                    step_ups += 1;
                    Why::InsufficientScope { serial, headers }
                }
                StatusCode::UNAUTHORIZED => return Err(NoAnswer::NotAuthorized(self.still_refused())),
                StatusCode::FORBIDDEN if whose == Whose::Hosts && asks_for_scope(headers) => {
                    return Err(NoAnswer::NotAuthorized(self.still_forbidden(step_ups)));
                }
                _ => {
                    // A fault may be that of a proxy, which the server has not heard of.
                    self.let_in.fetch_or(!status.is_server_error(), Relaxed);
                    return Ok(answer);
                }
            };
            credential = self.bearer(why).await?;
        }
    }

    /// Sends a request again as long as it certainly has not reached the server: after sleep, or a change of networks.
    async fn send_until_reached(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        credential: Option<Credential>,
        within: Duration,
    ) -> Result<Response<Body>, NoAnswer> {
        let patience = if self.reached.load(Relaxed) { self.settings.reconnect_for } else { FIRST_CONTACT };
        let end = Instant::now() + patience.min(self.settings.reconnect_for);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send_with(url, outgoing, credential.as_ref(), within).await {
                Err(NoAnswer::Fetch(FetchFailed::Connect(_) | FetchFailed::Name(_) | FetchFailed::Proxy { .. }))
                    if Instant::now() + pause < end =>
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                answer => {
                    self.reached.fetch_or(answer.is_ok(), Relaxed);
                    return answer;
                }
            }
        }
    }

    async fn send_with(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        credential: Option<&Credential>,
        within: Duration,
    ) -> Result<Response<Body>, NoAnswer> {
        let mut is_again = false;
        loop {
            let request = self.request(url, outgoing, credential)?;
            let answer = self.fetcher.stream(request, self.settings.reach, within).await;
            let answer = answer.map_err(NoAnswer::Fetch)?;
            // A request without the nonce that the server wants did not run.
            if self.possession.wants_again(answer.status(), answer.headers(), credential) && !is_again {
                is_again = true;
                continue;
            }
            return Ok(answer.map(|body| Box::pin(body) as Body));
        }
    }

    fn request(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        credential: Option<&Credential>,
    ) -> Result<Request<Bytes>, NoAnswer> {
        let mut request = Request::builder().method(outgoing.method.clone()).uri(url.as_str());
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&outgoing.headers);
            for (name, value) in &self.settings.headers {
                headers.entry(name).or_insert_with(|| value.clone());
            }
            if let Some(credential) = credential {
                let shown = self.possession.headers(credential, &self.resource, &outgoing.method, url);
                headers.extend(shown.ok_or_else(|| NoAnswer::NotAuthorized(self.foreign_token()))?);
            }
        }
        request.body(outgoing.body.clone()).map_err(|error| NoAnswer::Fetch(FetchFailed::Other(error.to_string())))
    }

    async fn bearer(&self, why: Why<'_>) -> Result<Option<Credential>, NoAnswer> {
        self.source.bearer(why).await.map_err(|failed| {
            tracing::debug!(code = failed.code().as_str(), "no access token: {}", failed.what());
            NoAnswer::NotAuthorized(failed)
        })
    }

    /// Says that a request was not let in. When none ever was and no login elsewhere would help, the bridge ends:
    /// [`shut_out`](Self::shut_out).
    pub(super) fn not_let_in(&self, failed: &Failed) {
        *self.why_not.lock().expect("nobody panics with it in hand") = Some(failed.clone());
        if !self.was_let_in() && failed.exit() != Exit::AuthenticationNeeded {
            let _ = self.shut_out.0.try_send(failed.clone());
        }
    }

    /// Whether the server has ever taken a message.
    pub(super) fn was_let_in(&self) -> bool {
        self.let_in.load(Relaxed)
    }

    /// Which login there is now, wherever it was made.
    pub(super) async fn stored(&self) -> Option<u64> {
        self.source.stored().await
    }

    /// Where a person can log in, wherever they are.
    pub(super) async fn login_page(&self) -> Option<LoginPage> {
        self.source.login_page().await
    }

    /// Waits until a request was not let in and none ever was before.
    pub(super) async fn shut_out(&self) -> Failed {
        let failed = self.shut_out.1.lock().await.recv().await;
        failed.expect("this link holds a sender")
    }

    /// Why no request was ever let in.
    pub(super) fn was_shut_out(&self) -> Option<Failed> {
        self.why_not.lock().expect("nobody panics with it in hand").take().filter(|_| !self.was_let_in())
    }

    fn still_refused(&self) -> Failed {
        Failed::new(
            Code::TokenRefused,
            "the MCP server does not take the access token",
            format!("{} answered 401 to a fresh token", self.resource),
            format!("log in again with: {}", self.source.login_command(&self.resource)),
        )
    }

    fn still_forbidden(&self, logins: u8) -> Failed {
        Failed::new(
            Code::TooManyStepUps,
            "the server still refuses this operation although its scopes were asked for",
            format!("{} answered 403 insufficient_scope after {logins} more logins", self.resource),
            "the account may lack the right itself, or it was not allowed in the browser; ask the operator of the server",
        )
    }

    fn foreign_token(&self) -> Failed {
        Failed::new(
            Code::OutOfOrder,
            "the access token is for another server",
            format!("it is not for {}", self.resource),
            "report it: this is a defect of the program",
        )
    }
}

/// Whether a 403 is a request for more scopes, and not just a no.
///
/// Source: RFC 6750 section 3.1.
fn asks_for_scope(headers: &HeaderMap) -> bool {
    challenge::bearer(headers).is_some_and(|challenge| challenge.get("error") == Some("insufficient_scope"))
}

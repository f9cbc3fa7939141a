//! What a login, a refresh or a logout does, step by step: for `-v` while it happens, and kept for `doorward trace --last`.
//! Both are the same events in the same words, and no secret is in them.

mod event;
mod mask;
mod names;
mod ring;
mod secrets;
mod show;
#[cfg(test)]
mod tests;
mod words;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use doorward_client::{Failed, Stage, Step as Next, StoredTokens};
use doorward_fetch::{Inbound, Outbound};
use doorward_types::{Issuer, ResourceId, outbound::FetchFailed};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::clock;
pub(crate) use event::Kind;
use event::{Answer, Did, Outcome, So, Step, Trouble};
use mask::Mask;
pub(crate) use names::is_harmless;
use ring::{End, Flow, Ring};
pub(crate) use show::run;

/// Where a flow's steps are told. Clones tell of the same flow.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<Recorder>>);

struct Recorder {
    mask: Mask,
    /// What is kept; nothing where a single request belongs to no flow.
    kept: Option<Kept>,
    /// The last step's number, and the step.
    last: Option<Step>,
    began: Instant,
    count: u32,
}

struct Kept {
    ring: Ring,
    flow: Flow,
}

/// A server's address as a flow holds it.
fn shown_url(resource: &ResourceId) -> mask::Shown {
    Mask::default().url(&resource.url())
}

/// A request that is under way.
pub(crate) struct Sent {
    number: u32,
    began: Instant,
}

impl Trace {
    /// Tells of single requests, which are not kept.
    pub(crate) fn of_none() -> Self {
        Self::new(None, Mask::default())
    }

    /// Begins a flow, which is kept in this folder.
    pub(crate) fn begin(folder: &Path, kind: Kind, resource: &ResourceId, account: Option<&str>) -> Self {
        let mut mask = Mask::default();
        let flow = Flow {
            kind,
            url: mask.url(&resource.url()),
            account: account.map(|account| mask.text(account)),
            began_ms: clock::now_ms(),
            version: mask.text(env!("CARGO_PKG_VERSION")),
            process: std::process::id(),
            steps: Vec::new(),
            left_out: 0,
            took_ms: None,
            end: End::Open,
        };
        tracing::info!("{}", words::title(&flow));
        let ring = Ring::begin(folder, flow.began_ms);
        let trace = Self::new(Some(Kept { ring, flow }), mask);
        trace.recorder().keep();
        trace
    }

    fn new(kept: Option<Kept>, mask: Mask) -> Self {
        Self(Arc::new(Mutex::new(Recorder { mask, kept, last: None, began: Instant::now(), count: 0 })))
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is about to be sent.
    pub(crate) fn sending(&self, request: &Outbound) -> Sent {
        self.sending_parts(request.method.as_str(), &request.url, &request.headers, &request.body)
    }

    /// The same for one whose answer streams.
    pub(crate) fn sending_parts(&self, method: &str, url: &Url, headers: &HeaderMap, body: &[u8]) -> Sent {
        let mut recorder = self.recorder();
        let sent = recorder.mask.sent(headers, body);
        let url = recorder.mask.url(url);
        let number = recorder.did(Did::Request { method: method.to_owned(), url, sent, outcome: None });
        Sent { number, began: Instant::now() }
    }

    /// What came of it.
    pub(crate) fn answered(&self, sent: &Sent, answer: &Result<Inbound, FetchFailed>) {
        match answer {
            Ok(answer) => self.answered_parts(sent, Ok((answer.status, &answer.headers, Some(&answer.body)))),
            Err(failed) => self.answered_parts(sent, Err(failed)),
        }
    }

    /// The same for an answer that streams, and whose body nobody reads.
    pub(crate) fn answered_parts(
        &self,
        sent: &Sent,
        answer: Result<(StatusCode, &HeaderMap, Option<&Vec<u8>>), &FetchFailed>,
    ) {
        let took_ms = ms(sent.began);
        let mut recorder = self.recorder();
        let answer = match answer {
            Ok((status, headers, body)) => {
                let said = recorder.mask.got(headers, body.map_or(&[], Vec::as_slice));
                Answer::Answered { status: status.as_u16(), bytes: body.map(Vec::len), said }
            }
            Err(failed) => Answer::NotAnswered { why: recorder.mask.text(&failed.to_string()) },
        };
        recorder.came(sent.number, Outcome { took_ms, answer });
    }

    /// The MCP server refused a call of the host with these headers.
    pub(crate) fn challenged(&self, headers: &HeaderMap) {
        let mut recorder = self.recorder();
        let said = recorder.mask.got(headers, &[]);
        recorder.did(Did::Challenged { said });
    }

    /// What is sent to the sign-in page besides, which commands in hints repeat.
    pub(crate) fn wanted_besides<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut recorder = self.recorder();
        parameters.into_iter().for_each(|(name, value)| recorder.mask.parameter(name, value));
    }

    /// A client of an earlier login was looked for.
    pub(crate) fn client_looked_for(&self, issuer: &Issuer, found: Option<&str>) {
        let mut recorder = self.recorder();
        let found = found.map(|id| recorder.mask.text(id));
        let issuer = recorder.mask.text(issuer.as_str());
        recorder.did(Did::ClientLookedFor { issuer, found });
    }

    pub(crate) fn client_stored(&self) {
        self.recorder().did(Did::ClientStored);
    }

    pub(crate) fn port_held(&self, redirect_uri: &str) {
        let mut recorder = self.recorder();
        let redirect_uri = recorder.mask.return_address(redirect_uri);
        recorder.did(Did::PortHeld { redirect_uri });
    }

    pub(crate) fn page_shown(&self, url: &Url) {
        let mut recorder = self.recorder();
        let url = recorder.mask.url(url);
        recorder.did(Did::PageShown { url });
    }

    /// A browser came back with this query, or a person pasted it.
    pub(crate) fn came_back(&self, query: &str) {
        let mut recorder = self.recorder();
        let said = recorder.mask.query(query);
        recorder.did(Did::CameBack { said });
    }

    pub(crate) fn code_shown(&self, page: &Url) {
        let mut recorder = self.recorder();
        let page = recorder.mask.url(page);
        recorder.did(Did::CodeShown { page });
    }

    pub(crate) fn waited(&self, time: std::time::Duration) {
        self.recorder().did(Did::Waited { seconds: time.as_secs() });
    }

    pub(crate) fn time_up(&self) {
        self.recorder().did(Did::TimeUp);
    }

    pub(crate) fn tokens_stored(&self) {
        self.recorder().did(Did::TokensStored);
    }

    /// What a login does next.
    pub(crate) fn next(&self, stage: Stage, next: &Next) {
        let mut recorder = self.recorder();
        if let Some(so) = So::of(stage, next, &recorder.mask) {
            recorder.so(so);
        }
    }

    /// New tokens came.
    pub(crate) fn tokens(&self, tokens: &StoredTokens) {
        let mut recorder = self.recorder();
        let so = So::tokens(tokens, &recorder.mask);
        recorder.so(so);
    }

    /// What the person is told about the server.
    pub(crate) fn note(&self, words: &str) {
        let mut recorder = self.recorder();
        let words = recorder.mask.text(words);
        recorder.so(So::Note { words });
    }

    pub(crate) fn client_forgotten(&self) {
        self.recorder().so(So::ClientForgotten);
    }

    /// The server wants the request again, with its nonce.
    pub(crate) fn again(&self) {
        self.recorder().so(So::Again);
    }

    /// The next way of signing in is tried.
    pub(crate) fn next_way(&self, because: &Failed) {
        self.so_because(because, |because| So::NextWay { because });
    }

    /// It is tried once more.
    pub(crate) fn once_more(&self, because: &Failed) {
        self.so_because(because, |because| So::OnceMore { because });
    }

    /// Nothing is lost.
    pub(crate) fn later(&self, because: &Failed) {
        self.so_because(because, |because| So::Later { because });
    }

    /// The login is over.
    pub(crate) fn over(&self, because: &Failed) {
        self.so_because(because, |because| So::Over { because });
    }

    fn so_because(&self, because: &Failed, so: impl FnOnce(Trouble) -> So) {
        let mut recorder = self.recorder();
        let because = Trouble::new(because, &recorder.mask);
        recorder.so(so(because));
    }

    /// The flow has ended. One that is never told to have ended was stopped in the middle.
    pub(crate) fn end(&self, failed: Option<&Failed>) {
        let mut recorder = self.recorder();
        let end = match failed {
            None => End::Done,
            Some(failed) => End::Failed { error: Trouble::new(failed, &recorder.mask) },
        };
        let took = ms(recorder.began);
        if let Some(kept) = &mut recorder.kept {
            kept.flow.took_ms = Some(took);
            kept.flow.end = end;
            tracing::info!("{}", words::ending(&kept.flow));
        }
        recorder.keep();
    }
}

impl Recorder {
    fn did(&mut self, did: Did) -> u32 {
        self.count += 1;
        let step = Step { number: self.count, at_ms: ms(self.began), did, so: Vec::new() };
        tracing::info!("{}", words::did(&step));
        if let Some(kept) = &mut self.kept {
            kept.flow.push(step.clone());
        }
        self.last = Some(step);
        self.keep();
        self.count
    }

    fn came(&mut self, number: u32, outcome: Outcome) {
        tracing::info!("{}", words::outcome(number, &outcome));
        let kept = self.kept.as_mut().and_then(|kept| kept.flow.steps.iter_mut().find(|step| step.number == number));
        if let Some(Step { did: Did::Request { outcome: place, .. }, .. }) = kept {
            *place = Some(outcome);
        }
        self.keep();
    }

    fn so(&mut self, so: So) {
        tracing::info!("{}", words::so(self.count, &so));
        if let Some(step) = self.kept.as_mut().and_then(|kept| kept.flow.steps.last_mut()) {
            step.so.push(so);
        }
        self.keep();
    }

    /// Writes the flow as it stands: whoever is stopped in the middle leaves what was done until then.
    fn keep(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.ring.write(&mut kept.flow);
        }
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

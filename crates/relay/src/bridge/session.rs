//! The session of the older era: begun by `initialize`, named by the server, ended by DELETE.
//!
//! Source: MCP 2025-11-25 transports, "Session Management".

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use doorward_types::Revision;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use super::{
    headers,
    incoming::Incoming,
    link::{Link, Outgoing},
    listen,
};
use crate::envelope::{Members, Message, Reply};

/// How long the server may take over the end of a session.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// What is known of the session.
#[derive(Default)]
pub(super) struct Session {
    now: Mutex<Now>,
    /// One at a time begins a session anew.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Now {
    /// How many sessions there have been.
    count: u64,
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    /// The host's own words, to begin again with.
    initialize: Option<Bytes>,
    initialized: Option<Bytes>,
    listening: Option<AbortHandle>,
}

/// Which session a message was sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Which(u64);

impl Session {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("nobody panics with the session in hand")
    }

    /// Adds what names the session to a request's headers, and says which one it is, if there is one.
    pub(super) fn mark(&self, headers: &mut HeaderMap) -> Option<Which> {
        let now = self.now();
        if let Some(version) = &now.version {
            headers.insert(headers::VERSION, version.clone());
        }
        let id = now.id.as_ref()?;
        headers.insert(headers::SESSION, id.clone());
        Some(Which(now.count))
    }

    /// Keeps what the answer to `initialize` says: the session's id, if there is one, and the revision.
    pub(super) fn began(&self, initialize: &Bytes, id: Option<HeaderValue>, result: &RawValue) {
        let mut now = self.now();
        now.count += 1;
        now.id = id;
        now.version = negotiated(result);
        now.initialize = Some(initialize.clone());
        now.initialized = None;
        now.listen(None);
    }

    /// Remembers the host's `notifications/initialized`.
    pub(super) fn confirmed(&self, initialized: &Bytes) {
        self.now().initialized = Some(initialized.clone());
    }
}

impl Now {
    /// Puts another listener in place of the present one.
    fn listen(&mut self, listener: Option<AbortHandle>) {
        if let Some(old) = std::mem::replace(&mut self.listening, listener) {
            old.abort();
        }
    }
}

impl Link {
    /// Opens the stream for what the server has to say unasked, when there is a session.
    pub(super) fn listen(self: &Arc<Self>) {
        let mut now = self.session.now();
        if now.id.is_some() {
            let listening = tokio::spawn(listen::run(Arc::clone(self)));
            now.listen(Some(listening.abort_handle()));
        }
    }

    /// Begins a session anew in place of one that the server has forgotten; says whether there is one now.
    ///
    /// Source: MCP 2025-11-25 transports, "Session Management".
    pub(super) async fn renew(self: &Arc<Self>, forgotten: Which) -> bool {
        let _one = self.session.renewing.lock().await;
        let (initialize, initialized, version) = {
            let now = self.session.now();
            if Which(now.count) != forgotten {
                return now.id.is_some();
            }
            (now.initialize.clone(), now.initialized.clone(), now.version.clone())
        };
        let (Some(initialize), Some(initialized)) = (initialize, initialized) else { return false };
        tracing::info!("the server has forgotten the session; beginning another");
        let Some((id, result)) = self.initialize_again(&initialize).await else { return false };
        // The host goes on in the revision that it was told.
        if negotiated(&result) != version {
            return false;
        }
        self.session.began(&initialize, id, &result);
        self.session.confirmed(&initialized);
        let mut headers = headers::of_post();
        self.session.mark(&mut headers);
        let sent = self.send_unasked(&Outgoing { method: Method::POST, headers, body: initialized }).await;
        if !sent.is_ok_and(|answer| answer.status().is_success()) {
            return false;
        }
        self.listen();
        true
    }

    async fn initialize_again(&self, initialize: &Bytes) -> Option<(Option<HeaderValue>, Box<RawValue>)> {
        let outgoing = Outgoing { method: Method::POST, headers: headers::of_post(), body: initialize.clone() };
        let answer = self.send_unasked(&outgoing).await.ok().filter(|answer| answer.status() == StatusCode::OK)?;
        let id = answer.headers().get(headers::SESSION).cloned();
        let mut incoming = Incoming::new(answer, &self.settings);
        let result = async {
            while let Ok(Some((message, _))) = incoming.next().await {
                if let Message::Response { reply: Reply::Result(result), .. } = message {
                    return Some((id, result));
                }
            }
            None
        };
        tokio::time::timeout(self.settings.answer_timeout, result).await.ok().flatten()
    }

    /// Tells the server that the session is over, if there is one.
    pub(super) async fn end_session(&self) {
        self.session.now().listen(None);
        let mut headers = HeaderMap::new();
        if self.session.mark(&mut headers).is_some() {
            let outgoing = Outgoing { method: Method::DELETE, headers, body: Bytes::new() };
            // A server may refuse to be told; nothing depends on it.
            let _ = tokio::time::timeout(GOODBYE, self.send_unasked(&outgoing)).await;
        }
    }
}

/// The revision that the result of `initialize` names, for later requests.
fn negotiated(result: &RawValue) -> Option<HeaderValue> {
    let text = Members::parse(result.get())?.text("protocolVersion")?;
    // The header came with 2025-06-18; before it, no server looks for it, and a few reject what they do not know.
    Revision::parse(&text).is_none_or(|revision| revision >= Revision::V2025_06_18).then_some(())?;
    HeaderValue::from_str(&text).ok()
}

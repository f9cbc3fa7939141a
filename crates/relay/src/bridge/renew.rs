//! The session of the older era over the wire: listened to, begun anew, ended.
//!
//! Source: MCP 2025-11-25 transports, "Session Management".

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{
    headers,
    incoming::Incoming,
    link::{Link, Unasked},
    listen,
    session::{Beginning, Which, name, negotiated, session_id},
    wire::Outgoing,
};
use crate::envelope::{Message, Reply};

/// How long the server may take over the end of a session.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long the host's messages wait until a new session has been asked for what the one before was asked for.
const RESTORED: Duration = Duration::from_secs(5);

/// A stream that is being opened.
#[must_use]
pub(super) struct Opening(CancellationToken, Duration);

impl Opening {
    /// Waits until it is open, but not long.
    pub(super) async fn done(self) {
        let _ = tokio::time::timeout(self.1, self.0.cancelled()).await;
    }
}

impl Link {
    /// Opens the stream for what the server has to say unasked, when there is a session. What a server asks during a
    /// call may come there, and is lost where there is no such stream, so calls wait a moment until it is open.
    pub(super) fn listen(self: &Arc<Self>) -> Opening {
        let opened = CancellationToken::new();
        let guard = opened.clone().drop_guard();
        if self.session.is_named() {
            let listening = tokio::spawn(listen::run(Arc::clone(self), guard));
            self.session.listen(Some(listening.abort_handle()));
        }
        Opening(opened, self.settings.listen_opens)
    }

    /// Begins a session anew in place of one that the server has forgotten; says whether there is one now.
    ///
    /// Source: MCP 2025-11-25 transports, "Session Management".
    pub(super) async fn renew(self: &Arc<Self>, forgotten: Which) -> bool {
        // In a task of its own: a message that is taken back leaves no session that was half begun.
        let link = Arc::clone(self);
        tokio::spawn(async move { link.renew_now(forgotten).await }).await.unwrap_or(false)
    }

    async fn renew_now(self: &Arc<Self>, forgotten: Which) -> bool {
        let _one = self.session.renewing.lock().await;
        if !self.session.is(forgotten) {
            return self.session.is_named();
        }
        let Some(Beginning { initialize, initialized, version }) = self.session.beginning() else { return false };
        tracing::info!("the server has forgotten the session; beginning another");
        let Some((id, result)) = self.initialize_again(&initialize).await else { return false };
        let mut headers = headers::of_post();
        name(&mut headers, id.as_ref(), version.as_ref());
        // The host goes on in the revision that it was told, and in no session that is not confirmed.
        let same = negotiated(&result) == version;
        if !(same && self.is_taken(Method::POST, headers.clone(), initialized.clone()).await) {
            if id.is_some() {
                self.end(headers).await;
            }
            return false;
        }
        self.session.began(&initialize, id, &result);
        self.session.confirmed(&initialized);
        self.listen().done().await;
        let which = self.session.present();
        if self.set_aside(Unasked::SessionAnew(which)).is_some() {
            // What the host says next, or again, may be about the same, and the last word counts.
            let restoring = tokio::spawn(Arc::clone(self).restore(which, result));
            let _ = tokio::time::timeout(RESTORED, restoring).await;
        }
        true
    }

    async fn initialize_again(&self, initialize: &Bytes) -> Option<(Option<HeaderValue>, Box<RawValue>)> {
        let outgoing = Outgoing { method: Method::POST, headers: headers::of_post(), body: initialize.clone() };
        let answer = self.send_unasked(&outgoing).await.ok().filter(|answer| answer.status() == StatusCode::OK)?;
        let id = session_id(answer.headers());
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

    /// Sends something that has no answer; says whether the server took it.
    async fn is_taken(&self, method: Method, headers: HeaderMap, body: Bytes) -> bool {
        let sent = self.send_unasked(&Outgoing { method, headers, body }).await;
        sent.is_ok_and(|answer| answer.status().is_success())
    }

    /// Tells the server that the session is over, if there is one.
    pub(super) async fn end_session(&self) {
        self.session.listen(None);
        let mut headers = HeaderMap::new();
        if self.session.mark(&mut headers).is_some() {
            self.end(headers).await;
        }
    }

    /// Tells the server that the session which these headers name is over.
    async fn end(&self, headers: HeaderMap) {
        // A server may refuse to be told; nothing depends on it.
        let _ = tokio::time::timeout(GOODBYE, self.is_taken(Method::DELETE, headers, Bytes::new())).await;
    }
}

//! What the host asked a session for, to be asked again in the one that takes its place: the host does not know that there is
//! another one.

use std::{sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::{
    answer::Heard,
    call::{Call, Speech},
    link::Link,
    session::Which,
    wished::Now,
};
use crate::{
    envelope::{Members, Message, Reply, Request, raw},
    era::{Era, Identity},
    listen::Filter,
};

/// How long the server may take over each.
const PATIENCE: Duration = Duration::from_secs(30);

impl Link {
    /// Asks in a new session for what the host had asked for in the one before, and tells the host that everything that it
    /// hears of may have changed in between.
    pub(super) async fn restore(self: Arc<Self>, which: Which, initialized: Box<RawValue>) {
        let Now { level, watched } = self.wishes.now();
        if let Some(level) = level {
            self.ask_again(which, "logging/setLevel", "level", level).await;
        }
        for uri in &watched {
            self.ask_again(which, "resources/subscribe", "uri", raw(uri)).await;
        }
        let server = Identity { era: Era::Legacy, said: Members::parse(initialized.get()).unwrap_or_default() };
        self.tell_all(&Filter::all(watched).granted_by(&server)).await;
    }

    /// Asks for one thing in this session, and in no other: if the server forgets this one as well, who begins the next one
    /// asks there.
    pub(super) async fn ask_again(self: &Arc<Self>, which: Which, method: &str, name: &str, value: Box<RawValue>) {
        if !self.session.is(which) {
            return;
        }
        let mut params = Members::default();
        params.set(name, value);
        let request = Request { id: self.own_id(), method: method.to_owned(), params };
        let reply = tokio::time::timeout(PATIENCE, self.reply_unasked(request)).await;
        if !matches!(reply, Ok(Some(Reply::Result(_)))) {
            tracing::warn!(%method, "the new session was not asked again for what the host had asked for");
        }
    }

    /// The reply to a request that nobody has asked for; what the server says before it is not lost.
    async fn reply_unasked(self: &Arc<Self>, request: Request) -> Option<Reply> {
        let id = request.id.clone();
        let call = Call::new(Speech::Legacy, Message::Request(request));
        let mut answer = call.answer_unasked(&id, self).await.ok()?;
        loop {
            match answer.next().await.ok()? {
                Heard::Reply(reply) => {
                    answer.let_go();
                    return Some(reply);
                }
                Heard::Other(message, text) => self.unasked(answer.session, message, text).await,
            }
        }
    }
}

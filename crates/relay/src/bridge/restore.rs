//! What the host asked a session for, to be asked again in the one that takes its place: the host does not know that there is
//! another one.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    call::{Call, Speech},
    link::Link,
    wished::Now,
};
use crate::{
    envelope::{Members, Message, Request, raw},
    era::{Era, Identity},
    listen::Filter,
};

impl Link {
    /// Asks in a new session for what the host had asked for in the one before, and tells the host that everything that it
    /// hears of may have changed in between.
    pub(super) async fn restore(self: Arc<Self>, initialized: Box<RawValue>) {
        let Now { level, watched } = self.wishes.now();
        if let Some(level) = level {
            self.ask_again("logging/setLevel", "level", level).await;
        }
        for uri in &watched {
            self.ask_again("resources/subscribe", "uri", raw(uri)).await;
        }
        let server = Identity { era: Era::Legacy, said: Members::parse(initialized.get()).unwrap_or_default() };
        self.tell_all(&Filter::all(watched).granted_by(&server)).await;
    }

    async fn ask_again(self: &Arc<Self>, method: &str, name: &str, value: Box<RawValue>) {
        let mut params = Members::default();
        params.set(name, value);
        let request = Request { id: self.own_id(), method: method.to_owned(), params };
        let id = request.id.clone();
        let call = Call::new(Speech::Legacy, Message::Request(request));
        let answered = match call.answer_unasked(&id, self).await {
            Ok(answer) => answer.reply().await.is_ok(),
            Err(_) => false,
        };
        if !answered {
            tracing::warn!(%method, "the new session was not asked again for what the host had asked for");
        }
    }
}

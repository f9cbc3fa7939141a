//! A call that runs at a server of the older era.

use std::{fmt, sync::Arc};

use crate::{
    bridge::{
        answer::Answer,
        call::{Call, Speech},
        link::Link,
        session::Which,
    },
    envelope::{Id, Members, Message, Reply, raw},
};

/// A call that may run. Dropped before its answer, it is taken back: this era cancels in words.
///
/// Source: MCP 2025-11-25 cancellation.
pub(in crate::bridge) struct Running {
    link: Arc<Link>,
    /// What the server knows it by.
    id: Id,
    pub(super) answer: Option<Answer>,
    over: bool,
}

impl Running {
    pub(super) fn new(link: &Arc<Link>, id: &Id) -> Self {
        Self { link: Arc::clone(link), id: id.clone(), answer: None, over: false }
    }

    /// There is nothing to take back any more.
    pub(super) fn over(mut self) {
        self.over = true;
        if let Some(answer) = self.answer.take() {
            answer.let_go();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut params = Members::default();
        params.set("requestId", self.id.as_raw().to_owned());
        params.set("reason", raw(&"nobody waits for the answer any more"));
        let link = Arc::clone(&self.link);
        let message = Message::Notification { method: "notifications/cancelled".to_owned(), params };
        tokio::spawn(async move { Call::new(Speech::Legacy, message).tell(&link).await });
    }
}

/// A question of the server, by its id in the session in which it was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: Id,
    pub(super) session: Which,
}

/// Answers a question of the server. In another session it would be an answer to another question.
pub(super) async fn respond(link: &Arc<Link>, Asked { id, session }: Asked, reply: Reply) {
    if link.session.is(session) {
        Call::new(Speech::Legacy, Message::Response { id: Some(id), reply }).tell(link).await;
    }
}

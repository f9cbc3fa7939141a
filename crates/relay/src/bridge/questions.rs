//! Questions to the host that wait for its answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::oneshot;

use super::link::Link;
use crate::envelope::{self, Id, Members, Reply, raw};

/// All of them, by id.
#[derive(Default)]
pub(super) struct Questions(Mutex<HashMap<String, oneshot::Sender<Reply>>>);

/// A question under way. Dropped without an answer, it is taken back.
struct UnderWay<'a> {
    questions: &'a Questions,
    link: &'a Arc<Link>,
    id: Id,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Reply>>> {
        self.0.lock().expect("nobody panics with it in hand")
    }

    /// Takes an answer of the host; says whether anybody waits for it.
    pub(super) fn answered(&self, id: &Id, reply: &Reply) -> bool {
        let waiting = self.open().remove(&id.key());
        waiting.is_some_and(|waiting| waiting.send(reply.clone()).is_ok())
    }

    /// Asks the host; `None` when it does not answer in time.
    pub(super) async fn put(&self, link: &Arc<Link>, method: &str, params: &Members, wait: Duration) -> Option<Reply> {
        let (sender, answer) = oneshot::channel();
        let question = UnderWay { questions: self, link, id: link.own_id() };
        self.open().insert(question.id.key(), sender);
        link.host.say(&envelope::request(&question.id.as_raw(), method, params)).await;
        tokio::time::timeout(wait, answer).await.ok()?.ok()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.questions.open().remove(&self.id.key()).is_none() {
            return;
        }
        let mut params = Members::default();
        params.set("requestId", self.id.as_raw().to_owned());
        params.set("reason", raw(&"nobody waits for the answer any more"));
        let link = Arc::clone(self.link);
        tokio::spawn(async move {
            link.host.say(&envelope::notification("notifications/cancelled", &params)).await;
        });
    }
}

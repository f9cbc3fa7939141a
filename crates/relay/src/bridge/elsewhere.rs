use std::{collections::HashMap, sync::Mutex};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::envelope::{Id, Message};

/// Answers that may come in another stream than that of their request, by the request's id.
///
/// A server that closes a request's stream early may hold its answer back for the next GET, and that need not be the
/// one which resumes this request.
#[derive(Default)]
pub(super) struct Elsewhere(Mutex<HashMap<String, UnboundedSender<(Message, String)>>>);

impl Elsewhere {
    /// Answers to this request that come in another stream.
    pub(super) fn wait_for(&self, id: &Id) -> UnboundedReceiver<(Message, String)> {
        let (sender, answers) = unbounded_channel();
        self.0.lock().expect("nobody panics with it in hand").insert(id.key(), sender);
        answers
    }

    /// Forgets a request that no longer waits.
    pub(super) fn forget_closed(&self, id: &Id) {
        let mut waiting = self.0.lock().expect("nobody panics with it in hand");
        if waiting.get(&id.key()).is_some_and(UnboundedSender::is_closed) {
            waiting.remove(&id.key());
        }
    }

    /// Hands an answer to its request; says whether somebody waits for it.
    pub(super) fn deliver(&self, id: &Id, message: Message, text: String) -> bool {
        let waiting = self.0.lock().expect("nobody panics with it in hand");
        waiting.get(&id.key()).is_some_and(|request| request.send((message, text)).is_ok())
    }
}

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

    /// Hands an answer to its request; says whether somebody waits for it. A request has one answer: others would pile up
    /// while it waits for its own stream to go on.
    pub(super) fn deliver(&self, id: &Id, message: Message, text: String) -> bool {
        let request = self.0.lock().expect("nobody panics with it in hand").remove(&id.key());
        request.is_some_and(|request| request.send((message, text)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope;

    #[test]
    fn a_request_is_handed_one_answer() {
        let (elsewhere, id) = (Elsewhere::default(), Id::own("a"));
        let deliver = || {
            let text = r#"{"jsonrpc":"2.0","id":"a","result":{}}"#;
            elsewhere.deliver(&id, envelope::message(text).unwrap(), text.to_owned())
        };
        assert!(!deliver(), "nobody waits");
        let mut answers = elsewhere.wait_for(&id);
        assert!(deliver() && !deliver() && !deliver());
        assert!(answers.try_recv().is_ok() && answers.try_recv().is_err());
        // The id is free for another request.
        drop(answers);
        elsewhere.forget_closed(&id);
        let _answers = elsewhere.wait_for(&id);
        assert!(deliver());
    }
}

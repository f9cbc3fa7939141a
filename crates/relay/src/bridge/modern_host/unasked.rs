//! What a server of the older era says outside of the answer to a request, or besides it.

use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver};

use super::{
    Kept,
    parked::Question,
    refuse_all,
    running::{Asked, Running, respond},
    state::Guard,
};
use crate::{
    bridge::{
        find,
        link::{Link, Unasked},
    },
    envelope::{self, Id, Message, Request, raw},
    listen::{Change, Filter},
    plan::LEVELS,
};

/// What a notification is to a host of the newer era.
#[derive(Debug)]
pub(super) enum Said {
    /// Something has changed: for those who listen.
    Change(Change),
    /// A line of the log at this level: for a request that asked for it.
    Logged(usize),
    /// It belongs to the call in whose answer it came.
    OfThisCall,
    /// It has no meaning in that era.
    Nothing,
}

/// Sorts a notification.
pub(super) fn sort(message: Message) -> Said {
    let Message::Notification { method, params } = message else { return Said::Nothing };
    match method.as_str() {
        "notifications/tools/list_changed"
        | "notifications/prompts/list_changed"
        | "notifications/resources/list_changed"
        | "notifications/resources/updated" => Said::Change(Change { method, params }),
        "notifications/message" => {
            let level = params.text("level").unwrap_or_default();
            LEVELS.iter().position(|own| *own == level).map_or(Said::Nothing, Said::Logged)
        }
        "notifications/cancelled" | "notifications/elicitation/complete" | "notifications/tasks/status" => {
            Said::Nothing
        }
        _ => Said::OfThisCall,
    }
}

/// Takes what comes unasked, for as long as the session is the bridge's own.
pub(in crate::bridge) async fn take(link: Arc<Link>, kept: Arc<Kept>, mut unasked: UnboundedReceiver<Unasked>) {
    while let Some(unasked) = unasked.recv().await {
        match unasked {
            Unasked::Said(Message::Request(Request { id, method, .. }), session, _) if method == "ping" => {
                respond(&link, Asked { id, session }, find::nothing()).await;
            }
            Unasked::Said(Message::Request(Request { id, method, params }), session, held) => {
                let (asked, held) = (Some(Asked { id, session }), Some(Arc::new(held)));
                put(&link, &kept, Question { asked, method, params, held }).await;
            }
            Unasked::Said(message, ..) => {
                // Some servers tell of a call outside of its answer, and those of 2024-11-05 tell of all calls there.
                let text = belongs_to_a_call(&kept, &message).then(|| envelope::written(&message));
                match (sort(message), text) {
                    (Said::Change(change), _) => kept.changed(&change),
                    (Said::OfThisCall, Some(text)) => link.host.say(&text).await,
                    (Said::Logged(level), Some(text)) if kept.hears_log(level) => link.host.say(&text).await,
                    _ => {}
                }
            }
            Unasked::Mark(sender) => drop(sender.send(())),
            Unasked::SessionAnew(which) => {
                // A call that wants more of the log waits, and has the last word.
                let set = kept.level.lock().await;
                if let Some(level) = *set {
                    link.ask_again(which, "logging/setLevel", "level", raw(&LEVELS[level])).await;
                }
                drop(set);
                let watched = kept.watched();
                for uri in &watched {
                    link.ask_again(which, "resources/subscribe", "uri", raw(uri)).await;
                }
                // What changed in between is not known.
                Filter::all(watched).all_changes().iter().for_each(|change| kept.changed(change));
            }
        }
    }
}

/// Whether a notification that came outside of any answer may belong to a call that is open.
fn belongs_to_a_call(kept: &Kept, message: &Message) -> bool {
    let Message::Notification { method, params } = message else { return false };
    match method.as_str() {
        "notifications/message" => true,
        "notifications/progress" => {
            let token = params.get("progressToken").and_then(Id::read);
            token.is_some_and(|token| kept.hears_progress(&token.key()))
        }
        _ => false,
    }
}

/// A call for as long as it can put questions to the host. What it has not put at its end goes to another call.
pub(super) struct Carrier<'a> {
    link: &'a Arc<Link>,
    kept: &'a Arc<Kept>,
    noted: Guard<Running>,
    pub(super) questions: Receiver<Question>,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(link: &'a Arc<Link>, kept: &'a Arc<Kept>) -> Self {
        let (noted, questions) = kept.carry();
        Self { link, kept, noted, questions }
    }

    /// Takes on the questions that wait for a call.
    pub(super) async fn take_waiting(&self) {
        for question in self.kept.waiting() {
            put(self.link, self.kept, question).await;
        }
    }
}

impl Drop for Carrier<'_> {
    fn drop(&mut self) {
        // From here on it is handed none.
        self.noted.end();
        while let Ok(question) = self.questions.try_recv() {
            let (link, kept) = (Arc::clone(self.link), Arc::clone(self.kept));
            tokio::spawn(async move { put(&link, &kept, question).await });
        }
    }
}

/// Puts a question that belongs to no call to the host with a call that runs, or with the next one.
async fn put(link: &Arc<Link>, kept: &Arc<Kept>, question: Question) {
    match kept.ask(question) {
        Ok(None) => {}
        Ok(Some(number)) => {
            let (link, kept) = (Arc::clone(link), Arc::clone(kept));
            tokio::spawn(async move {
                tokio::time::sleep(kept.patience).await;
                if let Some(question) = kept.forgotten(number) {
                    refuse_all(&link, vec![question]).await;
                }
            });
        }
        Err(question) => refuse_all(link, vec![question]).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Members;

    #[test]
    fn a_notification_goes_where_the_newer_era_wants_it() {
        // proves: MCP-PX-10
        for (method, params, wanted) in [
            ("notifications/tools/list_changed", "{}", "Change"),
            ("notifications/resources/updated", r#"{"uri":"a:"}"#, "Change"),
            ("notifications/message", r#"{"level":"debug"}"#, "Logged(0)"),
            ("notifications/message", r#"{"level":"emergency"}"#, "Logged(7)"),
            ("notifications/message", "{}", "Nothing"),
            ("notifications/progress", "{}", "OfThisCall"),
            ("notifications/x.example/own", "{}", "OfThisCall"),
            ("notifications/cancelled", "{}", "Nothing"),
            ("notifications/elicitation/complete", "{}", "Nothing"),
        ] {
            let params = Members::parse(params).unwrap();
            let said = format!("{:?}", sort(Message::Notification { method: method.to_owned(), params }));
            assert!(said.starts_with(wanted), "{method}: {said}");
        }
    }
}

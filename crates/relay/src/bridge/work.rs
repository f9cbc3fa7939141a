//! The host's messages at work: which run at once, which wait for which, which are taken back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    call::{Call, Speech},
    find,
    headers::stated_version,
    route::Routes,
};
use crate::envelope::{self, INTERNAL_ERROR, Id, Incoming, Message, RpcError};

/// The most messages in a batch (2025-03-26).
const MOST_IN_BATCH: usize = 50;

/// Requests that have no answer yet, by the value of their id.
type Open = Arc<Mutex<HashMap<String, Entry>>>;

/// A request that has no answer yet.
#[derive(Clone)]
struct Entry {
    id: Id,
    /// A host may use an id again that it has taken back: each request has a number of its own.
    number: u64,
    /// Whether it lasts until it is taken back.
    lasts: bool,
    taken_back: CancellationToken,
}

pub(super) struct Work {
    routes: Arc<Routes>,
    tasks: JoinSet<()>,
    open: Open,
    /// Done when a session that is being opened is open; what belongs to it waits.
    opened: CancellationToken,
    /// Done when the last notification has gone out, so that they arrive in their order.
    told: CancellationToken,
    /// How many requests there were.
    count: u64,
    /// Whether the host's last request was of the newer era.
    modern: Option<String>,
}

impl Work {
    pub(super) fn new(routes: Routes) -> Self {
        let done = CancellationToken::new();
        done.cancel();
        Self {
            routes: Arc::new(routes),
            tasks: JoinSet::new(),
            open: Open::default(),
            opened: done.clone(),
            told: done,
            count: 0,
            modern: None,
        }
    }

    /// Takes one line of the host.
    pub(super) async fn take(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        match envelope::read(line, MOST_IN_BATCH) {
            Ok(Incoming::Single(message)) => self.start(message, Bytes::copy_from_slice(line)).await,
            Ok(Incoming::Batch(messages)) => {
                for message in messages {
                    let body = envelope::written(&message).into();
                    self.start(message, body).await;
                }
            }
            Err(refusal) => {
                let id = refusal.id.or_else(|| id_of(line));
                self.routes.link.host.say(&envelope::error_response(id.as_ref(), &refusal.error)).await;
            }
        }
    }

    async fn start(&mut self, message: Message, body: Bytes) {
        let speech = self.speech(&message);
        if let (Speech::Legacy, Message::Request(request)) = (&speech, &message)
            && request.method == "ping"
        {
            // It asks whether the bridge lives, and starting another one would not bring a lost network back.
            let alive = envelope::response(Some(&request.id), &find::nothing());
            self.routes.link.host.say(&alive).await;
            return;
        }
        if let Message::Notification { method, params } = &message
            && method == "notifications/cancelled"
        {
            // What has not been sent yet is not sent, and nobody waits for the rest: many servers never end the stream of a
            // call that they cancelled.
            if let Some(id) = params.get("requestId").and_then(Id::read) {
                self.take_back(&id);
            }
            // In the newer era the end of the answer's stream is the cancellation; what a server of the older era has
            // to hear is said when the call ends here.
            if matches!(speech, Speech::Modern(_)) || self.routes.ends_what_is_taken_back() {
                return;
            }
        }
        let before = if matches!(speech, Speech::Modern(_)) { None } else { Some(self.opened.clone()) };
        let opens = matches!(speech, Speech::Initialize | Speech::Initialized);
        let opened = opens.then(|| renewed(&mut self.opened));
        let routes = Arc::clone(&self.routes);
        let call = Call { speech, message, body };
        if let Message::Request(request) = &call.message {
            let id = request.id.clone();
            let Some(entry) = self.enter(&id, request.method == "subscriptions/listen") else {
                let error = RpcError::new(INTERNAL_ERROR, "too many requests are open: wait for an answer");
                self.routes.link.host.say(&envelope::error_response(Some(&id), &error)).await;
                return;
            };
            let open = Arc::clone(&self.open);
            self.tasks.spawn(async move {
                let _opened = opened.map(CancellationToken::drop_guard);
                let answered = async {
                    done(before).await;
                    routes.ask(call, id).await;
                };
                tokio::select! {
                    () = answered => {}
                    () = entry.taken_back.cancelled() => {}
                }
                let mut open = open.lock().expect("nobody panics with it in hand");
                if open.get(&entry.id.key()).is_some_and(|now| now.number == entry.number) {
                    open.remove(&entry.id.key());
                }
            });
        } else {
            let after = std::mem::replace(&mut self.told, CancellationToken::new());
            let told = self.told.clone();
            self.tasks.spawn(async move {
                let _done = (opened.map(CancellationToken::drop_guard), told.drop_guard());
                done(before).await;
                done(Some(after)).await;
                routes.tell(call).await;
            });
        }
    }

    /// What a message is, by what it says; an unmarked notification belongs with the last request.
    fn speech(&mut self, message: &Message) -> Speech {
        let stated = stated_version(message);
        match message {
            Message::Request(_) => self.modern.clone_from(&stated),
            Message::Notification { method, .. } if method == "notifications/initialized" => self.modern = None,
            _ => {}
        }
        match (stated.or_else(|| self.modern.clone()), message) {
            (Some(version), Message::Request(_) | Message::Notification { .. }) => Speech::Modern(version),
            (_, Message::Request(request)) if request.method == "initialize" => Speech::Initialize,
            (_, Message::Notification { method, .. }) if method == "notifications/initialized" => Speech::Initialized,
            _ => Speech::Legacy,
        }
    }

    /// Notes a request as open; `None` when there are too many.
    fn enter(&mut self, id: &Id, lasts: bool) -> Option<Entry> {
        let mut open = self.open.lock().expect("nobody panics with it in hand");
        if open.len() >= self.routes.link.settings.max_in_flight {
            return None;
        }
        self.count += 1;
        let entry = Entry { id: id.clone(), number: self.count, lasts, taken_back: CancellationToken::new() };
        open.insert(id.key(), entry.clone());
        Some(entry)
    }

    fn take_back(&self, id: &Id) {
        if let Some(entry) = self.open.lock().expect("nobody panics with it in hand").remove(&id.key()) {
            entry.taken_back.cancel();
        }
    }

    /// Waits until a message has been dealt with.
    pub(super) async fn settled(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Gives open requests this time, and ends what is left of them.
    pub(super) async fn finish(&mut self, drain: Duration) {
        // Nobody is there any more to take these back.
        let cancel = |entry: &Entry| entry.taken_back.cancel();
        self.open.lock().expect("nobody panics with it in hand").values().filter(|entry| entry.lasts).for_each(cancel);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }

    /// Tells the host which of its requests will have no answer.
    pub(super) async fn tell_unanswered(&self) {
        let open = std::mem::take(&mut *self.open.lock().expect("nobody panics with it in hand"));
        for Entry { id, .. } in open.into_values() {
            let error = RpcError::new(INTERNAL_ERROR, "the bridge ended before the server had answered");
            self.routes.link.host.say(&envelope::error_response(Some(&id), &error)).await;
        }
    }
}

/// Puts a fresh token in place, for what comes later to wait for.
fn renewed(token: &mut CancellationToken) -> CancellationToken {
    *token = CancellationToken::new();
    token.clone()
}

/// The id of a request that is not read otherwise, so that its sender does not wait for ever; `None` when it is not
/// one id of one request.
fn id_of(line: &[u8]) -> Option<Id> {
    #[derive(serde::Deserialize)]
    struct Asking<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(rename = "method")]
        _method: serde::de::IgnoredAny,
    }
    let text = String::from_utf8_lossy(line);
    let asking: Asking<'_> = serde_json::from_str(&text).ok()?;
    Id::read(asking.id)
}

async fn done(before: Option<CancellationToken>) {
    if let Some(before) = before {
        before.cancelled().await;
    }
}

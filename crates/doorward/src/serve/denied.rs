//! Calls that were refused although their token was ours go into the record: who knocks at doors that are not theirs, and
//! who goes on with what was taken from them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_authorization_server::{
    Write,
    audit::{Event, EventKind},
    facts::{AccountId, GrantId},
};
use doorward_resource_server::{Denials, Principal, Refusal};
use doorward_store::Engine;
use doorward_types::{ClientId, ResourceId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::now;

/// Refusals that wait to be counted. More at once are a flood, of which the record needs no exact number.
const MOST_WAITING: usize = 1024;
/// Different ones that are counted at a time.
const MOST_COUNTED: usize = 1024;
/// For how long equal ones share a row.
const WINDOW: Duration = Duration::from_secs(60);

/// What makes two refusals equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Denied {
    subject: String,
    client: ClientId,
    grant: String,
    reason: String,
}

/// Takes refusals off the request's path. A full queue costs the record, never the caller or the server.
pub(crate) struct Queue(mpsc::Sender<Denied>);

impl Denials for Queue {
    fn denied(&self, principal: &Principal, refusal: &Refusal) {
        let Principal { subject, client, grant } = principal.clone();
        let _ = self.0.try_send(Denied { subject, client, grant, reason: reason(refusal) });
    }
}

fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InsufficientScope { needed } => format!("insufficient_scope: {needed}"),
        Refusal::Revoked => "revoked".to_owned(),
        Refusal::Audience => "other_resource".to_owned(),
        other => other.to_string(),
    }
}

/// Writes what the queue holds: the first of its kind at once, further ones within a minute as one row with their number.
pub(crate) struct Recorder {
    queue: mpsc::Receiver<Denied>,
    store: Arc<dyn Engine>,
    resource: ResourceId,
    counted: HashMap<Denied, Counted>,
}

struct Counted {
    since: Instant,
    more: u64,
}

/// A queue, and the recorder at its other end.
pub(crate) fn queue(store: Arc<dyn Engine>, resource: ResourceId) -> (Queue, Recorder) {
    let (sender, queue) = mpsc::channel(MOST_WAITING);
    (Queue(sender), Recorder { queue, store, resource, counted: HashMap::new() })
}

impl Recorder {
    /// Records until it is told to stop, and then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_secs(5));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(denied) = self.queue.recv() => self.count(denied).await,
                _ = ticks.tick() => self.settle(WINDOW).await,
            }
        }
        while let Ok(denied) = self.queue.try_recv() {
            self.count(denied).await;
        }
        self.settle(Duration::ZERO).await;
    }

    async fn count(&mut self, denied: Denied) {
        if let Some(counted) = self.counted.get_mut(&denied) {
            counted.more += 1;
        } else if self.counted.len() < MOST_COUNTED {
            self.record(&denied, 1).await;
            self.counted.insert(denied, Counted { since: Instant::now(), more: 0 });
        }
    }

    async fn settle(&mut self, window: Duration) {
        let due: Vec<_> = self
            .counted
            .extract_if(|_, counted| counted.since.elapsed() >= window)
            .filter(|(_, c)| c.more > 0)
            .collect();
        for (denied, Counted { more, .. }) in due {
            self.record(&denied, more).await;
        }
    }

    async fn record(&self, denied: &Denied, times: u64) {
        let of_client = denied.subject == denied.client.as_str();
        let event = Event {
            account: (!of_client).then(|| AccountId(denied.subject.clone())),
            client: Some(denied.client.clone()),
            grant: Some(GrantId(denied.grant.clone())),
            resource: Some(self.resource.clone()),
            ..Event::new(now(), EventKind::CallDenied)
        };
        let detail = if times == 1 { denied.reason.clone() } else { format!("{}, {times} times", denied.reason) };
        if let Err(error) = self.store.commit(vec![Write::Record(event.with_detail(detail))]).await {
            tracing::warn!(%error, "a refused call could not be recorded");
        }
    }
}

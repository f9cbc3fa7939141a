use std::{sync::Arc, time::Duration};

use doorward_resource_server::Authorized;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Out, ended_subscription, every, withdrawn},
    session::Session,
};
use crate::{
    envelope::{self, Id, Members, raw},
    era::{self, Era},
    gateway::Parts,
    listen::{ACKNOWLEDGED, Change, Filter, acknowledged, tagged},
    plan::Outgoing,
    upstream::stdio::{Call, CallFailed, Child, Event, Slot, Watch},
};

/// A stream of changes, for as long as its caller may hear them.
pub(super) struct Changes {
    pub(super) parts: Arc<Parts>,
    pub(super) authorized: Authorized,
    pub(super) source: Source,
    pub(super) listener: Listener,
    /// Ends the stream, and tells that it ended.
    pub(super) ended: CancellationToken,
    /// Subscriptions at the server, which last as long as the stream.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) watches: Vec<Watch>,
}

/// Where changes come from.
pub(super) enum Source {
    /// A legacy server tells everybody.
    Told(broadcast::Receiver<Change>),
    /// A modern server tells those who listen.
    Asked(Arc<Child>, Call),
}

/// Who hears them.
pub(super) enum Listener {
    /// A modern caller's `subscriptions/listen`.
    Subscription(Id, Filter),
    /// A legacy caller's stream.
    Session(Arc<Session>, watch::Receiver<()>),
}

/// How many changes wait for a caller who reads slowly.
const MOST_WAITING: usize = 64;

impl Source {
    /// The source of changes at a server for a legacy caller; `None` when the server tells of none. A modern
    /// server has agreed to tell when this returns, or does not within `patience`.
    ///
    /// # Errors
    /// Why the server could not be asked.
    pub(super) async fn of(
        slot: &Arc<Slot>,
        child: &Arc<Child>,
        session: &Session,
        patience: Duration,
    ) -> Result<Option<Self>, CallFailed> {
        if !Filter::is_possible(child.identity()) {
            return Ok(None);
        }
        if child.identity().era == Era::Legacy {
            return Ok(Some(Self::Told(slot.changes())));
        }
        let mut call = ask(child, session).await?;
        let agreed = async {
            loop {
                match call.next().await {
                    Event::Note(note) if note.method == ACKNOWLEDGED => return Ok(true),
                    // Nothing else comes before it that this caller could have missed.
                    Event::Note(_) => {}
                    Event::Done(outcome) => return outcome.map(|_| false),
                }
            }
        };
        match timeout(patience, agreed).await {
            Ok(Ok(true)) => Ok(Some(Self::Asked(child.clone(), call))),
            Ok(Ok(false)) | Err(_) => Ok(None),
            Ok(Err(failed)) => Err(failed),
        }
    }

    async fn next(&mut self) -> Option<Change> {
        match self {
            Self::Told(changes) => changes.recv().await.ok(),
            Self::Asked(_, call) => match call.next().await {
                Event::Note(note) => Some(Change { method: note.method, params: note.params }),
                Event::Done(_) => None,
            },
        }
    }
}

async fn ask(child: &Arc<Child>, session: &Session) -> Result<Call, CallFailed> {
    let mut params: Members = era::own_params();
    let filter = Filter::all(session.watched()).granted_by(child.identity());
    params.set("notifications", raw(&filter.to_json()));
    child.listen(&Outgoing::own("subscriptions/listen", params)).await
}

/// Whatever ends a stream, its session knows that it has none any more.
impl Drop for Changes {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl Changes {
    pub(super) fn start(self) -> mpsc::Receiver<Out> {
        let (out, pieces) = mpsc::channel(MOST_WAITING);
        tokio::spawn(self.drive(out));
        pieces
    }

    async fn drive(mut self, out: mpsc::Sender<Out>) {
        // The first piece opens the stream for the caller.
        let first = match &self.listener {
            Listener::Subscription(id, filter) => {
                let ack = acknowledged(filter, id.as_raw());
                Out::Note(envelope::notification(&ack.method, &ack.params))
            }
            Listener::Session(..) => Out::Open,
        };
        let _ = out.try_send(first);
        let limits = &self.parts.settings.limits;
        let (mut alive, mut check) = (every(limits.keep_alive), every(limits.grant_check));
        let stopping = self.parts.stopping.clone();
        loop {
            let watches_changed = async {
                let changed = match &mut self.listener {
                    Listener::Session(_, watches) => watches.changed().await,
                    Listener::Subscription(..) => std::future::pending().await,
                };
                // The session that tells is held by the listener.
                changed.unwrap_or(())
            };
            let piece = tokio::select! {
                biased;
                () = out.closed() => return,
                () = self.ended.cancelled() => return,
                () = stopping.cancelled() => {
                    if let Listener::Subscription(id, _) = &self.listener {
                        let _ = out.try_send(Out::Final(ended_subscription(id)));
                    }
                    return;
                }
                _ = check.tick() => match withdrawn(&self.parts, &self.authorized) {
                    Some(_) => return,
                    None => continue,
                },
                () = watches_changed => {
                    if let (Listener::Session(session, _), Source::Asked(child, call)) = (&self.listener, &mut self.source) {
                        match ask(child, session).await {
                            Ok(new) => *call = new,
                            Err(_) => return,
                        }
                    }
                    continue;
                }
                change = self.source.next() => match change {
                    // The server has gone, or more came than was read: the caller finds out by the end of the
                    // stream, and lists again.
                    None => return,
                    Some(change) => match self.written(change) {
                        Some(json) => Out::Note(json),
                        None => continue,
                    },
                },
                _ = alive.tick() => Out::KeepAlive,
            };
            // A caller who does not read is not waited for.
            if out.try_send(piece).is_err() {
                return;
            }
        }
    }

    fn written(&self, change: Change) -> Option<String> {
        let params = match &self.listener {
            Listener::Subscription(id, filter) => {
                filter.wants(&change).then(|| tagged(change.params, Some(id.as_raw())))?
            }
            Listener::Session(session, _) => {
                let wanted = match change.method.as_str() {
                    "notifications/resources/updated" => {
                        change.params.text("uri").is_some_and(|uri| session.watched().contains(&uri))
                    }
                    method => method.ends_with("/list_changed"),
                };
                wanted.then_some(change.params)?
            }
        };
        Some(envelope::notification(&change.method, &params))
    }
}

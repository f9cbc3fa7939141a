use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    CallFailed, Child,
    calls::Ended,
    handshake::{self, NoHandshake},
    watch::Watcher,
};
use crate::{
    Settings,
    envelope::{Members, Reply, raw},
    era::Era,
    listen::Change,
};

/// Why there is no server to call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// The process could not be started, or did not become a server.
    #[error("the MCP server could not be started: {0}")]
    NotStarted(String),
    /// It ended too often.
    #[error("the MCP server had to be started again {restarts} times within a minute; it is tried again in {} s", .wait.as_secs() + 1)]
    TooOften {
        /// How often.
        restarts: usize,
        /// When it may be tried again.
        wait: Duration,
    },
    /// There are too many children.
    #[error("{0} MCP servers are running for others already, which is the limit of this gateway")]
    Full(usize),
    /// The gateway is being stopped.
    #[error("the gateway is being stopped")]
    Stopping,
}

/// The children of one gateway: one per subject, started when it is first called.
pub(crate) struct Pool {
    shared: Arc<Common>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

struct Common {
    stopping: CancellationToken,
    settings: Arc<Settings>,
    watcher: OnceLock<Option<Arc<Watcher>>>,
    // All children run the same command, so what one was found to be saves asking the next.
    era: OnceLock<Era>,
}

/// A subject's place for a child. It stays while children come and go.
pub(crate) struct Slot {
    shared: Arc<Common>,
    changes: broadcast::Sender<Change>,
    state: Mutex<State>,
    watched: Mutex<HashMap<String, usize>>,
    // Held while the server is told, so that it hears of each change in its order.
    telling: tokio::sync::Mutex<()>,
}

type Starting = Shared<BoxFuture<'static, Result<Arc<Child>, Unavailable>>>;

#[derive(Default)]
struct State {
    child: Option<Starting>,
    // Starts after a child that did not end in order.
    restarts: VecDeque<Instant>,
}

/// How many changes a listener may be behind.
const MOST_CHANGES: usize = 256;

impl Pool {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let (watcher, era) = (OnceLock::new(), OnceLock::new());
        let shared = Arc::new(Common { stopping: CancellationToken::new(), settings, watcher, era });
        Self { shared, slots: Mutex::default() }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a subject.
    pub(crate) fn slot(&self, subject: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(subject) {
            return slot.clone();
        }
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.occupied());
        let slot = Arc::new(Slot {
            shared: self.shared.clone(),
            changes: broadcast::channel(MOST_CHANGES).0,
            state: Mutex::default(),
            watched: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
        });
        slots.insert(subject.to_owned(), slot.clone());
        slot
    }

    /// The running server of a subject; it is started when there is none.
    pub(crate) async fn child(&self, subject: &str) -> Result<(Arc<Slot>, Arc<Child>), Unavailable> {
        if self.shared.stopping.is_cancelled() {
            return Err(Unavailable::Stopping);
        }
        let slot = self.slot(subject);
        let current = slot.state().current();
        let starting = match current {
            Some(current) => current,
            None => {
                // One look at all places at a time, so that two new subjects cannot both take the last one.
                let slots = self.slots();
                let most = self.shared.settings.limits.max_children;
                let others = slots.iter().filter(|(name, other)| *name != subject && other.occupied()).count();
                slot.starting(others < most)?
            }
        };
        starting.await.map(|child| (slot, child))
    }

    /// Stops all children and lets no new ones start.
    pub(crate) async fn stop(&self) {
        self.shared.stopping.cancel();
        let starting: Vec<Starting> = self.slots().values().filter_map(|slot| slot.state().child.clone()).collect();
        join_all(starting.into_iter().map(|starting| async {
            if let Ok(child) = starting.await {
                child.stop().await;
            }
        }))
        .await;
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a child, or one on its way.
    fn occupied(&self) -> bool {
        self.state().current().is_some()
    }

    fn starting(self: &Arc<Self>, may_start: bool) -> Result<Starting, Unavailable> {
        let limits = &self.shared.settings.limits;
        let mut state = self.state();
        if let Some(current) = state.current() {
            return Ok(current);
        }
        if !may_start {
            return Err(Unavailable::Full(limits.max_children));
        }
        let now = Instant::now();
        state.restarts.retain(|restart| now.duration_since(*restart) < Duration::from_secs(60));
        let restarts = state.restarts.len();
        if let Some(first) = state.restarts.front().filter(|_| restarts >= limits.max_restarts_per_minute) {
            let wait = Duration::from_secs(60).saturating_sub(now.duration_since(*first));
            return Err(Unavailable::TooOften { restarts, wait });
        }
        let before = state.child.as_ref().and_then(|starting| starting.peek().cloned());
        let in_order = before.is_none_or(|child| child.is_ok_and(|child| child.ended() == Some(Ended::Stopped)));
        let wait = if in_order { Duration::ZERO } else { back_off(restarts) };
        if !in_order {
            state.restarts.push_back(now);
        }
        let slot = self.clone();
        // A task of its own: the start goes on when the caller who wanted it first has gone.
        let task = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = slot.shared.stopping.cancelled() => Err(Unavailable::Stopping),
                () = tokio::time::sleep(wait) => slot.clone().start().await,
            }
        });
        let starting = async { task.await.unwrap_or_else(|error| Err(Unavailable::NotStarted(error.to_string()))) };
        let starting = starting.boxed().shared();
        state.child = Some(starting.clone());
        Ok(starting)
    }

    async fn start(self: Arc<Self>) -> Result<Arc<Child>, Unavailable> {
        let Common { settings, watcher, era, .. } = &*self.shared;
        let watcher = watcher.get_or_init(|| {
            let started = Watcher::start(settings.watcher.as_ref()?);
            started
                .inspect_err(|error| tracing::warn!(%error, "the watcher of child processes cannot be started"))
                .ok()
                .map(Arc::new)
        });
        let spawn = || {
            Child::spawn(settings, watcher.clone(), self.changes.clone()).map_err(|error| {
                let program = settings.command().first().map(|program| program.to_string_lossy().into_owned());
                Unavailable::NotStarted(format!("{}: {error}", program.unwrap_or_default()))
            })
        };
        let mut child = spawn()?;
        let shake_hands = async |child: &Arc<Child>, known| {
            tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => Err(NoHandshake::Ended(Ended::Stopped)),
                shaken = handshake::shake_hands(child, known) => shaken,
            }
        };
        let mut shaken = shake_hands(&child, era.get().copied()).await;
        // Some legacy servers end at a first request that they do not know.
        if matches!(shaken, Err(NoHandshake::Ended(_))) && era.get().is_none() && !self.shared.stopping.is_cancelled() {
            self.state().restarts.push_back(Instant::now());
            child = spawn()?;
            shaken = shake_hands(&child, Some(Era::Legacy)).await;
        }
        if let Err(why) = shaken {
            child.stop().await;
            return Err(Unavailable::NotStarted(why.to_string()));
        }
        let _ = era.set(child.identity().era);
        let watched: Vec<String> = self.watched().keys().cloned().collect();
        if child.identity().era == Era::Legacy && !watched.is_empty() {
            let child = child.clone();
            tokio::spawn(async move {
                for uri in watched {
                    let _ = child.ask("resources/subscribe", about(&uri)).await;
                }
            });
        }
        Ok(child)
    }

    /// What the subject's server says has changed.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to a resource of a legacy server, once for all who want it, until the last of them lets go.
    ///
    /// # Errors
    /// The server's own error, or why it could not be asked.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        child: &Arc<Child>,
        uri: &str,
    ) -> Result<Result<Watch, Box<serde_json::value::RawValue>>, CallFailed> {
        let _telling = self.telling.lock().await;
        let first = {
            let mut watched = self.watched();
            let known = watched.contains_key(uri);
            *watched.entry(uri.to_owned()).or_default() += 1;
            !known
        };
        let watch = Watch { slot: self.clone(), uri: uri.to_owned() };
        if first && let Reply::Error(error) = child.ask("resources/subscribe", about(uri)).await? {
            return Ok(Err(error));
        }
        Ok(Ok(watch))
    }
}

impl Slot {
    /// Ends the subscription to a resource that nobody watches any more.
    async fn unwatch(&self, uri: &str) {
        let _telling = self.telling.lock().await;
        let unwatched = {
            let mut watched = self.watched();
            let unwatched = watched.get(uri) == Some(&0);
            if unwatched {
                watched.remove(uri);
            }
            unwatched
        };
        let running = self.state().current().and_then(|starting| starting.peek().cloned());
        if let (true, Some(Ok(child))) = (unwatched, running) {
            let _ = child.ask("resources/unsubscribe", about(uri)).await;
        }
    }
}

impl State {
    fn current(&self) -> Option<Starting> {
        let starting = self.child.as_ref()?;
        let usable = match starting.peek() {
            None => true,
            Some(Ok(child)) => child.is_running(),
            Some(Err(_)) => false,
        };
        usable.then(|| starting.clone())
    }
}

/// A resource that somebody watches.
pub(crate) struct Watch {
    slot: Arc<Slot>,
    uri: String,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(count) = self.slot.watched().get_mut(&self.uri) {
            *count -= 1;
        }
        let (slot, uri) = (self.slot.clone(), std::mem::take(&mut self.uri));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { slot.unwatch(&uri).await });
        }
    }
}

fn about(uri: &str) -> Members {
    let mut params = Members::default();
    params.set("uri", raw(&uri));
    params
}

/// How long to wait before a restart, after so many within a minute.
fn back_off(restarts: usize) -> Duration {
    match u32::try_from(restarts).unwrap_or(u32::MAX) {
        0 => Duration::ZERO,
        more => Duration::from_millis(100).saturating_mul(1 << (more - 1).min(6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_before_a_restart_grows() {
        // proves: STDIO-06
        let waits: Vec<u128> = [0, 1, 2, 3, 7, 80].map(|restarts| back_off(restarts).as_millis()).into();
        assert_eq!(waits, [0, 100, 200, 400, 6400, 6400]);
    }
}

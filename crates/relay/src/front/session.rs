use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_resource_server::Principal;
use doorward_types::{ClientId, Revision};
use serde_json::value::RawValue;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{envelope::Id, plan::LEVELS, settings::Limits, translate::Remembered, upstream::stdio::Watch};

/// Whom a session belongs to. Its id is no credential: it is worth nothing with anybody else's token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    subject: String,
    client: ClientId,
}

impl From<&Principal> for Owner {
    fn from(principal: &Principal) -> Self {
        Self { subject: principal.subject.clone(), client: principal.client.clone() }
    }
}

/// What is remembered for one legacy caller between its requests.
pub(crate) struct Session {
    owner: Owner,
    /// The revision that was agreed on.
    pub(super) revision: Revision,
    client_info: Option<Box<RawValue>>,
    state: Mutex<State>,
    /// Tells the open stream that the watched resources are others now.
    watches_changed: watch::Sender<()>,
    /// Cancelled when the session ends.
    pub(super) ended: CancellationToken,
}

struct State {
    last_used: Instant,
    level: Option<usize>,
    open: HashMap<String, CancellationToken>,
    // The value holds the server's subscription, where there is one.
    watched: BTreeMap<String, Option<Watch>>,
    stream: Option<CancellationToken>,
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a modern server wants to hear with each request.
    pub(super) fn remembered(&self) -> Remembered {
        let log_level = self.state().level.map(|level| LEVELS[level].to_owned());
        Remembered { client_info: self.client_info.clone(), capabilities: None, log_level }
    }

    /// The least severe level that the caller wants logged, as an index of [`LEVELS`].
    pub(super) fn level(&self) -> Option<usize> {
        self.state().level
    }

    pub(super) fn set_level(&self, level: &str) {
        self.state().level = LEVELS.iter().position(|known| *known == level);
    }

    /// Notes a call that is open, so that the caller can cancel it; `None` when a call with this id is open.
    pub(super) fn opened(self: &Arc<Self>, id: &Id) -> Option<OpenCall> {
        let (key, cancelled) = (id.key(), self.ended.child_token());
        let mut state = self.state();
        if state.open.contains_key(&key) {
            return None;
        }
        state.open.insert(key.clone(), cancelled.clone());
        Some(OpenCall { session: self.clone(), key, cancelled })
    }

    /// Cancels the call with this id.
    pub(super) fn cancel(&self, id: &Id) {
        if let Some(cancelled) = self.state().open.get(&id.key()) {
            cancelled.cancel();
        }
    }

    /// Adds a resource that the caller wants to hear of; `false` when there are too many.
    pub(super) fn watch(&self, uri: String, watch: Option<Watch>) -> bool {
        let mut state = self.state();
        let fits = state.watched.contains_key(&uri) || state.watched.len() < crate::listen::MOST_WATCHED;
        let replaced = fits.then(|| state.watched.insert(uri, watch));
        drop(state);
        drop(replaced);
        self.watches_changed.send_replace(());
        fits
    }

    pub(super) fn unwatch(&self, uri: &str) {
        let removed = self.state().watched.remove(uri);
        drop(removed);
        self.watches_changed.send_replace(());
    }

    pub(super) fn watched(&self) -> Vec<String> {
        self.state().watched.keys().cloned().collect()
    }

    /// Tells of each change of [`watched`](Self::watched) from now on.
    pub(super) fn watches_changed(&self) -> watch::Receiver<()> {
        self.watches_changed.subscribe()
    }

    /// Opens the session's stream. An older one ends: the caller has lost it, or has no use for two.
    pub(super) fn open_stream(&self) -> CancellationToken {
        let stream = self.ended.child_token();
        if let Some(older) = self.state().stream.replace(stream.clone()) {
            older.cancel();
        }
        stream
    }

    fn is_in_use(&self) -> bool {
        let state = self.state();
        !state.open.is_empty() || state.stream.as_ref().is_some_and(|stream| !stream.is_cancelled())
    }
}

/// A call of a session while it is open.
pub(super) struct OpenCall {
    session: Arc<Session>,
    key: String,
    /// Cancelled when the caller cancels the call, or ends the session.
    pub(super) cancelled: CancellationToken,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.session.state().open.remove(&self.key);
    }
}

/// The sessions of legacy callers.
pub(crate) struct Sessions {
    all: Mutex<HashMap<String, Arc<Session>>>,
    most: usize,
    most_per_subject: usize,
    idle: Duration,
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            all: Mutex::default(),
            most: limits.max_sessions,
            most_per_subject: limits.max_sessions_per_subject,
            idle: limits.idle_session,
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a session and gives its id; `None` when there are too many. A subject with many sessions loses
    /// the one that it used least recently.
    pub(super) fn begin(
        &self,
        principal: &Principal,
        revision: Revision,
        client_info: Option<Box<RawValue>>,
    ) -> Option<String> {
        let mut all = self.all();
        let age = |session: &Session| session.state().last_used.elapsed();
        let before = all.len();
        if before >= self.most || before.is_multiple_of(64) {
            all.retain(|_, session| age(session) < self.idle || session.is_in_use());
        }
        let own: Vec<_> = all.iter().filter(|(_, session)| session.owner.subject == principal.subject).collect();
        if own.len() >= self.most_per_subject {
            let unused = own.into_iter().filter(|(_, session)| !session.is_in_use());
            let oldest = unused.max_by_key(|(_, session)| age(session)).map(|(id, _)| id.clone())?;
            all.remove(&oldest);
        }
        if all.len() >= self.most {
            return None;
        }
        let mut bytes = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's generator works");
        let id = Base64UrlUnpadded::encode_string(&bytes);
        let state = State {
            last_used: Instant::now(),
            level: None,
            open: HashMap::new(),
            watched: BTreeMap::new(),
            stream: None,
        };
        let session = Session {
            owner: principal.into(),
            revision,
            client_info,
            state: Mutex::new(state),
            watches_changed: watch::Sender::new(()),
            ended: CancellationToken::new(),
        };
        all.insert(id.clone(), Arc::new(session));
        Some(id)
    }

    /// The session of this id, if it is the caller's own. Somebody else's is not there.
    ///
    /// Source: MCP security best practices, "Session Hijacking".
    pub(super) fn find(&self, id: &str, principal: &Principal) -> Option<Arc<Session>> {
        let session = self.all().get(id)?.clone();
        if session.owner != principal.into() {
            return None;
        }
        session.state().last_used = Instant::now();
        Some(session)
    }

    /// Ends the caller's session; `false` when it has none of this id.
    pub(super) fn end(&self, id: &str, principal: &Principal) -> bool {
        let found = self.find(id, principal);
        if let Some(session) = &found {
            self.all().remove(id);
            session.ended.cancel();
        }
        found.is_some()
    }

    /// The most talkative level that any of a subject's sessions wants.
    pub(super) fn lowest_level(&self, subject: &str) -> Option<usize> {
        self.all().values().filter(|session| session.owner.subject == subject).filter_map(|s| s.level()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(subject: &str, client: &str) -> Principal {
        let client = ClientId::parse(client).unwrap();
        Principal { subject: subject.into(), client, grant: "g".into() }
    }

    fn sessions(most: usize, per_subject: usize) -> Sessions {
        Sessions::new(&Limits { max_sessions: most, max_sessions_per_subject: per_subject, ..Limits::default() })
    }

    #[tokio::test]
    async fn a_session_is_its_owners_alone() {
        // proves: MCPP-08, MCP-HTTP-020
        let all = sessions(10, 10);
        let id = all.begin(&who("ann", "a"), Revision::V2025_11_25, None).unwrap();
        assert_eq!(Base64UrlUnpadded::decode_vec(&id).unwrap().len(), 32);
        assert!(all.find(&id, &who("ann", "a")).is_some());
        for other in [who("bob", "a"), who("ann", "b"), who("ann\0a", ".")] {
            assert!(all.find(&id, &other).is_none() && !all.end(&id, &other));
        }
        assert!(all.end(&id, &who("ann", "a")) && all.find(&id, &who("ann", "a")).is_none());
        assert!(all.begin(&who("ann", "a"), Revision::V2025_11_25, None).unwrap() != id);
    }

    #[tokio::test]
    async fn a_subject_with_many_sessions_crowds_out_only_its_own() {
        // proves: HTTP-05
        let all = sessions(3, 2);
        let bobs = all.begin(&who("bob", "b"), Revision::V2025_11_25, None).unwrap();
        let first = all.begin(&who("ann", "a"), Revision::V2025_11_25, None).unwrap();
        let second = all.begin(&who("ann", "a"), Revision::V2025_11_25, None).unwrap();
        let held = all.find(&second, &who("ann", "a")).unwrap();
        let _open = held.opened(&Id::read(&crate::envelope::raw(&1)).unwrap()).unwrap();
        let third = all.begin(&who("ann", "a"), Revision::V2025_11_25, None).unwrap();
        assert!(all.find(&first, &who("ann", "a")).is_none());
        assert!(all.find(&second, &who("ann", "a")).is_some() && all.find(&third, &who("ann", "a")).is_some());
        assert!(all.find(&bobs, &who("bob", "b")).is_some());
        assert!(all.begin(&who("eve", "e"), Revision::V2025_11_25, None).is_none());
    }
}

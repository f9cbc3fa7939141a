//! What is kept between the requests of a host of the newer era, for a server that thinks in sessions. All of it is
//! bounded, and nothing of it decides who may do what: there is one host.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::mpsc::{self, Sender};

use super::parked::{Parked, Question};
use crate::listen::{Change, Filter};

/// The most calls that wait for answers at one time.
const MOST_PARKED: usize = 64;
/// The most questions that wait for a call which can carry them.
const MOST_WAITING: usize = 16;
/// The most questions that one call has not put to the host yet.
const MOST_CARRIED: usize = 16;
/// How many changes wait for a host that does not read; a change that is told once too few is told with the next.
const CHANGES: usize = 256;
/// The most bytes of what is told of a change: mostly it is one URI.
const MOST_CHANGE: usize = 16 << 10;

/// All of it. `C` is an open call.
pub(in crate::bridge) struct State<C> {
    inner: Mutex<Inner<C>>,
    /// The most talkative level that was set in the session.
    pub(super) level: tokio::sync::Mutex<Option<usize>>,
    /// How long a call, or a question, waits.
    pub(super) patience: Duration,
}

struct Inner<C> {
    next: u64,
    parked: HashMap<String, Parked<C>>,
    carriers: Vec<(u64, Sender<Question>)>,
    waiting: VecDeque<(u64, Question)>,
    listeners: HashMap<u64, (Filter, mpsc::Sender<Change>)>,
    hearers: HashMap<u64, Hearer>,
}

/// What an open request wants to hear of while it is open.
struct Hearer {
    /// The key of its progress token.
    progress: Option<String>,
    /// The least of what is logged.
    level: Option<usize>,
}

impl<C> State<C> {
    pub(in crate::bridge) fn new(patience: Duration) -> Self {
        let inner = Inner {
            next: 0,
            parked: HashMap::new(),
            carriers: Vec::new(),
            waiting: VecDeque::new(),
            listeners: HashMap::new(),
            hearers: HashMap::new(),
        };
        Self { inner: Mutex::new(inner), level: tokio::sync::Mutex::default(), patience }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<C>> {
        self.inner.lock().expect("nobody panics with it in hand")
    }

    /// Lets a call wait under a fresh name.
    ///
    /// # Errors
    /// Gives it back when too many wait.
    pub(super) fn park(&self, parked: Parked<C>) -> Result<String, Parked<C>> {
        let mut inner = self.inner();
        if inner.parked.len() >= MOST_PARKED {
            return Err(parked);
        }
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's generator works");
        let name = format!("doorward-{:032x}", u128::from_be_bytes(bytes));
        inner.parked.insert(name.clone(), parked);
        Ok(name)
    }

    /// Takes up a call again, if it is this one. A name is good once.
    pub(super) fn unpark(&self, name: &str, call: &str) -> Option<Parked<C>> {
        let mut inner = self.inner();
        inner.parked.get(name).filter(|parked| parked.call == call)?;
        inner.parked.remove(name)
    }

    /// Gives up a call that has waited too long.
    pub(super) fn give_up(&self, name: &str) -> Option<Parked<C>> {
        self.inner().parked.remove(name)
    }

    /// Notes a call that can carry questions to the host. It takes none that wait already: [`waiting`](Self::waiting).
    pub(super) fn carry(self: &Arc<Self>) -> (Guard<C>, mpsc::Receiver<Question>) {
        let (sender, questions) = mpsc::channel(MOST_CARRIED);
        let mut inner = self.inner();
        inner.next += 1;
        let number = inner.next;
        inner.carriers.push((number, sender));
        (Guard { state: Arc::clone(self), number }, questions)
    }

    /// Hands a question to the call that began last; keeps it for the next one when there is none.
    ///
    /// # Errors
    /// Gives it back when too many wait.
    pub(super) fn ask(&self, mut question: Question) -> Result<Option<u64>, Question> {
        let mut inner = self.inner();
        for (_, carrier) in inner.carriers.iter().rev() {
            match carrier.try_send(question) {
                Ok(()) => return Ok(None),
                Err(back) => question = back.into_inner(),
            }
        }
        if inner.waiting.len() >= MOST_WAITING {
            return Err(question);
        }
        inner.next += 1;
        let number = inner.next;
        inner.waiting.push_back((number, question));
        Ok(Some(number))
    }

    /// The questions that wait for a call.
    pub(super) fn waiting(&self) -> Vec<Question> {
        std::mem::take(&mut self.inner().waiting).into_iter().map(|(_, question)| question).collect()
    }

    /// A question that no call came for.
    pub(super) fn forgotten(&self, number: u64) -> Option<Question> {
        let mut inner = self.inner();
        let at = inner.waiting.iter().position(|(own, _)| *own == number)?;
        inner.waiting.remove(at).map(|(_, question)| question)
    }

    /// Notes that the host listens to changes; gives the resources that nobody watched before.
    pub(super) fn listen(self: &Arc<Self>, filter: Filter) -> (Guard<C>, mpsc::Receiver<Change>, Vec<String>) {
        let (sender, changes) = mpsc::channel(CHANGES);
        let mut inner = self.inner();
        let new = filter.resource_subscriptions.iter().filter(|uri| !inner.is_watched(uri)).cloned().collect();
        inner.next += 1;
        let number = inner.next;
        inner.listeners.insert(number, (filter, sender));
        (Guard { state: Arc::clone(self), number }, changes, new)
    }

    /// Notes what an open request wants to hear of.
    pub(super) fn hear(self: &Arc<Self>, progress: Option<String>, level: Option<usize>) -> Guard<C> {
        let mut inner = self.inner();
        inner.next += 1;
        let number = inner.next;
        inner.hearers.insert(number, Hearer { progress, level });
        Guard { state: Arc::clone(self), number }
    }

    /// Whether an open request wants to hear of this progress.
    pub(super) fn hears_progress(&self, token: &str) -> bool {
        self.inner().hearers.values().any(|hearer| hearer.progress.as_deref() == Some(token))
    }

    /// Whether an open request wants to hear what is logged at this level.
    pub(super) fn hears_log(&self, level: usize) -> bool {
        self.inner().hearers.values().any(|hearer| hearer.level.is_some_and(|least| level >= least))
    }

    /// All resources that are watched.
    pub(super) fn watched(&self) -> Vec<String> {
        let inner = self.inner();
        let mut all: Vec<String> =
            inner.listeners.values().flat_map(|(filter, _)| filter.resource_subscriptions.iter().cloned()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Tells a change to whoever wants to hear of it.
    pub(super) fn changed(&self, change: &Change) {
        if change.params.to_string().len() > MOST_CHANGE {
            tracing::warn!(method = %change.method, "what is told of a change is too long and dropped");
            return;
        }
        for (filter, listener) in self.inner().listeners.values() {
            if filter.wants(change) {
                let _ = listener.try_send(change.clone());
            }
        }
    }
}

impl<C> Inner<C> {
    fn is_watched(&self, uri: &String) -> bool {
        self.listeners.values().any(|(filter, _)| filter.resource_subscriptions.contains(uri))
    }
}

/// A call that carries questions or wants to hear something, or a listener, for as long as it lasts.
pub(super) struct Guard<C> {
    state: Arc<State<C>>,
    number: u64,
}

impl<C> Guard<C> {
    /// Ends it; gives the resources that nobody watches any more.
    pub(super) fn end(&self) -> Vec<String> {
        let mut inner = self.state.inner();
        inner.carriers.retain(|(number, _)| *number != self.number);
        inner.hearers.remove(&self.number);
        let Some((filter, _)) = inner.listeners.remove(&self.number) else { return Vec::new() };
        filter.resource_subscriptions.into_iter().filter(|uri| !inner.is_watched(uri)).collect()
    }
}

impl<C> Drop for Guard<C> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Members;

    fn state() -> Arc<State<()>> {
        Arc::new(State::new(Duration::from_secs(1)))
    }

    fn question(method: &str) -> Question {
        Question { asked: None, method: method.to_owned(), params: Members::default(), held: None }
    }

    #[test]
    fn a_name_is_good_once_for_its_call_and_there_are_few() {
        // proves: MCP-ADJ-008, MCP-ADJ-009, MCP-ADJ-010
        let state = state();
        let parked = || Parked { questions: Vec::new(), call: "this".to_owned(), open: None };
        let name = state.park(parked()).unwrap();
        assert!(state.unpark(&name, "another").is_none());
        assert!(state.unpark("doorward-0", "this").is_none());
        assert!(state.unpark(&name, "this").is_some());
        assert!(state.unpark(&name, "this").is_none());
        for _ in 0..MOST_PARKED {
            state.park(parked()).unwrap();
        }
        assert!(state.park(parked()).is_err());
    }

    #[test]
    fn a_question_goes_to_the_last_call_or_waits_for_one() {
        // proves: MCP-PX-10
        let state = state();
        let number = state.ask(question("early")).unwrap().expect("it waits");
        assert_eq!(state.forgotten(number).unwrap().method, "early");
        state.ask(question("kept")).unwrap();
        assert_eq!(state.waiting().len(), 1);
        let (first, mut of_one) = state.carry();
        let (second, mut of_two) = state.carry();
        assert!(state.ask(question("b")).unwrap().is_none());
        assert_eq!(of_two.try_recv().unwrap().method, "b");
        drop(second);
        assert!(state.ask(question("a")).unwrap().is_none());
        assert_eq!(of_one.try_recv().unwrap().method, "a");
        // A call that is slow to put them carries few; the others wait.
        for _ in 0..MOST_CARRIED {
            assert!(state.ask(question("c")).unwrap().is_none());
        }
        for _ in 0..MOST_WAITING {
            assert!(state.ask(question("w")).unwrap().is_some());
        }
        assert!(state.ask(question("too many")).is_err());
        drop(first);
    }

    #[test]
    fn a_long_change_is_not_kept_for_a_host_that_does_not_read() {
        let state = state();
        let filter = Filter { tools_list_changed: true, ..Filter::default() };
        let (_listener, mut changes, _) = state.listen(filter);
        let change = |length: usize| {
            let params = Members::parse(&format!("{{\"x\":\"{}\"}}", "y".repeat(length))).unwrap();
            Change { method: "notifications/tools/list_changed".to_owned(), params }
        };
        state.changed(&change(MOST_CHANGE));
        assert!(changes.try_recv().is_err());
        for _ in 0..2 * CHANGES {
            state.changed(&change(10));
        }
        assert_eq!(std::iter::from_fn(|| changes.try_recv().ok()).count(), CHANGES);
    }

    #[test]
    fn a_resource_is_watched_as_long_as_anybody_listens() {
        let state = state();
        let filter = |uris: &[&str]| Filter {
            resource_subscriptions: uris.iter().map(ToString::to_string).collect(),
            ..Filter::default()
        };
        let (first, _changes, new) = state.listen(filter(&["a:", "b:"]));
        assert_eq!(new, ["a:", "b:"]);
        let (second, _more, new) = state.listen(filter(&["b:", "c:"]));
        assert_eq!(new, ["c:"]);
        assert_eq!(state.watched(), ["a:", "b:", "c:"]);
        assert_eq!(first.end(), ["a:"]);
        drop(second);
        assert!(state.watched().is_empty());
    }
}

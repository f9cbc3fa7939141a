//! What is kept of those whom nobody vouches for: how often they came, and what is being read of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doorward_authorization_server::{facts::Client, store::StoreFault, waiting::Waiting};
use doorward_types::{Timestamp, jose::KeySet};
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

use crate::{peer::Source, tries::Tries};

/// The span of time that the limits are for.
const MINUTE: Duration = Duration::from_secs(60);
/// The same, for devices: each leaves a row for more than an hour.
const QUARTER: Duration = Duration::from_secs(15 * 60);
/// How many sources it takes to use up what may be read from one host: one alone must not keep an app from everybody else.
const SOURCES_TO_FILL_A_HOST: u32 = 4;
/// How many documents and key sets are read at a time.
const MOST_READING: usize = 16;
/// How many key sets are kept.
const MOST_KEY_SETS: usize = 1000;

/// A read that several requests wait for.
pub(crate) type Reading = Shared<BoxFuture<'static, Result<Client, Unread>>>;

/// Why there is no client behind a document's URL right now.
#[derive(Clone, Debug)]
pub(crate) enum Unread {
    /// The document cannot be read, or is none. Why is in the log alone.
    Failed,
    /// Too much is being read already, or was read for the same source or from the same host.
    Busy(Duration),
    /// The store is away.
    Away(Arc<StoreFault>),
}

/// A key set with the moment it was read at and until when it is good.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) set: KeySet,
    pub(crate) read_at: Timestamp,
    pub(crate) good_until: Timestamp,
}

/// Limits for clients that register themselves or come by their document and for requests that wait, and what was read of
/// documents.
pub struct Strangers {
    registrations: Tries,
    all_registrations: Tries,
    requests: Tries,
    pushed: Tries,
    devices: Tries,
    readers: Tries,
    hosts: Tries,
    looks: Tries,
    pub(crate) places: Arc<Semaphore>,
    reading: Mutex<HashMap<String, Reading>>,
    keys: Mutex<HashMap<String, Keys>>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self::limited(30, 300)
    }
}

impl Strangers {
    /// So many registrations and reads a minute for one source, and so many for all together. Of requests that wait twice as
    /// many come from one source a minute, and of devices in a quarter of an hour.
    pub fn limited(per_source: u32, for_all: u32) -> Self {
        let twice = per_source.saturating_mul(2);
        Self {
            registrations: Tries::new(per_source, MINUTE),
            all_registrations: Tries::new(for_all, MINUTE),
            requests: Tries::new(twice, MINUTE),
            pushed: Tries::new(twice, MINUTE),
            devices: Tries::new(twice, QUARTER),
            readers: Tries::new(per_source, MINUTE),
            hosts: Tries::new(per_source.saturating_mul(SOURCES_TO_FILL_A_HOST).min(for_all), MINUTE),
            looks: Tries::new(1, MINUTE),
            places: Arc::new(Semaphore::new(MOST_READING)),
            reading: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// Whether this source may register one more client now; if not, how long to wait.
    pub(crate) fn may_register(&self, source: Source, now: Timestamp) -> Result<(), Duration> {
        let may = self.registrations.take(&source.name(), now) && self.all_registrations.take("", now);
        may.then_some(()).ok_or(MINUTE)
    }

    /// Whether one more request of this kind may come to wait from whoever is counted under this name; if not, how long to wait.
    pub(crate) fn may_ask(&self, kind: Waiting, name: &str, now: Timestamp) -> Result<(), Duration> {
        let tries = match kind {
            Waiting::Answer => &self.requests,
            Waiting::Browser => &self.pushed,
            Waiting::Code => &self.devices,
        };
        tries.take(name, now).then_some(()).ok_or_else(|| tries.wait(name, now))
    }

    /// Whether something may be read from this host now, on behalf of this source.
    pub(crate) fn may_read(&self, source: Source, host: &str, now: Timestamp) -> Result<(), Duration> {
        let may = self.readers.take(&source.name(), now) && self.hosts.take(host, now);
        may.then_some(()).ok_or(MINUTE)
    }

    /// Whether an old copy of this document is to be looked at again now: once a minute, so that a host that is away costs
    /// little.
    pub(crate) fn may_look_again(&self, url: &str, now: Timestamp) -> bool {
        self.looks.take(url, now)
    }

    /// The look was not had.
    pub(crate) fn did_not_look(&self, url: &str) {
        self.looks.give_back(url);
    }

    /// The read of this URL that is under way, or the one that `start` begins.
    pub(crate) fn joined(&self, url: &str, start: impl FnOnce() -> Result<Reading, Unread>) -> Result<Reading, Unread> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = reading.get(url) {
            return Ok(running.clone());
        }
        let started = start()?;
        reading.insert(url.to_owned(), started.clone());
        Ok(started)
    }

    /// The read of this URL has ended; the next one begins anew, whatever came of it.
    pub(crate) fn ended(&self, url: &str) {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
    }

    pub(crate) fn keys(&self, uri: &str) -> Option<Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(uri).cloned()
    }

    pub(crate) fn keep_keys(&self, uri: &str, keys: Keys) {
        let mut kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEY_SETS {
            kept.retain(|_, old| old.good_until > keys.read_at);
            if kept.len() >= MOST_KEY_SETS {
                kept.clear();
            }
        }
        kept.insert(uri.to_owned(), keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_does_not_use_up_a_host_for_all() {
        // proves: CIMD-09
        let strangers = Strangers::limited(30, 300);
        let now = Timestamp::from_unix(0);
        let source = |n: u8| Source::of(Some(std::net::Ipv4Addr::new(192, 0, 2, n).into()));
        let reads = |n: u8| (0..500).filter(|_| strangers.may_read(source(n), "app.example", now).is_ok()).count();
        assert_eq!([reads(1), reads(2), reads(3), reads(4), reads(5)], [30, 30, 30, 30, 0]);
    }

    #[test]
    fn all_together_register_so_many_clients_a_minute_and_no_more() {
        // proves: REG-04
        let strangers = Strangers::limited(30, 100);
        let now = Timestamp::from_unix(0);
        let source = |n: u8| Source::of(Some(std::net::Ipv4Addr::new(192, 0, 2, n).into()));
        let made = |n: u8| (0..50).filter(|_| strangers.may_register(source(n), now).is_ok()).count();
        assert_eq!([made(1), made(2), made(3), made(4), made(5)], [30, 30, 30, 10, 0]);
    }

    #[test]
    fn so_many_key_sets_are_kept_and_the_old_ones_go_first() {
        let strangers = Strangers::default();
        let at = Timestamp::from_unix;
        let keep = |names: std::ops::Range<usize>, good_until: i64, now: i64| {
            for n in names {
                let keys = Keys { set: KeySet::default(), good_until: at(good_until), read_at: at(now) };
                strangers.keep_keys(&format!("{good_until} {n}"), keys);
            }
            strangers.keys.lock().unwrap().len()
        };
        assert_eq!(keep(0..MOST_KEY_SETS - 1, 10, 0), MOST_KEY_SETS - 1);
        assert_eq!(keep(0..1, 90, 0), MOST_KEY_SETS);
        assert_eq!(keep(1..2, 90, 10), 2, "what is old is forgotten first");
        assert_eq!(keep(2..MOST_KEY_SETS, 90, 10), MOST_KEY_SETS);
        assert_eq!(keep(0..1, 95, 10), 1, "and everything before there are more");
    }
}

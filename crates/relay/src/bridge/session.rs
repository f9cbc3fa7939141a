//! The session of the older era: begun by `initialize`, named by the server, ended by DELETE.
//!
//! Source: MCP 2025-11-25 transports, "Session Management".

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use doorward_types::Revision;
use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;
use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use super::headers;
use crate::envelope::Members;

/// From when on a session is no longer one that was forgotten at once.
const LASTED: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is known of the session.
#[derive(Default)]
pub(super) struct Session {
    now: Mutex<Now>,
    /// One at a time begins a session anew.
    pub(super) renewing: tokio::sync::Mutex<()>,
    began: Notify,
}

#[derive(Default)]
struct Now {
    /// How many sessions there have been.
    count: u64,
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    /// The host's own words, to begin again with.
    initialize: Option<Bytes>,
    initialized: Option<Bytes>,
    listening: Option<AbortHandle>,
    begun: Option<Instant>,
    /// How long it was waited before the last session that nobody had asked for.
    waited: Duration,
}

/// Which session a message was sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Which(u64);

impl Which {
    #[cfg(test)]
    pub(super) fn of(number: u64) -> Self {
        Self(number)
    }

    /// How many sessions there had been with it.
    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// Whether there was none before.
    pub(super) fn is_first(self) -> bool {
        self.0 <= 1
    }
}

impl Session {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("nobody panics with the session in hand")
    }

    /// Adds what names the session to a request's headers, and says which one it is, if there is one.
    pub(super) fn mark(&self, headers: &mut HeaderMap) -> Option<Which> {
        let now = self.now();
        name(headers, now.id.as_ref(), now.version.as_ref());
        now.id.as_ref().map(|_| Which(now.count))
    }

    /// Keeps what the answer to `initialize` says: the session's id, if there is one, and the revision.
    pub(super) fn began(&self, initialize: &Bytes, id: Option<HeaderValue>, result: &RawValue) {
        let mut now = self.now();
        now.count += 1;
        now.begun = Some(Instant::now());
        now.id = id;
        now.version = negotiated(result);
        now.initialize = Some(initialize.clone());
        now.initialized = None;
        now.listen(None);
        self.began.notify_waiters();
    }

    /// Remembers what confirmed it: `notifications/initialized`.
    pub(super) fn confirmed(&self, initialized: &Bytes) {
        self.now().initialized = Some(initialized.clone());
    }

    /// Whether the server gave the session a name.
    pub(super) fn is_named(&self) -> bool {
        self.now().id.is_some()
    }

    /// Waits until another session has taken the place of this one.
    pub(super) async fn is_over(&self, which: Which) {
        let began = self.began.notified();
        tokio::pin!(began);
        began.as_mut().enable();
        if self.is(which) {
            began.await;
        }
    }

    /// The session that there is, or the one without a beginning.
    pub(super) fn present(&self) -> Which {
        Which(self.now().count)
    }

    /// Whether this is still the session that there is.
    pub(super) fn is(&self, which: Which) -> bool {
        Which(self.now().count) == which
    }

    /// What began it, when it was confirmed.
    pub(super) fn beginning(&self) -> Option<Beginning> {
        let now = self.now();
        Some(Beginning {
            initialize: now.initialize.clone()?,
            initialized: now.initialized.clone()?,
            version: now.version.clone(),
        })
    }

    /// How long to wait before another takes the place of this one, which was forgotten just now. Some servers forget every
    /// session at once.
    pub(super) fn wait_for_next(&self, at: Instant) -> Duration {
        let mut now = self.now();
        now.waited = match now.begun {
            Some(begun) if at.duration_since(begun) < LASTED => (now.waited * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
            _ => Duration::ZERO,
        };
        now.waited
    }

    /// Puts another listener in place of the present one.
    pub(super) fn listen(&self, listener: Option<AbortHandle>) {
        self.now().listen(listener);
    }
}

/// What a session was begun with.
pub(super) struct Beginning {
    pub(super) initialize: Bytes,
    pub(super) initialized: Bytes,
    /// The revision that was agreed on, as later requests name it.
    pub(super) version: Option<HeaderValue>,
}

impl Now {
    fn listen(&mut self, listener: Option<AbortHandle>) {
        if let Some(old) = std::mem::replace(&mut self.listening, listener) {
            old.abort();
        }
    }
}

/// Adds the name of a session, and the revision that was agreed on in it, to a request's headers.
pub(super) fn name(headers: &mut HeaderMap, id: Option<&HeaderValue>, version: Option<&HeaderValue>) {
    for (name, value) in [(headers::VERSION, version), (headers::SESSION, id)] {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
}

/// The revision that the result of `initialize` names, for later requests.
pub(super) fn negotiated(result: &RawValue) -> Option<HeaderValue> {
    let text = Members::parse(result.get())?.text("protocolVersion")?;
    // The header came with 2025-06-18; before it, no server looks for it, and a few reject what they do not know.
    Revision::parse(&text).is_none_or(|revision| revision >= Revision::V2025_06_18).then_some(())?;
    HeaderValue::from_str(&text).ok()
}

/// The name that the server gives a session in the headers of its answer to `initialize`.
pub(super) fn session_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(headers::SESSION)?;
    let well_formed = !id.is_empty() && id.as_bytes().iter().all(|byte| matches!(byte, b'!'..=b'~'));
    well_formed.then(|| {
        let mut id = id.clone();
        id.set_sensitive(true);
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_are_forgotten_at_once_follow_each_other_more_and_more_slowly() {
        let session = Session::default();
        let begin = || session.began(&Bytes::new(), None, &RawValue::from_string("{}".to_owned()).unwrap());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            begin();
            assert_eq!(session.wait_for_next(Instant::now()), Duration::from_secs(seconds));
        }
        begin();
        assert_eq!(session.wait_for_next(Instant::now() + LASTED), Duration::ZERO);
        begin();
        assert_eq!(session.wait_for_next(Instant::now()), FIRST_WAIT);
    }

    #[test]
    fn a_session_is_named_in_visible_characters_and_its_name_is_not_shown() {
        // proves: MCP-HTTP-022
        let named = |name: &'static [u8]| {
            session_id(&HeaderMap::from_iter([(headers::SESSION, HeaderValue::from_bytes(name).unwrap())]))
        };
        let id = named(b"5ess-1on").unwrap();
        assert_eq!(id, "5ess-1on");
        let sent = HeaderMap::from_iter([(headers::SESSION, id)]);
        assert!(sent[headers::SESSION].is_sensitive() && !format!("{sent:?}").contains("5ess"), "{sent:?}");
        for bad in [&b""[..], b"a b", b"a\tb", b"\xc3\xa9"] {
            assert!(named(bad).is_none(), "{bad:?}");
        }
        assert!(session_id(&HeaderMap::new()).is_none());
    }
}

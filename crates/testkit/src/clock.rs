use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use doorward_types::Timestamp;

/// A clock that stands still until a test moves it. Clones show the same time.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicI64>);

/// 2026-11-23T00:00:00Z: a round moment that no test should depend on.
const START: i64 = 1_795_392_000;

impl VirtualClock {
    /// A clock that shows `moment`.
    pub fn at(moment: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(moment.as_unix())))
    }

    /// The moment it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }

    /// Moves the clock on by `by` (whole seconds count) and returns the new moment.
    pub fn advance(&self, by: Duration) -> Timestamp {
        self.jump(i64::try_from(by.as_secs()).unwrap_or(i64::MAX))
    }

    /// Moves the clock by `seconds`, backwards when negative, as a wall clock that is set right may do.
    pub fn jump(&self, seconds: i64) -> Timestamp {
        Timestamp::from_unix(self.0.fetch_add(seconds, Ordering::SeqCst).saturating_add(seconds))
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::at(Timestamp::from_unix(START))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_time() {
        let clock = VirtualClock::default();
        let other = clock.clone();
        let before = other.now();
        assert_eq!(clock.advance(Duration::from_secs(90)), other.now());
        assert_eq!(other.now().since(before), Duration::from_secs(90));
        assert_eq!(clock.jump(-90), before);
    }
}

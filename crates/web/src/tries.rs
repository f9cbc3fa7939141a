//! How often something may be tried.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use doorward_types::Timestamp;

/// Tries per name in a span of time, on this node. The span begins with a name's first try.
pub(crate) struct Tries {
    most: u32,
    span: Duration,
    seen: Mutex<HashMap<String, (u32, Timestamp)>>,
}

/// How many names are remembered.
const MOST_NAMES: usize = 10_000;

impl Tries {
    pub(crate) fn new(most: u32, span: Duration) -> Self {
        Self { most, span, seen: Mutex::default() }
    }

    /// Takes one try; false when there is none left.
    pub(crate) fn take(&self, name: &str, now: Timestamp) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_NAMES {
            seen.retain(|_, (_, first)| now.since(*first) < self.span);
            // Many names must not give back its tries to one that has used them up; only as many as that would all do it.
            if seen.len() >= MOST_NAMES {
                seen.retain(|_, (count, _)| *count >= self.most);
            }
            if seen.len() >= MOST_NAMES {
                seen.clear();
            }
        }
        let (count, first) = seen.entry(name.to_owned()).or_insert((0, now));
        if now.since(*first) >= self.span {
            (*count, *first) = (0, now);
        }
        let left = *count < self.most;
        *count += u32::from(left);
        left
    }

    /// How long until a name has all its tries again.
    pub(crate) fn wait(&self, name: &str, now: Timestamp) -> Duration {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name).map_or(Duration::ZERO, |(_, first)| self.span.saturating_sub(now.since(*first)))
    }

    /// Gives a try back that was none.
    pub(crate) fn give_back(&self, name: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = seen.get_mut(name) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_and_come_back() {
        let tries = Tries::new(2, Duration::from_secs(60));
        let at = Timestamp::from_unix;
        assert!(tries.take("a", at(0)) && tries.take("a", at(59)));
        assert!(!tries.take("a", at(59)) && tries.take("b", at(59)));
        assert_eq!(tries.wait("a", at(59)), Duration::from_secs(1));
        tries.give_back("a");
        assert!(tries.take("a", at(59)) && !tries.take("a", at(59)));
        assert!(tries.take("a", at(60)));
        tries.give_back("never seen");
    }

    #[test]
    fn the_memory_has_an_end() {
        let tries = Tries::new(1, Duration::from_secs(60));
        for name in 0..3 * MOST_NAMES {
            tries.take(&name.to_string(), Timestamp::from_unix(0));
        }
        assert!(tries.seen.lock().unwrap().len() <= MOST_NAMES);
    }

    #[test]
    fn a_name_whose_tries_are_used_up_is_not_forgotten_for_many_others() {
        let tries = Tries::new(2, Duration::from_secs(60));
        let at = Timestamp::from_unix;
        assert!(tries.take("spent", at(0)) && tries.take("spent", at(0)));
        for name in 0..MOST_NAMES {
            tries.take(&name.to_string(), at(1));
        }
        assert!(!tries.take("spent", at(1)) && tries.take("0", at(1)));
        assert!(tries.seen.lock().unwrap().len() < MOST_NAMES);
    }

    #[test]
    fn those_whose_span_is_over_are_forgotten_before_the_others() {
        let tries = Tries::new(1, Duration::from_secs(60));
        let at = Timestamp::from_unix;
        for name in 1..MOST_NAMES {
            tries.take(&name.to_string(), at(0));
        }
        assert!(tries.take("spent", at(1)));
        assert!(!tries.take("spent", at(60)), "with all the names there may be");
        assert_eq!(tries.seen.lock().unwrap().len(), 1);
    }
}

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doorward_authorization_server::account::check_name;
use doorward_types::Timestamp;
use tokio::sync::Semaphore;

/// Where passwords are hashed and checked: a few at a time, since each takes a core and 19 MiB for a while; and slower and
/// slower for one account name, since a guess costs the guesser nothing.
pub struct Passwords {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    failures: Mutex<HashMap<String, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// Why a password was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// Too many sign-ins are under way.
    Busy,
    /// Too many wrong guesses for this account; the next is looked at after this time.
    Wait(Duration),
}

/// Wrong guesses that cost nothing.
const FREE_FAILURES: u32 = 5;
/// The longest that one account name has to wait. Longer would let a stranger lock people out.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How many account names are remembered.
const MOST_NAMES: usize = 10_000;

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            places: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))),
            waiting: Arc::new(Semaphore::new(32)),
            failures: Mutex::default(),
        }
    }
}

impl Passwords {
    /// Does the work of a hash outside of the request's thread.
    pub(crate) async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotNow> {
        let _waiting = self.waiting.clone().try_acquire_owned().map_err(|_| NotNow::Busy)?;
        let _place = self.places.clone().acquire_owned().await.map_err(|_| NotNow::Busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| NotNow::Busy)
    }

    /// Whether this account name may be tried now. The try counts as a wrong one until [`forget`](Self::forget) says
    /// otherwise, so that tries at the same time count too.
    pub(crate) fn begin_try(&self, name: &str, now: Timestamp) -> Result<(), NotNow> {
        // No account has such a name, and to remember it would let a stranger fill the memory.
        if check_name(name).is_err() {
            return Ok(());
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST_NAMES {
            failures.retain(|_, seen| now.since(seen.last) < LONGEST_WAIT);
            // A flood is made of names that are tried a few times; the one that it shall make forgotten was tried more often.
            if failures.len() >= MOST_NAMES {
                failures.retain(|_, seen| seen.count > FREE_FAILURES);
            }
            if failures.len() >= MOST_NAMES {
                failures.clear();
            }
        }
        let seen = failures.entry(name.to_ascii_lowercase()).or_insert(Failures { count: 0, last: now });
        let (wait, waited) = (wait_after(seen.count), now.since(seen.last));
        if waited < wait {
            return Err(NotNow::Wait(wait - waited));
        }
        seen.count = seen.count.saturating_add(1);
        seen.last = now;
        Ok(())
    }

    /// The password was right: earlier wrong ones do not count any more.
    pub(crate) fn forget(&self, name: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&name.to_ascii_lowercase());
    }
}

fn wait_after(failures: u32) -> Duration {
    let beyond = failures.saturating_sub(FREE_FAILURES);
    if beyond == 0 {
        return Duration::ZERO;
    }
    Duration::from_secs(1 << beyond.min(6)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_one_account_gets_slower() {
        // proves: OA21-16
        let passwords = Passwords::default();
        let at = Timestamp::from_unix;
        for _ in 0..=FREE_FAILURES {
            assert_eq!(passwords.begin_try("ann", at(100)), Ok(()));
        }
        assert_eq!(passwords.begin_try("ANN", at(101)), Err(NotNow::Wait(Duration::from_secs(1))));
        assert_eq!(passwords.begin_try("bob", at(101)), Ok(()));
        assert_eq!(passwords.begin_try("ann", at(102)), Ok(()));
        assert_eq!(passwords.begin_try("ann", at(102)), Err(NotNow::Wait(Duration::from_secs(4))));
        passwords.forget("Ann");
        assert_eq!(passwords.begin_try("ann", at(102)), Ok(()));
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_flood_of_names_does_not_make_a_guessed_one_forgotten() {
        // proves: OA21-16
        let passwords = Passwords::default();
        let at = Timestamp::from_unix(100);
        while passwords.begin_try("ann", at).is_ok() {}
        for other in 0..3 * MOST_NAMES {
            assert_eq!(passwords.begin_try(&format!("n{other}"), at), Ok(()));
        }
        assert!(passwords.begin_try("ann", at).is_err());
        assert!(passwords.failures.lock().unwrap().len() <= MOST_NAMES);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_go_first() {
        let passwords = Passwords::default();
        let fill = |count: u32, last: i64| {
            let mut failures = passwords.failures.lock().unwrap();
            for other in 0.. {
                if failures.len() == MOST_NAMES {
                    break;
                }
                failures.insert(format!("n{other}"), Failures { count, last: Timestamp::from_unix(last) });
            }
        };
        let at = Timestamp::from_unix(10_000);
        let remembered = || passwords.failures.lock().unwrap().len();
        assert_eq!(passwords.begin_try("ann", at), Ok(()));
        fill(FREE_FAILURES + 1, 0);
        assert_eq!(passwords.begin_try("bob", at), Ok(()));
        assert_eq!(remembered(), 2, "those whose wait is over are forgotten");
        // Nobody can make it remember more, however often it tries each name.
        fill(FREE_FAILURES + 1, 10_000);
        passwords.failures.lock().unwrap().retain(|name, _| name.starts_with('n'));
        fill(FREE_FAILURES + 1, 10_000);
        assert_eq!(passwords.begin_try("carl", at), Ok(()));
        assert_eq!(remembered(), 1);
    }

    #[test]
    fn what_is_no_name_is_not_remembered() {
        // proves: WEB-14
        let passwords = Passwords::default();
        for name in ["", "a b", "é", &"x".repeat(65), &"x".repeat(60_000)] {
            assert_eq!(passwords.begin_try(name, Timestamp::from_unix(100)), Ok(()));
        }
        assert!(passwords.failures.lock().unwrap().is_empty());
    }
}

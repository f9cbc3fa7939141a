//! Moments before and after each step that changes the database, at which a test may kill the process. In the product there are none.

/// Says that such a moment is here.
#[cfg(not(test))]
pub(crate) fn reach() {}

/// Counts the moments, and ends the process at the one that the test chose.
#[cfg(test)]
pub(crate) fn reach() {
    if COUNT.fetch_add(1, Ordering::SeqCst) == DIE_AT.load(Ordering::SeqCst) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

/// How many moments there were.
#[cfg(test)]
pub(crate) static COUNT: AtomicU64 = AtomicU64::new(0);

/// The moment that is the last one.
#[cfg(test)]
pub(crate) static DIE_AT: AtomicU64 = AtomicU64::new(u64::MAX);

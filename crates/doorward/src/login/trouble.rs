//! Servers that were out of reach when a token was wanted.

use std::sync::Mutex;

use doorward_client::{Exit, Failed};
use tokio::time::Instant;

/// When one was found so last, and how.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<(Instant, Failed)>>);

impl Trouble {
    /// Whoever has waited since then, while another message found a server out of reach, does not sit through its time-outs
    /// once more.
    ///
    /// # Errors
    /// When that was so.
    pub(super) fn none_since(&self, asked: Instant) -> Result<(), Failed> {
        let last = self.0.lock().expect("nobody panics with it in hand");
        let lately = last.as_ref().filter(|(at, _)| *at >= asked);
        lately.map_or(Ok(()), |(_, failed)| Err(failed.clone()))
    }

    /// Notes a failure, if it is one of this kind.
    pub(super) fn note(&self, failed: Option<&Failed>) {
        if let Some(failed) = failed.filter(|failed| failed.exit() == Exit::Unreachable) {
            let mut last = self.0.lock().expect("nobody panics with it in hand");
            *last = Some((Instant::now(), failed.clone()));
        }
    }
}

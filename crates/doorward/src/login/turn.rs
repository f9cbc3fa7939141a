//! One sign-in page at a time, and not one after the other: across all processes of this person.

use std::time::Duration;

use doorward_client::{Failed, Target};
use doorward_store::{Attempt, Held};

use super::{fail, flow::Manner, place::Place};
use crate::output;

/// How much longer than the person's time a login may keep others waiting.
const MARGIN: Duration = Duration::from_secs(60);

/// The right to log in.
pub(super) struct Turn {
    pub(super) _lock: Held,
    /// Whether another process was logging in when this one wanted to.
    pub(super) waited: bool,
}

/// Waits for whoever is logging in at this server.
///
/// # Errors
/// When they take longer than they may, or when no login could be kept.
pub(super) async fn take(place: &Place, target: &Target, manner: &Manner) -> Result<Turn, Failed> {
    // What comes of it must find a place: better known now than after the person signed in.
    place.store.prepare().await.map_err(|fault| fail::store(&fault))?;
    let lease = manner.patience + MARGIN;
    let lock = place.store.login_lock(&target.resource);
    let first = lock.try_acquire(lease).await.map_err(|fault| fail::store(&fault))?;
    let (attempt, waited) = match first {
        Attempt::Held(_) => (first, false),
        Attempt::Busy(holder) => {
            output::tell(&format!("Another doorward (process {}) is signing in; waiting for it.", holder.pid));
            (lock.acquire(lease, lease).await.map_err(|fault| fail::store(&fault))?, true)
        }
    };
    match attempt {
        Attempt::Held(lock) => Ok(Turn { _lock: lock, waited }),
        Attempt::Busy(_) => Err(fail::log_in_as(target, "another process has been signing in for too long")),
    }
}

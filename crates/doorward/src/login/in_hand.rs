//! The tokens that this process sends, and which of them are not stored yet. What is done about it is the manager's.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use doorward_client::{SaveFailed, StoredTokens};
use doorward_relay::bridge::{Credential, Why};
use tokio::time::Instant;

use super::refresh::is_ending;
use crate::clock::now;

/// How long a message may take to reach the server.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// For how long it is not tried again to renew tokens that are still good.
const PUT_OFF: Duration = Duration::from_secs(10);

/// The tokens of one server.
#[derive(Default)]
pub(super) struct InHand(Mutex<Present>);

#[derive(Default)]
struct Present {
    /// Counts the tokens that were in hand.
    serial: u64,
    tokens: Option<StoredTokens>,
    /// When a refresh gave them.
    refreshed: Option<Instant>,
    /// When renewing them ahead of their end came to nothing.
    put_off: Option<Instant>,
    /// Whether the store could not take them yet; it has older ones, which are good no more, of the same generation.
    unsaved: bool,
    /// The last ones, where the server has ended their login and no others have come since.
    ended: Option<StoredTokens>,
}

impl InHand {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.0.lock().expect("nobody panics with the tokens in hand")
    }

    /// What is sent at present.
    pub(super) fn tokens(&self) -> Option<StoredTokens> {
        self.present().tokens.clone()
    }

    /// The same, or those whose login the server has ended.
    pub(super) fn last(&self) -> Option<StoredTokens> {
        let present = self.present();
        present.tokens.as_ref().or(present.ended.as_ref()).cloned()
    }

    /// Whether a refresh gave them so lately.
    pub(super) fn were_refreshed_within(&self, time: Duration) -> bool {
        self.present().refreshed.is_some_and(|at| at.elapsed() < time)
    }

    /// What can be sent without waiting for anything; `None` when that has to be found out.
    pub(super) fn ready(&self, why: Why<'_>) -> Option<Credential> {
        let present = self.present();
        match why {
            Why::ToSend => present.credential().filter(|_| !present.tokens.as_ref().is_some_and(is_ending)),
            Why::Rejected { serial, .. } | Why::RejectedUnasked { serial } | Why::InsufficientScope { serial, .. } => {
                present.credential().filter(|credential| Some(credential.serial) != serial)
            }
        }
    }

    /// What can be sent although it ends soon.
    pub(super) fn still_good(&self) -> Option<Credential> {
        let present = self.present();
        present
            .credential()
            .filter(|_| present.tokens.as_ref().is_some_and(|tokens| !tokens.expires_within(ON_ITS_WAY, now())))
    }

    /// Notes that they could not be renewed ahead of their end.
    pub(super) fn put_off(&self) {
        self.present().put_off = Some(Instant::now());
    }

    /// Whether that was so lately that it is not tried again yet.
    pub(super) fn is_put_off(&self) -> bool {
        self.present().put_off.is_some_and(|at| at.elapsed() < PUT_OFF)
    }

    /// Takes stored tokens into hand, if they are not those that are there.
    pub(super) fn take(&self, tokens: StoredTokens, refreshed: Option<Instant>) -> Credential {
        let mut present = self.present();
        if !present.tokens.as_ref().is_some_and(|own| same_row(own, &tokens)) {
            present.next(tokens, refreshed, false);
        }
        present.credential().expect("there are tokens now")
    }

    /// Takes tokens that could not be stored into hand; says whether they are the first that nobody saves yet.
    pub(super) fn take_unsaved(&self, tokens: StoredTokens) -> (Credential, bool) {
        let mut present = self.present();
        let first = !present.unsaved;
        present.next(tokens, Some(Instant::now()), true);
        (present.credential().expect("there are tokens now"), first)
    }

    /// The tokens that are not saved, and which they are.
    pub(super) fn unsaved(&self) -> Option<(u64, StoredTokens)> {
        let present = self.present();
        let tokens = present.tokens.as_ref().filter(|_| present.unsaved)?;
        Some((present.serial, tokens.clone()))
    }

    /// Notes what came of saving these; says whether nothing is left to be saved.
    pub(super) fn saved(&self, serial: u64, saved: Result<u64, SaveFailed>) -> bool {
        let mut present = self.present();
        if present.serial != serial || !present.unsaved {
            return !present.unsaved;
        }
        match saved {
            Ok(generation) => {
                if let Some(tokens) = &mut present.tokens {
                    tokens.generation = generation;
                }
            }
            // Somebody logged in or out meanwhile: theirs counts.
            Err(SaveFailed::Conflict) => present.tokens = None,
            Err(SaveFailed::Fault(_)) => return false,
        }
        present.unsaved = false;
        true
    }

    /// There are none any more, and nobody has them asked for again.
    pub(super) fn forget(&self) {
        let mut present = self.present();
        present.unsaved = false;
        // Where there were none, what a login loses nothing of is still the one that the server has ended.
        if present.tokens.take().is_some() {
            present.ended = None;
        }
    }

    /// There are none any more: the server has ended their login.
    pub(super) fn end(&self) {
        let mut present = self.present();
        (present.ended, present.unsaved) = (present.tokens.take(), false);
    }
}

impl Present {
    fn next(&mut self, tokens: StoredTokens, refreshed: Option<Instant>, unsaved: bool) {
        self.serial += 1;
        (self.tokens, self.refreshed, self.unsaved, self.ended) = (Some(tokens), refreshed, unsaved, None);
        self.put_off = None;
    }

    fn credential(&self) -> Option<Credential> {
        let tokens = self.tokens.as_ref()?;
        Some(Credential { bearer: tokens.bearer(), serial: self.serial })
    }
}

/// Whether two readings of the store are of the same tokens.
pub(super) fn same_row(one: &StoredTokens, other: &StoredTokens) -> bool {
    one.generation == other.generation && one.key() == other.key()
}

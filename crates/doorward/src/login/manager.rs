//! Keeps one server's tokens good: from the store, by a refresh, or by a login, and each of those once for everybody.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use doorward_client::{Code, Failed, StepUps, StoredTokens, Target};
use doorward_relay::bridge::{BearerSource, Credential, Why};
use doorward_store::{Attempt, Held as Lock};
use http::HeaderMap;
use tokio::time::Instant;

use super::{
    browser::Way,
    fail,
    flow::{self, Manner},
    place::Place,
    refresh,
};
use crate::{output, serve::now};

/// How long before its end a token is renewed, at most.
const AHEAD: Duration = Duration::from_secs(30);
/// A token that is refused this soon after a refresh is not helped by another one.
const FRESH: Duration = Duration::from_secs(10);

/// The tokens of one MCP server, for every request of this process.
pub(crate) struct TokenManager {
    place: Place,
    target: Target,
    manner: Manner,
    present: Mutex<Present>,
    /// One refresh or login at a time.
    renewing: Arc<tokio::sync::Mutex<()>>,
    step_ups: Mutex<StepUps>,
}

#[derive(Default)]
struct Present {
    /// Counts the tokens that were in hand.
    serial: u64,
    tokens: Option<StoredTokens>,
    /// When a refresh gave them.
    refreshed: Option<Instant>,
}

impl TokenManager {
    pub(crate) fn new(place: Place, target: Target, manner: Manner) -> Self {
        Self { place, target, manner, present: Mutex::default(), renewing: Arc::default(), step_ups: Mutex::default() }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().expect("nobody panics with the tokens in hand")
    }

    /// Takes tokens into hand.
    fn adopt(&self, tokens: StoredTokens, refreshed: Option<Instant>) -> Credential {
        let mut present = self.present();
        let same = present.tokens.as_ref().is_some_and(|own| same_row(own, &tokens));
        if !same {
            present.serial += 1;
            present.refreshed = refreshed;
            present.tokens = Some(tokens);
        }
        present.credential().expect("there are tokens now")
    }

    /// What can be sent without waiting for anything; `None` when that has to be found out.
    fn ready(&self, why: Why<'_>) -> Option<Credential> {
        let present = self.present();
        match why {
            Why::ToSend => present.credential().filter(|_| !present.is_ending()),
            Why::Rejected { serial, .. } | Why::InsufficientScope { serial, .. } => {
                present.credential().filter(|credential| Some(credential.serial) != serial)
            }
        }
    }

    /// Tokens for the next message: stored ones, renewed when they are about to end.
    async fn to_send(&self) -> Result<Option<Credential>, Failed> {
        let Some(stored) = self.stored().await? else {
            // The server's challenge says how to log in.
            self.present().tokens = None;
            return Ok(None);
        };
        let tokens = stored.clone();
        self.adopt(stored, None);
        if !is_ending(&tokens) {
            return Ok(self.present().credential());
        }
        if tokens.refresh_token.is_none() {
            return Ok(self.present().credential());
        }
        match self.refresh(tokens.clone()).await {
            Ok(Some(new)) => Ok(Some(self.adopt(new, Some(Instant::now())))),
            Ok(None) => {
                self.present().tokens = None;
                Ok(None)
            }
            // What is in hand may still do.
            Err(failed) if !tokens.expires_within(Duration::ZERO, now()) => {
                tracing::warn!(code = failed.code().as_str(), "the token was not renewed: {}", failed.what());
                Ok(self.present().credential())
            }
            Err(failed) => Err(failed),
        }
    }

    /// Tokens in place of refused ones: what another process has put there, a refresh, or a login.
    async fn after_rejection(&self, headers: &HeaderMap) -> Result<Credential, Failed> {
        let (refused, refreshed) = {
            let present = self.present();
            (present.tokens.clone(), present.refreshed)
        };
        let stored = self.stored().await?;
        if let Some(stored) = stored {
            if !refused.as_ref().is_some_and(|own| same_row(own, &stored)) {
                return Ok(self.adopt(stored, None));
            }
            let is_new =
                refreshed.is_some_and(|at| at.elapsed() < FRESH) && !stored.expires_within(Duration::ZERO, now());
            if !is_new
                && stored.refresh_token.is_some()
                && let Some(new) = self.refresh(stored).await?
            {
                return Ok(self.adopt(new, Some(Instant::now())));
            }
        }
        self.log_in(headers, refused.as_ref()).await
    }

    /// Tokens with more scopes, by a login.
    async fn after_insufficient_scope(&self, headers: &HeaderMap) -> Result<Credential, Failed> {
        let stored = self.stored().await?;
        let refused = self.present().tokens.clone();
        if let (Some(stored), Some(refused)) = (&stored, &refused)
            && !same_row(stored, refused)
        {
            return Ok(self.adopt(stored.clone(), None));
        }
        self.log_in(headers, refused.as_ref()).await
    }

    async fn stored(&self) -> Result<Option<StoredTokens>, Failed> {
        let newest = self.place.newest(&self.target.resource).await;
        self.place.warn();
        newest
    }

    /// Refreshes in a task of its own: a request that is taken back must not lose the new tokens.
    async fn refresh(&self, tokens: StoredTokens) -> Result<Option<StoredTokens>, Failed> {
        let (place, reach) = (self.place.clone(), self.target.reach);
        let renewing = refresh::run(place, tokens, reach);
        tokio::spawn(renewing).await.unwrap_or_else(|_| {
            let what = "the refresh stopped in the middle";
            Err(Failed::new(Code::OutOfOrder, what, "this is a defect of the program", "try again and report it"))
        })
    }

    /// Logs in, or waits for another process that does. `refused` is what did not suffice.
    async fn log_in(&self, headers: &HeaderMap, refused: Option<&StoredTokens>) -> Result<Credential, Failed> {
        if self.manner.way == Way::Nobody {
            let why = "the server asks for a login, and nobody can look at a browser here";
            return Err(fail::log_in_first(&self.target.resource, why));
        }
        let _lock = match self.wait_for_turn(refused).await? {
            Turn::Ours(lock) => lock,
            Turn::Done(tokens) => return Ok(self.adopt(*tokens, None)),
        };
        let mut target = self.target.clone();
        if let Some(refused) = refused {
            target.known_issuer = Some(refused.server.issuer().clone());
            target.requested_before.clone_from(&refused.requested);
        }
        if http_asks_for_scope(headers) {
            let requested = refused.and_then(|tokens| tokens.requested.as_ref().or(tokens.granted.as_ref()));
            let more = self.step_ups.lock().expect("counting does not panic").next(requested, headers)?;
            target.requested_before = Some(more);
        }
        let tokens = flow::log_in(&self.place, target, Some(headers), &self.manner).await?;
        Ok(self.adopt(tokens, None))
    }

    /// One window for all processes: the first one logs in, the others use what comes of it.
    async fn wait_for_turn(&self, refused: Option<&StoredTokens>) -> Result<Turn, Failed> {
        let lease = self.manner.patience + Duration::from_secs(60);
        let lock = self.place.store.login_lock(&self.target.resource);
        let attempt = match lock.try_acquire(lease).await.map_err(|fault| fail::store(&fault))? {
            Attempt::Busy(holder) => {
                output::tell(&format!("Another doorward (process {}) is signing in; waiting for it.", holder.pid));
                lock.acquire(lease, lease).await.map_err(|fault| fail::store(&fault))?
            }
            held => held,
        };
        let Attempt::Held(lock) = attempt else {
            let why = "another process has been signing in for too long";
            return Err(fail::log_in_first(&self.target.resource, why));
        };
        // What another process has made in the meantime, or just before.
        match self.stored().await? {
            Some(stored) if !refused.is_some_and(|own| same_row(own, &stored)) => Ok(Turn::Done(Box::new(stored))),
            _ => Ok(Turn::Ours(lock)),
        }
    }

    /// Waits for a refresh that is under way, so that its tokens are not lost at the end of the process.
    pub(crate) async fn settle(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.renewing.lock()).await;
    }
}

/// Whose turn it is to log in.
enum Turn {
    Ours(Lock),
    Done(Box<StoredTokens>),
}

#[async_trait]
impl BearerSource for TokenManager {
    async fn bearer(&self, why: Why<'_>) -> Result<Option<Credential>, Failed> {
        if let Some(credential) = self.ready(why) {
            return Ok(Some(credential));
        }
        let _one = self.renewing.lock().await;
        // Whoever was before us may have done it.
        if let Some(credential) = self.ready(why) {
            return Ok(Some(credential));
        }
        match why {
            Why::ToSend => self.to_send().await,
            Why::Rejected { headers, .. } => self.after_rejection(headers).await.map(Some),
            Why::InsufficientScope { headers, .. } => self.after_insufficient_scope(headers).await.map(Some),
        }
    }
}

impl Present {
    fn credential(&self) -> Option<Credential> {
        let tokens = self.tokens.as_ref()?;
        Some(Credential { bearer: tokens.bearer(), serial: self.serial })
    }

    fn is_ending(&self) -> bool {
        self.tokens.as_ref().is_some_and(is_ending)
    }
}

/// Whether a token ends so soon that it is renewed before it is sent.
pub(crate) fn is_ending(tokens: &StoredTokens) -> bool {
    let life = tokens.expires_at.map_or(Duration::MAX, |at| at.since(tokens.issued_at));
    tokens.expires_within(AHEAD.min(life / 2), now())
}

/// Whether two readings of the store are of the same tokens.
fn same_row(one: &StoredTokens, other: &StoredTokens) -> bool {
    one.generation == other.generation && one.key() == other.key()
}

/// Whether a refusal is a request for more scopes.
fn http_asks_for_scope(headers: &HeaderMap) -> bool {
    doorward_types::challenge::bearer(headers).is_some_and(|c| c.get("error") == Some("insufficient_scope"))
}

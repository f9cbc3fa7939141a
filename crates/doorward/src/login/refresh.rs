//! One refresh, alone among all processes that share the store.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::LazyLock,
    time::{Duration, Instant},
};

use doorward_client::{
    Code, CredentialStore as _, Failed, Refresh, Refreshed, SaveFailed, StoredTokens, Target, login_command_with,
};
use doorward_fetch::Reach;
use doorward_store::{Attempt, Held};

use super::{
    fail, identity,
    place::{Place, SAVE_AGAIN},
};
use crate::{clock::now, entropy::SystemEntropy, trace::Kind};

/// How long one process may keep the others from refreshing when it shows no more life: longer than a request may take.
const LEASE: Duration = Duration::from_secs(60);
/// How long to wait for another process.
const PATIENCE: Duration = Duration::from_secs(75);

/// A refresh that fails faster than this is tried once more, after a pause.
const QUICKLY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(300);

/// Tokens that a refresh came to.
pub(super) struct Renewed {
    pub(super) tokens: StoredTokens,
    /// Whether the store could not take them, though the server has given them: the stored ones are good no more.
    pub(super) unsaved: bool,
}

impl Renewed {
    fn saved(tokens: StoredTokens) -> Self {
        Self { tokens, unsaved: false }
    }
}

/// What became of a login.
enum Outcome {
    New(Box<Renewed>),
    /// It is over, and why.
    Over(Failed),
    /// Somebody logged out meanwhile.
    Gone,
}

/// Renews tokens that end or were refused. `None` means that the login is over, and only the server's word for that
/// counts; the stored tokens are gone then. What another process has put in their place is taken as it is.
///
/// # Errors
/// When nothing is lost and nothing was gained: trying later may help.
pub(super) async fn run(place: &Place, tokens: StoredTokens, target: &Target) -> Result<Option<Renewed>, Failed> {
    Ok(judged(place, tokens, target).await?.ok())
}

/// The same with the reason for which the login is over; there is none when somebody logged out.
pub(super) async fn judged(
    place: &Place,
    tokens: StoredTokens,
    target: &Target,
) -> Result<Result<Renewed, Option<Failed>>, Failed> {
    let store_failed = |fault| fail::store(&fault);
    let key = tokens.key();
    let lock = place.store.refresh_lock(&key).acquire(LEASE, PATIENCE).await.map_err(store_failed)?;
    let Attempt::Held(lock) = lock else {
        return Err(Failed::new(
            Code::Store,
            "the token was not renewed",
            "another process has been renewing it for too long",
            "try again",
        ));
    };
    let Some(present) = place.store.load(&key).await.map_err(store_failed)? else { return Ok(Err(None)) };
    if present.generation != tokens.generation && !is_ending(&present) {
        return Ok(Ok(Renewed::saved(present)));
    }
    let generation = present.generation;
    // Of one generation, those in hand may be newer: see [`Renewed::unsaved`].
    let present = if generation == tokens.generation { tokens } else { present };
    let place = &place.tracing(Kind::Refresh, &key.resource, key.account.as_deref());
    let outcome = keeping(&lock, LEASE, renew(place, present, generation, target, &lock)).await;
    place.trace.end(match &outcome {
        Ok(Outcome::Over(failed)) | Err(failed) => Some(failed),
        Ok(Outcome::New(_) | Outcome::Gone) => None,
    });
    Ok(match outcome? {
        Outcome::New(renewed) => Ok(*renewed),
        Outcome::Over(failed) => Err(Some(failed)),
        Outcome::Gone => Err(None),
    })
}

/// Does the work, and keeps the lock for as long as that takes: it may have to wait for another process, and each of its requests
/// for half a minute. Where the lock is lost all the same, as to a computer that slept, the work goes on: its answer may be the
/// only one that there will be.
async fn keeping<T>(lock: &Held, lease: Duration, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        let kept = async {
            tokio::time::sleep(lease / 3).await;
            lock.renew(lease).await
        };
        let kept = tokio::select! {
            done = &mut work => return done,
            kept = kept => kept,
        };
        match kept {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!("another process took over the refresh meanwhile");
                return work.await;
            }
            // It may pass before the lease ends.
            Err(fault) => tracing::warn!("the lock of the refresh could not be kept, which is tried again: {fault}"),
        }
    }
}

/// Asks the server.
async fn renew(
    place: &Place,
    tokens: StoredTokens,
    generation: u64,
    target: &Target,
    lock: &Held,
) -> Result<Outcome, Failed> {
    let (key, reach) = (tokens.key(), target.reach);
    if tokens.refresh_token.is_none() && tokens.identity.is_some() {
        return by_identity(place, tokens, reach).await;
    }
    let mut once_more = true;
    let refreshed = loop {
        let started = Instant::now();
        let refreshed = match attempt(place, tokens.clone(), reach).await {
            Ok(refreshed) => refreshed,
            Err(failed) if failed.code() == Code::LoginNeeded => return Ok(Outcome::Over(failed)),
            Err(failed) => return Err(failed),
        };
        match refreshed {
            // The server may have renewed it and only the answer is lost: it gives the same answer again, for a while.
            Refreshed::Later(failed)
                if std::mem::take(&mut once_more)
                    && failed.code() == Code::Unreachable
                    && started.elapsed() < QUICKLY
                    && lock.renew(LEASE).await.unwrap_or(false) =>
            {
                place.trace.once_more(&failed);
                tokio::time::sleep(PAUSE).await;
            }
            other => break other,
        }
    };
    match refreshed {
        Refreshed::Again(..) => unreachable!("it is not what the loop ends with"),
        Refreshed::New(mut new) => {
            place.trace.tokens(&new);
            new.generation = generation;
            keep(place, *new).await
        }
        Refreshed::Later(failed) => {
            place.trace.later(&failed);
            // The login may well be good, so that one is made anew only by force.
            let by_force = failed.code() == Code::TokenRefused;
            Err(if by_force { failed.with_hint(login_command_with(target, &["--force"])) } else { failed })
        }
        // The identity provider may know better than the server's own refresh token.
        Refreshed::Ended(failed) if tokens.identity.is_some() => {
            place.trace.over(&failed);
            by_identity(place, tokens, reach).await
        }
        Refreshed::Ended(failed) => over(place, &key, generation, failed).await,
        Refreshed::ClientGone(failed) => {
            place.store.remove_client(&key.issuer, &key.client_id).await.map_err(|fault| fail::store(&fault))?;
            over(place, &key, generation, failed).await
        }
    }
}

/// With the sign-in that the tokens rest on, where the server itself does not renew them. That somebody has to sign in again
/// is not the server's word, and the tokens stay.
async fn by_identity(place: &Place, tokens: StoredTokens, reach: Reach) -> Result<Outcome, Failed> {
    let generation = tokens.generation;
    match identity::renew(place, tokens, reach).await {
        Ok(mut new) => {
            place.trace.tokens(&new);
            new.generation = generation;
            keep(place, new).await
        }
        Err(failed) if failed.code() == Code::LoginNeeded => Ok(Outcome::Over(failed)),
        Err(failed) => Err(failed),
    }
}

/// One request, or two when the server wants a proof made anew.
async fn attempt(place: &Place, tokens: StoredTokens, reach: Reach) -> Result<Refreshed, Failed> {
    let (mut refresh, mut request) = Refresh::start(tokens, None, reach, now(), &mut SystemEntropy)?;
    loop {
        match refresh.on(place.send(request).await, now(), &mut SystemEntropy) {
            Refreshed::Again(next, again) => {
                place.trace.again();
                (refresh, request) = (*next, again);
            }
            other => return Ok(other),
        }
    }
}

/// Saves new tokens. When that fails, they are still the only good ones.
async fn keep(place: &Place, mut new: StoredTokens) -> Result<Outcome, Failed> {
    let mut pauses = SAVE_AGAIN.into_iter();
    loop {
        match place.store.save(&new, new.generation).await {
            Ok(generation) => {
                new.generation = generation;
                return Ok(Outcome::New(Box::new(Renewed::saved(new))));
            }
            // Somebody logged in or out meanwhile: theirs counts.
            Err(SaveFailed::Conflict) => {
                let theirs = place.store.load(&new.key()).await.map_err(|fault| fail::store(&fault))?;
                return Ok(theirs.map_or(Outcome::Gone, |theirs| Outcome::New(Box::new(Renewed::saved(theirs)))));
            }
            Err(SaveFailed::Fault(fault)) => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    tracing::warn!("the renewed tokens could not be saved; they are used, and saved later: {fault}");
                    return Ok(Outcome::New(Box::new(Renewed { tokens: new, unsaved: true })));
                }
            },
        }
    }
}

/// Removes tokens that are good for nothing, unless another process has put better ones there.
async fn over(place: &Place, key: &doorward_client::Key, generation: u64, failed: Failed) -> Result<Outcome, Failed> {
    place.trace.over(&failed);
    if place.store.remove(key, generation).await.map_err(|fault| fail::store(&fault))? {
        return Ok(Outcome::Over(failed));
    }
    let theirs = place.store.load(key).await.map_err(|fault| fail::store(&fault))?;
    Ok(theirs.map_or(Outcome::Over(failed), |theirs| Outcome::New(Box::new(Renewed::saved(theirs)))))
}

/// Whether a token ends so soon that it is renewed before it is sent.
pub(super) fn is_ending(tokens: &StoredTokens) -> bool {
    // It need not be hard to guess, and the first bytes of the generator for secrets take 20 ms.
    static JITTER: LazyLock<u8> = LazyLock::new(|| RandomState::new().build_hasher().finish() as u8);
    tokens.is_ending(*JITTER, now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refresh_that_takes_long_keeps_its_lock_until_it_is_over() {
        // proves: FCL-06
        let folder = tempfile::tempdir().unwrap();
        let lock = doorward_store::NamedLock::new(&folder.path().join("locks"), "refresh");
        let lease = Duration::from_secs(3);
        let Attempt::Held(held) = lock.try_acquire(lease).await.unwrap() else { panic!("it is free") };
        let others = async {
            let started = Instant::now();
            while started.elapsed() < 2 * lease {
                let attempt = lock.try_acquire(lease).await.unwrap();
                assert!(matches!(attempt, Attempt::Busy(_)), "after {:?}", started.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        keeping(&held, lease, others).await;
        assert!(held.is_ours().unwrap());
    }

    #[tokio::test]
    async fn a_fault_that_passes_does_not_lose_the_lock() {
        // proves: FCL-06
        let folder = tempfile::tempdir().unwrap();
        let (place, away) = (folder.path().join("locks"), folder.path().join("away"));
        let lock = doorward_store::NamedLock::new(&place, "refresh");
        let lease = Duration::from_secs(4);
        let Attempt::Held(held) = lock.try_acquire(lease).await.unwrap() else { panic!("it is free") };
        let work = async {
            std::fs::rename(&place, &away).unwrap();
            tokio::time::sleep(lease / 2).await;
            std::fs::rename(&away, &place).unwrap();
            tokio::time::sleep(lease * 3 / 4).await;
            assert!(matches!(lock.try_acquire(lease).await.unwrap(), Attempt::Busy(_)), "the lease has not ended");
        };
        keeping(&held, lease, work).await;
    }
}

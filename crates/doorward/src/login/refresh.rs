//! One refresh, alone among all processes that share the store.

use std::time::Duration;

use doorward_client::{Code, CredentialStore as _, Failed, Refresh, Refreshed, SaveFailed, StoredTokens};
use doorward_fetch::Reach;
use doorward_store::Attempt;

use super::{fail, manager::is_ending, place::Place};
use crate::serve::now;

/// How long one process may keep the others from refreshing: longer than a request may take.
const LEASE: Duration = Duration::from_secs(60);
/// How long to wait for another process.
const PATIENCE: Duration = Duration::from_secs(75);

/// Renews tokens that end or were refused. `None` means that the login is over, and only the server's word for that
/// counts; the stored tokens are gone then. What another process has put in their place is taken as it is.
///
/// # Errors
/// When nothing is lost and nothing was gained: trying later may help.
pub(crate) async fn run(place: &Place, tokens: StoredTokens, reach: Reach) -> Result<Option<StoredTokens>, Failed> {
    let store_failed = |fault| fail::store(&fault);
    let key = tokens.key();
    let lock = place.store.refresh_lock(&key).acquire(LEASE, PATIENCE).await.map_err(store_failed)?;
    let Attempt::Held(_lock) = lock else {
        return Err(Failed::new(
            Code::Store,
            "the token was not renewed",
            "another process has been renewing it for too long",
            "try again",
        ));
    };
    let Some(present) = place.store.load(&key).await.map_err(store_failed)? else { return Ok(None) };
    if present.generation != tokens.generation && !is_ending(&present) {
        return Ok(Some(present));
    }
    let generation = present.generation;
    let (refresh, request) = match Refresh::start(present, None, reach) {
        Ok(started) => started,
        Err(failed) if failed.code() == Code::LoginNeeded => return Ok(None),
        Err(failed) => return Err(failed),
    };
    tracing::info!(resource = key.resource.as_str(), "refreshing the access token");
    match refresh.on(place.fetcher.send(request).await, now()) {
        Refreshed::New(mut new) => match place.store.save(&new, generation).await {
            Ok(generation) => {
                new.generation = generation;
                Ok(Some(*new))
            }
            // Somebody logged in or out meanwhile: theirs counts.
            Err(SaveFailed::Conflict) => place.store.load(&key).await.map_err(store_failed),
            Err(SaveFailed::Fault(fault)) => Err(fail::store(&fault)),
        },
        Refreshed::Later(failed) => Err(failed),
        Refreshed::Ended(failed) => over(place, &key, generation, &failed).await,
        Refreshed::ClientGone(failed) => {
            place.store.remove_client(&key.issuer, &key.client_id).await.map_err(store_failed)?;
            over(place, &key, generation, &failed).await
        }
    }
}

/// Removes tokens that are good for nothing, unless another process has put better ones there.
async fn over(
    place: &Place,
    key: &doorward_client::Key,
    generation: u64,
    failed: &Failed,
) -> Result<Option<StoredTokens>, Failed> {
    tracing::info!(why = failed.why(), "the login has ended");
    if place.store.remove(key, generation).await.map_err(|fault| fail::store(&fault))? {
        return Ok(None);
    }
    place.store.load(key).await.map_err(|fault| fail::store(&fault))
}

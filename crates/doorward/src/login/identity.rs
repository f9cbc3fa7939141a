//! Sign-ins at identity providers: one for any number of servers, and one process at a time that makes or renews it.

mod shown;

use std::time::Duration;

use doorward_client::{
    Code, Connect, CredentialStore as _, Failed, IdentityKey, Input, SaveFailed, Step, StoredIdentity, StoredTokens,
    Target, target::Grant,
};
use doorward_fetch::Reach;
use doorward_store::{Attempt, Held};

use super::{
    fail,
    place::{Place, SAVE_AGAIN},
};
pub(super) use shown::{describe, describe_end, end_all, words, words_of_end};

use crate::{clock::now, entropy::SystemEntropy, network, output};

/// How much longer than a person's time one process may keep the others waiting.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a renewal may keep the others waiting: a few requests.
const RENEWAL: Duration = Duration::from_secs(60);

/// The sign-in that a login uses, kept from other processes for as long as the login lasts.
#[derive(Default)]
pub(super) struct Sitting {
    lock: Option<Held>,
    generation: u64,
    /// What was loaded while another process had the lock: good enough to be used, and not to be renewed.
    unlocked: Option<IdentityKey>,
    /// Whether another process was signing in when this one wanted to.
    pub(super) waited: bool,
}

impl Sitting {
    /// Looks for what is kept, once nobody else is changing it.
    pub(super) async fn load(
        &mut self,
        place: &Place,
        key: &IdentityKey,
        patience: Duration,
    ) -> Result<Option<StoredIdentity>, Failed> {
        let store_failed = |fault| fail::store(&fault);
        if self.lock.is_none() {
            let (lock, lease) = (place.store.identity_lock(key), patience + MARGIN);
            let attempt = match lock.try_acquire(lease).await.map_err(store_failed)? {
                Attempt::Busy(holder) => {
                    let stored = self.read(place, key).await?;
                    if stored.as_ref().is_some_and(|identity| identity.is_good(now())) {
                        self.unlocked = Some(key.clone());
                        return Ok(stored);
                    }
                    let issuer = &key.issuer;
                    output::tell(&format!("Another doorward (process {}) is at {issuer}; waiting for it.", holder.pid));
                    self.waited = true;
                    lock.acquire(lease, lease).await.map_err(store_failed)?
                }
                held => held,
            };
            // Whoever holds it longer than that is not waited for: at worst there are two sign-ins.
            if let Attempt::Held(held) = attempt {
                self.lock = Some(held);
            }
        }
        self.read(place, key).await
    }

    async fn read(&mut self, place: &Place, key: &IdentityKey) -> Result<Option<StoredIdentity>, Failed> {
        let stored = place.store.load_identity(key).await.map_err(|fault| fail::store(&fault))?;
        self.generation = stored.as_ref().map_or(0, |identity| identity.generation);
        Ok(stored)
    }

    /// Before a renewal of what was loaded: two processes that show one refresh token may end the sign-in for both.
    ///
    /// # Errors
    /// When it is another process that renews it.
    pub(super) async fn alone(&mut self, place: &Place) -> Result<(), Failed> {
        let Some(key) = self.unlocked.take() else { return Ok(()) };
        let attempt = place.store.identity_lock(&key).try_acquire(RENEWAL + MARGIN).await;
        let before = self.generation;
        match attempt.map_err(|fault| fail::store(&fault))? {
            Attempt::Held(held) if self.read(place, &key).await?.is_some() && self.generation == before => {
                self.lock = Some(held);
                Ok(())
            }
            _ => Err(busy(&key)),
        }
    }

    /// Keeps it in the place of what was loaded. What another process has put there meanwhile is as good. It is tried
    /// again when the store fails: what renews the sign-in from now on may be nowhere else.
    pub(super) async fn save(&mut self, place: &Place, identity: &StoredIdentity) -> Result<(), Failed> {
        let mut pauses = SAVE_AGAIN.into_iter();
        loop {
            match place.store.save_identity(identity, self.generation).await {
                Ok(generation) => self.generation = generation,
                Err(SaveFailed::Conflict) => tracing::info!("another process has signed in meanwhile"),
                Err(SaveFailed::Fault(fault)) => match pauses.next() {
                    Some(pause) => {
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    None => return Err(fail::store(&fault)),
                },
            }
            return Ok(());
        }
    }
}

fn busy(key: &IdentityKey) -> Failed {
    Failed::new(
        Code::Store,
        "the sign-in was not renewed",
        format!("another process is at {} for its sake", key.issuer),
        "try again",
    )
}

/// Asks as before where the person does not say how: a login that rested on an identity provider's word does so again.
/// Finds out, too, whether that provider may be in a private network.
pub(super) async fn as_before(place: &Place, target: &mut Target) -> Result<(), Failed> {
    if matches!(target.grant, Grant::Code)
        && let Some(tokens) = place.newest(target).await?
        && let Some(rests_on) = &tokens.identity
        && let Some(identity) = place.store.load_identity(&rests_on.key).await.map_err(|fault| fail::store(&fault))?
    {
        target.ask_as_before(&tokens, &identity);
    }
    if let Grant::Enterprise(enterprise) = &mut target.grant {
        enterprise.reach = network::reach(&enterprise.issuer.url(), enterprise.reach).await;
    }
    Ok(())
}

/// Whether somebody will have to sign in, as far as can be told beforehand.
pub(super) async fn asks(place: &Place, target: &Target) -> Result<bool, Failed> {
    let Grant::Enterprise(enterprise) = &target.grant else { return Ok(target.grant.needs_a_person()) };
    if !enterprise.may_ask() {
        return Ok(false);
    }
    let key = IdentityKey {
        issuer: enterprise.issuer.clone(),
        client_id: enterprise.client.client_id.clone(),
        account: target.account.clone(),
    };
    let kept = place.store.load_identity(&key).await.map_err(|fault| fail::store(&fault))?;
    Ok(!kept.is_some_and(|identity| identity.is_good(now()) || identity.can_be_renewed()))
}

/// New tokens in the place of these, with the sign-in that they rest on. They are not saved yet.
///
/// # Errors
/// [`LoginNeeded`](doorward_client::Code::LoginNeeded) when somebody has to sign in; else trying later may help.
pub(super) async fn renew(place: &Place, tokens: StoredTokens, reach: Reach) -> Result<StoredTokens, Failed> {
    let mut sitting = Sitting::default();
    let stored = match &tokens.identity {
        Some(rests_on) => {
            let stored = sitting.load(place, &rests_on.key, RENEWAL).await?;
            if sitting.lock.is_none() && sitting.unlocked.is_none() {
                return Err(busy(&rests_on.key));
            }
            stored
        }
        None => None,
    };
    let provider_reach = match &stored {
        Some(identity) => network::reach(&identity.provider.issuer().url(), reach).await,
        None => reach,
    };
    let reaches = (reach, provider_reach);
    let (mut connect, mut step) =
        Connect::renew(tokens, stored, place.at_provider.as_ref(), reaches, now(), &mut SystemEntropy)?;
    loop {
        if connect.renews_identity() {
            sitting.alone(place).await?;
        }
        let input = match step {
            Step::Send(request) => Input::Answer(place.send(request).await),
            Step::SaveIdentity(identity) => {
                sitting.save(place, &identity).await?;
                Input::IdentitySaved
            }
            Step::Done(connected) => return Ok(connected.tokens),
            other => unreachable!("a renewal does not ask for {other:?}"),
        };
        (connect, step) = connect.on(input, now(), &mut SystemEntropy)?;
    }
}

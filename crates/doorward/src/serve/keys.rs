//! The signing keys of a running gateway: read from the store, made when there are none, and read again now and then.

use std::{fs, io::ErrorKind, sync::Arc, time::Duration};

use doorward_authorization_server::keys::{self, KeyRefusal, KeyRing, SharedKeys};
use doorward_resource_server::{Guard, Verifier};
use doorward_store::Engine;
use doorward_types::{Issuer, Secret, jose::SigningKey, secret::OperatorKey};

use crate::clock::now;
use crate::{
    entropy::SystemEntropy, failure::Failure, key::sealed_otherwise, operator_key::Operator, private_file, state::State,
};

/// How often the rows are read again: a small part of the time for which a new key is published before it signs.
const EVERY: Duration = Duration::from_secs(2);

/// Where the one key lay before keys were rows.
const OLD_FILE: &str = "signing-key.p8";

/// Opens the keys; makes the first when there is none. Of several nodes that start at once, one makes it.
pub(crate) async fn load(state: &State, operator: &Operator) -> Result<KeyRing, Box<Failure>> {
    let old = old_key(state)?;
    loop {
        let rows = state.store.keys().await.map_err(|fault| state.failed(&fault))?;
        match KeyRing::open(&rows, &operator.key, now()) {
            Ok(ring) => {
                let taken = old.as_ref().is_some_and(|old| ring.names().any(|name| name == old.kid()));
                if taken {
                    put_away(state)?;
                }
                return Ok(ring);
            }
            Err(KeyRefusal::None) => {
                let made;
                let key = match &old {
                    Some(old) => old,
                    None => {
                        made = SigningKey::generate();
                        &made
                    }
                };
                let writes = keys::first(key, &operator.key, now(), &mut SystemEntropy);
                // In the other case another node was first, and its key is there now.
                state.store.commit(writes).await.map_err(|fault| state.failed(&fault))?;
            }
            Err(refusal) => return Err(sealed_otherwise(state, operator, &refusal)),
        }
    }
}

/// The key of a data folder that an older version made: tokens that it signed stay good.
fn old_key(state: &State) -> Result<Option<SigningKey>, Box<Failure>> {
    let path = state.folder.join(OLD_FILE);
    let failed = |error: &dyn std::fmt::Display| state.failed(&format!("{}: {error}", path.display()));
    match fs::read(&path) {
        Ok(bytes) => {
            private_file::check(&path, 0o077).map_err(|error| failed(&error))?;
            SigningKey::from_pkcs8(&bytes).map(Some).map_err(|error| failed(&error))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

/// The store has the key now, sealed; the file goes out of the way, and an older version still finds it by hand.
fn put_away(state: &State) -> Result<(), Box<Failure>> {
    let (from, to) = (state.folder.join(OLD_FILE), state.folder.join(format!("{OLD_FILE}.taken-over")));
    fs::rename(&from, &to).map_err(|error| state.failed(&format!("{}: {error}", from.display())))
}

/// What follows the keys of a running gateway.
pub(crate) struct Follow {
    pub(crate) store: Arc<dyn Engine>,
    pub(crate) operator: Secret<OperatorKey>,
    pub(crate) issuer: Issuer,
    pub(crate) keys: Arc<SharedKeys>,
    pub(crate) guard: Arc<Guard>,
}

impl Follow {
    /// Reads the rows again and again. Never ends by itself.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    async fn look(&self) {
        let rows = match self.store.keys().await {
            Ok(rows) => rows,
            // The keys that are known stay good, and whoever asks for readiness asks the store too.
            Err(error) => return tracing::debug!(%error, "the signing keys could not be read again"),
        };
        let now = now();
        match KeyRing::open(&rows, &self.operator, now) {
            Ok(ring) => {
                let known = self.keys.current();
                if !self.keys.are_readable() || !ring.is(&known) {
                    tracing::info!(keys = ?ring.names().collect::<Vec<_>>(), "the signing keys changed");
                    // Whoever verifies knows a key before anybody signs with it.
                    self.guard.replace_verifier(Verifier::new(self.issuer.clone(), ring.verifying().clone()));
                    self.keys.replace(ring);
                }
            }
            Err(error) => {
                if self.keys.are_readable() {
                    tracing::error!(%error, "the signing keys changed and cannot be opened; the old ones stay in use");
                }
                self.keys.cannot_be_read();
                return;
            }
        }
        let ended = keys::expire(&rows, now);
        if !ended.is_empty()
            && let Err(error) = self.store.commit(ended).await
        {
            tracing::warn!(%error, "signing keys that ended could not be removed");
        }
    }
}

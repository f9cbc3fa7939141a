//! The system's keychain: Secret Service on Linux and the BSDs, Keychain on macOS, Credential Manager on Windows.
//!
//! One item of 64 characters lies in it per folder of logins: the key that the sealed file is sealed under. Every call is made on a
//! thread of its own and is given up after a while, because a keychain may ask a person to unlock it, and nobody may be there.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use doorward_client::StoreFault;
use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use crate::envelope::{Key, KeyId};

const SERVICE: &str = "doorward";
/// How long to wait before it is told what is waited for.
const SOON: Duration = Duration::from_secs(2);

/// Why the keychain did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this computer offers no keychain here ({0})")]
    Absent(String),
    #[error("the keychain is locked, or did not let us in ({0})")]
    NoAccess(String),
    #[error("the keychain did not answer within {0} s; perhaps it waits for somebody to unlock it")]
    Silent(u64),
    #[error("the keychain gave back something else than it was given")]
    Forgetful,
}

/// The system's keychain, as long as one may wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keychain {
    pub(crate) patience: Duration,
}

impl Keychain {
    /// The key of this name; `None` when the keychain can be used and holds none.
    pub(crate) fn get(self, id: &KeyId) -> Result<Option<Key>, Refused> {
        self.ask(id, |entry| match entry.get_password() {
            Ok(text) => Ok(Key::from_hex(&Zeroizing::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(Error::BadEncoding(_)) => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Keeps a key under this name, and reads it again.
    pub(crate) fn set(self, id: &KeyId, key: &Key) -> Result<(), Refused> {
        let text = key.to_hex();
        let same = self.ask(id, move |entry| {
            entry.set_password(&text)?;
            Ok(Zeroizing::new(entry.get_password()?) == text)
        })?;
        if same { Ok(()) } else { Err(Refused::Forgetful) }
    }

    /// Forgets the key of this name.
    pub(crate) fn remove(self, id: &KeyId) -> Result<(), Refused> {
        self.ask(id, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            done => done,
        })
    }

    fn ask<T: Send + 'static>(
        self,
        id: &KeyId,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Refused> {
        let name = format!("logins {id}");
        let (tell, told) = mpsc::sync_channel(1);
        // A thread that the end of the process does not wait for.
        let asking = thread::Builder::new().name("keychain".into()).spawn(move || {
            let _ = tell.send(open(&name).and_then(|entry| work(&entry)));
        });
        asking.map_err(|error| Refused::Absent(error.to_string()))?;
        let until = Instant::now() + self.patience;
        let answer = told.recv_timeout(SOON.min(self.patience)).or_else(|_| {
            tracing::warn!("waiting for the keychain; it may want to be unlocked");
            told.recv_timeout(until.saturating_duration_since(Instant::now()))
        });
        match answer {
            Ok(answer) => answer.map_err(|error| refused(&error)),
            // It died: a panic in what talks to the system.
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Refused::Absent("its client stopped".into())),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(Refused::Silent(self.patience.as_secs())),
        }
    }
}

impl From<Refused> for StoreFault {
    fn from(refused: Refused) -> Self {
        Self(refused.to_string())
    }
}

fn refused(error: &Error) -> Refused {
    match error {
        Error::NoStorageAccess(why) => Refused::NoAccess(why.to_string()),
        // Its words would name the items.
        Error::Ambiguous(_) => Refused::NoAccess("it holds several items of one name".into()),
        error => Refused::Absent(error.to_string()),
    }
}

fn open(name: &str) -> Result<Entry, Error> {
    let store: Arc<CredentialStore> = system()?;
    let label = HashMap::from([("label", "doorward: key of the stored logins")]);
    let modifiers = cfg!(all(unix, not(target_os = "macos"))).then_some(&label);
    store.build(SERVICE, name, modifiers)
}

#[cfg(all(unix, not(target_os = "macos")))]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

//! Where the key of the sealed file lies, and how it is got.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doorward_client::StoreFault;
use zeroize::Zeroizing;

use crate::{
    envelope::{Kept, Key, KeyId, Stretch},
    keychain::Keychain,
};

/// How long to wait for a keychain that another process put the key into.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the key that the stored logins are sealed under is to lie.
#[derive(Clone)]
pub enum Custody {
    /// In the system's keychain, which may take so long to answer.
    Keychain {
        /// The longest that is waited for it; it may have to ask a person to unlock it.
        patience: Duration,
    },
    /// Nowhere: it is made from a passphrase, with Argon2id.
    Passphrase(Zeroizing<Vec<u8>>),
    /// In a file of the same folder, so that whoever can read the folder can use the logins.
    Plain,
}

/// Where that key lies at present, which need not be where it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLies {
    /// In the system's keychain.
    InKeychain,
    /// Nowhere: it is made from a passphrase.
    Nowhere,
    /// In a file beside.
    Beside,
}

impl From<&Kept> for KeyLies {
    fn from(kept: &Kept) -> Self {
        match kept {
            Kept::Keychain(_) => Self::InKeychain,
            Kept::Passphrase(_) => Self::Nowhere,
            Kept::Beside => Self::Beside,
        }
    }
}

impl Default for Custody {
    fn default() -> Self {
        Self::Keychain { patience: PATIENCE }
    }
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keychain { .. } => "Keychain",
            Self::Passphrase(_) => "Passphrase",
            Self::Plain => "Plain",
        })
    }
}

/// Why there is no key.
pub(crate) enum NoKey {
    /// It lies in the file beside, if anywhere.
    Beside,
    /// The keychain holds none of this name.
    NotThere,
    /// Whoever has it does not give it now.
    Fault(StoreFault),
}

/// Gets keys, each once per process.
#[derive(Debug)]
pub(crate) struct Keys {
    wanted: Custody,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    key: Option<(Kept, Key)>,
    /// Why the keychain takes no key; it is asked once.
    refused: Option<StoreFault>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("kept", &self.key.as_ref().map(|(kept, _)| kept)).finish_non_exhaustive()
    }
}

impl Keys {
    pub(crate) fn new(wanted: Custody) -> Self {
        Self { wanted, known: Mutex::default() }
    }

    /// Whether a key lies where it is wanted.
    pub(crate) fn suits(&self, kept: &Kept) -> bool {
        matches!(
            (&self.wanted, kept),
            (Custody::Keychain { .. }, Kept::Keychain(_))
                | (Custody::Passphrase(_), Kept::Passphrase(_))
                | (Custody::Plain, Kept::Beside)
        )
    }

    /// How long a key may take, besides the work on files.
    pub(crate) fn patience(&self) -> Duration {
        self.keychain().patience
    }

    /// The key that lies there.
    pub(crate) fn get(&self, kept: &Kept) -> Result<Key, NoKey> {
        if let Some((known, key)) = &self.known().key
            && known == kept
        {
            return Ok(key.clone());
        }
        let key = match (kept, &self.wanted) {
            (Kept::Beside, _) => return Err(NoKey::Beside),
            (Kept::Keychain(id), _) => {
                self.keychain().get(id).map_err(|why| NoKey::Fault(why.into()))?.ok_or(NoKey::NotThere)?
            }
            (Kept::Passphrase(stretch), Custody::Passphrase(passphrase)) => {
                let wrong = "they are sealed under another passphrase than the one in the passphrase file; name the file that holds the right one: --passphrase-file FILE or DOORWARD_PASSPHRASE_FILE";
                stretch.key(passphrase).ok_or_else(|| NoKey::Fault(StoreFault(wrong.into())))?
            }
            (Kept::Passphrase(_), _) => {
                let missing = "they are sealed under a passphrase; name the file that holds it: --passphrase-file FILE or DOORWARD_PASSPHRASE_FILE";
                return Err(NoKey::Fault(StoreFault(missing.into())));
            }
        };
        self.known().key = Some((kept.clone(), key.clone()));
        Ok(key)
    }

    /// Makes a new key where it is wanted; `None` when that is a file beside.
    pub(crate) fn make(&self) -> Result<Option<(Kept, Key)>, StoreFault> {
        let no_randomness = |_| StoreFault("no randomness".into());
        let (kept, key) = match &self.wanted {
            Custody::Plain => return Ok(None),
            Custody::Passphrase(passphrase) => {
                let (stretch, key) =
                    Stretch::new(passphrase).map_err(|_| StoreFault("the passphrase cannot be used".into()))?;
                (Kept::Passphrase(stretch), key)
            }
            Custody::Keychain { .. } => {
                if let Some(why) = &self.known().refused {
                    return Err(why.clone());
                }
                let (id, key) = (KeyId::generate().map_err(no_randomness)?, Key::generate().map_err(no_randomness)?);
                if let Err(refused) = self.keychain().set(&id, &key) {
                    let why = StoreFault::from(refused);
                    self.known().refused = Some(why.clone());
                    return Err(why);
                }
                (Kept::Keychain(id), key)
            }
        };
        self.known().key = Some((kept.clone(), key.clone()));
        Ok(Some((kept, key)))
    }

    /// Forgets a key that seals nothing any more. That it stays is no harm.
    pub(crate) fn forget(&self, kept: &Kept) {
        if let Kept::Keychain(id) = kept
            && let Err(error) = self.keychain().remove(id)
        {
            tracing::debug!("an old key stays in the keychain: {error}");
        }
    }

    fn keychain(&self) -> Keychain {
        let patience = if let Custody::Keychain { patience } = self.wanted { patience } else { PATIENCE };
        Keychain { patience }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

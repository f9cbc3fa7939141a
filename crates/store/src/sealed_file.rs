use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use doorward_client::{CredentialStore, Key, RegisteredClient, SaveFailed, StoreFault, StoredTokens};
use doorward_types::{ClientId, Issuer, ResourceId};
use zeroize::Zeroizing;

use crate::{
    envelope,
    named_lock::{NamedLock, lock_within},
    private::{self, NotPrivate},
    wallet::{Wallet, newest_first},
};

/// The most bytes of the sealed file: thousands of logins.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How long to wait for another process that changes the file. It holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The client's credentials in one sealed file, for one user, shared by any number of processes.
///
/// The directory (0700) holds `credentials.sealed` (0600), `credentials.key` (0600), and lock files. The content is
/// sealed with AES-256-GCM-SIV under the 32 random bytes in the key file. That protects a copy of the sealed
/// file alone (a backup or a synchronised folder that leaves the key out, a support bundle, an accidental upload), and it makes every
/// change or damage noticed. It does not protect against whoever can read both files: a program that runs as
/// the same user, the administrator, or a copy of the whole directory. Nor is an old copy of the file that is put back noticed.
///
/// A file or directory that other users can open, that belongs to somebody else, or that is a link is refused. A
/// damaged file is renamed to `credentials.sealed.corrupt-<time>` and counts as empty from then on:
/// [`take_warnings`](Self::take_warnings) tells.
#[derive(Clone, Debug)]
pub struct SealedFile(Arc<Place>);

#[derive(Debug)]
struct Place {
    directory: PathBuf,
    warnings: Mutex<Warnings>,
}

/// Each sentence once; the first `taken` were taken.
#[derive(Debug, Default)]
struct Warnings {
    all: Vec<String>,
    taken: usize,
}

impl SealedFile {
    /// Opens the store in this directory; makes the directory when there is none.
    ///
    /// # Errors
    /// When the directory or a file in it is not private or cannot be used; the message says how to put it right.
    pub async fn open(directory: &Path) -> Result<Self, StoreFault> {
        let this = Self(Arc::new(Place { directory: directory.to_owned(), warnings: Mutex::default() }));
        this.run(|place| place.look(|_| ())).await?;
        Ok(this)
    }

    /// What the user should know about the file, each sentence once: that it was damaged and put aside, for example.
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = warnings.all[warnings.taken..].to_vec();
        warnings.taken = warnings.all.len();
        fresh
    }

    /// The lock that lets one process log in at a server while others wait for what comes of it.
    pub fn login_lock(&self, resource: &ResourceId) -> NamedLock {
        NamedLock::new(&self.0.directory, &format!("login {}", resource.as_str()))
    }

    /// The lock that lets one process refresh these tokens. After it was taken the tokens must be loaded again.
    pub fn refresh_lock(&self, key: &Key) -> NamedLock {
        let account = key.account.as_deref().unwrap_or_default();
        let (issuer, resource, client) = (key.issuer.as_str(), key.resource.as_str(), key.client_id.as_str());
        NamedLock::new(&self.0.directory, &format!("refresh {issuer} {resource} {client} {account}"))
    }

    /// Does file work where it may wait.
    async fn run<T, E>(&self, work: impl FnOnce(&Place) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let place = self.0.clone();
        match tokio::task::spawn_blocking(move || work(&place)).await {
            Ok(result) => result,
            Err(error) => Err(StoreFault(format!("the credential store stopped: {error}")).into()),
        }
    }
}

/// What one look at the files gave.
enum Seen {
    Wallet(Wallet),
    /// The files do not fit together or are damaged.
    Damaged,
}

impl Place {
    fn file(&self) -> PathBuf {
        self.directory.join("credentials.sealed")
    }

    fn key_file(&self) -> PathBuf {
        self.directory.join("credentials.key")
    }

    /// Reads without a lock: the file is replaced as a whole, so what is read is the old or the new.
    fn look<T>(&self, read: impl FnOnce(&Wallet) -> T) -> Result<T, StoreFault> {
        private::directory(&self.directory).map_err(fault)?;
        let wallet = match self.see()? {
            Seen::Wallet(wallet) => wallet,
            // Perhaps a process was just changing both files; under the lock it shows.
            Seen::Damaged => self.settle(&self.lock()?)?,
        };
        self.note_unreadable(&wallet);
        Ok(read(&wallet))
    }

    /// Changes the content under the lock. When `change` fails nothing is written.
    fn change<T, E: From<StoreFault>>(&self, change: impl FnOnce(&mut Wallet) -> Result<T, E>) -> Result<T, E> {
        private::directory(&self.directory).map_err(fault)?;
        let lock = self.lock()?;
        let mut wallet = self.settle(&lock)?;
        let result = change(&mut wallet)?;
        self.write(&wallet, &lock)?;
        Ok(result)
    }

    fn see(&self) -> Result<Seen, StoreFault> {
        let sealed = match private::read(&self.file(), MOST_BYTES) {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Ok(Seen::Wallet(Wallet::default())),
            Err(NotPrivate::TooLarge(..)) => return Ok(Seen::Damaged),
            Err(error) => return Err(fault(error)),
        };
        if let Some(version) = envelope::newer_version(&sealed) {
            return Err(StoreFault(format!(
                "{0} was written by a newer version (format {version}); install that version again, or move the file \
                 away and log in again: mv {0} {0}.old",
                self.file().display()
            )));
        }
        let plain = self.read_key()?.and_then(|key| key.open(&sealed));
        let wallet = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        Ok(wallet.map_or(Seen::Damaged, Seen::Wallet))
    }

    fn read_key(&self) -> Result<Option<envelope::Key>, StoreFault> {
        match private::read(&self.key_file(), envelope::KEY_BYTES as u64) {
            Ok(bytes) => Ok(bytes.and_then(envelope::Key::from_bytes)),
            Err(NotPrivate::TooLarge(..)) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    /// Reads under the lock; what is damaged even so is put aside.
    fn settle(&self, _lock: &File) -> Result<Wallet, StoreFault> {
        match self.see()? {
            Seen::Wallet(wallet) => Ok(wallet),
            Seen::Damaged => {
                let aside = self.put_aside(&self.file())?;
                self.warn(format!(
                    "the stored logins cannot be read (damaged, or sealed under another key); the file is kept as {} and you have to log in again",
                    aside.display()
                ));
                Ok(Wallet::default())
            }
        }
    }

    fn put_aside(&self, path: &Path) -> Result<PathBuf, StoreFault> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let names = (0..).map(|n| if n == 0 { String::new() } else { format!(".{n}") });
        let mut places = names.map(|n| PathBuf::from(format!("{}.corrupt-{now}{n}", path.display())));
        let aside = places.find(|place| fs::symlink_metadata(place).is_err()).expect("the names do not end");
        fs::rename(path, &aside).map_err(|source| fault(NotPrivate::Io { path: path.to_owned(), source }))?;
        Ok(aside)
    }

    fn write(&self, wallet: &Wallet, _lock: &File) -> Result<(), StoreFault> {
        let key = match self.read_key()? {
            Some(key) => key,
            None => {
                let key = envelope::Key::generate().map_err(|_| StoreFault("no randomness".into()))?;
                if fs::symlink_metadata(self.key_file()).is_ok() {
                    self.put_aside(&self.key_file())?;
                }
                private::replace(&self.key_file(), key.as_bytes()).map_err(fault)?;
                key
            }
        };
        let plain = serde_json::to_vec(wallet).map(Zeroizing::new);
        let plain = plain.map_err(|_| StoreFault("the credentials cannot be written as JSON".into()))?;
        let sealed = key.seal(&plain).map_err(|_| StoreFault("the credentials cannot be sealed".into()))?;
        if sealed.len() as u64 > MOST_BYTES {
            return Err(StoreFault(format!("the credentials exceed {MOST_BYTES} bytes; log out where you can")));
        }
        private::replace(&self.file(), &sealed).map_err(fault)
    }

    /// Takes the lock for changes. It ends with the handle, and with the process.
    fn lock(&self) -> Result<File, StoreFault> {
        let path = self.directory.join("credentials.lock");
        let file = private::open_or_create(&path).map_err(fault)?;
        lock_within(&file, &path, PATIENCE)?;
        Ok(file)
    }

    fn note_unreadable(&self, wallet: &Wallet) {
        for why in wallet.tokens().1.into_iter().chain(wallet.clients().1) {
            self.warn(format!("one stored login cannot be used and was left as it is: {why}"));
        }
    }

    fn warn(&self, sentence: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.all.contains(&sentence) {
            tracing::warn!("{sentence}");
            warnings.all.push(sentence);
        }
    }
}

fn fault(error: NotPrivate) -> StoreFault {
    StoreFault(format!("the credential store cannot be used: {error}"))
}

#[async_trait]
impl CredentialStore for SealedFile {
    async fn load(&self, key: &Key) -> Result<Option<StoredTokens>, StoreFault> {
        let key = key.clone();
        self.run(move |place| place.look(|wallet| wallet.find(&key))).await
    }

    async fn for_resource(&self, resource: &ResourceId) -> Result<Vec<StoredTokens>, StoreFault> {
        let resource = resource.clone();
        let mut all = self.list().await?;
        all.retain(|tokens| tokens.resource == resource);
        newest_first(&mut all);
        Ok(all)
    }

    async fn list(&self) -> Result<Vec<StoredTokens>, StoreFault> {
        self.run(|place| place.look(|wallet| wallet.tokens().0)).await
    }

    async fn save(&self, tokens: &StoredTokens, expected: u64) -> Result<u64, SaveFailed> {
        let tokens = tokens.clone();
        self.run(move |place| place.change(|wallet| wallet.save(&tokens, expected))).await
    }

    async fn remove(&self, key: &Key, generation: u64) -> Result<bool, StoreFault> {
        let key = key.clone();
        self.run(move |place| place.change(|wallet| Ok(wallet.remove(&key, generation)))).await
    }

    async fn load_client(&self, issuer: &Issuer) -> Result<Option<RegisteredClient>, StoreFault> {
        let issuer = issuer.clone();
        self.run(move |place| place.look(|wallet| wallet.client(&issuer))).await
    }

    async fn save_client(&self, client: &RegisteredClient) -> Result<(), StoreFault> {
        let client = client.clone();
        self.run(move |place| place.change(|wallet| wallet.save_client(&client))).await
    }

    async fn remove_client(&self, issuer: &Issuer, client_id: &ClientId) -> Result<bool, StoreFault> {
        let (issuer, client_id) = (issuer.clone(), client_id.clone());
        self.run(move |place| place.change(|wallet| Ok(wallet.remove_client(&issuer, &client_id)))).await
    }
}

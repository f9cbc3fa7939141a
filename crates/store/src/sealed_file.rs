use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use doorward_client::{IdentityKey, Key, StoreFault};
use doorward_types::ResourceId;
use zeroize::Zeroizing;

use crate::{
    custody::{Custody, KeyLies, Keys, NoKey},
    envelope::{self, Kept, Sealed},
    named_lock::{NamedLock, lock_within},
    private::{self, NotPrivate},
    wallet::Wallet,
};

mod credentials;

/// The most bytes of the sealed file: thousands of logins.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How long to wait for another process that changes the file. It holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do about a keychain that does not help.
const OTHER_WAYS: &str = "unlock or start the keychain, or name a file with a passphrase to seal them under: --passphrase-file FILE \
                          or DOORWARD_PASSPHRASE_FILE";

/// The client's credentials in one sealed file, for one user, shared by any number of processes.
///
/// The directory (0700) holds `credentials.sealed` (0600) and lock files. The content is sealed with AES-256-GCM-SIV under a
/// key that lies where [`Custody`] says: in the system's keychain, nowhere (it is made from a passphrase), or in
/// `credentials.key` (0600) beside. The file itself says where its key lies. A copy of the folder is useless without the keychain or
/// the passphrase; with the key beside, only a copy of the sealed file alone is. Every change or damage is
/// noticed. It does not protect against a program that runs as the same user while the keychain is open, nor against
/// the administrator. Nor is an old copy of the file that is put back noticed.
///
/// A store whose key lies elsewhere than wanted is moved when it is opened, if both places let us. Where the keychain
/// does not, a key that lies beside stays there, and [`take_warnings`](Self::take_warnings) tells; anything else is an error.
///
/// A file or directory that other users can open, that belongs to somebody else, or that is a link is refused. A
/// damaged file is renamed to `credentials.sealed.corrupt-<time>` and counts as empty from then on, which is told as well.
#[derive(Clone, Debug)]
pub struct SealedFile(Arc<Place>);

#[derive(Debug)]
struct Place {
    directory: PathBuf,
    keys: Keys,
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
    /// When the directory or a file in it is not private or cannot be used, or the key cannot be had; the message says
    /// how to put it right.
    pub async fn open(directory: &Path, custody: Custody) -> Result<Self, StoreFault> {
        let keys = Keys::new(custody);
        let this = Self(Arc::new(Place { directory: directory.to_owned(), keys, warnings: Mutex::default() }));
        this.run(Place::open).await?;
        Ok(this)
    }

    /// Makes sure that what comes next can be kept: an empty store gets its key. Without it a person would sign in,
    /// and only then learn that there is no keychain.
    ///
    /// # Errors
    /// When nothing can be kept; the message says what to do.
    pub async fn prepare(&self) -> Result<(), StoreFault> {
        self.run(Place::prepare).await
    }

    /// What the user should know about the file, each sentence once: that it was damaged and put aside, for example.
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = warnings.all[warnings.taken..].to_vec();
        warnings.taken = warnings.all.len();
        fresh
    }

    /// Where the key of the stored logins lies; `None` while nothing is stored that can be read.
    ///
    /// # Errors
    /// When the file may not be read.
    pub async fn key_lies(&self) -> Result<Option<KeyLies>, StoreFault> {
        self.run(|place| {
            let sealed = private::read(&place.file(), MOST_BYTES).map_err(fault)?;
            Ok(sealed.as_deref().and_then(Sealed::parse).map(|parsed| KeyLies::from(&parsed.kept)))
        })
        .await
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

    /// The lock that lets one process sign in at an identity provider, or renew that sign-in, while others wait for what
    /// comes of it.
    pub fn identity_lock(&self, key: &IdentityKey) -> NamedLock {
        let account = key.account.as_deref().unwrap_or_default();
        let (issuer, client) = (key.issuer.as_str(), key.client_id.as_str());
        NamedLock::new(&self.0.directory, &format!("identity {issuer} {client} {account}"))
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
    Nothing,
    Wallet(Wallet, Kept),
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

    fn open(&self) -> Result<(), StoreFault> {
        private::directory(&self.directory).map_err(fault)?;
        let Seen::Wallet(wallet, kept) = self.see()? else { return self.look(|_| ()) };
        self.note_unreadable(&wallet);
        let left_behind = kept != Kept::Beside && fs::symlink_metadata(self.key_file()).is_ok();
        if !self.keys.suits(&kept) || left_behind {
            let lock = self.lock()?;
            let (wallet, kept) = self.settle(&lock)?;
            if kept.is_some() {
                self.move_key(&wallet, kept, &lock)?;
            }
        }
        Ok(())
    }

    fn prepare(&self) -> Result<(), StoreFault> {
        private::directory(&self.directory).map_err(fault)?;
        if matches!(self.see()?, Seen::Nothing) { self.change(|_| Ok(())) } else { Ok(()) }
    }

    /// Reads without a lock: the file is replaced as a whole, so what is read is the old or the new.
    fn look<T>(&self, read: impl FnOnce(&Wallet) -> T) -> Result<T, StoreFault> {
        private::directory(&self.directory).map_err(fault)?;
        let wallet = match self.see()? {
            Seen::Nothing => Wallet::default(),
            Seen::Wallet(wallet, _) => wallet,
            // Perhaps a process was just changing both files; under the lock it shows.
            Seen::Damaged => self.settle(&self.lock()?)?.0,
        };
        self.note_unreadable(&wallet);
        Ok(read(&wallet))
    }

    /// Changes the content under the lock. When `change` fails nothing is written.
    fn change<T, E: From<StoreFault>>(&self, change: impl FnOnce(&mut Wallet) -> Result<T, E>) -> Result<T, E> {
        private::directory(&self.directory).map_err(fault)?;
        let lock = self.lock()?;
        let (mut wallet, kept) = self.settle(&lock)?;
        let result = change(&mut wallet)?;
        match kept {
            // It stays where it is: it was moved when the store was opened, if it could be.
            Some(kept) => self.write(&wallet, kept, &lock)?,
            None => self.move_key(&wallet, None, &lock)?,
        }
        Ok(result)
    }

    fn see(&self) -> Result<Seen, StoreFault> {
        loop {
            let sealed = match private::read(&self.file(), MOST_BYTES) {
                Ok(Some(sealed)) => sealed,
                Ok(None) => return Ok(Seen::Nothing),
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
            let Some(parsed) = Sealed::parse(&sealed) else { return Ok(Seen::Damaged) };
            let key = match self.key(&parsed.kept) {
                Ok(Some(key)) => key,
                Ok(None) => return Ok(Seen::Damaged),
                // Another process has just moved the key: then the file is another one now.
                Err(_) if private::read(&self.file(), MOST_BYTES).is_ok_and(|now| now.as_ref() != Some(&sealed)) => {
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let wallet = parsed.open(&key).and_then(|plain| serde_json::from_slice(&plain).ok());
            return Ok(wallet.map_or(Seen::Damaged, |wallet| Seen::Wallet(wallet, parsed.kept)));
        }
    }

    /// The key that lies there; `None` when it lay beside and is lost, with the content.
    fn key(&self, kept: &Kept) -> Result<Option<envelope::Key>, StoreFault> {
        let file = self.file();
        match self.keys.get(kept) {
            Ok(key) => Ok(Some(key)),
            Err(NoKey::Beside) => self.read_key(),
            Err(NoKey::NotThere) => Err(StoreFault(format!(
                "the key of the logins in {0} lies in a keychain, and this one does not hold it; if it is lost, move the file away \
                 and log in again: mv {0} {0}.old",
                file.display()
            ))),
            Err(NoKey::Fault(StoreFault(why))) => {
                Err(StoreFault(format!("the logins in {} cannot be opened: {why}", file.display())))
            }
        }
    }

    fn read_key(&self) -> Result<Option<envelope::Key>, StoreFault> {
        match private::read(&self.key_file(), envelope::KEY_BYTES as u64) {
            Ok(bytes) => Ok(bytes.and_then(envelope::Key::from_bytes)),
            Err(NotPrivate::TooLarge(..)) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    /// Reads under the lock; what is damaged even so is put aside.
    fn settle(&self, _lock: &File) -> Result<(Wallet, Option<Kept>), StoreFault> {
        match self.see()? {
            Seen::Nothing => Ok((Wallet::default(), None)),
            Seen::Wallet(wallet, kept) => Ok((wallet, Some(kept))),
            Seen::Damaged => {
                let aside = self.put_aside(&self.file())?;
                self.warn(format!(
                    "the stored logins cannot be read (damaged, or sealed under another key); the file is kept as {} and you have to log in again",
                    aside.display()
                ));
                Ok((Wallet::default(), None))
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

    /// Writes the content under a key that lies where it is wanted, and forgets the one before.
    fn move_key(&self, wallet: &Wallet, before: Option<Kept>, lock: &File) -> Result<(), StoreFault> {
        let kept = match before.as_ref().filter(|kept| self.keys.suits(kept)) {
            Some(kept) => kept.clone(),
            None => match self.keys.make() {
                Ok(made) => made.map_or(Kept::Beside, |(kept, _)| kept),
                Err(StoreFault(why)) if before == Some(Kept::Beside) => {
                    self.warn(format!("{}, because {why}; {OTHER_WAYS}", self.plainly()));
                    return Ok(());
                }
                Err(StoreFault(why)) => {
                    return Err(StoreFault(format!(
                        "there is no safe place for logins, because {why}; {OTHER_WAYS}, or (whoever can read your files can use \
                         the logins then) keep them in plain files: --plain-credentials or DOORWARD_PLAIN_CREDENTIALS=1"
                    )));
                }
            },
        };
        self.write(wallet, kept.clone(), lock)?;
        if kept != Kept::Beside {
            // It opens nothing any more.
            match fs::remove_file(self.key_file()) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(fault(NotPrivate::Io { path: self.key_file(), source }));
                }
                _ => {}
            }
        }
        if let Some(before) = before.filter(|before| *before != kept) {
            self.keys.forget(&before);
        }
        Ok(())
    }

    fn write(&self, wallet: &Wallet, kept: Kept, _lock: &File) -> Result<(), StoreFault> {
        let key = match self.key(&kept)? {
            Some(key) => key,
            None => self.make_key_file()?,
        };
        let plain = serde_json::to_vec(wallet).map(Zeroizing::new);
        let plain = plain.map_err(|_| StoreFault("the credentials cannot be written as JSON".into()))?;
        let sealed = kept.seal(&key, &plain).map_err(|_| StoreFault("the credentials cannot be sealed".into()))?;
        if sealed.len() as u64 > MOST_BYTES {
            return Err(StoreFault(format!("the credentials exceed {MOST_BYTES} bytes; log out where you can")));
        }
        private::replace(&self.file(), &sealed).map_err(fault)
    }

    fn make_key_file(&self) -> Result<envelope::Key, StoreFault> {
        let key = envelope::Key::generate().map_err(|_| StoreFault("no randomness".into()))?;
        if fs::symlink_metadata(self.key_file()).is_ok() {
            self.put_aside(&self.key_file())?;
        }
        private::replace(&self.key_file(), key.as_bytes()).map_err(fault)?;
        Ok(key)
    }

    /// Says that whoever reads the folder has the logins.
    fn plainly(&self) -> String {
        format!("the logins in {} lie in plain files, with their key beside them", self.directory.display())
    }

    /// Takes the lock for changes. It ends with the handle, and with the process.
    fn lock(&self) -> Result<File, StoreFault> {
        let path = self.directory.join("credentials.lock");
        let file = private::open_or_create(&path).map_err(fault)?;
        lock_within(&file, &path, PATIENCE + self.keys.patience())?;
        Ok(file)
    }

    fn note_unreadable(&self, wallet: &Wallet) {
        for why in wallet.tokens().1.into_iter().chain(wallet.clients().1).chain(wallet.identities().1) {
            self.warn(format!("one stored login cannot be used and was left as it is: {why}"));
        }
    }

    fn warn(&self, sentence: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.all.contains(&sentence) {
            warnings.all.push(sentence);
        }
    }
}

fn fault(error: NotPrivate) -> StoreFault {
    StoreFault(format!("the credential store cannot be used: {error}"))
}

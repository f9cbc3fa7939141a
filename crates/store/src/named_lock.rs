use std::{
    fs::{self, File, TryLockError},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{digest, rand};
use doorward_client::StoreFault;
use serde::{Deserialize, Serialize};

use crate::private::{self, NotPrivate};

/// How long to wait for a process that only writes down who holds a lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether a lock is free.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest lease. One that seems to last longer was written by a clock that was wrong.
const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// A lock across processes for something that takes a while, such as one browser login. It is free again when its holder
/// is done, dies (even by `kill -9`), or has held it beyond its lease, as a suspended process does.
#[derive(Clone, Debug)]
pub struct NamedLock {
    directory: PathBuf,
    name: String,
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Until when it may keep the lock, in seconds since 1970.
    pub until: u64,
}

/// What came of an attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Held(Held),
    /// Somebody else has it.
    Busy(Holder),
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Held {
    lock: NamedLock,
    token: String,
    /// Locked as long as this process lives and holds the lock: the sign of life.
    alive: Option<File>,
}

/// What the lock's file says.
#[derive(Serialize, Deserialize)]
struct Lease {
    token: String,
    #[serde(flatten)]
    holder: Holder,
}

impl NamedLock {
    /// The lock of this name among the processes that share the directory.
    pub fn new(directory: &Path, name: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        Self { directory: directory.to_owned(), name: hex(&digest.as_ref()[..16]) }
    }

    /// Takes the lock for at most `lease` if it is free. Waits for nobody.
    ///
    /// # Errors
    /// When the lock's files cannot be used.
    pub async fn try_acquire(&self, lease: Duration) -> Result<Attempt, StoreFault> {
        let this = self.clone();
        let attempt = tokio::task::spawn_blocking(move || this.attempt(lease)).await;
        attempt.map_err(|error| StoreFault(format!("the lock stopped: {error}")))?
    }

    /// Takes the lock for at most `lease` as soon as it is free; gives up after `patience`.
    ///
    /// # Errors
    /// When the lock's files cannot be used.
    pub async fn acquire(&self, lease: Duration, patience: Duration) -> Result<Attempt, StoreFault> {
        let start = Instant::now();
        loop {
            match self.try_acquire(lease).await? {
                Attempt::Busy(_) if start.elapsed() < patience => tokio::time::sleep(LOOK_EVERY).await,
                attempt => return Ok(attempt),
            }
        }
    }

    fn attempt(&self, lease: Duration) -> Result<Attempt, StoreFault> {
        private::directory(&self.directory).map_err(fault)?;
        let mut file = self.open()?;
        if let Some(lease) = read(&mut file)
            && self.is_in_force(&lease)?
        {
            return Ok(Attempt::Busy(lease.holder));
        }
        let mut token = [0; 16];
        rand::fill(&mut token).map_err(|_| StoreFault("no randomness".into()))?;
        let token = hex(&token);
        let path = self.sign_of_life(&token);
        let alive = private::open_or_create(&path).map_err(fault)?;
        alive.lock().map_err(|error| no_lock(&path, &error))?;
        let held = Held { lock: self.clone(), token, alive: Some(alive) };
        self.write(&mut file, &held.token, lease)?;
        Ok(Attempt::Held(held))
    }

    fn renew(&self, token: &str, lease: Duration) -> Result<bool, StoreFault> {
        let mut file = self.open()?;
        let ours = read(&mut file).is_some_and(|lease| lease.token == token);
        if ours {
            self.write(&mut file, token, lease)?;
        }
        Ok(ours)
    }

    fn write(&self, file: &mut File, token: &str, lease: Duration) -> Result<(), StoreFault> {
        let until = now().saturating_add(lease.min(LONGEST_LEASE).as_secs().max(1));
        let lease = Lease { token: token.to_owned(), holder: Holder { pid: std::process::id(), until } };
        let text = serde_json::to_vec(&lease).map_err(|_| StoreFault("a lease cannot be written as JSON".into()))?;
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text));
        written.map_err(io(&self.directory))
    }

    /// Opens the lock's file for this process alone; that lasts as long as the handle.
    fn open(&self) -> Result<File, StoreFault> {
        let path = self.directory.join(format!("lock-{}", self.name));
        let file = private::open_or_create(&path).map_err(fault)?;
        lock_within(&file, &path, PATIENCE)?;
        Ok(file)
    }

    fn sign_of_life(&self, token: &str) -> PathBuf {
        self.directory.join(format!("lock-{}-{token}", self.name))
    }

    fn is_in_force(&self, lease: &Lease) -> Result<bool, StoreFault> {
        if !lease.token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let path = self.sign_of_life(&lease.token);
        let Some(alive) = private::open(&path, true).map_err(fault)? else { return Ok(false) };
        match alive.try_lock() {
            Ok(()) => {
                // Its holder died. Nobody else can be about to take this very name.
                match fs::remove_file(&path) {
                    // Its holder was just letting go of it.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                    removed => removed.map(|()| false).map_err(io(&path)),
                }
            }
            Err(TryLockError::WouldBlock) => {
                let left = lease.holder.until.saturating_sub(now());
                Ok(left > 0 && left <= LONGEST_LEASE.as_secs())
            }
            Err(TryLockError::Error(error)) => Err(no_lock(&path, &error)),
        }
    }
}

impl Held {
    /// Whether the lock is still ours: nobody took it because the lease had ended.
    ///
    /// # Errors
    /// When the lock's file cannot be used.
    pub fn is_ours(&self) -> Result<bool, StoreFault> {
        Ok(read(&mut self.lock.open()?).is_some_and(|lease| lease.token == self.token))
    }

    /// Starts the lease anew. Gives `false` when somebody took the lock meanwhile.
    ///
    /// # Errors
    /// When the lock's file cannot be used.
    pub async fn renew(&self, lease: Duration) -> Result<bool, StoreFault> {
        let (lock, token) = (self.lock.clone(), self.token.clone());
        let renewed = tokio::task::spawn_blocking(move || lock.renew(&token, lease)).await;
        renewed.map_err(|error| StoreFault(format!("the lock stopped: {error}")))?
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Without its sign of life the lease means nothing any more.
        let _ = fs::remove_file(self.lock.sign_of_life(&self.token));
        drop(self.alive.take());
    }
}

/// Locks a file, waiting no longer than `patience`.
pub(crate) fn lock_within(file: &File, path: &Path, patience: Duration) -> Result<(), StoreFault> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreFault(format!(
                    "another process has held {} for {} seconds; it may be suspended: end it and try again",
                    path.display(),
                    patience.as_secs()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(no_lock(path, &error)),
        }
    }
}

/// A file system that knows no locks, or a server of files that does not answer for them: going on without would lose logins.
fn no_lock(path: &Path, error: &std::io::Error) -> StoreFault {
    StoreFault(format!(
        "{} cannot be locked ({error}), and without a lock several programs would spoil it; name a folder on a disk of this computer",
        path.display()
    ))
}

/// The lease in the file; none when it was never written or a process died while it wrote.
fn read(file: &mut File) -> Option<Lease> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(1024).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreFault {
    |source| fault(NotPrivate::Io { path: path.to_owned(), source })
}

fn fault(error: NotPrivate) -> StoreFault {
    StoreFault(format!("the credential store cannot be used: {error}"))
}

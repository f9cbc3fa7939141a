//! Revocations by other processes that have the same file open. SQLite cannot call back across processes, but its
//! `data_version` tells for the price of one look whether anybody else wrote.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use doorward_types::Timestamp;
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use tokio::task::JoinHandle;

use crate::{revoked::RevokedGrants, rows, sql};

/// How often to look, and so how long another process's revocation takes to arrive here.
const EVERY: Duration = Duration::from_millis(500);

/// The moment up to which all revocations by others are known, shared between whoever looks and whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownAt(Arc<AtomicI64>);

impl KnownAt {
    /// All revocations up to this moment are known. A clock that was set back takes it back too: a moment to come would hide
    /// for long that nobody looks any more.
    pub(crate) fn set(&self, moment: Timestamp) {
        self.0.store(moment.as_unix(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// This machine's time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Looks until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    task: JoinHandle<()>,
    known_at: KnownAt,
}

impl Watch {
    pub(crate) fn start(options: SqliteConnectOptions, revoked: RevokedGrants) -> Self {
        let known_at = KnownAt::default();
        known_at.set(now());
        let noted = known_at.clone();
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = look(&options, &revoked, &noted).await {
                    tracing::warn!(%error, "cannot look for revocations by other processes; trying again");
                    tokio::time::sleep(EVERY).await;
                }
            }
        });
        Self { task, known_at }
    }

    pub(crate) fn known_at(&self) -> Timestamp {
        self.known_at.get()
    }

    /// Stops looking.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks again and again over one connection: the version's number means something within one only.
async fn look(
    options: &SqliteConnectOptions,
    revoked: &RevokedGrants,
    known_at: &KnownAt,
) -> Result<(), rows::Unreadable> {
    let mut connection = options.connect().await?;
    let mut seen = None;
    loop {
        let looking_at = now();
        let version: i64 = sqlx::query_scalar(sql::DATA_VERSION).fetch_one(&mut connection).await?;
        if seen.replace(version) != Some(version) {
            let rows = sqlx::query(sql::REVOKED_GRANTS).fetch_all(&mut connection).await?;
            revoked.extend(rows.iter().map(rows::revoked).collect::<Result<Vec<_>, _>>()?);
        }
        known_at.set(looking_at);
        tokio::time::sleep(EVERY).await;
    }
}

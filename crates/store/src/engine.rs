use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use doorward_authorization_server::store::{Store, StoreFault};
use doorward_types::Timestamp;

use crate::{PostgresStore, RevokedGrants, SqliteStore, database_url::DatabaseUrl, open::OpenError};

/// A store as the program that runs it sees it, whatever the engine.
#[async_trait]
pub trait Engine: Store {
    /// The grants whose access tokens must be refused, for a look-up on each request. A commit that revokes is answered
    /// after the grant is in here; a revocation by another process arrives within a second.
    fn revocations(&self) -> RevokedGrants;

    /// Deletes what no decision needs any more: expired requests, codes, tokens and sessions, clients that were not used,
    /// and grants that ended a day ago. Gives the number of rows that it touched.
    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreFault>;

    /// Finishes the commits that were accepted and closes the store. Everything after it fails.
    async fn close(&self);

    /// Writes a copy of all rows, of one moment, into a new file that only this user can read. Writes go on meanwhile.
    async fn backup(&self, to: &Path) -> Result<(), BackupError>;

    /// Where the audit record ends: the number of its last event (0 for none) and that event's digest.
    async fn record_head(&self) -> Result<(u64, [u8; 32]), StoreFault>;
}

/// Where a store lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    Sqlite(PathBuf),
    /// In this PostgreSQL database.
    Postgres(DatabaseUrl),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already.
    #[error("{0} is there already; name a file that does not exist")]
    Exists(PathBuf),
    /// The file cannot be made.
    #[error("{path} cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The engine has better tools of its own.
    #[error("{place} is a PostgreSQL database: make the copy with pg_dump --format=custom --file={} '{place}'", path.display())]
    UsePgDump {
        /// The database.
        place: DatabaseUrl,
        /// The file that was named.
        path: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Opens a store: makes it when there is none, checks it, and brings its schema up to date.
///
/// # Errors
/// Says what is wrong and what to do.
pub async fn open(place: &Place) -> Result<Arc<dyn Engine>, OpenError> {
    match place {
        Place::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path).await?)),
        Place::Postgres(url) => Ok(Arc::new(PostgresStore::open(url).await?)),
    }
}

use std::{fs, io, path::Path, time::Duration};

use doorward_authorization_server::{
    Write,
    store::{Committed, StoreFault},
};
use doorward_types::Timestamp;
use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};

use crate::{
    apply::Revoked,
    database::Database,
    driver::{Driver, fault},
    engine::BackupError,
    open::{self, OpenError},
    private,
    revoked::RevokedGrants,
    rows::{self, Unreadable},
    sql,
    statement::{Statement, query},
    sweep::{Sweep, Swept},
    watch::Watch,
    writer::Writer,
};

/// Look-ups that run at the same time; further ones wait for their turn.
const READERS: u32 = 4;

/// The authorization server's store in one SQLite file: write-ahead log, one writer with group commit, and
/// `synchronous=FULL`, so that what was acknowledged survives a loss of power.
pub type SqliteStore = Database<Sqlite>;

/// SQLite.
#[derive(Debug)]
pub struct Sqlite {
    writer: Writer,
    readers: SqlitePool,
    reading: SqliteConnectOptions,
    revoked: RevokedGrants,
    watch: Watch,
}

impl SqliteStore {
    /// Opens the file; makes it (mode 0600) and its directory (mode 0700) when there is none. Checks that the file is sound and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// Says what is wrong with the file and what to do.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let place = path.clone();
        let opened = open::apart(move || async move { open::open(&place).await }).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(opened.reading.clone());
        let revoked = RevokedGrants::default();
        match read_revoked(readers.clone()).await {
            Ok(known) => revoked.extend(known),
            Err(error) => return Err(OpenError::Damaged { path, evidence: error.to_string() }),
        }
        let writer = Writer::start(opened.writer, opened.writing, revoked.clone());
        let watch = Watch::start(opened.reading.clone(), revoked.clone());
        Ok(Self::new(Sqlite { writer, readers, reading: opened.reading, revoked, watch }))
    }
}

async fn read_revoked(readers: SqlitePool) -> Result<Revoked, Unreadable> {
    let rows = sqlx::query(sql::REVOKED_GRANTS).fetch_all(&readers).await?;
    rows.iter().map(rows::revoked).collect()
}

impl Driver for Sqlite {
    type Row = SqliteRow;

    async fn rows(&self, statement: Statement) -> Result<Vec<SqliteRow>, StoreFault> {
        query!(statement).fetch_all(&self.readers).await.map_err(fault)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault> {
        self.writer.commit(writes).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, StoreFault> {
        self.writer.sweep(sweep).await
    }

    fn revoked(&self) -> &RevokedGrants {
        &self.revoked
    }

    fn revocations_known_at(&self) -> Timestamp {
        self.watch.known_at()
    }

    /// SQLite reads the copy in one transaction, which in a write-ahead log keeps nobody from writing.
    async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            _ => BackupError::Io { path: to.to_owned(), source },
        };
        // An empty file that is ours alone: SQLite writes only into such a one, or into one that it makes.
        let file = private::new_file(to).map_err(io)?;
        let copied = async {
            let text = to.to_str().ok_or_else(|| StoreFault("the file's name is not UTF-8".into()))?;
            let copying = self.reading.clone().pragma("query_only", "OFF");
            let mut connection = copying.connect().await.map_err(fault)?;
            sqlx::query("VACUUM INTO $1").bind(text.to_owned()).execute(&mut connection).await.map_err(fault)?;
            connection.close().await.map_err(fault)
        };
        if let Err(error) = copied.await {
            let _ = fs::remove_file(to);
            return Err(BackupError::Store(error));
        }
        file.sync_all().and_then(|()| private::sync_directory(to)).map_err(io)
    }

    async fn close(&self) {
        self.watch.stop();
        self.readers.close().await;
        self.writer.close().await;
    }
}

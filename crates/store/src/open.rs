//! Opening the file: refusing what is not ours or not sound, before anything is written to it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqlSafeStr as _, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::database_url::DatabaseUrl;

/// The schema, step by step. A step that was released is never changed.
const MIGRATIONS: &[(&str, &str)] = &[
    ("first", include_str!("../migrations/sqlite/0001_first.sql")),
    ("every client", include_str!("../migrations/sqlite/0002_every_client.sql")),
    ("exchange", include_str!("../migrations/sqlite/0003_exchange.sql")),
];

/// Says in the file's header that it is ours; the same number stands in the first migration.
const APPLICATION_ID: i64 = 0x6477_6172;

/// How long a connection waits for another process that holds the write lock.
const BUSY: Duration = Duration::from_secs(10);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path names a directory.
    #[error("{0} is a directory; name a file in it, for example {0}/doorward.db")]
    Directory(PathBuf),
    /// The path names a socket, a device or the like.
    #[error("{0} is not a regular file; name another path")]
    NotAFile(PathBuf),
    /// The file or its directory cannot be written.
    #[error("{0} is read-only; make it writable for this user (chmod u+w {0}) or name another path")]
    ReadOnly(PathBuf),
    /// The file is something else.
    #[error("{0} is not a SQLite database, and it is left alone; name another path")]
    NotADatabase(PathBuf),
    /// The file is another program's database.
    #[error("{0} is a SQLite database of another program, and it is left alone; name another path")]
    Foreign(PathBuf),
    /// A later version of this program wrote the file.
    #[error(
        "{path} was written by a newer version (schema {found}, this version knows {known}); install that version again, or name another path"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema's version in the file.
        found: i64,
        /// The latest version that this program knows.
        known: usize,
    },
    /// The file is damaged.
    #[error("{path} is damaged ({evidence}); move it away and put a backup in its place")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first thing that SQLite found.
        evidence: String,
    },
    /// The database cannot be used.
    #[error("the database {place} cannot be used: {reason}")]
    Database {
        /// The database, without its password.
        place: DatabaseUrl,
        /// What PostgreSQL said, and what helps.
        reason: String,
    },
    /// The database cannot be reached.
    #[error("the database {place} cannot be reached: {reason}")]
    Away {
        /// The database, without its password.
        place: DatabaseUrl,
        /// What the attempt said, and what helps.
        reason: String,
    },
    /// A later version of this program changed the database.
    #[error(
        "the database {place} was used by a newer version (schema {found}, this version knows {known}); install that version again"
    )]
    NewerDatabase {
        /// The database, without its password.
        place: DatabaseUrl,
        /// The schema's version in the database.
        found: i64,
        /// The latest version that this program knows.
        known: usize,
    },
    /// The operating system refused.
    #[error("{path} cannot be opened: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{path} cannot be opened: {source}")]
    Sql {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

impl OpenError {
    /// Whether the database cannot be reached and may be later: worth waiting for.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// An open file: the connection that writes, and how to make more.
pub(crate) struct Opened {
    pub(crate) writer: SqliteConnection,
    pub(crate) writing: SqliteConnectOptions,
    pub(crate) reading: SqliteConnectOptions,
}

/// Runs a future on one thread. Of those that change a schema the compiler cannot see that any thread may go on with them.
pub(crate) async fn apart<T: Send + 'static, F: Future<Output = T>>(make: impl FnOnce() -> F + Send + 'static) -> T {
    let runtime = tokio::runtime::Handle::current();
    let ended = tokio::task::spawn_blocking(move || runtime.block_on(make())).await;
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Opens the file, makes it when there is none, checks it and brings its schema up to date. Processes that open
/// one file at the same time take turns.
pub(crate) async fn open(path: &Path) -> Result<Opened, OpenError> {
    let prepared = path.to_owned();
    let _turn = tokio::task::spawn_blocking(move || prepare(&prepared))
        .await
        .map_err(|error| OpenError::Io { path: path.to_owned(), source: io::Error::other(error) })??;

    let common = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true);
    let writing = common
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", "67108864");
    let reading = common.pragma("query_only", "ON");

    let failed = |error| judge(path, error);
    // Only looking, at first: switching a foreign database to WAL would already change it.
    let mut looking = reading.connect().await.map_err(failed)?;
    identify(path, &mut looking).await?;
    looking.close().await.map_err(failed)?;
    // A table that is made anew must not take along what points to it, so the schema changes without foreign keys.
    let mut changing = writing.clone().foreign_keys(false).connect().await.map_err(failed)?;
    check(path, &mut changing).await?;
    migrate(path, &mut changing).await?;
    dangling(path, &mut changing).await?;
    changing.close().await.map_err(failed)?;
    let writer = writing.connect().await.map_err(failed)?;
    Ok(Opened { writer, writing, reading })
}

/// Sees that the file exists, is private and can be written. Gives the lock under which a process opens it.
fn prepare(path: &Path) -> Result<File, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly(path.clone()),
            _ => OpenError::Io { path: path.clone(), source },
        }
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(OpenError::Directory(path.to_owned())),
        Ok(metadata) if !metadata.is_file() => return Err(OpenError::NotAFile(path.to_owned())),
        Ok(metadata) if metadata.permissions().readonly() => return Err(OpenError::ReadOnly(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(path)(error)),
    }
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        private_directory(directory).map_err(io(directory))?;
    }
    let lock_path = with_suffix(path, ".lock");
    let turn = private_file(&lock_path).map_err(io(&lock_path))?;
    turn.lock().map_err(io(&lock_path))?;

    let mut file = private_file(path).map_err(io(path))?;
    narrow(path, &file).map_err(io(path))?;
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head).map_err(io(path))?;
    if !head.is_empty() && head != b"SQLite format 3\0" {
        return Err(OpenError::NotADatabase(path.to_owned()));
    }
    Ok(turn)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for reading and writing; a new one is for this user alone from its first moment.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes other users' access away from a file that was already there. SQLite gives its journal the same mode.
#[cfg(unix)]
fn narrow(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "other users could open the store; its mode is 600 now");
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn narrow(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

/// Refuses a database that another program made.
async fn identify(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |error| judge(path, error);
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut *connection).await.map_err(failed)?;
    if id == APPLICATION_ID || (id == 0 && tables == 0) { Ok(()) } else { Err(OpenError::Foreign(path.to_owned())) }
}

async fn check(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let row = sqlx::query("PRAGMA quick_check(1)").fetch_one(connection).await.map_err(|error| judge(path, error))?;
    let evidence: String = row.try_get(0).map_err(|error| judge(path, error))?;
    if evidence == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.to_owned(), evidence }) }
}

/// Refuses a file in which a row points to one that is not there.
async fn dangling(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |error| judge(path, error);
    match sqlx::query("PRAGMA foreign_key_check").fetch_optional(connection).await.map_err(failed)? {
        None => Ok(()),
        Some(row) => {
            let table: String = row.try_get(0).map_err(failed)?;
            let evidence = format!("a row of {table} points to one that is missing");
            Err(OpenError::Damaged { path: path.to_owned(), evidence })
        }
    }
}

async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| {
        Migration::new(version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    match Migrator::with_migrations(migrations.collect()).run(connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() })
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(judge(path, error)),
        Err(error) => Err(OpenError::Sql { path: path.to_owned(), source: sqlx::Error::Migrate(Box::new(error)) }),
    }
}

/// Names what SQLite's result code says. Source: SQLite, "Result and Error Codes".
fn judge(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    match code.map(|code| code & 0xff) {
        Some(8 | 14) => OpenError::ReadOnly(path),
        Some(11) => OpenError::Damaged { path, evidence: error.to_string() },
        Some(26) => OpenError::NotADatabase(path),
        _ => OpenError::Sql { path, source: error },
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;

    #[tokio::test]
    async fn a_commit_is_flushed_and_a_reader_cannot_write() {
        // proves: FLT-01, FLT-02
        let directory = tempfile::tempdir().unwrap();
        let mut opened = super::open(&directory.path().join("doorward.db")).await.unwrap();
        for (pragma, value) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)] {
            let text = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
            let found: i64 = sqlx::query_scalar(text).fetch_one(&mut opened.writer).await.unwrap();
            assert_eq!(found, value, "{pragma}");
        }
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut opened.writer).await.unwrap();
        assert_eq!(mode, "wal");
        let mut reader = opened.reading.connect().await.unwrap();
        let refused = sqlx::query("DELETE FROM setup").execute(&mut reader).await.unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }
}

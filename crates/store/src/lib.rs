//! SQLite and PostgreSQL behind the store traits, and the sealed file for the client's credentials.

mod apply;
mod cells;
mod connection;
#[cfg(test)]
mod crash;
mod custody;
mod database;
mod database_url;
mod driver;
mod engine;
mod envelope;
mod failpoint;
mod keychain;
mod named_lock;
mod open;
mod postgres;
mod private;
mod record;
mod revoked;
mod rows;
mod sealed_file;
mod sql;
mod sqlite;
mod statement;
mod sweep;
mod wallet;
mod watch;
mod writer;

pub use custody::{Custody, KeyLies};
pub use database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use engine::{BackupError, Engine, Place, open};
pub use named_lock::{Attempt, Held, Holder, NamedLock};
pub use open::OpenError;
pub use postgres::PostgresStore;
pub use revoked::RevokedGrants;
pub use sealed_file::SealedFile;
pub use sqlite::SqliteStore;

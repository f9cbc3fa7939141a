//! SQLite behind the store traits, and the sealed file for the client's credentials.

mod apply;
mod open;
mod revoked;
mod rows;
mod sql;
mod sqlite;
mod sweep;
mod watch;
mod writer;

pub use open::OpenError;
pub use revoked::RevokedGrants;
pub use sqlite::SqliteStore;

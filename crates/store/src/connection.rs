//! What writing needs of a connection in a transaction, whatever the engine.

use std::future::Future;

use sqlx::{PgConnection, Row as _, SqliteConnection};

use crate::{
    failpoint, sql,
    statement::{Statement, query},
};

/// A connection in the middle of a transaction.
pub(crate) trait Connection: Send {
    /// Gives the number of rows that were changed.
    fn run(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Gives the first column of each row that comes back.
    fn texts(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<Vec<String>>> + Send;

    /// Where the record ends: number and digest. Nobody else appends to it until the transaction is over.
    fn record_head(&mut self) -> impl Future<Output = sqlx::Result<(i64, Vec<u8>)>> + Send;

    /// Keeps others from making keys until the transaction is over.
    fn alone_with_keys(&mut self) -> impl Future<Output = sqlx::Result<()>> + Send;
}

macro_rules! connection {
    ($connection:ty, $record_head:expr, $keys_alone:expr) => {
        impl Connection for $connection {
            async fn run(&mut self, statement: Statement) -> sqlx::Result<u64> {
                if statement.holds_nul() {
                    return Ok(0);
                }
                failpoint::reach();
                let done = query!(statement).execute(self).await?;
                failpoint::reach();
                Ok(done.rows_affected())
            }

            async fn texts(&mut self, statement: Statement) -> sqlx::Result<Vec<String>> {
                if statement.holds_nul() {
                    return Ok(Vec::new());
                }
                failpoint::reach();
                let rows = query!(statement).fetch_all(self).await?;
                failpoint::reach();
                rows.iter().map(|row| row.try_get(0)).collect()
            }

            async fn record_head(&mut self) -> sqlx::Result<(i64, Vec<u8>)> {
                let row = sqlx::query($record_head).fetch_one(self).await?;
                Ok((row.try_get(0)?, row.try_get(1)?))
            }

            async fn alone_with_keys(&mut self) -> sqlx::Result<()> {
                if let Some(statement) = $keys_alone {
                    sqlx::query(statement).execute(self).await?;
                }
                Ok(())
            }
        }
    };
}

// A write transaction of SQLite is alone anyway.
connection!(SqliteConnection, sql::RECORD_HEAD, None::<&str>);
connection!(PgConnection, sql::RECORD_HEAD_ALONE, Some(sql::KEYS_ALONE));

//! What writing needs of a connection in a transaction, whatever the engine.

use std::future::Future;

use sqlx::{Row as _, SqliteConnection};

use crate::{
    sql,
    statement::{Statement, query},
};

/// A connection in the middle of a transaction.
pub(crate) trait Connection: Send {
    /// Reads where the record ends, and keeps others from writing there until the transaction is over.
    const RECORD_HEAD: &'static str;

    /// Gives the number of rows that were changed.
    fn run(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Gives the first column of each row that comes back.
    fn texts(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<Vec<String>>> + Send;

    /// Where the record ends: number and digest.
    fn record_head(&mut self) -> impl Future<Output = sqlx::Result<(i64, Vec<u8>)>> + Send;

    /// Keeps others from making keys until the transaction is over.
    fn alone_with_keys(&mut self) -> impl Future<Output = sqlx::Result<()>> + Send;
}

impl Connection for SqliteConnection {
    const RECORD_HEAD: &'static str = sql::RECORD_HEAD;

    async fn run(&mut self, statement: Statement) -> sqlx::Result<u64> {
        Ok(query!(statement).execute(self).await?.rows_affected())
    }

    async fn texts(&mut self, statement: Statement) -> sqlx::Result<Vec<String>> {
        query!(statement).fetch_all(self).await?.iter().map(|row| row.try_get(0)).collect()
    }

    async fn record_head(&mut self) -> sqlx::Result<(i64, Vec<u8>)> {
        let row = sqlx::query(Self::RECORD_HEAD).fetch_one(self).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// A write transaction is alone anyway.
    async fn alone_with_keys(&mut self) -> sqlx::Result<()> {
        Ok(())
    }
}

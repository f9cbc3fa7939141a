//! Revocations by other processes that have the same file open. SQLite cannot call back across processes, but its
//! `data_version` tells for the price of one look whether anybody else wrote.

use std::time::Duration;

use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use tokio::task::JoinHandle;

use crate::{revoked::RevokedGrants, rows, sql};

/// How often to look, and so how long another process's revocation takes to arrive here.
const EVERY: Duration = Duration::from_millis(500);

/// Looks until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(JoinHandle<()>);

impl Watch {
    pub(crate) fn start(options: SqliteConnectOptions, revoked: RevokedGrants) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Err(error) = look(&options, &revoked).await {
                    tracing::warn!(%error, "cannot look for revocations by other processes; trying again");
                    tokio::time::sleep(EVERY).await;
                }
            }
        }))
    }

    /// Stops looking.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks again and again over one connection: the version's number means something within one only.
async fn look(options: &SqliteConnectOptions, revoked: &RevokedGrants) -> Result<(), rows::Unreadable> {
    let mut connection = options.connect().await?;
    let mut seen = None;
    loop {
        let version: i64 = sqlx::query_scalar(sql::DATA_VERSION).fetch_one(&mut connection).await?;
        if seen.replace(version) != Some(version) {
            let rows = sqlx::query(sql::REVOKED_GRANTS).fetch_all(&mut connection).await?;
            revoked.extend(rows.iter().map(rows::revoked).collect::<Result<Vec<_>, _>>()?);
        }
        tokio::time::sleep(EVERY).await;
    }
}

//! The store on PostgreSQL: any number of processes against one database.

mod error;
mod open;
mod transaction;
mod watch;

use std::{path::Path, time::Duration};

use doorward_authorization_server::{
    Write,
    store::{Committed, StoreFault},
};
use doorward_types::Timestamp;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::time::{Instant, timeout};

use crate::{
    database::Database,
    database_url::DatabaseUrl,
    driver::{Driver, fault},
    engine::BackupError,
    open::{OpenError, apart},
    revoked::RevokedGrants,
    statement::{Statement, query},
    sweep::{Sweep, Swept},
};
use transaction::{End, Lease, Work};

/// How long anything may take before the caller hears that the database is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a commit that lost against another one, and so did nothing, is tried again.
const MOST_ATTEMPTS: u32 = 10;

/// The authorization server's store in a PostgreSQL database that any number of processes share. Each commit is a transaction
/// of its own. A process hears of the others' revocations by `NOTIFY`, and looks each second in case it did not.
pub type PostgresStore = Database<Postgres>;

/// PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    options: PgConnectOptions,
    place: DatabaseUrl,
    revoked: RevokedGrants,
    watch: watch::Watch,
}

impl PostgresStore {
    /// Opens the database, checks that it can be used, and brings its schema up to date; processes that do so at the same time
    /// take turns.
    ///
    /// # Errors
    /// Says what is wrong with the database and what to do.
    pub async fn open(place: &DatabaseUrl) -> Result<Self, OpenError> {
        let place = place.clone();
        let named = place.clone();
        let (pool, options) = apart(move || open::open(named)).await?;
        let revoked = RevokedGrants::default();
        let seen = match watch::look(pool.clone(), None, revoked.clone()).await {
            Ok(seen) => seen,
            Err(error) => return Err(OpenError::Database { place, reason: error.to_string() }),
        };
        let watch = watch::Watch::start(&options, revoked.clone(), seen);
        Ok(Self::new(Postgres { pool, options, place, revoked, watch }))
    }
}

impl Postgres {
    /// Tries until the transaction is over one way or another; nothing when it was undone.
    async fn until_it_ends(&self, work: Work) -> Result<Option<Swept>, StoreFault> {
        if self.watch.is_away() {
            return Err(away());
        }
        let start = Instant::now();
        for count in 0..MOST_ATTEMPTS {
            if start.elapsed() > PATIENCE {
                break;
            }
            match transaction::run(&self.pool, &self.options, &work).await? {
                End::Committed(done) => {
                    self.watch.answered();
                    self.revoked.extend(done.revoked.iter().cloned());
                    return Ok(Some(done));
                }
                End::Undone => return Ok(None),
                End::Lost => tokio::time::sleep(Duration::from_millis(u64::from(5 + 10 * count))).await,
            }
        }
        Err(StoreFault("the same rows were contended for too often".into()))
    }
}

impl Driver for Postgres {
    type Row = PgRow;

    async fn rows(&self, statement: Statement) -> Result<Vec<PgRow>, StoreFault> {
        if statement.holds_nul() {
            return Ok(Vec::new());
        }
        if self.watch.is_away() {
            return Err(away());
        }
        let read = async |statement: Statement| {
            let mut lease = Lease::take(&self.pool).await?;
            let rows = query!(statement).fetch_all(lease.connection()).await?;
            lease.give_back();
            Ok(rows)
        };
        let twice = async {
            match read(statement.clone()).await {
                // The connection was cut while it read; another one may be better.
                Err(error) if error::is_cut(&error) => read(statement).await,
                result => result,
            }
        };
        let rows = timeout(PATIENCE, twice).await.map_err(|_| away())?.map_err(fault)?;
        self.watch.answered();
        Ok(rows)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault> {
        let done = self.until_it_ends(Work::Commit(writes)).await?;
        Ok(if done.is_some() { Committed::Done } else { Committed::Conflict })
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, StoreFault> {
        Ok(self.until_it_ends(Work::Sweep(sweep)).await?.unwrap_or_default())
    }

    fn revoked(&self) -> &RevokedGrants {
        &self.revoked
    }

    fn revocations_known_at(&self) -> Timestamp {
        self.watch.known_at()
    }

    async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        Err(BackupError::UsePgDump { place: self.place.clone(), path: to.to_owned() })
    }

    async fn close(&self) {
        self.watch.stop();
        self.pool.close().await;
    }
}

fn away() -> StoreFault {
    StoreFault(format!("PostgreSQL did not answer within {} seconds", PATIENCE.as_secs()).into())
}

#[cfg(test)]
mod tests {
    use doorward_testkit::postgres::Postgres;

    use super::PostgresStore;

    #[tokio::test]
    async fn what_is_acknowledged_is_flushed_whatever_the_database_says() {
        // proves: FLT-02
        let database = Postgres::fresh();
        database.sql("ALTER ROLE doorward SET synchronous_commit = off; ALTER ROLE doorward SET statement_timeout = 0");
        let store = PostgresStore::open(&database.url().parse().unwrap()).await.unwrap();
        for (setting, value) in [
            ("synchronous_commit", "on"),
            ("statement_timeout", "5s"),
            ("lock_timeout", "4s"),
            ("transaction_isolation", "read committed"),
        ] {
            let text = sqlx::AssertSqlSafe(format!("SHOW {setting}"));
            let found: String = sqlx::query_scalar(text).fetch_one(&store.driver.pool).await.unwrap();
            assert_eq!(found, value, "{setting}");
        }
        database.sql("ALTER ROLE doorward RESET ALL");
    }
}

//! One transaction, and what became of it when nobody says.

use std::time::Duration;

use doorward_authorization_server::{Write, store::StoreFault};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, Postgres, Row as _,
    pool::PoolConnection, postgres::PgConnectOptions,
};
use tokio::time::{Instant, sleep, timeout};

use super::{PATIENCE, away, error};
use crate::{
    apply::{Applied, apply_all},
    driver::fault,
    failpoint, sql,
    sweep::{self, Sweep, Swept},
};

/// How a transaction ended.
pub(super) enum End {
    /// All of it is durable: what was swept, and which grants were revoked.
    Committed(Swept),
    /// It was undone on purpose.
    Undone,
    /// It did nothing, because it lost against another one or its connection ended.
    Lost,
}

/// What is done in a transaction.
pub(super) enum Work {
    /// The writes of a decision.
    Commit(Vec<Write>),
    /// One step of sweeping.
    Sweep(Sweep),
}

impl Work {
    /// Gives what was swept and which grants were revoked; nothing to have it all undone.
    async fn run(&self, connection: &mut PgConnection) -> sqlx::Result<Option<Swept>> {
        match self {
            Self::Commit(writes) => match apply_all(connection, writes.clone()).await? {
                Applied::Done(revoked) => Ok(Some(Swept { revoked, ..Swept::default() })),
                Applied::Conflict => Ok(None),
            },
            Self::Sweep(sweep) => {
                // One node sweeps at a time; the others have nothing to do meanwhile.
                let alone: bool = sqlx::query_scalar(sql::SWEEP_ALONE).fetch_one(&mut *connection).await?;
                if !alone {
                    return Ok(None);
                }
                sweep::step(connection, sweep.clone()).await.map(Some)
            }
        }
    }
}

/// A connection that goes back to the pool only when it is known to be in order: nothing is open on it, and nobody waits
/// for its answer any more. Otherwise it is closed.
pub(super) struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    /// Takes one out of the pool.
    pub(super) async fn take(pool: &PgPool) -> sqlx::Result<Self> {
        pool.acquire().await.map(|connection| Self(Some(connection)))
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it is held until it is given back")
    }

    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What is left of the transaction ends with its connection.
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// Runs one transaction.
pub(super) async fn run(pool: &PgPool, options: &PgConnectOptions, work: &Work) -> Result<End, StoreFault> {
    let mut lease = timeout(PATIENCE, Lease::take(pool)).await.map_err(|_| away())?.map_err(fault)?;
    // Until COMMIT is sent nothing has happened, however this fails.
    let begun = async {
        let connection = lease.connection();
        failpoint::reach();
        let name: String = sqlx::raw_sql(sql::BEGIN_NAMED).fetch_one(&mut *connection).await?.try_get(0)?;
        Ok::<_, sqlx::Error>((name, work.run(connection).await?))
    };
    let (name, done) = match timeout(PATIENCE, begun).await.map_err(|_| away())? {
        Ok((name, Some(done))) => (name, done),
        Ok((_, None)) => {
            if let Ok(Ok(_)) = timeout(PATIENCE, lease.connection().execute(sql::ROLLBACK)).await {
                lease.give_back();
            }
            return Ok(End::Undone);
        }
        Err(error) if error::is_lost(&error) || error::is_cut(&error) => return Ok(End::Lost),
        Err(error) => return Err(fault(error)),
    };
    failpoint::reach();
    let ended = timeout(PATIENCE, lease.connection().execute(sql::COMMIT)).await;
    failpoint::reach();
    match ended {
        Ok(Ok(_)) => {
            lease.give_back();
            Ok(End::Committed(done))
        }
        Ok(Err(error)) if error::is_lost(&error) => Ok(End::Lost),
        Ok(Err(error)) if !error::is_cut(&error) => Err(fault(error)),
        // Sent, but nobody said what became of it.
        Ok(Err(_)) | Err(_) => {
            drop(lease);
            if is_committed(options, &name).await? { Ok(End::Committed(done)) } else { Ok(End::Lost) }
        }
    }
}

/// Reads what became of a transaction, over a connection of its own. The database keeps it for long.
async fn is_committed(options: &PgConnectOptions, name: &str) -> Result<bool, StoreFault> {
    let end = Instant::now() + PATIENCE;
    tracing::warn!(transaction = name, "the connection ended at COMMIT; reading what became of it");
    let ask = async || {
        let mut connection = options.connect().await?;
        let status: Option<String> =
            sqlx::query_scalar(sql::TRANSACTION_STATUS).bind(name.to_owned()).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(status)
    };
    loop {
        match timeout(PATIENCE, ask()).await {
            Ok(Ok(Some(status))) if status == "committed" => return Ok(true),
            Ok(Ok(Some(status))) if status == "aborted" => return Ok(false),
            // Still in progress: the server has not noticed yet that nobody is there. Or it is still away.
            _ if Instant::now() < end => sleep(Duration::from_millis(100)).await,
            _ => return Err(StoreFault("the connection ended at COMMIT, and what became of it cannot be read".into())),
        }
    }
}

//! What no decision needs any more is deleted, a bounded number of rows at a time.

use std::time::Duration;

use doorward_authorization_server::keys::TRAIL;
use doorward_types::{ClientId, Timestamp};

use crate::{
    apply::{self, Ledger, Revoked},
    connection::Connection,
    record, sql,
    statement::Statement,
};

/// The most rows of a kind that one step removes, so that other writers wait for milliseconds only.
const MOST_ROWS: i64 = 500;

/// The most clients that one step removes: each takes its grants along.
const MOST_CLIENTS: i64 = 50;

/// How long a revoked or expired grant stays, and how long a revocation is remembered: longer than an access token can live by
/// any node's clock, and long enough to tell a late caller why its token no longer works.
pub(crate) const KEEP_ENDED_GRANT: Duration = TRAIL;

/// How long an expired or redeemed code stays, so that a second redemption is recognised and ends the grant.
const KEEP_CODE: Duration = Duration::from_secs(24 * 3600);

/// How long an expired device stays, so that its next poll hears that it has expired.
const KEEP_DEVICE: Duration = Duration::from_secs(3600);

/// How long what was used once stays beyond its time: a node whose clock is behind would take it again until then.
const KEEP_USED: Duration = Duration::from_secs(5 * 60);

/// How long the sealed answer of a rotation stays: longer than the longest grace.
const KEEP_ANSWER: Duration = Duration::from_secs(5 * 60);

/// The most grants that are looked at in one step, and the most steps of that kind in one sweep: whoever has more is
/// swept in several turns.
const GRANTS_IN_A_PAGE: i64 = 1000;
pub(crate) const MOST_PAGES: u32 = 20;

/// One step of sweeping.
#[derive(Clone, Debug)]
pub enum Sweep {
    /// What is over at this moment, found by its time.
    Expired(Timestamp),
    /// Grants that nothing can use any more. They cannot be found by a time, so all are looked at, page by page.
    Unusable {
        /// The moment.
        now: Timestamp,
        /// The last grant of the page before; empty at the beginning.
        after: String,
    },
}

/// What one step did.
#[derive(Debug, Default)]
pub struct Swept {
    /// The number of rows that it touched; zero says that all is clean.
    pub(crate) rows: u64,
    /// The last grant of the page; none when there are no more.
    pub(crate) page_end: Option<String>,
    /// Grants that ended because their client had expired.
    pub(crate) revoked: Revoked,
}

/// One step, inside a transaction.
pub(crate) async fn step<C: Connection>(connection: &mut C, sweep: Sweep) -> sqlx::Result<Swept> {
    match sweep {
        Sweep::Expired(now) => expired(connection, now).await,
        Sweep::Unusable { now, after } => unusable(connection, now, after).await,
    }
}

async fn unusable<C: Connection>(connection: &mut C, now: Timestamp, after: String) -> sqlx::Result<Swept> {
    let page = Statement::new(sql::GRANTS_PAGE).bind(after).bind(GRANTS_IN_A_PAGE);
    let ids = connection.texts(page).await?;
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Swept::default()) };
    let statement = Statement::new(sql::SWEEP_UNUSABLE_GRANTS).bind(before(now, KEEP_ENDED_GRANT));
    let rows = connection.run(statement.bind(first.as_str()).bind(last.as_str())).await?;
    Ok(Swept { rows, page_end: Some(last.clone()), revoked: Revoked::new() })
}

/// A rotated refresh token stays until it would have expired: until then its reuse must be recognised.
async fn expired<C: Connection>(connection: &mut C, now: Timestamp) -> sqlx::Result<Swept> {
    let none = Duration::ZERO;
    let mut ledger = Ledger::default();
    let mut rows = expired_clients(connection, now, &mut ledger).await?;
    for (statement, keep) in [
        (sql::SWEEP_INTERACTIONS, none),
        (sql::SWEEP_PUSHED_REQUESTS, none),
        (sql::SWEEP_DEVICES, KEEP_DEVICE),
        (sql::SWEEP_USED_ONCE, KEEP_USED),
        (sql::SWEEP_CODES, KEEP_CODE),
        (sql::SWEEP_ANSWERS, KEEP_ANSWER),
        (sql::SWEEP_REFRESH, none),
        (sql::SWEEP_SESSIONS, none),
        (sql::SWEEP_REVOKED_GRANTS, KEEP_ENDED_GRANT),
        (sql::SWEEP_EXPIRED_GRANTS, KEEP_ENDED_GRANT),
    ] {
        rows += connection.run(Statement::new(statement).bind(before(now, keep)).bind(MOST_ROWS)).await?;
    }
    record::append(connection, ledger.events).await?;
    Ok(Swept { rows, page_end: None, revoked: ledger.revoked })
}

/// Clients past their time go as if somebody had removed them.
async fn expired_clients<C: Connection>(connection: &mut C, now: Timestamp, ledger: &mut Ledger) -> sqlx::Result<u64> {
    let mut rows = 0;
    for id in connection.texts(Statement::new(sql::EXPIRED_CLIENTS).bind(now).bind(MOST_CLIENTS)).await? {
        let deleted = connection.run(Statement::new(sql::DELETE_EXPIRED_CLIENT).bind(id.as_str()).bind(now)).await?;
        // It may have been used meanwhile, and so live on.
        if deleted > 0
            && let Ok(client) = ClientId::parse(id)
        {
            apply::client_went(connection, client, now, true, ledger).await?;
        }
        rows += deleted;
    }
    Ok(rows)
}

/// The moment `by` before `now`.
pub(crate) fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_unix(now.as_unix().saturating_sub(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
}

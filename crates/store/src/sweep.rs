//! What no decision needs any more is deleted, a bounded number of rows at a time.

use std::time::Duration;

use doorward_types::Timestamp;
use sqlx::SqliteConnection;

use crate::sql;

/// The most rows of a kind that one step removes, so that other writers wait for milliseconds only.
const MOST_ROWS: i64 = 500;

/// How long a revoked or expired grant stays: far longer than an access token can live, and long enough to tell
/// a late caller why its token no longer works.
pub(crate) const KEEP_ENDED_GRANT: Duration = Duration::from_secs(24 * 3600);

/// How long an expired or redeemed code stays, so that a second redemption is recognised and ends the grant.
const KEEP_CODE: Duration = Duration::from_secs(24 * 3600);

/// How long the sealed answer of a rotation stays: longer than the longest grace.
const KEEP_ANSWER: Duration = Duration::from_secs(5 * 60);

/// One step, inside the writer's transaction. Gives the number of rows that it touched; zero says that all is clean.
///
/// A rotated refresh token stays until it would have expired: until then its reuse must be recognised.
pub(crate) async fn step(connection: &mut SqliteConnection, now: Timestamp) -> sqlx::Result<u64> {
    let none = Duration::ZERO;
    let mut rows = 0;
    for (statement, keep) in [
        (sql::SWEEP_INTERACTIONS, none),
        (sql::SWEEP_CODES, KEEP_CODE),
        (sql::SWEEP_ANSWERS, KEEP_ANSWER),
        (sql::SWEEP_REFRESH, none),
        (sql::SWEEP_SESSIONS, none),
        (sql::SWEEP_REVOKED_GRANTS, KEEP_ENDED_GRANT),
        (sql::SWEEP_EXPIRED_GRANTS, KEEP_ENDED_GRANT),
    ] {
        let until = before(now, keep).as_unix();
        rows += sqlx::query(statement).bind(until).bind(MOST_ROWS).execute(&mut *connection).await?.rows_affected();
    }
    Ok(rows)
}

/// The moment `by` before `now`.
pub(crate) fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_unix(now.as_unix().saturating_sub(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
}

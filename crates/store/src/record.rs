//! The audit record, written in the transaction of what it tells of.

use doorward_authorization_server::audit::{Event, Recorded};
use doorward_types::{ClientId, ResourceId};

use crate::{connection::Connection, sql, statement::Statement};

/// Puts events behind the last one. The head is read last, because whoever has read it keeps all others waiting.
pub(crate) async fn append<C: Connection>(connection: &mut C, events: Vec<Event>) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let (number, digest) = connection.record_head().await?;
    let unreadable = || sqlx::Error::Protocol("the head of the record is not what was written".into());
    let mut number = u64::try_from(number).map_err(|_| unreadable())?;
    let mut digest: [u8; 32] = digest.try_into().map_err(|_| unreadable())?;
    for event in events {
        let recorded = Recorded::after(number, &digest, event);
        (number, digest) = (recorded.number, recorded.digest);
        if connection.run(insert(recorded)).await? != 1 {
            return Err(sqlx::Error::Protocol("an event cannot be recorded".into()));
        }
    }
    let head = Statement::new(sql::MOVE_RECORD_HEAD).bind(signed(number)).bind(&digest[..]);
    connection.run(head).await.map(drop)
}

fn insert(recorded: Recorded) -> Statement {
    let Recorded { number, event, digest } = recorded;
    Statement::new(sql::INSERT_AUDIT)
        .bind(signed(number))
        .bind(event.at)
        .bind(event.kind.as_str())
        .bind(event.account.map(|account| account.0))
        .bind(event.client.as_ref().map(ClientId::as_str))
        .bind(event.grant.map(|grant| grant.0))
        .bind(event.resource.as_ref().map(ResourceId::as_str))
        .bind(event.detail)
        .bind(&digest[..])
}

/// Numbers start at one and grow by one; they never leave what a row can hold.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! Writes as statements. A guard is part of its statement's condition, so that looking and changing are one step.

mod insert;

use doorward_authorization_server::{
    RevocationReason, Write,
    audit::{Event, event_of},
    facts::{DeviceAnswer, GrantId},
};
use doorward_types::{ClientId, Timestamp};

use crate::{connection::Connection, record, sql, statement::Statement};

pub(crate) use insert::name_key;

/// How a commit's writes ended.
#[derive(Debug)]
pub(crate) enum Applied {
    /// All of them are done; these grants were revoked.
    Done(Revoked),
    /// A guard did not hold: the transaction must be undone.
    Conflict,
}

/// Grants that were revoked, and when.
pub(crate) type Revoked = Vec<(String, Timestamp)>;

/// What a transaction has done so far.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) events: Vec<Event>,
    pub(crate) revoked: Revoked,
}

/// Does all writes of a commit and records what they mean.
pub(crate) async fn apply_all<C: Connection>(connection: &mut C, writes: Vec<Write>) -> sqlx::Result<Applied> {
    let mut ledger = Ledger::default();
    for write in writes {
        match apply(connection, write, &mut ledger).await {
            Ok(true) => {}
            Ok(false) => return Ok(Applied::Conflict),
            // What the row points to went away meanwhile.
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => return Ok(Applied::Conflict),
            Err(error) => return Err(error),
        }
    }
    record::append(connection, ledger.events).await?;
    Ok(Applied::Done(ledger.revoked))
}

/// Does one write. `false` says that its guard did not hold.
async fn apply<C: Connection>(connection: &mut C, write: Write, ledger: &mut Ledger) -> sqlx::Result<bool> {
    match write {
        Write::Record(event) => ledger.events.push(event),
        Write::RevokeGrant { grant, at, reason } => {
            let statement = Statement::new(sql::REVOKE_GRANT).bind(grant.0);
            revoke(connection, statement, at, reason, ledger).await?;
        }
        Write::DeleteClient { client, at } => {
            let deleted = connection.run(Statement::new(sql::DELETE_CLIENT).bind(client.as_str())).await?;
            client_went(connection, client, at, deleted > 0, ledger).await?;
        }
        Write::DisableAccount { account, at } => {
            let disabled = connection.run(Statement::new(sql::DISABLE_ACCOUNT).bind(account.0.as_str())).await?;
            connection.run(Statement::new(sql::DELETE_SESSIONS).bind(account.0.as_str())).await?;
            let grants = Statement::new(sql::REVOKE_GRANTS_OF_ACCOUNT).bind(account.0.as_str());
            ledger.events.extend(event_of(&Write::DisableAccount { account, at }).filter(|_| disabled > 0));
            revoke(connection, grants, at, RevocationReason::Account, ledger).await?;
        }
        write => {
            if matches!(write, Write::InsertKey { .. }) {
                connection.alone_with_keys().await?;
            }
            let (guarded, event) = (is_guarded(&write), event_of(&write));
            let changed = match statement(write) {
                Some(statement) => connection.run(statement).await?,
                None => 0,
            };
            if changed > 0 {
                ledger.events.extend(event);
            } else if guarded {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// All grants of a client that is gone end.
pub(crate) async fn client_went<C: Connection>(
    connection: &mut C,
    client: ClientId,
    at: Timestamp,
    deleted: bool,
    ledger: &mut Ledger,
) -> sqlx::Result<()> {
    let statement = Statement::new(sql::REVOKE_GRANTS_OF_CLIENT).bind(client.as_str());
    ledger.events.extend(event_of(&Write::DeleteClient { client, at }).filter(|_| deleted));
    revoke(connection, statement, at, RevocationReason::ClientRemoved, ledger).await
}

/// Revokes what the statement says, and notes each grant that was not revoked before.
async fn revoke<C: Connection>(
    connection: &mut C,
    statement: Statement,
    at: Timestamp,
    reason: RevocationReason,
    ledger: &mut Ledger,
) -> sqlx::Result<()> {
    for id in connection.texts(statement.bind(at).bind(reason.as_str())).await? {
        let grant = GrantId(id.clone());
        ledger.events.extend(event_of(&Write::RevokeGrant { grant, at, reason }));
        ledger.revoked.push((id, at));
    }
    Ok(())
}

/// Inserts count as guarded: a name that is taken, or a grant that ended meanwhile, is a state that the decision did not see.
fn is_guarded(write: &Write) -> bool {
    match write {
        Write::InsertClient(_)
        | Write::ReplaceClient { .. }
        | Write::HoldClient(_)
        | Write::HoldAccount(_)
        | Write::InsertInteraction(_)
        | Write::SpendInteraction(_)
        | Write::InsertPushedRequest(_)
        | Write::SpendPushedRequest(_)
        | Write::InsertDevice(_)
        | Write::AnswerDevice { .. }
        | Write::PollDevice { .. }
        | Write::RedeemDevice { .. }
        | Write::UseOnce { .. }
        | Write::InsertKey { .. }
        | Write::InsertGrant(_)
        | Write::BindGrant { .. }
        | Write::InsertCode(_)
        | Write::RedeemCode { .. }
        | Write::InsertRefresh(_)
        | Write::RotateRefresh { .. }
        | Write::CountReplay { .. }
        | Write::InsertAccount(_)
        | Write::SpendSetup(_)
        | Write::InsertSession(_) => true,
        Write::TouchClient { .. }
        | Write::DeleteClient { .. }
        | Write::DeleteKey { .. }
        | Write::DisableAccount { .. }
        | Write::EnableAccount { .. }
        | Write::Record(_)
        | Write::TouchGrant(..)
        | Write::RevokeGrant { .. }
        | Write::RebindInteractions { .. }
        | Write::CountWrongVerifier(_)
        | Write::ReplaceSetup(_)
        | Write::DeleteSession(_)
        | Write::DeleteSessions(_) => false,
    }
}

/// The one statement of a write; nothing for what [`apply`] does in another way.
fn statement(write: Write) -> Option<Statement> {
    let on = Statement::new;
    Some(match write {
        Write::InsertClient(client) => insert::client(on(sql::INSERT_CLIENT), &client),
        Write::ReplaceClient { before, after, .. } => {
            let statement = insert::client_row(on(sql::REPLACE_CLIENT).bind(before.id.as_str()), &after);
            insert::client_row(statement, &before)
        }
        Write::TouchClient { client, at, expires_at } => {
            on(sql::TOUCH_CLIENT).bind(client.as_str()).bind(at).bind(expires_at)
        }
        Write::HoldClient(client) => on(sql::HOLD_CLIENT).bind(client.as_str()),
        Write::HoldAccount(account) => on(sql::HOLD_ACCOUNT).bind(account.0),
        Write::InsertInteraction(interaction) => insert::interaction(&interaction),
        Write::RebindInteractions { from, to } => on(sql::REBIND_INTERACTIONS).bind(from).bind(to),
        Write::SpendInteraction(digest) => on(sql::SPEND_INTERACTION).bind(digest),
        Write::InsertPushedRequest(request) => insert::pushed_request(&request),
        Write::SpendPushedRequest(digest) => on(sql::SPEND_PUSHED_REQUEST).bind(digest),
        Write::InsertDevice(device) => insert::device(device),
        Write::AnswerDevice { device, answer, .. } => {
            let (answer, grant) = answer_columns(answer);
            on(sql::ANSWER_DEVICE).bind(device).bind(answer).bind(grant)
        }
        Write::PollDevice { device, seen, at, interval } => {
            on(sql::POLL_DEVICE).bind(device).bind(seen).bind(at).bind(interval)
        }
        Write::RedeemDevice { device, grant, at } => on(sql::REDEEM_DEVICE).bind(device).bind(at).bind(grant.0),
        Write::UseOnce { id, until } => on(sql::USE_ONCE).bind(id).bind(until),
        Write::InsertKey { key, seen } => insert::key(key).bind(seen),
        Write::DeleteKey { kid, .. } => on(sql::DELETE_KEY).bind(kid),
        Write::InsertGrant(grant) => insert::grant(grant),
        Write::BindGrant { grant, key } => on(sql::BIND_GRANT).bind(grant.0).bind(key.as_str()),
        Write::TouchGrant(grant, at) => on(sql::TOUCH_GRANT).bind(grant.0).bind(at),
        Write::InsertCode(code) => insert::code(code),
        Write::RedeemCode { code, grant, at } => on(sql::REDEEM_CODE).bind(code).bind(at).bind(grant.0),
        Write::CountWrongVerifier(code) => on(sql::COUNT_WRONG_VERIFIER).bind(code),
        Write::InsertRefresh(token) => insert::refresh(token),
        Write::RotateRefresh { token, grant, successor, at, answer } => {
            on(sql::ROTATE_REFRESH).bind(token).bind(at).bind(successor).bind(answer.as_bytes()).bind(grant.0)
        }
        Write::CountReplay { token, seen } => on(sql::COUNT_REPLAY).bind(token).bind(seen),
        Write::InsertAccount(account) => insert::account(account),
        Write::EnableAccount { account, .. } => on(sql::ENABLE_ACCOUNT).bind(account.0),
        Write::SpendSetup(digest) => on(sql::SPEND_SETUP).bind(digest),
        Write::ReplaceSetup(digest) => on(sql::REPLACE_SETUP).bind(digest),
        Write::InsertSession(session) => insert::session(session),
        Write::DeleteSession(digest) => on(sql::DELETE_SESSION).bind(digest),
        Write::DeleteSessions(account) => on(sql::DELETE_SESSIONS).bind(account.0),
        Write::Record(_) | Write::RevokeGrant { .. } | Write::DeleteClient { .. } | Write::DisableAccount { .. } => {
            return None;
        }
    })
}

fn answer_columns(answer: DeviceAnswer) -> (&'static str, Option<String>) {
    match answer {
        DeviceAnswer::None => ("none", None),
        DeviceAnswer::Denied => ("denied", None),
        DeviceAnswer::Allowed(grant) => ("allowed", Some(grant.0)),
    }
}

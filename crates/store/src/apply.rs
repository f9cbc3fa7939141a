//! One [`Write`] as one statement. A guard is part of its statement's condition, so that looking and changing are one step.

use doorward_authorization_server::{
    Write,
    facts::{Account, Client, ClientAuthentication, ClientOrigin, Code, Grant, Interaction, Refresh, Session},
};
use doorward_types::{RedirectUri, Timestamp};
use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use crate::sql;

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Does one write. `false` says that its guard did not hold.
pub(crate) async fn apply(connection: &mut SqliteConnection, write: Write) -> sqlx::Result<bool> {
    let guarded = is_guarded(&write);
    let changed = statement(write).execute(connection).await?.rows_affected();
    Ok(changed == 1 || !guarded)
}

/// Inserts count as guarded: a name that is taken, or a grant that ended meanwhile, is a state that the decision did not see.
fn is_guarded(write: &Write) -> bool {
    match write {
        Write::InsertClient(_)
        | Write::InsertInteraction(_)
        | Write::SpendInteraction(_)
        | Write::InsertGrant(_)
        | Write::InsertCode(_)
        | Write::RedeemCode { .. }
        | Write::InsertRefresh(_)
        | Write::RotateRefresh { .. }
        | Write::CountReplay { .. }
        | Write::InsertAccount(_)
        | Write::SpendSetup(_)
        | Write::InsertSession(_) => true,
        Write::TouchGrant(..)
        | Write::RevokeGrant { .. }
        | Write::RebindInteractions { .. }
        | Write::CountWrongVerifier(_)
        | Write::ReplaceSetup(_)
        | Write::DeleteSession(_)
        | Write::DeleteSessions(_) => false,
    }
}

fn statement(write: Write) -> Statement {
    match write {
        Write::InsertClient(client) => insert_client(client),
        Write::InsertInteraction(interaction) => insert_interaction(&interaction),
        Write::RebindInteractions { from, to } => {
            sqlx::query(sql::REBIND_INTERACTIONS).bind(from.as_bytes().to_vec()).bind(to.as_bytes().to_vec())
        }
        Write::SpendInteraction(digest) => sqlx::query(sql::SPEND_INTERACTION).bind(digest.as_bytes().to_vec()),
        Write::InsertGrant(grant) => insert_grant(grant),
        Write::TouchGrant(grant, at) => sqlx::query(sql::TOUCH_GRANT).bind(grant.0).bind(at.as_unix()),
        Write::RevokeGrant { grant, at, reason } => {
            sqlx::query(sql::REVOKE_GRANT).bind(grant.0).bind(at.as_unix()).bind(reason.as_str())
        }
        Write::InsertCode(code) => insert_code(code),
        Write::RedeemCode { code, at } => {
            sqlx::query(sql::REDEEM_CODE).bind(code.as_bytes().to_vec()).bind(at.as_unix())
        }
        Write::CountWrongVerifier(code) => sqlx::query(sql::COUNT_WRONG_VERIFIER).bind(code.as_bytes().to_vec()),
        Write::InsertRefresh(token) => insert_refresh(token),
        Write::RotateRefresh { token, successor, at, answer } => sqlx::query(sql::ROTATE_REFRESH)
            .bind(token.as_bytes().to_vec())
            .bind(at.as_unix())
            .bind(successor.as_bytes().to_vec())
            .bind(answer.as_bytes().to_vec()),
        Write::CountReplay { token, seen } => {
            sqlx::query(sql::COUNT_REPLAY).bind(token.as_bytes().to_vec()).bind(i64::from(seen))
        }
        Write::InsertAccount(account) => insert_account(account),
        Write::SpendSetup(digest) => sqlx::query(sql::SPEND_SETUP).bind(digest.as_bytes().to_vec()),
        Write::ReplaceSetup(digest) => sqlx::query(sql::REPLACE_SETUP).bind(digest.as_bytes().to_vec()),
        Write::InsertSession(session) => insert_session(session),
        Write::DeleteSession(digest) => sqlx::query(sql::DELETE_SESSION).bind(digest.as_bytes().to_vec()),
        Write::DeleteSessions(account) => sqlx::query(sql::DELETE_SESSIONS).bind(account.0),
    }
}

fn insert_client(client: Client) -> Statement {
    let secret = match &client.authentication {
        ClientAuthentication::None => None,
        ClientAuthentication::SecretBasic(secret) | ClientAuthentication::SecretPost(secret) => {
            Some(secret.as_bytes().to_vec())
        }
    };
    let origin = match client.origin {
        ClientOrigin::Dynamic => "dynamic",
        ClientOrigin::Administrator => "administrator",
    };
    let redirect_uris: Vec<_> = client.redirect_uris.iter().map(RedirectUri::as_str).collect();
    sqlx::query(sql::INSERT_CLIENT)
        .bind(client.id.as_str().to_owned())
        .bind(origin)
        .bind(client.name)
        .bind(json(&redirect_uris))
        .bind(client.authentication.name())
        .bind(secret)
        .bind(json(&client.grant_types))
        .bind(client.application_type)
        .bind(client.created_at.as_unix())
}

fn insert_interaction(interaction: &Interaction) -> Statement {
    sqlx::query(sql::INSERT_INTERACTION)
        .bind(interaction.digest.as_bytes().to_vec())
        .bind(interaction.browser.as_bytes().to_vec())
        .bind(interaction.request.as_bytes().to_vec())
        .bind(interaction.expires_at.as_unix())
        .bind(i64::from(interaction.spent))
}

fn insert_grant(grant: Grant) -> Statement {
    sqlx::query(sql::INSERT_GRANT)
        .bind(grant.id.0)
        .bind(grant.account.0)
        .bind(grant.client.as_str().to_owned())
        .bind(grant.redirect_uri)
        .bind(grant.resource.as_str().to_owned())
        .bind(grant.scope.to_string())
        .bind(grant.created_at.as_unix())
        .bind(grant.expires_at.map(Timestamp::as_unix))
        .bind(grant.last_used_at.map(Timestamp::as_unix))
        .bind(grant.revoked_at.map(Timestamp::as_unix))
}

fn insert_code(code: Code) -> Statement {
    sqlx::query(sql::INSERT_CODE)
        .bind(code.digest.as_bytes().to_vec())
        .bind(code.grant.0)
        .bind(code.client.as_str().to_owned())
        .bind(code.redirect_uri)
        .bind(code.challenge.as_str().to_owned())
        .bind(code.expires_at.as_unix())
        .bind(i64::from(code.wrong_verifiers))
        .bind(code.redeemed_at.map(Timestamp::as_unix))
}

fn insert_refresh(token: Refresh) -> Statement {
    let rotated = token.rotated.as_ref();
    sqlx::query(sql::INSERT_REFRESH)
        .bind(token.digest.as_bytes().to_vec())
        .bind(token.grant.0)
        .bind(token.issued_at.as_unix())
        .bind(token.expires_at.as_unix())
        .bind(rotated.map(|rotated| rotated.at.as_unix()))
        .bind(rotated.map(|rotated| rotated.successor.as_bytes().to_vec()))
        .bind(rotated.map(|rotated| rotated.answer.as_bytes().to_vec()))
        .bind(rotated.map_or(0, |rotated| i64::from(rotated.replays)))
}

fn insert_account(account: Account) -> Statement {
    sqlx::query(sql::INSERT_ACCOUNT)
        .bind(account.id.0)
        .bind(account.name.clone())
        .bind(name_key(&account.name))
        .bind(account.password.map(|password| password.as_str().to_owned()))
        .bind(i64::from(account.administrator))
        .bind(i64::from(account.disabled))
        .bind(account.created_at.as_unix())
}

fn insert_session(session: Session) -> Statement {
    sqlx::query(sql::INSERT_SESSION)
        .bind(session.digest.as_bytes().to_vec())
        .bind(session.account.0)
        .bind(session.signed_in_at.as_unix())
        .bind(session.expires_at.as_unix())
}

/// The form in which account names are compared.
pub(crate) fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts can be written as JSON")
}

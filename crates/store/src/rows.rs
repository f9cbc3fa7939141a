//! Rows back into facts. What lies in a row is read as strictly as what comes from outside.

use doorward_authorization_server::{
    facts::{
        Account, AccountId, Client, ClientAuthentication, ClientOrigin, Code, CodeFacts, Grant, GrantId, Interaction,
        Refresh, RefreshFacts, Rotated, Session,
    },
    password::PasswordHash,
    seal::Sealed,
};
use doorward_types::{ClientId, Digest, RedirectUri, ResourceId, S256Challenge, ScopeSet, Timestamp, secret::Kind};
use sqlx::{Row as _, sqlite::SqliteRow as Row};

/// A row that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{0}")]
    Sql(#[from] sqlx::Error),
    #[error("the column {0} holds something that was never written there; the file was changed by another program")]
    Column(&'static str),
}

type Read<T> = Result<T, Unreadable>;

pub(crate) fn client(row: &Row) -> Read<Client> {
    maybe_client(row)?.ok_or(Unreadable::Column("c_id"))
}

pub(crate) fn maybe_client(row: &Row) -> Read<Option<Client>> {
    let Some(id) = row.try_get::<Option<String>, _>("c_id")? else { return Ok(None) };
    let secret = || digest(row, "c_secret");
    Ok(Some(Client {
        id: ClientId::parse(id).map_err(|_| Unreadable::Column("c_id"))?,
        origin: match text(row, "c_origin")?.as_str() {
            "dynamic" => ClientOrigin::Dynamic,
            "administrator" => ClientOrigin::Administrator,
            _ => return Err(Unreadable::Column("c_origin")),
        },
        name: row.try_get("c_name")?,
        redirect_uris: json::<Vec<RedirectUri>>(row, "c_redirect_uris")?,
        authentication: match text(row, "c_auth_method")?.as_str() {
            "none" => ClientAuthentication::None,
            "client_secret_basic" => ClientAuthentication::SecretBasic(secret()?),
            "client_secret_post" => ClientAuthentication::SecretPost(secret()?),
            _ => return Err(Unreadable::Column("c_auth_method")),
        },
        grant_types: json(row, "c_grant_types")?,
        application_type: row.try_get("c_application_type")?,
        created_at: moment(row, "c_created_at")?,
    }))
}

pub(crate) fn interaction(row: &Row) -> Read<Interaction> {
    Ok(Interaction {
        digest: digest(row, "digest")?,
        browser: digest(row, "browser")?,
        request: Sealed::from_bytes(row.try_get("request")?),
        expires_at: moment(row, "expires_at")?,
        spent: truth(row, "spent")?,
    })
}

pub(crate) fn code(row: &Row) -> Read<CodeFacts> {
    let code = Code {
        digest: digest(row, "k_digest")?,
        grant: GrantId(text(row, "k_grant_id")?),
        client: parsed(row, "k_client", |text| ClientId::parse(text).ok())?,
        redirect_uri: text(row, "k_redirect_uri")?,
        challenge: parsed(row, "k_challenge", |text| S256Challenge::parse(text).ok())?,
        expires_at: moment(row, "k_expires_at")?,
        wrong_verifiers: count(row, "k_wrong_verifiers")?,
        redeemed_at: maybe_moment(row, "k_redeemed_at")?,
    };
    Ok(CodeFacts { code, grant: grant(row)?, account: maybe_account(row)? })
}

pub(crate) fn refresh(row: &Row) -> Read<RefreshFacts> {
    let rotated = match maybe_moment(row, "r_rotated_at")? {
        None => None,
        Some(at) => Some(Rotated {
            at,
            successor: digest(row, "r_successor")?,
            answer: Sealed::from_bytes(row.try_get("r_answer")?),
            replays: count(row, "r_replays")?,
        }),
    };
    let token = Refresh {
        digest: digest(row, "r_digest")?,
        grant: GrantId(text(row, "r_grant_id")?),
        issued_at: moment(row, "r_issued_at")?,
        expires_at: moment(row, "r_expires_at")?,
        rotated,
    };
    let successor_used = maybe_moment(row, "s_rotated_at")?.is_some();
    Ok(RefreshFacts { token, successor_used, grant: grant(row)?, account: maybe_account(row)? })
}

pub(crate) fn grant(row: &Row) -> Read<Grant> {
    Ok(Grant {
        id: GrantId(text(row, "g_id")?),
        account: AccountId(text(row, "g_account")?),
        client: parsed(row, "g_client", |text| ClientId::parse(text).ok())?,
        redirect_uri: text(row, "g_redirect_uri")?,
        resource: parsed(row, "g_resource", |text| ResourceId::parse(text).ok())?,
        scope: parsed(row, "g_scope", |text| ScopeSet::parse(&text).ok())?,
        created_at: moment(row, "g_created_at")?,
        expires_at: maybe_moment(row, "g_expires_at")?,
        last_used_at: maybe_moment(row, "g_last_used_at")?,
        revoked_at: maybe_moment(row, "g_revoked_at")?,
    })
}

pub(crate) fn account(row: &Row) -> Read<Account> {
    maybe_account(row)?.ok_or(Unreadable::Column("a_id"))
}

fn maybe_account(row: &Row) -> Read<Option<Account>> {
    let Some(id) = row.try_get::<Option<String>, _>("a_id")? else { return Ok(None) };
    Ok(Some(Account {
        id: AccountId(id),
        name: text(row, "a_name")?,
        password: row.try_get::<Option<String>, _>("a_password")?.map(PasswordHash::from_stored),
        administrator: truth(row, "a_administrator")?,
        disabled: truth(row, "a_disabled")?,
        created_at: moment(row, "a_created_at")?,
    }))
}

pub(crate) fn session(row: &Row) -> Read<(Session, Account)> {
    let session = Session {
        digest: digest(row, "s_digest")?,
        account: AccountId(text(row, "s_account")?),
        signed_in_at: moment(row, "s_signed_in_at")?,
        expires_at: moment(row, "s_expires_at")?,
    };
    Ok((session, account(row)?))
}

pub(crate) fn revoked(row: &Row) -> Read<(String, Timestamp)> {
    Ok((text(row, "id")?, moment(row, "revoked_at")?))
}

pub(crate) fn digest<K: Kind>(row: &Row, column: &'static str) -> Read<Digest<K>> {
    Digest::from_bytes(row.try_get(column)?).ok_or(Unreadable::Column(column))
}

fn text(row: &Row, column: &'static str) -> Read<String> {
    Ok(row.try_get(column)?)
}

fn parsed<T>(row: &Row, column: &'static str, parse: impl FnOnce(String) -> Option<T>) -> Read<T> {
    parse(text(row, column)?).ok_or(Unreadable::Column(column))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row, column: &'static str) -> Read<T> {
    parsed(row, column, |text| serde_json::from_str(&text).ok())
}

fn moment(row: &Row, column: &'static str) -> Read<Timestamp> {
    Ok(Timestamp::from_unix(row.try_get(column)?))
}

fn maybe_moment(row: &Row, column: &'static str) -> Read<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_unix))
}

fn count(row: &Row, column: &'static str) -> Read<u32> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Unreadable::Column(column))
}

fn truth(row: &Row, column: &'static str) -> Read<bool> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

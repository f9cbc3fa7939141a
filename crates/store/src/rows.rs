//! Rows back into facts. What lies in a row is read as strictly as what comes from outside.

use doorward_authorization_server::{
    audit::{Event, EventKind, Recorded},
    facts::{
        Account, AccountId, Client, ClientAuthentication, ClientKeys, ClientOrigin, Code, CodeFacts, Device,
        DeviceAnswer, DeviceFacts, ExternalIdentity, Grant, GrantId, GrantKind, Interaction, KeyRow, PushedRequest,
        Refresh, RefreshFacts, Rotated, Session,
    },
    password::PasswordHash,
    seal::Sealed,
};
use doorward_types::{
    ClientId, Digest, RedirectUri, ResourceId, S256Challenge, ScopeSet, Timestamp, jose::Thumbprint, secret::Kind,
};

use crate::cells::Cells;

/// A row that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{0}")]
    Sql(#[from] sqlx::Error),
    #[error("the column {0} holds something that was never written there; another program changed it")]
    Column(&'static str),
}

type Read<T> = Result<T, Unreadable>;

pub(crate) fn client(row: &impl Cells) -> Read<Client> {
    maybe_client(row)?.ok_or(Unreadable::Column("c_id"))
}

pub(crate) fn maybe_client(row: &impl Cells) -> Read<Option<Client>> {
    let Some(id) = row.text("c_id")? else { return Ok(None) };
    let secret = || digest(row, "c_secret");
    Ok(Some(Client {
        id: ClientId::parse(id).map_err(|_| Unreadable::Column("c_id"))?,
        origin: match text(row, "c_origin")?.as_str() {
            "dynamic" => ClientOrigin::Dynamic,
            "administrator" => ClientOrigin::Administrator,
            "document" => ClientOrigin::Document,
            _ => return Err(Unreadable::Column("c_origin")),
        },
        name: row.text("c_name")?,
        redirect_uris: json::<Vec<RedirectUri>>(row, "c_redirect_uris")?,
        authentication: match text(row, "c_auth_method")?.as_str() {
            "none" => ClientAuthentication::None,
            "client_secret_basic" => ClientAuthentication::SecretBasic(secret()?),
            "client_secret_post" => ClientAuthentication::SecretPost(secret()?),
            "private_key_jwt" => ClientAuthentication::PrivateKeyJwt(client_keys(row)?),
            _ => return Err(Unreadable::Column("c_auth_method")),
        },
        grant_types: json(row, "c_grant_types")?,
        application_type: row.text("c_application_type")?,
        scope: maybe_parsed(row, "c_scope", |text| ScopeSet::parse(&text).ok())?,
        client_uri: row.text("c_client_uri")?,
        software_id: row.text("c_software_id")?,
        dpop_bound: truth(row, "c_dpop_bound")?,
        pushed_only: truth(row, "c_pushed_only")?,
        protects: maybe_parsed(row, "c_protects", |text| ResourceId::parse(text).ok())?,
        exchanges_for: match row.text("c_exchanges_for")? {
            None => Vec::new(),
            Some(_) => json(row, "c_exchanges_for")?,
        },
        management: maybe_digest(row, "c_management")?,
        fingerprint: maybe_digest(row, "c_fingerprint")?,
        created_at: moment(row, "c_created_at")?,
        last_used_at: maybe_moment(row, "c_last_used_at")?,
        expires_at: maybe_moment(row, "c_expires_at")?,
        fresh_until: maybe_moment(row, "c_fresh_until")?,
    }))
}

fn client_keys(row: &impl Cells) -> Read<ClientKeys> {
    match (row.text("c_jwks")?, row.text("c_jwks_uri")?) {
        (Some(keys), None) => Ok(ClientKeys::Inline(keys)),
        (None, Some(uri)) => Ok(ClientKeys::At(uri)),
        _ => Err(Unreadable::Column("c_jwks")),
    }
}

pub(crate) fn interaction(row: &impl Cells) -> Read<Interaction> {
    Ok(Interaction {
        digest: digest(row, "digest")?,
        browser: digest(row, "browser")?,
        request: sealed(row, "request")?,
        expires_at: moment(row, "expires_at")?,
        spent: truth(row, "spent")?,
    })
}

pub(crate) fn pushed_request(row: &impl Cells) -> Read<PushedRequest> {
    Ok(PushedRequest {
        digest: digest(row, "digest")?,
        client: parsed(row, "client", |text| ClientId::parse(text).ok())?,
        form: sealed(row, "form")?,
        expires_at: moment(row, "expires_at")?,
        spent: truth(row, "spent")?,
    })
}

pub(crate) fn device(row: &impl Cells) -> Read<DeviceFacts> {
    let device = Device {
        digest: digest(row, "d_digest")?,
        user_code: digest(row, "d_user_code")?,
        client: parsed(row, "d_client", |text| ClientId::parse(text).ok())?,
        resource: parsed(row, "d_resource", |text| ResourceId::parse(text).ok())?,
        scope: parsed(row, "d_scope", |text| ScopeSet::parse(&text).ok())?,
        asked_from: text(row, "d_asked_from")?,
        requested_at: moment(row, "d_requested_at")?,
        expires_at: moment(row, "d_expires_at")?,
        interval: count(row, "d_poll_interval")?,
        polled_at: maybe_moment(row, "d_polled_at")?,
        answer: match text(row, "d_answer")?.as_str() {
            "none" => DeviceAnswer::None,
            "denied" => DeviceAnswer::Denied,
            "allowed" => DeviceAnswer::Allowed(GrantId(text(row, "d_grant_id")?)),
            _ => return Err(Unreadable::Column("d_answer")),
        },
        redeemed_at: maybe_moment(row, "d_redeemed_at")?,
    };
    let grant = row.text("g_id")?.is_some().then(|| grant(row)).transpose()?;
    Ok(DeviceFacts { device, grant, account: maybe_account(row)? })
}

pub(crate) fn key(row: &impl Cells) -> Read<KeyRow> {
    Ok(KeyRow {
        kid: text(row, "kid")?,
        sealed: sealed(row, "sealed")?,
        created_at: moment(row, "created_at")?,
        active_from: moment(row, "active_from")?,
    })
}

pub(crate) fn recorded(row: &impl Cells) -> Read<Recorded> {
    let event = Event {
        at: moment(row, "at")?,
        kind: parsed(row, "kind", |text| EventKind::parse(&text))?,
        account: row.text("account")?.map(AccountId),
        client: maybe_parsed(row, "client", |text| ClientId::parse(text).ok())?,
        grant: row.text("grant_id")?.map(GrantId),
        resource: maybe_parsed(row, "resource", |text| ResourceId::parse(text).ok())?,
        detail: text(row, "detail")?,
    };
    let (number, digest) = record_head(row)?;
    Ok(Recorded { number, event, digest })
}

pub(crate) fn record_head(row: &impl Cells) -> Read<(u64, [u8; 32])> {
    let number = u64::try_from(number(row, "number")?).map_err(|_| Unreadable::Column("number"))?;
    let digest = bytes(row, "digest")?.try_into().map_err(|_| Unreadable::Column("digest"))?;
    Ok((number, digest))
}

pub(crate) fn code(row: &impl Cells) -> Read<CodeFacts> {
    let code = Code {
        digest: digest(row, "k_digest")?,
        grant: GrantId(text(row, "k_grant_id")?),
        client: parsed(row, "k_client", |text| ClientId::parse(text).ok())?,
        redirect_uri: text(row, "k_redirect_uri")?,
        challenge: parsed(row, "k_challenge", |text| S256Challenge::parse(text).ok())?,
        dpop: thumbprint(row, "k_dpop")?,
        expires_at: moment(row, "k_expires_at")?,
        wrong_verifiers: count(row, "k_wrong_verifiers")?,
        redeemed_at: maybe_moment(row, "k_redeemed_at")?,
    };
    Ok(CodeFacts { code, grant: grant(row)?, account: maybe_account(row)? })
}

pub(crate) fn refresh(row: &impl Cells) -> Read<RefreshFacts> {
    let rotated = match maybe_moment(row, "r_rotated_at")? {
        None => None,
        Some(at) => Some(Rotated {
            at,
            successor: digest(row, "r_successor")?,
            answer: sealed(row, "r_answer")?,
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

pub(crate) fn grant(row: &impl Cells) -> Read<Grant> {
    Ok(Grant {
        id: GrantId(text(row, "g_id")?),
        account: row.text("g_account")?.map(AccountId),
        client: parsed(row, "g_client", |text| ClientId::parse(text).ok())?,
        kind: parsed(row, "g_kind", |text| GrantKind::parse(&text))?,
        redirect_uri: row.text("g_redirect_uri")?,
        resource: parsed(row, "g_resource", |text| ResourceId::parse(text).ok())?,
        scope: parsed(row, "g_scope", |text| ScopeSet::parse(&text).ok())?,
        refreshes: truth(row, "g_refreshes")?,
        dpop: thumbprint(row, "g_dpop")?,
        created_at: moment(row, "g_created_at")?,
        expires_at: maybe_moment(row, "g_expires_at")?,
        last_used_at: maybe_moment(row, "g_last_used_at")?,
        revoked_at: maybe_moment(row, "g_revoked_at")?,
    })
}

pub(crate) fn account(row: &impl Cells) -> Read<Account> {
    maybe_account(row)?.ok_or(Unreadable::Column("a_id"))
}

fn maybe_account(row: &impl Cells) -> Read<Option<Account>> {
    let Some(id) = row.text("a_id")? else { return Ok(None) };
    Ok(Some(Account {
        id: AccountId(id),
        name: text(row, "a_name")?,
        password: row.text("a_password")?.map(PasswordHash::from_stored),
        administrator: truth(row, "a_administrator")?,
        disabled: truth(row, "a_disabled")?,
        external: match (row.text("a_external_issuer")?, row.text("a_external_subject")?) {
            (Some(issuer), Some(subject)) => Some(ExternalIdentity { issuer, subject }),
            (None, None) => None,
            _ => return Err(Unreadable::Column("a_external_subject")),
        },
        created_at: moment(row, "a_created_at")?,
    }))
}

pub(crate) fn session(row: &impl Cells) -> Read<(Session, Account)> {
    let session = Session {
        digest: digest(row, "s_digest")?,
        account: AccountId(text(row, "s_account")?),
        signed_in_at: moment(row, "s_signed_in_at")?,
        expires_at: moment(row, "s_expires_at")?,
    };
    Ok((session, account(row)?))
}

pub(crate) fn revoked(row: &impl Cells) -> Read<(String, Timestamp)> {
    Ok((text(row, "id")?, moment(row, "revoked_at")?))
}

/// As [`revoked`]; nothing for a row that stands there for another reason.
pub(crate) fn maybe_revoked(row: &impl Cells) -> Read<Option<(String, Timestamp)>> {
    row.text("id")?.map(|_| revoked(row)).transpose()
}

pub(crate) fn digest<K: Kind>(row: &impl Cells, column: &'static str) -> Read<Digest<K>> {
    maybe_digest(row, column)?.ok_or(Unreadable::Column(column))
}

fn maybe_digest<K: Kind>(row: &impl Cells, column: &'static str) -> Read<Option<Digest<K>>> {
    let Some(bytes) = row.bytes(column)? else { return Ok(None) };
    Digest::from_bytes(&bytes).map(Some).ok_or(Unreadable::Column(column))
}

fn thumbprint(row: &impl Cells, column: &'static str) -> Read<Option<Thumbprint>> {
    maybe_parsed(row, column, |text| Thumbprint::parse(text).ok())
}

fn sealed(row: &impl Cells, column: &'static str) -> Read<Sealed> {
    Ok(Sealed::from_bytes(bytes(row, column)?))
}

fn bytes(row: &impl Cells, column: &'static str) -> Read<Vec<u8>> {
    row.bytes(column)?.ok_or(Unreadable::Column(column))
}

fn text(row: &impl Cells, column: &'static str) -> Read<String> {
    row.text(column)?.ok_or(Unreadable::Column(column))
}

pub(crate) fn number(row: &impl Cells, column: &'static str) -> Read<i64> {
    row.number(column)?.ok_or(Unreadable::Column(column))
}

fn parsed<T>(row: &impl Cells, column: &'static str, parse: impl FnOnce(String) -> Option<T>) -> Read<T> {
    parse(text(row, column)?).ok_or(Unreadable::Column(column))
}

fn maybe_parsed<T>(row: &impl Cells, column: &'static str, parse: impl FnOnce(String) -> Option<T>) -> Read<Option<T>> {
    row.text(column)?.map(|text| parse(text).ok_or(Unreadable::Column(column))).transpose()
}

fn json<T: serde::de::DeserializeOwned>(row: &impl Cells, column: &'static str) -> Read<T> {
    parsed(row, column, |text| serde_json::from_str(&text).ok())
}

fn moment(row: &impl Cells, column: &'static str) -> Read<Timestamp> {
    Ok(Timestamp::from_unix(number(row, column)?))
}

fn maybe_moment(row: &impl Cells, column: &'static str) -> Read<Option<Timestamp>> {
    Ok(row.number(column)?.map(Timestamp::from_unix))
}

fn count(row: &impl Cells, column: &'static str) -> Read<u32> {
    u32::try_from(number(row, column)?).map_err(|_| Unreadable::Column(column))
}

fn truth(row: &impl Cells, column: &'static str) -> Read<bool> {
    Ok(number(row, column)? != 0)
}

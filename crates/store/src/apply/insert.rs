//! New rows.

use doorward_authorization_server::facts::{
    Account, Client, ClientAuthentication, ClientKeys, ClientOrigin, Code, Device, Grant, Interaction, KeyRow,
    PushedRequest, Refresh, Session,
};
use doorward_types::{RedirectUri, ResourceId, jose::Thumbprint};

use super::answer_columns;
use crate::{
    sql,
    statement::{Statement, Value},
};

/// Binds a client's name and then its row.
pub(super) fn client(statement: Statement, client: &Client) -> Statement {
    client_row(statement.bind(client.id.as_str()), client)
}

/// Binds all columns of a client but its name, in the order of the statements' column list.
pub(super) fn client_row(statement: Statement, client: &Client) -> Statement {
    let secret = match &client.authentication {
        ClientAuthentication::SecretBasic(secret) | ClientAuthentication::SecretPost(secret) => Some(*secret),
        ClientAuthentication::None | ClientAuthentication::PrivateKeyJwt(_) => None,
    };
    let (jwks, jwks_uri) = match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(ClientKeys::Inline(keys)) => (Some(keys.as_str()), None),
        ClientAuthentication::PrivateKeyJwt(ClientKeys::At(uri)) => (None, Some(uri.as_str())),
        _ => (None, None),
    };
    let origin = match client.origin {
        ClientOrigin::Dynamic => "dynamic",
        ClientOrigin::Administrator => "administrator",
        ClientOrigin::Document => "document",
    };
    let exchanges_for: Vec<_> = client.exchanges_for.iter().map(ResourceId::as_str).collect();
    let exchanges_for = (!exchanges_for.is_empty()).then(|| json(&exchanges_for));
    let redirect_uris: Vec<_> = client.redirect_uris.iter().map(RedirectUri::as_str).collect();
    statement
        .bind(origin)
        .bind(client.name.as_deref())
        .bind(json(&redirect_uris))
        .bind(client.authentication.name())
        .bind(secret)
        .bind(jwks)
        .bind(jwks_uri)
        .bind(json(&client.grant_types))
        .bind(client.application_type.as_deref())
        .bind(client.scope.as_ref().map(ToString::to_string))
        .bind(client.client_uri.as_deref())
        .bind(client.software_id.as_deref())
        .bind(client.dpop_bound)
        .bind(client.pushed_only)
        .bind(client.protects.as_ref().map(ResourceId::as_str))
        .bind(exchanges_for)
        .bind(client.management)
        .bind(client.fingerprint)
        .bind(client.created_at)
        .bind(client.last_used_at)
        .bind(client.expires_at)
        .bind(client.fresh_until)
}

pub(super) fn interaction(interaction: &Interaction) -> Statement {
    Statement::new(sql::INSERT_INTERACTION)
        .bind(interaction.digest)
        .bind(interaction.browser)
        .bind(interaction.request.as_bytes())
        .bind(interaction.expires_at)
        .bind(interaction.spent)
}

pub(super) fn pushed_request(request: &PushedRequest) -> Statement {
    Statement::new(sql::INSERT_PUSHED_REQUEST)
        .bind(request.digest)
        .bind(request.client.as_str())
        .bind(request.form.as_bytes())
        .bind(request.expires_at)
        .bind(request.spent)
}

pub(super) fn device(device: Device) -> Statement {
    let (answer, grant) = answer_columns(device.answer);
    Statement::new(sql::INSERT_DEVICE)
        .bind(device.digest)
        .bind(device.user_code)
        .bind(device.client.as_str())
        .bind(device.resource.as_str())
        .bind(device.scope.to_string())
        .bind(device.asked_from)
        .bind(device.requested_at)
        .bind(device.expires_at)
        .bind(device.interval)
        .bind(device.polled_at)
        .bind(answer)
        .bind(grant)
        .bind(device.redeemed_at)
}

pub(super) fn key(key: KeyRow) -> Statement {
    Statement::new(sql::INSERT_KEY).bind(key.kid).bind(key.sealed.as_bytes()).bind(key.created_at).bind(key.active_from)
}

pub(super) fn grant(grant: Grant) -> Statement {
    Statement::new(sql::INSERT_GRANT)
        .bind(grant.id.0)
        .bind(grant.account.map(|account| account.0))
        .bind(grant.client.as_str())
        .bind(grant.kind.as_str())
        .bind(grant.redirect_uri)
        .bind(grant.resource.as_str())
        .bind(grant.scope.to_string())
        .bind(grant.refreshes)
        .bind(grant.dpop.as_ref().map(Thumbprint::as_str))
        .bind(grant.created_at)
        .bind(grant.expires_at)
        .bind(grant.last_used_at)
        .bind(grant.revoked_at)
}

pub(super) fn code(code: Code) -> Statement {
    Statement::new(sql::INSERT_CODE)
        .bind(code.digest)
        .bind(code.grant.0)
        .bind(code.client.as_str())
        .bind(code.redirect_uri)
        .bind(code.challenge.as_str())
        .bind(code.dpop.as_ref().map(Thumbprint::as_str))
        .bind(code.expires_at)
        .bind(code.wrong_verifiers)
        .bind(code.redeemed_at)
}

pub(super) fn refresh(token: Refresh) -> Statement {
    let rotated = token.rotated.as_ref();
    Statement::new(sql::INSERT_REFRESH)
        .bind(token.digest)
        .bind(token.grant.0)
        .bind(token.issued_at)
        .bind(token.expires_at)
        .bind(rotated.map(|rotated| rotated.at))
        .bind(rotated.map(|rotated| rotated.successor))
        .bind(Value::Bytes(rotated.map(|rotated| rotated.answer.as_bytes().to_vec())))
        .bind(rotated.map_or(0, |rotated| rotated.replays))
}

pub(super) fn account(account: Account) -> Statement {
    let (issuer, subject) = account.external.map(|external| (external.issuer, external.subject)).unzip();
    Statement::new(sql::INSERT_ACCOUNT)
        .bind(account.id.0)
        .bind(name_key(&account.name))
        .bind(account.name)
        .bind(account.password.map(|password| password.as_str().to_owned()))
        .bind(account.administrator)
        .bind(account.disabled)
        .bind(issuer)
        .bind(subject)
        .bind(account.created_at)
}

pub(super) fn session(session: Session) -> Statement {
    Statement::new(sql::INSERT_SESSION)
        .bind(session.digest)
        .bind(session.account.0)
        .bind(session.signed_in_at)
        .bind(session.expires_at)
}

/// The form in which account names are compared.
pub(crate) fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts can be written as JSON")
}

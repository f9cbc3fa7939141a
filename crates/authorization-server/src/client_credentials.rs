//! Client credentials: a client acts for itself.

use doorward_types::Timestamp;

use crate::{
    Policy, TokenRefusal, Write,
    client_auth::AuthenticatedClient,
    facts::{ClientOrigin, Grant, GrantId, GrantKind},
    random,
    token::{Decision, Fresh, issue, named_resource, narrowed},
};

/// The grant type's name.
pub const GRANT_TYPE: &str = "client_credentials";

/// What a client asks for itself.
#[derive(Clone, Debug)]
pub struct ClientCredentialsRequest {
    /// The scopes, as text.
    pub scope: Option<String>,
    /// Every `resource` that was sent, as text.
    pub resources: Vec<String>,
}

/// Decides on a client that wants a token for itself. Only a client that an administrator registered for this gets one,
/// and no refresh token: it can ask again at any time. Each token has a grant of its own that ends with it, so that it can
/// be found and revoked like any other.
///
/// Source: RFC 6749 section 4.4, RFC 8707 section 2.2, MCP OAuth client credentials extension.
pub fn grant(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &ClientCredentialsRequest,
    now: Timestamp,
    mut fresh: Fresh<'_>,
) -> Decision {
    match decide(policy, client, request, now, &mut fresh) {
        Ok(decision) => decision,
        Err(refusal) => refusal.into(),
    }
}

fn decide(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &ClientCredentialsRequest,
    now: Timestamp,
    fresh: &mut Fresh<'_>,
) -> Result<Decision, TokenRefusal> {
    check_client(client, GRANT_TYPE)?;
    let resource = named_resource(policy, &request.resources)?;
    let scope = narrowed(request.scope.as_deref(), &policy.most_scope(client.client(), resource))?;
    if scope.is_empty() {
        return Err(TokenRefusal::ScopeNotGranted);
    }
    let grant = Grant {
        id: GrantId(random::name("dwg_", fresh.entropy)),
        account: None,
        client: client.id().clone(),
        kind: GrantKind::ClientCredentials,
        redirect_uri: None,
        resource: resource.id.clone(),
        scope: scope.clone(),
        refreshes: false,
        dpop: None,
        created_at: now,
        expires_at: Some(now.plus(policy.lifetimes.access_token)),
        last_used_at: None,
        revoked_at: None,
    };
    let mut issued = issue(policy, client, &grant, scope, now, fresh)?;
    issued.writes.push(Write::HoldClient(client.id().clone()));
    Ok(issued.after(Write::InsertGrant(grant)))
}

/// Grant types in which no person takes part are for clients that can prove who they are, that an administrator
/// registered, and that were registered for it.
pub(crate) fn check_client(client: &AuthenticatedClient, grant_type: &str) -> Result<(), TokenRefusal> {
    if client.is_public() {
        return Err(TokenRefusal::PublicClient);
    }
    if client.client().origin != ClientOrigin::Administrator {
        return Err(TokenRefusal::UnregisteredByAdministrator);
    }
    if client.may_use(grant_type) { Ok(()) } else { Err(TokenRefusal::GrantTypeNotRegistered) }
}

#[cfg(test)]
mod tests;

//! Introspection: a client asks what a token is worth.

use doorward_types::{
    ClientId, Digest, Issuer, ResourceId, ScopeSet, Secret, Timestamp,
    form::Form,
    jose::{Actor, Confirmation, KeySet},
    secret::{AccessToken, RefreshToken},
};
use serde::Serialize;

use crate::{
    Policy, TokenRefusal,
    client_auth::AuthenticatedClient,
    facts::{GrantFacts, GrantId, RefreshFacts},
    own_token,
    token::check_grant,
};

/// A token that a client asks about, of whichever kind. The request's hint is only a hint and is not needed.
#[derive(Debug)]
pub struct IntrospectionRequest {
    token: Secret<AccessToken>,
}

/// Reads the form. What cannot be a token at all is asked about like one that is unknown.
///
/// # Errors
/// When `token` is missing.
/// Source: RFC 7662 section 2.1.
pub fn read(form: &Form) -> Result<IntrospectionRequest, TokenRefusal> {
    let text = form.get("token").ok_or(TokenRefusal::Missing("token"))?;
    let nothing = || Secret::parse("-").expect("a dash is visible ASCII");
    Ok(IntrospectionRequest { token: Secret::parse(text).unwrap_or_else(|_| nothing()) })
}

impl IntrospectionRequest {
    /// What to look the token up under, when it has the form of a refresh token.
    pub fn refresh_digest(&self) -> Option<Digest<RefreshToken>> {
        let token = Secret::<RefreshToken>::parse(self.token.expose()).ok()?;
        token.is_well_formed().then(|| token.digest())
    }

    /// The grant to load, when it is an access token of ours.
    pub fn grant(&self, policy: &Policy, keys: &KeySet) -> Option<GrantId> {
        Some(GrantId(own_token::claims(policy, keys, self.token.expose())?.gid))
    }
}

/// What is answered. An inactive token's answer says nothing else, so that all of them look alike.
///
/// Source: RFC 7662 section 2.2, RFC 9449 section 6.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    about: Option<About>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct About {
    iss: Issuer,
    sub: String,
    aud: ResourceId,
    client_id: ClientId,
    scope: ScopeSet,
    iat: Timestamp,
    exp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
}

impl Introspection {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an introspection serialises")
    }
}

/// Decides what a client is told about a token. It learns about its own tokens and, if it is itself a resource server,
/// about access tokens for its resource. About any other it learns as much as about one that does not exist.
///
/// # Errors
/// When the client cannot prove who it is: anybody could ask in its name.
/// Source: RFC 7662 sections 2.1, 2.2 and 4.
pub fn introspect(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &IntrospectionRequest,
    refresh: Option<&RefreshFacts>,
    grant: Option<&GrantFacts>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Introspection, TokenRefusal> {
    if client.is_public() {
        return Err(TokenRefusal::NeedsAuthentication);
    }
    let about = match refresh.filter(|facts| Some(facts.token.digest) == request.refresh_digest()) {
        Some(facts) => refresh_token(policy, client, facts, now),
        None => access_token(policy, client, request, grant, keys, now),
    };
    Ok(Introspection { active: about.is_some(), about })
}

fn access_token(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &IntrospectionRequest,
    facts: Option<&GrantFacts>,
    keys: &KeySet,
    now: Timestamp,
) -> Option<About> {
    let claims = own_token::claims(policy, keys, request.token.expose())?;
    if claims.client_id != *client.id() && client.client().protects.as_ref() != Some(&claims.aud) {
        return None;
    }
    let facts = facts.filter(|facts| facts.grant.id.0 == claims.gid)?;
    check_grant(policy, &facts.grant, facts.account.as_ref(), now).ok()?;
    (claims.exp > now).then_some(About {
        iss: claims.iss,
        sub: claims.sub,
        aud: claims.aud,
        client_id: claims.client_id,
        scope: claims.scope,
        iat: claims.iat,
        exp: claims.exp,
        jti: Some(claims.jti),
        token_type: Some(if claims.cnf.is_some() { "DPoP" } else { "Bearer" }),
        cnf: claims.cnf,
        act: claims.act,
    })
}

fn refresh_token(policy: &Policy, client: &AuthenticatedClient, facts: &RefreshFacts, now: Timestamp) -> Option<About> {
    let RefreshFacts { token, grant, account, .. } = facts;
    check_grant(policy, grant, account.as_ref(), now).ok()?;
    let live = token.grant == grant.id && token.rotated.is_none() && token.expires_at > now;
    (live && grant.client == *client.id()).then(|| About {
        iss: policy.issuer.clone(),
        sub: grant.account.as_ref().map_or_else(|| grant.client.to_string(), |account| account.0.clone()),
        aud: grant.resource.clone(),
        client_id: grant.client.clone(),
        scope: grant.scope.clone(),
        iat: token.issued_at,
        exp: token.expires_at,
        jti: None,
        token_type: None,
        cnf: grant.dpop.clone().map(|jkt| Confirmation { jkt }),
        act: None,
    })
}

#[cfg(test)]
mod tests;

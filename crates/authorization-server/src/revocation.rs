//! Ending access: a client gives its token back, or a person ends what was allowed.

use doorward_types::{
    Digest, Secret, Timestamp,
    form::Form,
    jose::{self, AccessTokenClaims, KeySet},
    secret::{AccessToken, RefreshToken},
};

use serde_json::Value;

use crate::{
    Policy, RevocationReason, TokenRefusal, Write,
    client_auth::AuthenticatedClient,
    facts::{Grant, GrantId, RefreshFacts},
    session::ResourceOwner,
};

/// A token that a client gives back, of whichever kind. The request's hint is only a hint and is not needed.
#[derive(Debug)]
pub struct RevocationRequest {
    token: Secret<AccessToken>,
}

/// Reads the form.
///
/// # Errors
/// When `token` is missing or can be no token.
/// Source: RFC 7009 section 2.1.
pub fn read(form: &Form) -> Result<RevocationRequest, TokenRefusal> {
    let text = form.get("token").ok_or(TokenRefusal::Missing("token"))?;
    Ok(RevocationRequest { token: Secret::parse(text).map_err(|_| TokenRefusal::Malformed("token"))? })
}

impl RevocationRequest {
    /// What to look the token up under, when it has the form of a refresh token.
    pub fn refresh_digest(&self) -> Option<Digest<RefreshToken>> {
        let token = Secret::<RefreshToken>::parse(self.token.expose()).ok()?;
        token.is_well_formed().then(|| token.digest())
    }

    /// The client and the grant of an access token that we signed, expired or not.
    fn access_claims(&self, policy: &Policy, keys: &KeySet) -> Option<AccessTokenClaims> {
        let verified = jose::verify(self.token.expose(), keys, AccessTokenClaims::TYP).ok()?;
        let claims = serde_json::from_value(Value::Object(verified.claims().clone())).ok();
        claims.filter(|claims: &AccessTokenClaims| claims.iss == policy.issuer)
    }
}

/// Decides on a token that a client gives back: its grant ends, with all tokens. A token that is unknown is no error:
/// then there is nothing to write.
///
/// # Errors
/// When the token belongs to another client; then nothing happens.
/// Source: RFC 7009 sections 2.1 and 2.2.
pub fn revoke(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &RevocationRequest,
    refresh: Option<&RefreshFacts>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Vec<Write>, TokenRefusal> {
    let digest = request.refresh_digest();
    let (owner, grant) = if let Some(facts) = refresh.filter(|facts| Some(facts.token.digest) == digest) {
        (facts.grant.client.clone(), facts.grant.id.clone())
    } else if let Some(claims) = request.access_claims(policy, keys) {
        (claims.client_id, GrantId(claims.gid))
    } else {
        return Ok(Vec::new());
    };
    if owner != *client.id() {
        return Err(TokenRefusal::TokenOfAnotherClient);
    }
    Ok(vec![Write::RevokeGrant { grant, at: now, reason: RevocationReason::Client }])
}

/// Decides on a grant that a person wants to end: nothing for one that does not exist or is another person's, which look alike.
pub fn by_person(owner: &ResourceOwner, grant: Option<&Grant>, now: Timestamp) -> Option<Vec<Write>> {
    let grant = grant.filter(|grant| grant.account == *owner.account())?;
    Some(vec![Write::RevokeGrant { grant: grant.id.clone(), at: now, reason: RevocationReason::Person }])
}

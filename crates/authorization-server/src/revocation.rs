//! Ending access: a client gives its token back, or a person ends what was allowed.

use doorward_types::{
    Secret, Timestamp,
    form::Form,
    jose::AccessTokenClaims,
    secret::{AccessToken, RefreshToken},
};

use crate::{
    RevocationReason, TokenRefusal, Write,
    client_auth::AuthenticatedClient,
    facts::{Grant, GrantId, RefreshFacts},
    session::ResourceOwner,
};

/// A token that a client gives back, of whichever kind: the hint of the request is only a hint and not needed.
#[derive(Debug)]
pub struct RevocationRequest {
    /// To be looked up first.
    pub refresh: Option<Secret<RefreshToken>>,
    /// To be verified when it is no refresh token of ours.
    pub access: Option<Secret<AccessToken>>,
}

/// Reads the form.
///
/// # Errors
/// When `token` is missing.
/// Source: RFC 7009 section 2.1.
pub fn read(form: &Form) -> Result<RevocationRequest, TokenRefusal> {
    let text = form.get("token").ok_or(TokenRefusal::Missing("token"))?;
    let refresh = Secret::<RefreshToken>::parse(text).ok().filter(Secret::is_well_formed);
    let access = if refresh.is_none() { Secret::parse(text).ok() } else { None };
    Ok(RevocationRequest { refresh, access })
}

/// What the token turned out to be; neither for one that is unknown, which is no error.
#[derive(Debug, Default)]
pub struct RevocationFacts {
    /// It is this refresh token.
    pub refresh: Option<RefreshFacts>,
    /// It is an access token of ours with these claims; signature and issuer were verified, expiry need not be.
    pub access: Option<AccessTokenClaims>,
}

/// Decides on a token that a client gives back: its grant ends, with all tokens. The answer is 200 also for a token that
/// is unknown.
///
/// # Errors
/// When the token belongs to another client; then nothing happens.
/// Source: RFC 7009 sections 2.1 and 2.2.
pub fn decide(
    client: &AuthenticatedClient,
    facts: RevocationFacts,
    now: Timestamp,
) -> Result<Vec<Write>, TokenRefusal> {
    let (owner, grant) = match (facts.refresh, facts.access) {
        (Some(RefreshFacts { grant, .. }), _) => (grant.client, grant.id),
        (None, Some(claims)) => (claims.client_id, GrantId(claims.gid)),
        (None, None) => return Ok(Vec::new()),
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

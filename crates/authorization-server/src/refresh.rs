//! Refreshing: rotation with a grace.

use doorward_types::{ScopeSet, Timestamp, messages::TokenResponse};

use crate::{
    Policy, RevocationReason, TokenRefusal, Write,
    client_auth::AuthenticatedClient,
    facts::{Grant, RefreshFacts, Rotated},
    seal::Sealed,
    token::{Decision, Fresh, check_grant, check_key, check_resource, issue, narrowed},
    token_request::RefreshRequest,
};

/// How often one rotated token may be presented again inside its grace.
pub const MOST_REPLAYS: u32 = 64;

/// What [`Sealed::seal`] is told when an answer is sealed.
const SEALED_ANSWER: &str = "refresh answer";

/// Decides on a refresh token that a client presents.
///
/// Each token is exchanged once. Its answer is kept, sealed under the token itself, for a short grace: processes that
/// share one stored token, and a client that lost the answer, get the very same answer again. After the grace, or once
/// the successor was itself refreshed, a second use is taken for theft and ends the grant, whatever key is proved with it:
/// a thief who refreshed first may have bound the grant to a key of its own. Otherwise, whoever cannot prove to hold the key
/// that the grant is bound to gets nothing and ends nothing.
///
/// Source: OAuth 2.1 section 4.3, RFC 9700 section 4.14.2, RFC 9449 section 5.
pub fn refresh(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: RefreshRequest,
    facts: Option<RefreshFacts>,
    now: Timestamp,
    mut fresh: Fresh<'_>,
) -> Decision {
    let Some(facts) = facts else { return TokenRefusal::UnknownRefresh.into() };
    let (token, grant) = (&facts.token, &facts.grant);
    if token.digest != request.token.digest() || token.grant != grant.id {
        return TokenRefusal::UnknownRefresh.into();
    }
    if grant.client != *client.id() {
        return TokenRefusal::RefreshOfAnotherClient.into();
    }
    if !client.may_use("refresh_token") {
        return TokenRefusal::GrantTypeNotRegistered.into();
    }
    if let Err(refusal) = check_grant(policy, grant, facts.account.as_ref(), now) {
        return refusal.into();
    }
    if token.rotated.as_ref().is_some_and(|rotated| is_theft(policy, &facts, rotated, now)) {
        let revoke = Write::RevokeGrant { grant: grant.id.clone(), at: now, reason: RevocationReason::RefreshReuse };
        return Decision::Deny { refusal: TokenRefusal::ReusedRefresh, writes: vec![revoke] };
    }
    let scope = match check(client, &request, grant) {
        Ok(scope) => scope,
        Err(refusal) => return refusal.into(),
    };
    if let Some(rotated) = &token.rotated {
        return again(client, &request, &facts, rotated, now);
    }
    if token.expires_at <= now {
        return TokenRefusal::ExpiredRefresh.into();
    }
    let issued = match issue(policy, client, grant, scope, now, &mut fresh) {
        Ok(issued) => issued,
        Err(refusal) => return refusal.into(),
    };
    let Some(successor) = issued.successor else { return TokenRefusal::GrantTypeNotRegistered.into() };
    let answer = Sealed::seal(&request.token, SEALED_ANSWER, &issued.response.to_json(), fresh.entropy);
    let (token, grant) = (token.digest, grant.id.clone());
    issued.after(Write::RotateRefresh { token, grant, successor, at: now, answer })
}

/// Whether a token that was exchanged before comes again too late, too often, or after its successor was used.
fn is_theft(policy: &Policy, facts: &RefreshFacts, rotated: &Rotated, now: Timestamp) -> bool {
    // Measured both ways, so that a clock that was set back does not make the grace endless.
    let apart = now.since(rotated.at) + rotated.at.since(now);
    apart >= policy.lifetimes.refresh_grace || facts.successor_used || rotated.replays >= MOST_REPLAYS
}

/// What must hold whether the token is fresh or in its grace, and the scopes of the access token: those of the grant, or
/// fewer.
fn check(client: &AuthenticatedClient, request: &RefreshRequest, grant: &Grant) -> Result<ScopeSet, TokenRefusal> {
    check_key(client, grant.dpop.as_ref())?;
    check_resource(&request.resources, grant)?;
    narrowed(request.scope.as_deref(), &grant.scope)
}

/// The token was exchanged just now: the same answer again.
fn again(
    client: &AuthenticatedClient,
    request: &RefreshRequest,
    facts: &RefreshFacts,
    rotated: &Rotated,
    now: Timestamp,
) -> Decision {
    let token = &facts.token;
    if token.expires_at <= now {
        return TokenRefusal::ExpiredRefresh.into();
    }
    let answer = rotated.answer.open(&request.token, SEALED_ANSWER).and_then(|json| TokenResponse::parse(&json).ok());
    let Some(response) = answer else { return TokenRefusal::UnknownRefresh.into() };
    let mut writes = vec![Write::CountReplay { token: token.digest, seen: rotated.replays }];
    writes.extend(client.spent_proof());
    Decision::Issue { response, writes }
}

#[cfg(test)]
mod tests;

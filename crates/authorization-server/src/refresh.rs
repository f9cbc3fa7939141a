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
/// the successor was itself refreshed, a second use is taken for theft and ends the grant. Whoever cannot prove to hold
/// the key that the grant is bound to gets nothing and ends nothing.
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
    let scope = match check(policy, client, &request, &facts, now) {
        Ok(scope) => scope,
        Err(refusal) => return refusal.into(),
    };
    if let Some(rotated) = &token.rotated {
        return again(policy, client, &request, &facts, rotated, now);
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

/// What must hold whether the token is fresh or was used, and the scopes of the access token: those of the grant, or
/// fewer.
fn check(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &RefreshRequest,
    facts: &RefreshFacts,
    now: Timestamp,
) -> Result<ScopeSet, TokenRefusal> {
    let grant: &Grant = &facts.grant;
    check_grant(policy, grant, facts.account.as_ref(), now)?;
    check_key(client, grant.dpop.as_ref())?;
    check_resource(&request.resources, grant)?;
    narrowed(request.scope.as_deref(), &grant.scope)
}

/// The token was exchanged before: the same answer again, or theft.
fn again(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &RefreshRequest,
    facts: &RefreshFacts,
    rotated: &Rotated,
    now: Timestamp,
) -> Decision {
    let token = &facts.token;
    // Measured both ways, so that a clock that was set back does not make the grace endless.
    let apart = now.since(rotated.at) + rotated.at.since(now);
    let in_grace = apart < policy.lifetimes.refresh_grace;
    if !in_grace || facts.successor_used || rotated.replays >= MOST_REPLAYS {
        let revoke =
            Write::RevokeGrant { grant: facts.grant.id.clone(), at: now, reason: RevocationReason::RefreshReuse };
        return Decision::Deny { refusal: TokenRefusal::ReusedRefresh, writes: vec![revoke] };
    }
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

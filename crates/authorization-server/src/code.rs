//! Redeeming an authorization code.

use std::time::Duration;

use doorward_types::Timestamp;

use crate::{
    Policy, RevocationReason, TokenRefusal, Write,
    client_auth::AuthenticatedClient,
    facts::CodeFacts,
    token::{Decision, Fresh, check_grant, check_key, check_resource, issue},
    token_request::CodeRequest,
};

/// Wrong verifiers after which a code is worth nothing.
pub const MOST_WRONG_VERIFIERS: u32 = 5;

/// A client's own doubled request arrives this soon after the first; a thief's replay need not.
const DOUBLED_REQUEST: Duration = Duration::from_secs(2);

/// Decides on a code that a client wants to redeem.
///
/// A code is good once. An otherwise valid second use ends the grant, unless it comes at once, as a client's own
/// doubled request does. What is not otherwise valid (another client, a wrong verifier, another key) never ends anything,
/// and does not use the code up.
///
/// Source: OAuth 2.1 sections 4.1.3 and 7.5.2, RFC 7636 section 4.6, RFC 8707 section 2.2, RFC 9449 section 10.
pub fn redeem(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: CodeRequest,
    facts: Option<CodeFacts>,
    now: Timestamp,
    mut fresh: Fresh<'_>,
) -> Decision {
    let Some(CodeFacts { code, grant, account }) = facts else { return TokenRefusal::UnknownCode.into() };
    if code.digest != request.code.digest() || code.grant != grant.id {
        return TokenRefusal::UnknownCode.into();
    }
    if code.client != *client.id() || grant.client != *client.id() {
        return TokenRefusal::CodeOfAnotherClient.into();
    }
    if code.redeemed_at.is_none() {
        if code.wrong_verifiers >= MOST_WRONG_VERIFIERS {
            return TokenRefusal::BurnedCode.into();
        }
        if code.expires_at <= now {
            return TokenRefusal::ExpiredCode.into();
        }
    }
    if !code.challenge.matches(&request.verifier) {
        let counted = code.redeemed_at.is_none().then_some(Write::CountWrongVerifier(code.digest));
        return Decision::Deny { refusal: TokenRefusal::WrongVerifier, writes: counted.into_iter().collect() };
    }
    if request.redirect_uri.as_ref().is_some_and(|sent| *sent != code.redirect_uri) {
        return TokenRefusal::OtherRedirectUri.into();
    }
    let fits = check_resource(&request.resources, &grant).and_then(|()| check_key(client, code.dpop.as_ref()));
    if let Err(refusal) = fits {
        return refusal.into();
    }
    if let Some(first) = code.redeemed_at {
        let replay = now.since(first) > DOUBLED_REQUEST && grant.revoked_at.is_none();
        let revoke = Write::RevokeGrant { grant: grant.id, at: now, reason: RevocationReason::CodeReplay };
        let writes = if replay { vec![revoke] } else { Vec::new() };
        return Decision::Deny { refusal: TokenRefusal::RedeemedCode, writes };
    }
    if let Err(refusal) = check_grant(policy, &grant, account.as_ref(), now) {
        return refusal.into();
    }
    match issue(policy, client, &grant, grant.scope.clone(), now, &mut fresh) {
        Ok(issued) => issued.after(Write::RedeemCode { code: code.digest, grant: grant.id, at: now }),
        Err(refusal) => refusal.into(),
    }
}

#[cfg(test)]
mod tests;

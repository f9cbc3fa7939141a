//! New tokens in the place of those that rest on a sign-in at an identity provider: nobody has to be there.

use doorward_types::{ScopeSet, outbound::Reach};

use super::person;
use crate::{
    Code, Failed, StoredIdentity, StoredTokens, Target,
    found::{Errand, Flow, Found, Provider},
    refresh::AGAIN,
    state::Next,
    target::{Dpop, PreRegistered},
    token_request::Fresh,
};

/// Starts getting new tokens in the place of these, with the sign-in that they rest on. `own` is what the user says now of
/// this program at the identity provider; `reach` and `provider_reach` say which addresses the MCP server's authorization
/// server and the identity provider may have.
///
/// # Errors
/// When somebody has to sign in.
pub(crate) fn start(
    tokens: StoredTokens,
    identity: Option<StoredIdentity>,
    own: Option<&PreRegistered>,
    (reach, provider_reach): (Reach, Reach),
    fresh: &mut Fresh<'_>,
) -> Next {
    let ended = |why: &str| Failed::new(Code::LoginNeeded, "the login at this server has ended", why, AGAIN);
    let Some(identity) = identity else {
        return Err(ended("the sign-in at the identity provider that it rested on is not kept any more"));
    };
    // Another person's sign-in must not turn these tokens into theirs unseen.
    if tokens.identity.as_ref().is_none_or(|before| before.key != identity.key() || before.subject != identity.subject)
    {
        return Err(ended("somebody else has signed in at the identity provider since"));
    }
    let target = Target {
        account: tokens.account.clone(),
        // What was bound once stays bound.
        dpop: if tokens.proof_key.is_some() { Dpop::Always } else { Dpop::Never },
        reach,
        ..Target::new(tokens.resource.as_str(), "")?
    };
    let flow = Flow { target, challenged: None, asked: true, wants_bound: false, notes: Vec::new() };
    let found = Box::new(Found {
        flow,
        audience: tokens.audience,
        server: tokens.server,
        listed: ScopeSet::default(),
        scope: tokens.requested,
        guessed: false,
        key: tokens.proof_key,
        identity: None,
        sign_in: None,
    });
    let own = own.filter(|own| &own.client_id == identity.client.client_id());
    let own = own.filter(|own| own.issuer.as_ref().is_none_or(|issuer| issuer == identity.client.issuer()));
    // What was stored may have been replaced at the provider.
    let client = own.map_or_else(|| identity.client.clone(), |own| identity.client.proving_itself_as(own));
    let server = identity.provider.clone();
    let provider = Provider { server, client, reach: provider_reach, unlisted_pkce: false, by: None };
    person::with(Errand { found, client: tokens.client, provider }, Some(identity), fresh)
}

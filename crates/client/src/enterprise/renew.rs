//! A sign-in that is kept is renewed, and with it the tokens that rest on it: nobody has to be there.

use doorward_types::{
    ScopeSet, Timestamp,
    messages::ErrorResponse,
    outbound::{FetchFailed, Inbound, Reach},
};
use url::Url;

use super::{
    Errand, Left, Provider, Subject,
    keys::{self, Then},
    nobody_here, sign_in, with,
};
use crate::{
    Code, Failed, Step, StoredIdentity, StoredTokens, Target,
    authorization::words,
    connect::State,
    discovery::Found,
    exchange,
    failed::{log_in, place},
    start::Flow,
    target::Dpop,
    token_request::{Fresh, Parameters, TokenRequest, Told},
};

/// Starts getting new tokens in the place of these, with the sign-in that they rest on. `reach` and `provider_reach` say
/// which addresses the MCP server's authorization server and the identity provider may have.
///
/// # Errors
/// When somebody has to sign in.
pub(crate) fn start(
    tokens: StoredTokens,
    identity: Option<StoredIdentity>,
    (reach, provider_reach): (Reach, Reach),
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    let ended = |why: &str| {
        let next = log_in(&tokens.resource, tokens.account.as_deref());
        Failed::new(Code::LoginNeeded, "the login at this server has ended", why, next)
    };
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
    let (server, client) = (identity.provider.clone(), identity.client.clone());
    let provider = Provider { server, client, reach: provider_reach, unlisted_pkce: false, by: None };
    with(Errand { found, client: tokens.client, provider }, Some(identity), fresh)
}

/// Renews the sign-in where that can be, and else has the person sign in. `refused` when the identity provider does not
/// take what is kept, so that a session that goes on there would only give the same again.
pub(super) fn or_sign_in(
    errand: Errand,
    identity: StoredIdentity,
    why: &str,
    refused: bool,
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    let Some(token) = &identity.refresh_token else { return sign_in::start(errand, why, refused, fresh) };
    let parameters = Parameters::new(&[("grant_type", "refresh_token"), ("refresh_token", token.expose())]);
    let request = TokenRequest {
        server: errand.provider.server.clone(),
        client: errand.provider.client.clone(),
        key: None,
        only_bound: false,
        reach: errand.provider.reach,
        parameters,
        nonce: None,
        is_again: false,
    };
    let step = Step::Send(request.outbound(fresh)?);
    let (identity, request) = (Box::new(identity), Box::new(request));
    Ok((State::Renewed(AwaitRenewed { errand, identity, request }), step))
}

/// Waits for the identity provider to renew the sign-in.
#[derive(Debug)]
pub(crate) struct AwaitRenewed {
    errand: Errand,
    identity: Box<StoredIdentity>,
    request: Box<TokenRequest>,
}

impl AwaitRenewed {
    /// Source: OpenID Connect Core section 12.
    pub(crate) fn on(
        self,
        answer: Result<Inbound, FetchFailed>,
        fresh: &mut Fresh<'_>,
    ) -> Result<(State, Step), Failed> {
        let Self { mut errand, identity, request } = self;
        let endpoint = request.server.token_endpoint().clone();
        let tokens = match request.on(answer, fresh)? {
            Told::Tokens(tokens, _) => tokens,
            Told::Again(request, outbound) => {
                return Ok((State::Renewed(Self { errand, identity, request }), Step::Send(outbound)));
            }
            Told::Refused(error) => return refused(errand, *identity, &endpoint, &error, fresh),
        };
        let rotated = tokens.refresh_token.is_some();
        // A provider that does not rotate leaves the old one in force.
        let refresh_token = tokens.refresh_token.or_else(|| identity.refresh_token.clone());
        let identity = StoredIdentity { refresh_token, ..*identity };
        let Some(id_token) = tokens.id_token else {
            // A provider that says nothing new of the person takes the refresh token itself for its own word.
            let Some(token) = identity.refresh_token.clone() else {
                return Err(nobody_here(&errand, "nothing renews the sign-in there"));
            };
            errand.rest_on(&identity);
            return Ok(keys::keep(errand, identity, Then::Show(Subject::RefreshToken(token), Left::SigningIn)));
        };
        let before = Some(Box::new(identity.clone()));
        let unchecked = keys::Unchecked { id_token, refresh_token: None, nonce: None, before };
        if rotated {
            // The old one is spent, whatever comes of the ID token.
            return Ok(keys::keep(errand, identity, Then::Check(unchecked)));
        }
        keys::ask(errand, unchecked)
    }
}

/// What a refusal means for the sign-in: only some say that it is over.
///
/// Source: RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6.
fn refused(
    errand: Errand,
    identity: StoredIdentity,
    endpoint: &Url,
    error: &ErrorResponse,
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    let why = format!("{} answered {}", place(endpoint), words(error));
    match error.error.as_str() {
        "invalid_client" | "unauthorized_client" => Err(exchange::refused(Code::ClientUnknown, endpoint, error)),
        // The token is good for nothing any more, and is not shown again.
        "invalid_grant" => {
            let ended = StoredIdentity { refresh_token: None, ..identity };
            Ok(keys::keep(errand, ended, Then::SignIn(why)))
        }
        "interaction_required" | "login_required" => sign_in::start(errand, &why, false, fresh),
        _ => Err(Failed::new(
            Code::ProviderRefused,
            "the identity provider did not renew the sign-in",
            why,
            "try again; else ask whoever runs the identity provider, or sign in anew after: doorward logout --all",
        )),
    }
}

impl crate::Connect {
    /// Gets new tokens in the place of these, which rest on a person's sign-in at an identity provider, as
    /// [`StoredTokens::identity`] says. It ends with [`Step::Done`], and nobody is asked for anything: there is no step but
    /// [`Step::Send`] and [`Step::SaveIdentity`] before.
    ///
    /// # Errors
    /// [`Code::LoginNeeded`] when somebody has to sign in.
    /// Source: draft-ietf-oauth-identity-assertion-authz-grant section 4.4.3.
    pub fn renew(
        tokens: StoredTokens,
        identity: Option<StoredIdentity>,
        reaches: (Reach, Reach),
        now: Timestamp,
        entropy: &mut dyn doorward_types::Entropy,
    ) -> Result<(Self, Step), Failed> {
        start(tokens, identity, reaches, &mut Fresh { now, entropy }).map(Self::with)
    }
}

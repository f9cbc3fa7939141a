//! A sign-in that is kept is renewed: nobody has to be there.

use doorward_types::{
    messages::ErrorResponse,
    outbound::{FetchFailed, Inbound},
};
use url::Url;

use super::{
    keys,
    shown::{Left, Subject, Then, Unchecked},
    sign_in,
};
use crate::{
    Code, Failed, Step, StoredIdentity, exchange,
    failed::{place, words},
    found::Errand,
    state::{AwaitRenewed, Next, State},
    token_request::{Fresh, Parameters, TokenRequest, Told},
};

/// Renews the sign-in where that can be, and else has the person sign in. `refused` when the identity provider does not
/// take what is kept, so that a session that goes on there would only give the same again.
pub(super) fn or_sign_in(
    errand: Errand,
    identity: StoredIdentity,
    why: &str,
    refused: bool,
    fresh: &mut Fresh<'_>,
) -> Next {
    let Some(token) = &identity.refresh_token else { return sign_in::start(errand, why, refused, fresh) };
    let parameters = Parameters::new(&[("grant_type", "refresh_token"), ("refresh_token", token.expose())]);
    let provider = &errand.provider;
    let request = TokenRequest::new(provider.server.clone(), provider.client.clone(), parameters, provider.reach);
    let step = Step::Send(request.outbound(fresh)?);
    let (identity, request) = (Box::new(identity), Box::new(request));
    Ok((State::Renewed(AwaitRenewed { errand, identity, request }), step))
}

/// Goes on with what the identity provider gave in the place of the sign-in.
///
/// Source: OpenID Connect Core section 12.
pub(crate) fn answered(waiting: AwaitRenewed, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Next {
    let AwaitRenewed { mut errand, identity, request } = waiting;
    let endpoint = request.server.token_endpoint().clone();
    let tokens = match request.on(answer, fresh)? {
        Told::Tokens(tokens, _) => tokens,
        Told::Again(request, outbound) => {
            return Ok((State::Renewed(AwaitRenewed { errand, identity, request }), Step::Send(outbound)));
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
            return Err(sign_in::nobody_here(&errand, "nothing renews the sign-in there"));
        };
        errand.rest_on(&identity);
        return Ok(keys::keep(errand, identity, Then::Show(Subject::RefreshToken(token), Left::SigningIn)));
    };
    let before = Some(Box::new(identity.clone()));
    let unchecked = Unchecked { id_token, refresh_token: None, nonce: None, before };
    if rotated {
        // The old one is spent, whatever comes of the ID token.
        return Ok(keys::keep(errand, identity, Then::Check(unchecked)));
    }
    keys::ask(errand, unchecked)
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
) -> Next {
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

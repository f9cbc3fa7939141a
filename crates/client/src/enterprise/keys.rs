//! The identity provider's keys, with which its ID token is checked before anything is done with it.

use doorward_types::{
    jose::KeySet,
    messages::TokenResponse,
    outbound::{FetchFailed, Inbound, Outbound},
    web_url,
};

use super::shown::{Left, Then, Unchecked};
use crate::{
    Code, Failed, IdTokenRefusal, Step, StoredIdentity, busy,
    failed::{no_answer, place},
    found::{Errand, SignIn},
    id_token::{self, Expected},
    state::{AwaitKept, AwaitKeys, Next, State},
    token_request::Fresh,
};

/// Goes on with what the identity provider gave for the code. Its access token is of no use here and is dropped.
pub(crate) fn signed_in(sign_in: SignIn, tokens: TokenResponse) -> Next {
    let SignIn { errand, nonce, .. } = sign_in;
    let Some(id_token) = tokens.id_token else {
        return Err(Failed::new(
            Code::BadIdToken,
            "the identity provider did not say who signed in",
            format!("the answer of {} holds no ID token", errand.provider.server.token_endpoint()),
            "ask whoever runs the identity provider to let this program use the scope openid",
        ));
    };
    ask(errand, Unchecked { id_token, refresh_token: tokens.refresh_token, nonce, before: None })
}

/// Asks for the keys.
///
/// # Errors
/// When the identity provider does not say where they are.
pub(super) fn ask(errand: Errand, unchecked: Unchecked) -> Next {
    let provider = &errand.provider.server;
    let bad = |why: String| {
        let what = "the identity provider's metadata cannot be used";
        Failed::new(Code::BadServerMetadata, what, format!("{}: {why}", provider.issuer()), "ask whoever runs it")
    };
    let text = provider.document().jwks_uri.as_deref().ok_or_else(|| bad("it names no jwks_uri".into()))?;
    let url = web_url::parse(text).map_err(|why| bad(format!("jwks_uri: {why}")))?;
    if web_url::is_loopback(&url) && !web_url::is_loopback(&provider.issuer().url()) {
        return Err(bad("its jwks_uri points at this computer".into()));
    }
    let step = Step::Send(Outbound::metadata(url.clone(), errand.provider.reach));
    Ok((State::Keys(AwaitKeys { errand, unchecked, url }), step))
}

/// Believes what the ID token says only when it is signed with one of the keys, and has it kept before it is used.
pub(crate) fn answered(waiting: AwaitKeys, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Next {
    let AwaitKeys { mut errand, unchecked, url } = waiting;
    let what = "the identity provider's keys could not be fetched";
    let answer = answer.map_err(|failed| no_answer(what, &url, &failed))?;
    if let Some(failed) = busy::failed(what, &url, &answer) {
        return Err(failed);
    }
    if answer.status != http::StatusCode::OK {
        let why = format!("{} answered {}", place(&url), answer.status);
        return Err(Failed::new(Code::ServerFault, what, why, "try again; else ask whoever runs it"));
    }
    let keys = KeySet::parse(&answer.body).map_err(|why| {
        let why = format!("{}: {why}", place(&url));
        Failed::new(Code::BadServerMetadata, "the identity provider's keys cannot be read", why, "ask whoever runs it")
    })?;
    let Unchecked { id_token, refresh_token, nonce, before } = unchecked;
    let expected = Expected {
        issuer: errand.provider.server.issuer(),
        client: errand.provider.client.client_id(),
        nonce: before.as_ref().map_or(nonce.as_ref(), |before| before.nonce.as_ref()),
        subject: before.as_ref().map(|before| before.subject.as_str()),
    };
    let checked = id_token::check(id_token, &expected, &keys, fresh.now).map_err(|why| refused(&errand, why))?;
    let left = if before.is_some() { Left::SigningIn } else { Left::Nothing };
    let identity = match before {
        Some(before) => before.renewed(checked),
        None => StoredIdentity {
            provider: errand.provider.server.clone(),
            client: errand.provider.client.clone(),
            account: errand.found.flow.target.account.clone(),
            subject: checked.subject,
            email: checked.email,
            id_token: checked.token,
            until: checked.until,
            nonce,
            refresh_token,
            signed_in_at: fresh.now,
            generation: 0,
        },
    };
    let subject = errand.rest_on(&identity);
    Ok(keep(errand, identity, Then::Show(subject, left)))
}

fn refused(errand: &Errand, refusal: IdTokenRefusal) -> Failed {
    let next = match refusal {
        IdTokenRefusal::Time => "compare this computer's clock with the right time, and try again",
        _ => {
            "nothing was sent to the MCP server; try again, and if it happens again ask whoever runs the identity provider"
        }
    };
    Failed::new(
        Code::BadIdToken,
        "what the identity provider says of who signed in is not believed",
        format!("the ID token of {}: {refusal}", errand.provider.server.issuer()),
        next,
    )
}

/// Has a sign-in kept before it is used: the next server needs it too.
pub(super) fn keep(errand: Errand, identity: StoredIdentity, then: Then) -> (State, Step) {
    (State::Kept(AwaitKept { errand, then }), Step::SaveIdentity(Box::new(identity)))
}

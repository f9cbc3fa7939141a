//! The identity provider's keys, with which its ID token is checked before anything is done with it.

use doorward_types::{
    Secret,
    jose::KeySet,
    outbound::{FetchFailed, Inbound, Outbound},
    secret, web_url,
};
use url::Url;

use super::{Errand, Left, Subject, exchange, sign_in, with_present};
use crate::{
    Code, Failed, IdTokenRefusal, Step, StoredIdentity,
    connect::State,
    failed::{no_answer, place},
    id_token::{self, Expected},
    token_request::Fresh,
};

/// An ID token as it came.
#[derive(Debug)]
pub(super) struct Unchecked {
    pub(super) id_token: Secret<secret::Assertion>,
    /// What came with it at a sign-in.
    pub(super) refresh_token: Option<Secret<secret::RefreshToken>>,
    /// What the sign-in was asked for with.
    pub(super) nonce: Option<Secret<secret::Nonce>>,
    /// What it takes the place of, when nobody signed in for it.
    pub(super) before: Option<Box<StoredIdentity>>,
}

/// Asks for the keys.
///
/// # Errors
/// When the identity provider does not say where they are.
pub(super) fn ask(errand: Errand, unchecked: Unchecked) -> Result<(State, Step), Failed> {
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

/// Waits for the keys.
#[derive(Debug)]
pub(crate) struct AwaitKeys {
    errand: Errand,
    unchecked: Unchecked,
    url: Url,
}

impl AwaitKeys {
    pub(crate) fn on(
        self,
        answer: Result<Inbound, FetchFailed>,
        fresh: &mut Fresh<'_>,
    ) -> Result<(State, Step), Failed> {
        let Self { mut errand, unchecked, url } = self;
        let what = "the identity provider's keys could not be fetched";
        let answer = answer.map_err(|failed| no_answer(what, &url, &failed))?;
        if answer.status != http::StatusCode::OK {
            let why = format!("{} answered {}", place(&url), answer.status);
            return Err(Failed::new(Code::ServerFault, what, why, "try again; else ask whoever runs it"));
        }
        let keys = KeySet::parse(&answer.body).map_err(|why| {
            let why = format!("{}: {why}", place(&url));
            Failed::new(
                Code::BadServerMetadata,
                "the identity provider's keys cannot be read",
                why,
                "ask whoever runs it",
            )
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

/// What a sign-in is kept for.
#[derive(Debug)]
pub(super) enum Then {
    /// It is shown to the identity provider.
    Show(Subject, Left),
    /// What came with its new refresh token is still to be checked.
    Check(Unchecked),
    /// What has changed of it is neither the person nor what they said, and it is used.
    Use(Box<StoredIdentity>),
    /// The identity provider has ended it, and why: somebody has to sign in.
    SignIn(String),
}

/// Waits until a sign-in is kept.
#[derive(Debug)]
pub(crate) struct AwaitKept {
    errand: Errand,
    then: Then,
}

impl AwaitKept {
    pub(crate) fn on(self, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
        match self.then {
            Then::Show(subject, left) => exchange::ask(self.errand, &subject, left, fresh),
            Then::Check(unchecked) => ask(self.errand, unchecked),
            Then::Use(identity) => with_present(self.errand, *identity, fresh),
            Then::SignIn(why) => sign_in::start(self.errand, &why, false, fresh),
        }
    }
}

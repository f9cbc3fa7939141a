//! The organisation's identity provider decides: what it says of the person becomes an assertion for the MCP server's
//! authorization server, and that becomes a token.
//!
//! Who the person is comes from what is kept of their sign-in there, while it is good; else that is renewed; else they sign
//! in. What the identity provider refuses leads to the next of these, once each.

mod exchange;
mod keys;
mod provider;
mod renew;
mod sign_in;

use doorward_types::{Secret, metadata::ValidatedMetadata, outbound::Reach, secret};

use crate::{
    Code, Failed, IdentityKey, RegisteredClient, RestsOn, Step, StoredIdentity,
    connect::State,
    discovery::Found,
    failed::log_in,
    target::{By, Who},
    token_request::Fresh,
};

pub(crate) use exchange::AwaitExchange;
pub(crate) use keys::{AwaitKept, AwaitKeys};
pub(crate) use provider::{AwaitProvider, look};
pub(crate) use renew::AwaitRenewed;
pub(crate) use sign_in::{SignIn, signed_in};

/// A login that rests on an identity provider's word.
#[derive(Debug)]
pub(crate) struct Errand {
    /// Where the token is wanted.
    found: Box<Found>,
    /// This program at the MCP server's authorization server.
    client: RegisteredClient,
    provider: Provider,
}

/// The identity provider.
#[derive(Debug)]
pub(crate) struct Provider {
    server: ValidatedMetadata,
    /// This program as it is known there.
    client: RegisteredClient,
    reach: Reach,
    /// Whether its metadata does not list PKCE's method, and the user tolerates that.
    unlisted_pkce: bool,
    /// How a person can sign in there now, if one can.
    by: Option<By>,
}

/// What is shown to the identity provider.
///
/// Source: RFC 8693 section 3, draft-ietf-oauth-identity-assertion-authz-grant section 4.3.
#[derive(Debug)]
enum Subject {
    IdToken(Secret<secret::Assertion>),
    RefreshToken(Secret<secret::RefreshToken>),
}

impl Subject {
    fn token(&self) -> &str {
        match self {
            Self::IdToken(token) => token.expose(),
            Self::RefreshToken(token) => token.expose(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::IdToken(_) => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken(_) => "urn:ietf:params:oauth:token-type:refresh_token",
        }
    }
}

/// What is left to try when the identity provider does not take what is shown.
#[derive(Debug)]
enum Left {
    /// What is kept can be renewed, or the person can sign in.
    Renewing(Box<StoredIdentity>),
    /// The person can sign in.
    SigningIn,
    /// Nothing: the person has just signed in, or others sign them in.
    Nothing,
}

impl Errand {
    /// The tokens rest on this sign-in from here on; what shows it to the identity provider.
    fn rest_on(&mut self, identity: &StoredIdentity) -> Subject {
        self.found.identity = Some(RestsOn { key: identity.key(), subject: identity.subject.clone() });
        Subject::IdToken(identity.id_token.clone())
    }

    /// What the sign-in is filed under.
    fn key(&self) -> IdentityKey {
        IdentityKey {
            issuer: self.provider.server.issuer().clone(),
            client_id: self.provider.client.client_id().clone(),
            account: self.found.flow.target.account.clone(),
        }
    }
}

/// Waits for what is kept of a sign-in.
#[derive(Debug)]
pub(crate) struct AwaitIdentity(Errand);

impl AwaitIdentity {
    pub(crate) fn on(self, stored: Option<StoredIdentity>, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
        with(self.0, stored, fresh)
    }
}

/// Finds out who the person is.
fn identify(errand: Errand, who: &Who, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
    match who {
        Who::Given(id_token) => {
            exchange::check_given(id_token, fresh.now)?;
            exchange::ask(errand, &Subject::IdToken(id_token.clone()), Left::Nothing, fresh)
        }
        Who::SignsIn(_) => {
            let step = Step::LoadIdentity(errand.key());
            Ok((State::Identity(AwaitIdentity(errand)), step))
        }
    }
}

/// Goes on with what is kept.
fn with(errand: Errand, stored: Option<StoredIdentity>, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
    // A store that answers with somebody else's sign-in changes nothing.
    let Some(identity) = stored.filter(|identity| identity.key() == errand.key()) else {
        return sign_in::start(errand, "nobody has signed in there yet", false, fresh);
    };
    let now = identity.clone().at(&errand.provider.server, &errand.provider.client);
    if now.is_stored_like(&identity) {
        return with_present(errand, identity, fresh);
    }
    // A renewal knows the provider and this program's secret there by what is kept alone.
    let then = keys::Then::Use(Box::new(now.clone()));
    Ok(keys::keep(errand, now, then))
}

/// The same once it is kept as it is at present.
fn with_present(mut errand: Errand, identity: StoredIdentity, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
    if !identity.is_good(fresh.now) {
        return renew::or_sign_in(errand, identity, "the sign-in there has expired", false, fresh);
    }
    let subject = errand.rest_on(&identity);
    exchange::ask(errand, &subject, Left::Renewing(Box::new(identity)), fresh)
}

/// Nobody can sign in now.
fn nobody_here(errand: &Errand, why: &str) -> Failed {
    Failed::new(
        Code::LoginNeeded,
        "you have to sign in at your organisation's identity provider again",
        format!("{}: {why}", errand.provider.server.issuer()),
        log_in(&errand.found.flow.target.resource, errand.found.flow.target.account.as_deref()),
    )
}

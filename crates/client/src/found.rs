//! What a login knows: from the start on, since discovery, and of the other login for whose sake it may be made.

use doorward_types::{
    CodeVerifier, ScopeSet, Secret, metadata::ValidatedMetadata, outbound::Reach, redirect::RedirectUri, secret,
};

use crate::{
    IdentityKey, Note, ProofKey, RegisteredClient, RestsOn, StoredIdentity, Target, enterprise::shown::Subject,
    store::Got, target::By,
};

/// What is known from the start on and stays with the login until its end.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) target: Target,
    pub(crate) challenged: Option<ScopeSet>,
    /// Whether the MCP server was seen to ask for a login.
    pub(crate) asked: bool,
    /// Whether the MCP server says that it takes only tokens that are bound to a key.
    pub(crate) wants_bound: bool,
    pub(crate) notes: Vec<Note>,
}

/// What discovery found, every part of it checked.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) flow: Flow,
    /// The `resource` parameter, byte for byte as published; empty where it is not sent.
    pub(crate) audience: String,
    /// The authorization server.
    pub(crate) server: ValidatedMetadata,
    /// What the resource lists.
    pub(crate) listed: ScopeSet,
    /// What is asked for.
    pub(crate) scope: Option<ScopeSet>,
    /// Whether the endpoints are those of the 2025-03-26 revision because the server publishes none.
    pub(crate) guessed: bool,
    /// What the tokens are to be bound to.
    pub(crate) key: Option<ProofKey>,
    /// Whose sign-in at an identity provider the tokens are going to rest on.
    pub(crate) identity: Option<RestsOn>,
    /// What the tokens are for when the server is an identity provider, and the person signs in there for the sake of another
    /// server.
    pub(crate) sign_in: Option<Box<SignIn>>,
}

/// What is remembered of one authorization request until its answer comes: the issuer stands beside the verifier
/// and the state that go with it.
///
/// Source: RFC 9207 section 2.4, MCP 2026-07-28 authorization, "Authorization Response Validation".
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) found: Box<Found>,
    pub(crate) client: RegisteredClient,
    /// Whether an earlier login registered the client, so that the server may have forgotten it since.
    pub(crate) stored: bool,
    pub(crate) redirect_uri: RedirectUri,
    pub(crate) state: Secret<secret::State>,
    pub(crate) verifier: CodeVerifier,
}

/// A login that waits for its tokens.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) found: Box<Found>,
    /// With which redirect URI the client may be registered anew, when the server has forgotten it.
    pub(crate) again: Option<RedirectUri>,
    pub(crate) got: Got,
}

impl Login {
    /// One without a person, whose client nobody but the provider can give.
    pub(crate) fn unattended(found: Box<Found>, got: Got) -> Self {
        Self { found, again: None, got }
    }
}

/// A login that rests on an identity provider's word.
#[derive(Debug)]
pub(crate) struct Errand {
    /// Where the token is wanted.
    pub(crate) found: Box<Found>,
    /// This program at the MCP server's authorization server.
    pub(crate) client: RegisteredClient,
    pub(crate) provider: Provider,
}

/// The identity provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) server: ValidatedMetadata,
    /// This program as it is known there.
    pub(crate) client: RegisteredClient,
    pub(crate) reach: Reach,
    /// Whether its metadata does not list PKCE's method, and the user tolerates that.
    pub(crate) unlisted_pkce: bool,
    /// How a person can sign in there now, if one can.
    pub(crate) by: Option<By>,
}

impl Errand {
    /// The tokens rest on this sign-in from here on; what shows it to the identity provider.
    pub(crate) fn rest_on(&mut self, identity: &StoredIdentity) -> Subject {
        self.found.identity = Some(RestsOn { key: identity.key(), subject: identity.subject.clone() });
        Subject::IdToken(identity.id_token.clone())
    }

    /// What the sign-in is filed under.
    pub(crate) fn key(&self) -> IdentityKey {
        IdentityKey {
            issuer: self.provider.server.issuer().clone(),
            client_id: self.provider.client.client_id().clone(),
            account: self.found.flow.target.account.clone(),
        }
    }
}

/// What a sign-in at an identity provider is for.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(crate) errand: Errand,
    /// What the ID token has to repeat, where the request says one.
    pub(crate) nonce: Option<Secret<secret::Nonce>>,
    /// Whether the person has to type their password although a session at the provider goes on.
    pub(crate) anew: bool,
}

impl SignIn {
    /// What the request for a code says in addition.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut all = Vec::new();
        all.extend(self.nonce.as_ref().map(|nonce| ("nonce", nonce.expose())));
        all.extend(self.anew.then_some(("prompt", "login")));
        all
    }
}

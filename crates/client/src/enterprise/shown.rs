//! What the identity provider said, what is shown to it, and what is left to try when it does not take that.

use doorward_types::{Secret, secret};

use crate::StoredIdentity;

/// What is shown to the identity provider.
///
/// Source: RFC 8693 section 3, draft-ietf-oauth-identity-assertion-authz-grant section 4.3.
#[derive(Debug)]
pub(crate) enum Subject {
    IdToken(Secret<secret::Assertion>),
    RefreshToken(Secret<secret::RefreshToken>),
}

impl Subject {
    pub(super) fn token(&self) -> &str {
        match self {
            Self::IdToken(token) => token.expose(),
            Self::RefreshToken(token) => token.expose(),
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::IdToken(_) => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken(_) => "urn:ietf:params:oauth:token-type:refresh_token",
        }
    }
}

/// What is left to try when the identity provider does not take what is shown.
#[derive(Debug)]
pub(crate) enum Left {
    /// What is kept can be renewed, or the person can sign in.
    Renewing(Box<StoredIdentity>),
    /// The person can sign in.
    SigningIn,
    /// Nothing: the person has just signed in, or others sign them in.
    Nothing,
}

/// An ID token as it came.
#[derive(Debug)]
pub(crate) struct Unchecked {
    pub(super) id_token: Secret<secret::Assertion>,
    /// What came with it at a sign-in.
    pub(super) refresh_token: Option<Secret<secret::RefreshToken>>,
    /// What the sign-in was asked for with.
    pub(super) nonce: Option<Secret<secret::Nonce>>,
    /// What it takes the place of, when nobody signed in for it.
    pub(super) before: Option<Box<StoredIdentity>>,
}

/// What a sign-in is kept for.
#[derive(Debug)]
pub(crate) enum Then {
    /// It is shown to the identity provider.
    Show(Subject, Left),
    /// What came with its new refresh token is still to be checked.
    Check(Unchecked),
    /// What has changed of it is neither the person nor what they said, and it is used.
    Use(Box<StoredIdentity>),
    /// The identity provider has ended it, and why: somebody has to sign in.
    SignIn(String),
}

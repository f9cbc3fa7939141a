//! A person and their browser.

use doorward_types::{Digest, Timestamp, secret::SessionToken};
use serde::{Deserialize, Serialize};

use crate::password::PasswordHash;

/// An account's name for machines: random, never reused, the `sub` of its tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name for machines.
    pub id: AccountId,
    /// The name to sign in with, compared without regard to ASCII case.
    pub name: String,
    /// The password's hash; none for an account that cannot sign in by password.
    pub password: Option<PasswordHash>,
    /// Whether it may administer.
    pub administrator: bool,
    /// A disabled account can neither sign in nor be acted for.
    pub disabled: bool,
    /// Who this is at an enterprise's identity provider, for an account that came from there.
    pub external: Option<ExternalIdentity>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A person's name at an identity provider: the pair is unique, each half alone is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalIdentity {
    /// The provider's issuer identifier.
    pub issuer: String,
    /// Its `sub` for the person.
    pub subject: String,
}

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The digest of the cookie's value.
    pub digest: Digest<SessionToken>,
    /// Who signed in.
    pub account: AccountId,
    /// When.
    pub signed_in_at: Timestamp,
    /// Until when the session lasts.
    pub expires_at: Timestamp,
}

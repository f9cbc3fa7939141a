//! What a person allowed, and the codes and tokens that come from it.

use doorward_types::{
    ClientId, Digest, ResourceId, S256Challenge, ScopeSet, Timestamp,
    jose::Thumbprint,
    secret::{AuthorizationCode, RefreshToken},
};
use serde::{Deserialize, Serialize};

use super::{Account, AccountId, Device};
use crate::seal::Sealed;

/// A grant's name: random, the `gid` of its tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(pub String);

/// What a person allowed a client to do. All tokens come from one and end with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// Who allowed it; none for a client that acts for itself.
    pub account: Option<AccountId>,
    /// To whom.
    pub client: ClientId,
    /// The way in which it came to be.
    pub kind: GrantKind,
    /// Where the answer went, as requested; none where no browser was led back.
    pub redirect_uri: Option<String>,
    /// For which resource.
    pub resource: ResourceId,
    /// What.
    pub scope: ScopeSet,
    /// Whether refresh tokens are issued under it.
    pub refreshes: bool,
    /// The key that all its tokens are bound to.
    pub dpop: Option<Thumbprint>,
    /// When.
    pub created_at: Timestamp,
    /// Until when; none for: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When a token of it was last issued.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The way in which a grant came to be: the grant type that its first token was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// A person's consent in a browser that was led back.
    AuthorizationCode,
    /// A person's consent for a device that cannot show a page.
    DeviceCode,
    /// A client for itself.
    ClientCredentials,
    /// An enterprise's word (ID-JAG).
    JwtBearer,
}

impl GrantKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::DeviceCode, Self::ClientCredentials, Self::JwtBearer];

    /// The name in rows and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "device_code",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Grant {
    /// Whether tokens may be issued under it.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// An authorization code that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its digest.
    pub digest: Digest<AuthorizationCode>,
    /// The grant it redeems.
    pub grant: GrantId,
    /// The client that may redeem it.
    pub client: ClientId,
    /// The redirect URI of the request.
    pub redirect_uri: String,
    /// The PKCE challenge.
    pub challenge: S256Challenge,
    /// The key that the request named with `dpop_jkt` (RFC 9449 section 10).
    pub dpop: Option<Thumbprint>,
    /// Until when it can be redeemed.
    pub expires_at: Timestamp,
    /// Failed attempts with a wrong verifier.
    pub wrong_verifiers: u32,
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
}

/// A refresh token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Its digest.
    pub digest: Digest<RefreshToken>,
    /// The grant (the family) it belongs to.
    pub grant: GrantId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires if it is not used before.
    pub expires_at: Timestamp,
    /// How it was used up, if it was.
    pub rotated: Option<Rotated>,
}

/// What happened when a refresh token was exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// When.
    pub at: Timestamp,
    /// The token that took its place.
    pub successor: Digest<RefreshToken>,
    /// The answer that was given, sealed under a key that only the presented token yields.
    pub answer: Sealed,
    /// How often the same token was presented again inside the grace.
    pub replays: u32,
}

/// All that redeeming a code looks at.
#[derive(Clone, Debug)]
pub struct CodeFacts {
    /// The code.
    pub code: Code,
    /// Its grant.
    pub grant: Grant,
    /// The account behind the grant; none when it was deleted.
    pub account: Option<Account>,
}

/// A grant with the account behind it: all that is asked of an access token's grant.
#[derive(Clone, Debug)]
pub struct GrantFacts {
    /// The grant.
    pub grant: Grant,
    /// The account; none when it was deleted, or for a client that acts for itself.
    pub account: Option<Account>,
}

/// All that refreshing looks at.
#[derive(Clone, Debug)]
pub struct RefreshFacts {
    /// The presented token.
    pub token: Refresh,
    /// Whether the token that took its place was itself used for a refresh.
    pub successor_used: bool,
    /// Its grant.
    pub grant: Grant,
    /// The account behind the grant; none when it was deleted.
    pub account: Option<Account>,
}

/// All that a device's poll looks at.
#[derive(Clone, Debug)]
pub struct DeviceFacts {
    /// The device.
    pub device: Device,
    /// The grant, once it was allowed.
    pub grant: Option<Grant>,
    /// The account behind the grant; none when it was deleted.
    pub account: Option<Account>,
}

//! Facts: what rows say. They are plain values, read back from the store and judged again on every use.

use std::time::Duration;

use doorward_types::{
    ClientId, Digest, RedirectUri, ResourceId, S256Challenge, ScopeSet, Timestamp,
    secret::{AuthorizationCode, ClientSecret, InteractionToken, RefreshToken, SessionToken},
};
use serde::{Deserialize, Serialize};

use crate::{password::PasswordHash, seal::Sealed};

/// An account's name for machines: random, never reused, the `sub` of its tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

/// A grant's name: random, the `gid` of its tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(pub String);

/// How a client came to be known, which decides how it is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrigin {
    /// It registered itself; anybody can claim any name that way.
    Dynamic,
    /// An administrator registered it.
    Administrator,
}

/// How a client proves who it is at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// Not at all: a public client.
    None,
    /// HTTP Basic with its secret.
    SecretBasic(Digest<ClientSecret>),
    /// Its secret in the form.
    SecretPost(Digest<ClientSecret>),
}

impl ClientAuthentication {
    /// The method's registered name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
        }
    }
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// How it came to be known.
    pub origin: ClientOrigin,
    /// What it calls itself.
    pub name: Option<String>,
    /// Where authorization responses may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// The grant types it registered, such as `refresh_token`.
    pub grant_types: Vec<String>,
    /// `native` or `web`, as registered.
    pub application_type: Option<String>,
    /// When it registered.
    pub created_at: Timestamp,
}

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
    /// When it was made.
    pub created_at: Timestamp,
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

/// An authorization request that passed the first checks, as text. Its parts are judged again when it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client that asks.
    pub client: ClientId,
    /// The redirect URI as requested.
    pub redirect_uri: String,
    /// The client's `state`, to be echoed.
    pub state: Option<String>,
    /// The PKCE challenge.
    pub challenge: S256Challenge,
    /// The one resource that is asked for.
    pub resource: ResourceId,
    /// The scopes that are asked for.
    pub scope: ScopeSet,
    /// When it was asked.
    pub requested_at: Timestamp,
}

/// An authorization request that waits for a person. The request itself is sealed under a key that only the
/// browser's interaction token yields, so that a copy of the rows shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The digest of the token that names it.
    pub digest: Digest<InteractionToken>,
    /// The browser that may answer it: the digest of its session cookie, signed in or not.
    pub browser: Digest<SessionToken>,
    /// The sealed [`AuthorizationRequest`].
    pub request: Sealed,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// Whether it was answered.
    pub spent: bool,
}

/// What a person allowed a client to do. All tokens come from one and end with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// Who allowed it.
    pub account: AccountId,
    /// To whom.
    pub client: ClientId,
    /// Where the answer went, as requested.
    pub redirect_uri: String,
    /// For which resource.
    pub resource: ResourceId,
    /// What.
    pub scope: ScopeSet,
    /// When.
    pub created_at: Timestamp,
    /// Until when; none for: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When a token of it was last issued.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
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

/// The lifetimes that an authorization server works with.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// An access token.
    pub access_token: Duration,
    /// A code, from issue to redemption.
    pub code: Duration,
    /// An authorization request, from the first page to the answer.
    pub interaction: Duration,
    /// A refresh token that is not used.
    pub refresh_idle: Duration,
    /// How long after a rotation the same client gets the same answer again.
    pub refresh_grace: Duration,
    /// A signed-in browser.
    pub session: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access_token: Duration::from_secs(10 * 60),
            code: Duration::from_secs(60),
            interaction: Duration::from_secs(15 * 60),
            refresh_idle: Duration::from_secs(30 * 24 * 3600),
            refresh_grace: Duration::from_secs(30),
            session: Duration::from_secs(12 * 3600),
        }
    }
}

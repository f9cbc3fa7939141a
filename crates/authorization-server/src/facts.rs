//! Facts: what rows say. They are plain values, read back from the store and judged again on every use.

use std::time::Duration;

use doorward_types::{
    ClientId, Digest, RedirectUri, ResourceId, S256Challenge, ScopeSet, Timestamp,
    jose::Thumbprint,
    secret::{
        AuthorizationCode, ClientSecret, DeviceCode, InteractionToken, RefreshToken, Registration, RegistrationToken,
        RequestReference, SessionToken, UserCode,
    },
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
    /// Its identifier is the URL of a document that describes it: whoever rules that host vouches for it.
    Document,
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
    /// A JWT that it signs with a key of its own (RFC 7523 section 2.2).
    PrivateKeyJwt(ClientKeys),
}

/// Where a client's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKeys {
    /// In its registration: a JWK set, as JSON.
    Inline(String),
    /// At this `jwks_uri`.
    At(String),
}

impl ClientAuthentication {
    /// The method's registered name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
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
    /// What it may ask for, as registered; see [`scope_limit`](Self::scope_limit).
    pub scope: Option<ScopeSet>,
    /// Its home page, as it says.
    pub client_uri: Option<String>,
    /// Names the software, the same for all its installations.
    pub software_id: Option<String>,
    /// All its tokens are bound to a key of its own (RFC 9449 section 5.2).
    pub dpop_bound: bool,
    /// It may only authorize with a pushed request (RFC 9126 section 6).
    pub pushed_only: bool,
    /// The resource whose tokens it may ask about, for a client that is itself a resource server (RFC 7662).
    pub protects: Option<ResourceId>,
    /// Other resources that it may exchange tokens for, as the operator decided.
    pub exchanges_for: Vec<ResourceId>,
    /// What it manages its registration with (RFC 7592); none for a registration that nobody may change.
    pub management: Option<Digest<RegistrationToken>>,
    /// Recognises the same registration when it comes again.
    pub fingerprint: Option<Digest<Registration>>,
    /// When it registered, or when its document was first read.
    pub created_at: Timestamp,
    /// When a token was last issued to it.
    pub last_used_at: Option<Timestamp>,
    /// From when on it does not exist any more; none for: until somebody removes it.
    pub expires_at: Option<Timestamp>,
    /// Until when the copy of its document is good without another look.
    pub fresh_until: Option<Timestamp>,
}

impl Client {
    /// Whether it registered this grant type.
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|registered| registered == grant_type)
    }
}

impl Client {
    /// Whether it is (still) there: a client that nobody vouches for expires.
    pub fn exists(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// The most it may ask for, where the operator said so. What a client says of itself is no limit: apps register the
    /// scopes of the first challenge, and would never get those that a later call needs.
    pub fn scope_limit(&self) -> Option<&ScopeSet> {
        self.scope.as_ref().filter(|_| self.origin == ClientOrigin::Administrator)
    }
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

/// An authorization request that passed the first checks, as text. Its parts are judged again when it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client that asks.
    pub client: ClientId,
    /// What the client was like when it asked (the text of [`Client::face`]); none where nothing can change under the request.
    #[serde(default)]
    pub face: Option<String>,
    /// Where the answer goes.
    pub answer_to: AnswerTo,
    /// The one resource that is asked for.
    pub resource: ResourceId,
    /// The scopes that can be granted.
    pub scope: ScopeSet,
    /// Whether the client asked to stay connected (`offline_access`) and may.
    pub offline: bool,
    /// When it was asked.
    pub requested_at: Timestamp,
}

/// Where the answer to an authorization request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerTo {
    /// Back to the client, with the browser.
    Redirect {
        /// The redirect URI as requested.
        uri: String,
        /// The client's `state`, to be echoed.
        state: Option<String>,
        /// The PKCE challenge.
        challenge: S256Challenge,
        /// The key that the code is bound to (`dpop_jkt`, RFC 9449 section 10).
        dpop: Option<Thumbprint>,
    },
    /// Into the row of a device, which polls for it.
    Device {
        /// The device.
        device: Digest<DeviceCode>,
        /// The code that the person typed, as it is shown.
        user_code: String,
        /// From where the device asked.
        asked_from: String,
    },
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

/// An authorization request that a client pushed ahead of the browser. It is sealed under the reference that only
/// the client was given.
///
/// Source: RFC 9126 section 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    /// The digest of the reference in its `request_uri`.
    pub digest: Digest<RequestReference>,
    /// The client that pushed it.
    pub client: ClientId,
    /// The sealed [`AuthorizationRequest`] that its parameters made.
    pub form: Sealed,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Whether it was used.
    pub spent: bool,
}

/// A device that waits for a person.
///
/// Source: RFC 8628 section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The digest of the code that the device polls with.
    pub digest: Digest<DeviceCode>,
    /// The digest of the code that the person types.
    pub user_code: Digest<UserCode>,
    /// The client on the device.
    pub client: ClientId,
    /// The resource it asks for.
    pub resource: ResourceId,
    /// The scopes it asks for, `offline_access` among them if it may have that.
    pub scope: ScopeSet,
    /// From where it asked: its address and what it calls its software, to be shown to the person. At most 256 characters.
    pub asked_from: String,
    /// When it asked.
    pub requested_at: Timestamp,
    /// Until when it can be answered and polled.
    pub expires_at: Timestamp,
    /// The least seconds between two polls, as far as it was slowed down.
    pub interval: u32,
    /// When it last polled.
    pub polled_at: Option<Timestamp>,
    /// What the person answered.
    pub answer: DeviceAnswer,
    /// When its tokens were issued.
    pub redeemed_at: Option<Timestamp>,
}

/// What a person answered to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Nothing yet.
    None,
    /// No.
    Denied,
    /// Yes: this grant.
    Allowed(GrantId),
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

/// A key that signs access tokens, as all nodes share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name, the RFC 7638 thumbprint.
    pub kid: String,
    /// The key pair in PKCS#8, sealed under the operator's key.
    pub sealed: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs; it is published before, so that nobody meets an unknown key.
    pub active_from: Timestamp,
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
    /// A pushed authorization request.
    pub pushed_request: Duration,
    /// A device code.
    pub device_code: Duration,
    /// A grant, at the most, whatever the person chooses; none for no limit.
    pub grant: Option<Duration>,
    /// A client that registered itself and was never used.
    pub unused_client: Duration,
    /// A client that registered itself, after its last use.
    pub idle_client: Duration,
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
            pushed_request: Duration::from_secs(90),
            device_code: Duration::from_secs(15 * 60),
            grant: None,
            unused_client: Duration::from_secs(24 * 3600),
            idle_client: Duration::from_secs(90 * 24 * 3600),
        }
    }
}

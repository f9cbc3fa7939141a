//! A client, and how it proves who it is.

use doorward_types::{
    ClientId, Digest, RedirectUri, ResourceId, ScopeSet, Timestamp,
    secret::{ClientSecret, Registration, RegistrationToken},
};
use serde::{Deserialize, Serialize};

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

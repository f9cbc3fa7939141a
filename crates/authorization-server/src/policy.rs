//! What the operator decided.

use std::time::Duration;

use doorward_types::{Issuer, Permission, ResourceId, Scope, ScopeSet};

use crate::facts::{Client, ClientOrigin};

/// A protected resource that tokens can be issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its identifier, the audience of its tokens.
    pub id: ResourceId,
    /// Its name for people.
    pub name: String,
    /// The scopes that can be asked for at it.
    pub scopes: ScopeSet,
}

/// What the operator decided: every decision of this crate takes it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// This authorization server's identifier.
    pub issuer: Issuer,
    /// All resources it issues tokens for.
    pub resources: Vec<Resource>,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// Callbacks whose scheme has no dot, in full, beside those of [`known_apps`](crate::known_apps). Such a scheme does
    /// more than take callbacks (install an extension, clone a repository), so the scheme alone is never enough.
    pub known_callbacks: Vec<String>,
    /// The most redirect URIs that one client may register.
    pub most_redirect_uris: usize,
    /// Whether anybody may register a client (RFC 7591).
    pub registration: bool,
    /// A client that registers with https callbacks only gets a secret even if it says it needs none: for hosts that insist
    /// on one. Whoever names no method always gets one, which is the standard's default.
    pub registration_confidential: bool,
    /// The most clients that registered themselves or came by their document; beyond it none is taken.
    pub most_strangers: u64,
    /// The most requests of a kind that wait before strangers can add no more.
    pub most_waiting: u64,
    /// Whether a client may be the URL of a document: only where the server can reach out to read it.
    pub client_documents: bool,
    /// Every authorization request must be pushed (RFC 9126 section 5).
    pub pushed_only: bool,
    /// Every token must be bound to its holder's key (RFC 9449).
    pub dpop_only: bool,
    /// Identity providers whose word lets a client in without asking the person (ID-JAG).
    pub enterprises: Vec<Enterprise>,
    /// The most that strangers get: clients that registered themselves or came by their document.
    pub strangers: Ceiling,
    /// Refresh tokens only for clients that ask for `offline_access`. Many hosts never ask and could not stay connected.
    pub refresh_only_when_asked: bool,
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

/// An identity provider whose assertions are believed.
///
/// Source: Identity Assertion JWT Authorization Grant (ID-JAG) section 4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enterprise {
    /// Its issuer identifier.
    pub issuer: Issuer,
    /// Where its keys are; none for: where its metadata says.
    pub jwks_uri: Option<String>,
}

/// What the operator allows a class of clients at the most.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ceiling {
    /// How long a grant lasts; none for no limit of its own.
    pub grant: Option<Duration>,
    /// How long a refresh token lasts unused; none for the common lifetime.
    pub refresh_idle: Option<Duration>,
    /// Which scopes; none for all.
    pub scope: Option<ScopeSet>,
}

/// Asks to stay connected without asking the person again.
///
/// Source: OpenID Connect Core section 11, MCP 2026-07-28 authorization, "Refresh Tokens".
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The grant type of devices.
///
/// Source: RFC 8628 section 3.4.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// [`OFFLINE_ACCESS`] alone, as a set.
pub(crate) fn offline_access() -> ScopeSet {
    Scope::parse(OFFLINE_ACCESS).into_iter().collect()
}

/// The grant types that a client may register for by itself.
pub(crate) const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", DEVICE_CODE];

impl Policy {
    /// The policy that a gateway starts with, for no resource yet.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            resources: Vec::new(),
            lifetimes: Lifetimes::default(),
            known_callbacks: Vec::new(),
            most_redirect_uris: 20,
            registration: true,
            registration_confidential: false,
            most_strangers: 10_000,
            most_waiting: 10_000,
            client_documents: false,
            pushed_only: false,
            dpop_only: false,
            enterprises: Vec::new(),
            strangers: Ceiling::default(),
            refresh_only_when_asked: false,
        }
    }

    /// The ceiling over this client, if there is one.
    fn ceiling(&self, client: &Client) -> Option<&Ceiling> {
        match client.origin {
            ClientOrigin::Dynamic | ClientOrigin::Document => Some(&self.strangers),
            ClientOrigin::Administrator => None,
        }
    }

    /// The scopes that a client can be allowed at a resource: within its registration and its ceiling. A broad one there
    /// brings what it implies.
    pub fn most_scope(&self, client: &Client, resource: &Resource) -> ScopeSet {
        let within = |limit: &ScopeSet| resource.scopes.intersection(&Permission::with_implied(limit));
        let ceiling = self.ceiling(client);
        let registered = client.scope_limit().map(within);
        let allowed = ceiling.and_then(|ceiling| ceiling.scope.as_ref()).map(within);
        registered.iter().chain(&allowed).fold(resource.scopes.clone(), |all, limit| all.intersection(limit))
    }

    /// How long a grant of this client lasts at the most.
    pub fn longest_grant(&self, client: &Client) -> Option<Duration> {
        let ceiling = self.ceiling(client).and_then(|ceiling| ceiling.grant);
        self.lifetimes.grant.into_iter().chain(ceiling).min()
    }

    /// How long a refresh token of this client lasts unused.
    pub fn refresh_idle(&self, client: &Client) -> Duration {
        let ceiling = self.ceiling(client).and_then(|ceiling| ceiling.refresh_idle);
        ceiling.map_or(self.lifetimes.refresh_idle, |idle| idle.min(self.lifetimes.refresh_idle))
    }

    /// A configured resource.
    pub fn resource(&self, id: &ResourceId) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == *id)
    }
}

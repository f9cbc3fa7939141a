//! What the machine waits for, and what it remembers until then: one struct per awaited input. What follows from the input is
//! decided elsewhere, one decision one file; [`Connect::on`](crate::Connect::on) says which.

use std::{collections::VecDeque, fmt, time::Duration};

use doorward_types::{Issuer, ScopeSet, Timestamp, outbound::Inbound, redirect::RedirectUri};
use url::Url;

use crate::{
    Failed, RegisteredClient, Step, StoredIdentity,
    enterprise::shown::{Left, Then, Unchecked},
    found::{Errand, Flow, Found, Login, Pending},
    step::PortChoice,
    target::Enterprise,
    token_request::TokenRequest,
};

/// What a decision comes to: what is waited for next and what to do for it, or the end.
pub(crate) type Next = Result<(State, Step), Failed>;

/// What the machine waits for.
#[derive(Debug)]
pub(crate) enum State {
    Resource(AwaitResource),
    Server(AwaitServer),
    StoredClient(AwaitStoredClient),
    Port(AwaitPort),
    Registration(AwaitRegistration),
    Saved(AwaitSaved),
    Pushed(AwaitPushed),
    Callback(AwaitCallback),
    DeviceCode(AwaitDeviceCode),
    DevicePause(Polling),
    DeviceAnswer(Polling),
    Provider(AwaitProvider),
    Identity(Errand),
    Renewed(AwaitRenewed),
    Keys(AwaitKeys),
    Kept(AwaitKept),
    Exchange(AwaitExchange),
    Token(AwaitToken),
    /// The server wants to be left alone for a while. What is asked for then, and the answer that it gave instead.
    Later(Box<State>, Inbound),
    Finished,
}

/// Waits for the metadata of the protected resource.
#[derive(Debug)]
pub(crate) struct AwaitResource {
    pub(crate) flow: Flow,
    /// What was asked for.
    pub(crate) url: Url,
    /// Whether the challenge named it.
    pub(crate) named: bool,
    /// Where to look next.
    pub(crate) rest: VecDeque<Url>,
    /// Why the places so far did not do.
    pub(crate) absent: Vec<String>,
    /// The first document that was there and was not good.
    pub(crate) refused: Option<Failed>,
}

/// Waits for the metadata of an authorization server.
#[derive(Debug)]
pub(crate) struct AwaitServer {
    pub(crate) flow: Flow,
    pub(crate) audience: String,
    pub(crate) listed: ScopeSet,
    pub(crate) issuer: Issuer,
    pub(crate) url: Url,
    /// Where else this issuer's metadata may lie.
    pub(crate) rest: VecDeque<Url>,
    /// The issuers after this one.
    pub(crate) issuers: VecDeque<Issuer>,
    pub(crate) absent: Vec<String>,
    pub(crate) refused: Option<Failed>,
    /// Whether this is a server of the 2025-03-26 revision, which is its own authorization server.
    pub(crate) old: bool,
}

/// Waits for the client that an earlier login registered.
#[derive(Debug)]
pub(crate) struct AwaitStoredClient {
    pub(crate) found: Box<Found>,
}

/// Waits until a port is held. That comes before registration: a registered redirect URI whose port somebody else
/// holds would send the code to them.
#[derive(Debug)]
pub(crate) struct AwaitPort {
    pub(crate) found: Box<Found>,
    pub(crate) client: ClientAtPort,
    pub(crate) wanted: PortChoice,
}

/// For whom a port is held.
#[derive(Debug)]
pub(crate) enum ClientAtPort {
    /// The client is known. `stored` when an earlier login registered it.
    Known { client: RegisteredClient, stored: bool },
    /// The client is registered as soon as its redirect URI is known.
    New { pattern: RedirectUri, over_v6: RedirectUri },
}

/// Waits for the answer to a registration.
#[derive(Debug)]
pub(crate) struct AwaitRegistration {
    pub(crate) found: Box<Found>,
    pub(crate) redirect_uri: RedirectUri,
}

/// Waits until the new client is kept.
#[derive(Debug)]
pub(crate) struct AwaitSaved {
    pub(crate) found: Box<Found>,
    pub(crate) client: RegisteredClient,
    pub(crate) redirect_uri: RedirectUri,
}

/// Waits for the name of the pushed request.
pub(crate) struct AwaitPushed {
    pub(crate) pending: Pending,
    pub(crate) endpoint: Url,
    /// The page, as the metadata has it.
    pub(crate) page: Url,
    /// The page with what is pushed.
    pub(crate) whole: Url,
}

impl fmt::Debug for AwaitPushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is pushed holds the state and the nonce.
        let Self { pending, endpoint, page, whole: _ } = self;
        f.debug_struct("AwaitPushed")
            .field("pending", pending)
            .field("endpoint", &endpoint.as_str())
            .field("page", &page.as_str())
            .finish_non_exhaustive()
    }
}

/// Waits for the answer in the browser.
#[derive(Debug)]
pub(crate) struct AwaitCallback {
    pub(crate) pending: Pending,
    /// When waiting ends, once an answer came with our state and another issuer.
    pub(crate) until: Option<Timestamp>,
}

/// Waits for the code.
#[derive(Debug)]
pub(crate) struct AwaitDeviceCode {
    pub(crate) found: Box<Found>,
    pub(crate) client: RegisteredClient,
    pub(crate) stored: bool,
    pub(crate) endpoint: Url,
}

/// Waits for the person at another device: until the server may be asked again, and for its answer.
#[derive(Debug)]
pub(crate) struct Polling {
    pub(crate) login: Login,
    pub(crate) request: TokenRequest,
    /// The least time between two questions.
    pub(crate) interval: Duration,
    /// How long to wait now: longer than the interval after questions that were not answered.
    pub(crate) pause: Duration,
    pub(crate) expires: Timestamp,
}

/// Waits for the identity provider's metadata.
#[derive(Debug)]
pub(crate) struct AwaitProvider {
    pub(crate) found: Box<Found>,
    /// The client at the MCP server's authorization server.
    pub(crate) client: RegisteredClient,
    pub(crate) enterprise: Enterprise,
    pub(crate) url: Url,
    pub(crate) rest: VecDeque<Url>,
    pub(crate) absent: Vec<String>,
    pub(crate) unlisted_pkce: bool,
}

/// Waits for the identity provider to renew the sign-in.
#[derive(Debug)]
pub(crate) struct AwaitRenewed {
    pub(crate) errand: Errand,
    pub(crate) identity: Box<StoredIdentity>,
    pub(crate) request: Box<TokenRequest>,
}

/// Waits for the identity provider's keys.
#[derive(Debug)]
pub(crate) struct AwaitKeys {
    pub(crate) errand: Errand,
    pub(crate) unchecked: Unchecked,
    pub(crate) url: Url,
}

/// Waits until a sign-in is kept.
#[derive(Debug)]
pub(crate) struct AwaitKept {
    pub(crate) errand: Errand,
    pub(crate) then: Then,
}

/// Waits for the identity provider's assertion.
#[derive(Debug)]
pub(crate) struct AwaitExchange {
    pub(crate) errand: Errand,
    pub(crate) endpoint: Url,
    pub(crate) left: Left,
}

/// Waits for the tokens.
#[derive(Debug)]
pub(crate) struct AwaitToken {
    pub(crate) login: Login,
    pub(crate) request: TokenRequest,
}

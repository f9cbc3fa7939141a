//! What the machine asks for, and what it is told.

use std::{fmt, time::Duration};

use doorward_types::{
    Issuer, ResourceId, ScopeSet, Timestamp,
    outbound::{FetchFailed, Inbound, Outbound},
};
use url::Url;

use crate::{IdentityKey, RegisteredClient, StoredIdentity, StoredTokens};

/// What to do next. Each step names the [`Input`] that answers it.
#[derive(Debug)]
pub enum Step {
    /// Send this request; answer with [`Input::Answer`].
    Send(Outbound),
    /// Look for the client that was registered at this server; answer with [`Input::Client`].
    LoadClient {
        /// The server.
        issuer: Issuer,
    },
    /// Keep this client; answer with [`Input::ClientSaved`].
    SaveClient(RegisteredClient),
    /// Look for what is kept of a sign-in at an identity provider, and let no other process sign in there, or renew that
    /// sign-in, until this login is over; answer with [`Input::Identity`].
    LoadIdentity(IdentityKey),
    /// Keep this sign-in, in place of the one that was loaded or that was kept last, whatever generation it carries itself;
    /// answer with [`Input::IdentitySaved`].
    SaveIdentity(Box<StoredIdentity>),
    /// Listen on a port of this computer and keep it until the end; answer with [`Input::PortHeld`].
    HoldPort(HoldPort),
    /// Open this URL in the browser, then wait for [`Input::Callback`] or [`Input::TimeUp`].
    OpenBrowser(OpenBrowser),
    /// A request came to the port that is not the awaited one. Answer it with a plain 400 page and go on waiting for
    /// [`Input::Callback`] or [`Input::TimeUp`].
    KeepWaiting {
        /// Why the request was not taken.
        why: NotTaken,
        /// When set: how much longer to wait at most.
        at_most: Option<Duration>,
    },
    /// Show this to the person, wait as long as it says, and answer with [`Input::Waited`], or with [`Input::TimeUp`] when
    /// nobody may be waited for any longer.
    ShowDeviceCode(Box<ShowDeviceCode>),
    /// Wait this long, then answer with [`Input::Waited`], or with [`Input::TimeUp`].
    Wait(Duration),
    /// The server wants to be left alone for this long. Tell the person, wait, and answer with [`Input::Waited`]; or, where
    /// there is not so much time, at once with [`Input::TimeUp`].
    AskAgain {
        /// What was asked for.
        url: Url,
        /// How long to wait.
        pause: Duration,
    },
    /// The login is complete. Save the tokens, use them once, and only then tell the person that all is well.
    Done(Box<Connected>),
}

/// Which port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldPort {
    /// The host in the redirect URI: `127.0.0.1`, `[::1]` or `localhost`. Listen on that literal address only; for
    /// `localhost`, on both loopback addresses.
    pub host: String,
    /// Which port.
    pub port: PortChoice,
    /// The path that the callback comes to; a request to any other is answered with 404.
    pub path: String,
    /// Whether `[::1]` will do as well, with any port, where the host cannot be used: nothing is registered yet.
    pub either: bool,
}

/// Which port will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// Any free one.
    Any,
    /// This one if it is free, since it is the one that was registered; else any.
    Prefer(u16),
    /// This one and no other.
    Only(u16),
}

/// What to show to the person, and where.
#[derive(Clone, Debug)]
pub struct OpenBrowser {
    /// The page to open: https, or http on this computer. It holds no secret.
    pub url: Url,
    /// The authorization server.
    pub issuer: Issuer,
    /// The MCP server.
    pub resource: ResourceId,
    /// What is asked for; `None` leaves it to the server.
    pub scope: Option<ScopeSet>,
    /// What the person should know before they sign in.
    pub notes: Vec<Note>,
}

/// What a person needs to sign in somewhere else.
///
/// Source: RFC 8628 section 3.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowDeviceCode {
    /// The page to open: https, or http on this computer.
    pub verification_uri: Url,
    /// What to type there.
    pub user_code: String,
    /// The same page with the code in it, for a link or a picture that a telephone reads. The person still compares the code.
    pub complete: Option<Url>,
    /// Until when the code is good.
    pub expires: Timestamp,
    /// The authorization server.
    pub issuer: Issuer,
    /// How long to wait before the first question.
    pub wait: Duration,
}

/// Why a request to the callback was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Its parameters are malformed or repeated.
    Malformed,
    /// Its `state` is missing or not ours.
    ForeignState,
    /// Its `iss` is missing or another server's.
    WrongIssuer,
    /// It has neither a code nor an error, or both.
    NoAnswer,
}

/// What came of a step.
pub enum Input {
    /// The answer to [`Step::Send`].
    Answer(Result<Inbound, FetchFailed>),
    /// What [`Step::LoadClient`] found.
    Client(Option<RegisteredClient>),
    /// [`Step::SaveClient`] is done.
    ClientSaved,
    /// What [`Step::LoadIdentity`] found.
    Identity(Option<Box<StoredIdentity>>),
    /// [`Step::SaveIdentity`] is done.
    IdentitySaved,
    /// [`Step::HoldPort`] is done; this is the redirect URI with the port that is held.
    PortHeld {
        /// Such as `http://127.0.0.1:43121/callback/2hYc…`.
        redirect_uri: String,
    },
    /// A GET came to the callback path, with this query (without the question mark).
    Callback {
        /// The query as it was received.
        query: String,
    },
    /// [`Step::ShowDeviceCode`], [`Step::Wait`] or [`Step::AskAgain`] is done: the time has passed.
    Waited,
    /// Nobody came in time.
    TimeUp,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Client(client) => f.debug_tuple("Client").field(client).finish(),
            Self::ClientSaved => f.write_str("ClientSaved"),
            Self::Identity(identity) => f.debug_tuple("Identity").field(identity).finish(),
            Self::IdentitySaved => f.write_str("IdentitySaved"),
            Self::PortHeld { redirect_uri } => f.debug_struct("PortHeld").field("redirect_uri", redirect_uri).finish(),
            // There is a code in it.
            Self::Callback { .. } => f.debug_struct("Callback").finish_non_exhaustive(),
            Self::Waited => f.write_str("Waited"),
            Self::TimeUp => f.write_str("TimeUp"),
        }
    }
}

/// A finished login.
#[derive(Debug)]
pub struct Connected {
    /// The tokens, to be saved.
    pub tokens: StoredTokens,
    /// Where a rule was applied less than literally, as far as it was not told before ([`OpenBrowser::notes`]).
    pub notes: Vec<Note>,
}

/// Something about a login that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The metadata lies at the root of the origin and describes the whole origin, of which the MCP server is a part.
    WholeOrigin,
    /// The metadata describes a parent of the MCP server's URL, which the user tolerates.
    ParentResource,
    /// The metadata lies at another origin, which the user tolerates.
    ForeignMetadata,
    /// The authorization server calls itself by another name than the one it was asked by, which the user tolerates.
    OtherIssuer {
        /// That name, as it was published.
        named: String,
    },
    /// The authorization server does not say that it supports PKCE, which the user tolerates.
    UnlistedPkce,
    /// The sign-in page and the place where tokens come from lie at different hosts.
    TwoHosts {
        /// Where the person signs in.
        page: String,
        /// Where the code is sent.
        tokens: String,
    },
    /// The authorization server is not told which MCP server the token is for: the user wants that, or the provider is
    /// known to refuse it.
    NoResource,
    /// The authorization server is told that the token is for something else than the MCP server: the user wants that.
    OtherAudience {
        /// What it is told.
        named: String,
    },
    /// The MCP server is one of the 2025-03-26 revision: it publishes no metadata of its own, and is its own
    /// authorization server.
    OldServer {
        /// Whether it publishes no metadata at all, so that the endpoints of that revision are used.
        guessed: bool,
    },
    /// The MCP server names another authorization server than at the last login.
    IssuerChanged {
        /// The one before.
        from: Issuer,
    },
    /// None of the clients that the user has at several providers is for this authorization server.
    NoneIsForHere {
        /// The authorization server.
        issuer: Issuer,
    },
    /// The authorization server had forgotten this client, which was registered again.
    RegisteredAgain,
}

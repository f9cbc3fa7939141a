//! What can happen in a flow, and what can follow from it. There is no other way to say it, here or with `-v`.

use doorward_client::{Failed, Registration, Stage, Step as Next, step::NotTaken};
use doorward_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::mask::{Mask, Pair, Shown};

/// What a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A login, of a person or of a program.
    Login,
    /// An access token is renewed.
    Refresh,
    /// A login is given back.
    Logout,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Its place in the flow, from 1 on.
    pub(crate) number: u32,
    /// When it began, in milliseconds after the flow.
    pub(crate) at_ms: u64,
    /// What was done.
    pub(crate) did: Did,
    /// What followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) so: Vec<So>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Did {
    /// A request was sent.
    Request {
        method: String,
        url: Shown,
        sent: Vec<Pair>,
        /// What came of it; `None` while it is under way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
    },
    /// The MCP server refused a call of the host.
    Challenged { said: Vec<Pair> },
    /// What was registered before was looked for.
    ClientLookedFor { issuer: Shown, found: Option<Shown> },
    /// A new client was stored.
    ClientStored,
    /// A port was held.
    PortHeld { redirect_uri: Shown },
    /// The person was shown the sign-in page.
    PageShown { url: Shown },
    /// A browser, or a person who pastes, brought an answer.
    CameBack { said: Vec<Pair> },
    /// The person was shown a code.
    CodeShown { page: Shown },
    /// Time passed.
    Waited { seconds: u64 },
    /// Nobody came in time.
    TimeUp,
    /// The tokens were stored.
    TokensStored,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// How long it took.
    pub(crate) took_ms: u64,
    #[serde(flatten)]
    pub(crate) answer: Answer,
}

/// The answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The server answered.
    Answered {
        status: u16,
        /// The length of the body, where all of it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<usize>,
        said: Vec<Pair>,
    },
    /// It did not.
    NotAnswered { why: Shown },
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    ResourceMetadata,
    ServerMetadata,
    Client,
    PushedRequest,
    DeviceCode,
    DeviceAnswer,
    IdentityProvider,
    Assertion,
    Tokens,
}

/// What followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum So {
    /// Something is asked for.
    Ask { what: Wanted },
    /// A client of an earlier login is looked for.
    LookForClient { issuer: Shown },
    /// A client was registered and is stored.
    KeepClient { client_id: Shown, how: How },
    /// A port is held for the browser.
    HoldPort,
    /// A person signs in.
    ShowPage { issuer: Shown, scope: Option<Shown> },
    /// What came back is not the awaited answer.
    NotTaken { why: Why },
    /// A person types a code somewhere else.
    ShowCode { issuer: Shown },
    /// The server is asked again later.
    Wait { seconds: u64 },
    /// There are tokens.
    Tokens {
        scope: Option<Shown>,
        /// When the access token expires, if the server said so.
        expires_at: Option<i64>,
        refreshable: bool,
        bound: bool,
    },
    /// A rule is applied less than literally, or the server is not as it was.
    Note { words: Shown },
    /// The server has forgotten the stored client; another is registered.
    ClientForgotten,
    /// The server wants the request again, with its nonce.
    Again,
    /// The next way of signing in is tried.
    NextWay { because: Trouble },
    /// Asked once more, since the answer may only be lost.
    OnceMore { because: Trouble },
    /// Nothing is lost, and it may be tried again later.
    Later { because: Trouble },
    /// The login is over.
    Over { because: Trouble },
}

/// How a client got its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    PreRegistered,
    Document,
    Dynamic,
}

/// Why what came back was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    Malformed,
    ForeignState,
    WrongIssuer,
    NoAnswer,
}

/// A failure, as the person meets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) code: Shown,
    pub(crate) message: Shown,
    pub(crate) reason: Shown,
    pub(crate) hint: Shown,
}

impl Trouble {
    pub(super) fn new(failed: &Failed, mask: &Mask) -> Self {
        Self {
            code: mask.text(failed.code().as_str()),
            message: mask.text(failed.what()),
            reason: mask.text(failed.why()),
            hint: mask.text(failed.hint()),
        }
    }
}

impl So {
    /// What a login does next, by where it stands.
    pub(super) fn of(stage: Stage, next: &Next, mask: &Mask) -> Option<Self> {
        Some(match next {
            Next::Send(_) => Self::Ask { what: Wanted::at(stage)? },
            Next::LoadClient { issuer } => Self::LookForClient { issuer: mask.text(issuer.as_str()) },
            Next::SaveClient(client) => Self::KeepClient {
                client_id: mask.text(client.client_id().as_str()),
                how: match client.registration() {
                    Registration::PreRegistered => How::PreRegistered,
                    Registration::MetadataDocument => How::Document,
                    Registration::Dynamic => How::Dynamic,
                },
            },
            // The requests before and after say as much.
            Next::LoadIdentity(_) | Next::SaveIdentity(_) => return None,
            Next::HoldPort(_) => Self::HoldPort,
            Next::OpenBrowser(page) => Self::ShowPage {
                issuer: mask.text(page.issuer.as_str()),
                scope: page.scope.as_ref().map(|scope| mask.text(&scope.to_string())),
            },
            Next::KeepWaiting { why, .. } => Self::NotTaken {
                why: match why {
                    NotTaken::Malformed => Why::Malformed,
                    NotTaken::ForeignState => Why::ForeignState,
                    NotTaken::WrongIssuer => Why::WrongIssuer,
                    NotTaken::NoAnswer => Why::NoAnswer,
                },
            },
            Next::ShowDeviceCode(code) => Self::ShowCode { issuer: mask.text(code.issuer.as_str()) },
            Next::Wait(pause) | Next::AskAgain { pause, .. } => Self::Wait { seconds: pause.as_secs() },
            Next::Done(connected) => Self::tokens(&connected.tokens, mask),
        })
    }

    pub(super) fn tokens(tokens: &doorward_client::StoredTokens, mask: &Mask) -> Self {
        Self::Tokens {
            scope: tokens.granted.as_ref().map(|scope| mask.text(&scope.to_string())),
            expires_at: tokens.expires_at.map(Timestamp::as_unix),
            refreshable: tokens.can_be_renewed(),
            bound: tokens.proof_key.is_some(),
        }
    }
}

impl Wanted {
    /// What a request at this stage is for; `None` where none is sent.
    fn at(stage: Stage) -> Option<Self> {
        Some(match stage {
            Stage::ResourceMetadata => Self::ResourceMetadata,
            Stage::ServerMetadata => Self::ServerMetadata,
            Stage::Registration => Self::Client,
            Stage::PushedRequest => Self::PushedRequest,
            Stage::DeviceCode => Self::DeviceCode,
            Stage::DeviceAnswer => Self::DeviceAnswer,
            Stage::IdentityProvider => Self::IdentityProvider,
            Stage::Assertion => Self::Assertion,
            Stage::Tokens => Self::Tokens,
            Stage::KnownClient
            | Stage::Port
            | Stage::ClientKept
            | Stage::Callback
            | Stage::DevicePause
            | Stage::Finished => return None,
        })
    }
}

use async_trait::async_trait;
use doorward_client::{BearerFor, Failed, word};
use doorward_types::ResourceId;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Why a token is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Why<'a> {
    /// A message is to be sent.
    ToSend,
    /// The server answered 401 to a message, which therefore did not run.
    Rejected {
        /// The token that it was sent with; `None` when it was sent without one.
        serial: Option<u64>,
        /// The headers of the answer, with its challenge.
        headers: &'a HeaderMap,
    },
    /// The server answered 401 to a request of the bridge's own, for which no person is to be asked: a refresh is the
    /// most that is done.
    RejectedUnasked {
        /// The token that it was sent with; `None` when it was sent without one.
        serial: Option<u64>,
    },
    /// The server answered 403 and asks for more scopes; the message did not run.
    InsufficientScope {
        /// The token that it was sent with.
        serial: Option<u64>,
        /// The headers of the answer, with its challenge.
        headers: &'a HeaderMap,
    },
}

/// A token, and which one it is.
#[derive(Debug)]
pub struct Credential {
    /// The token.
    pub bearer: BearerFor,
    /// Differs from token to token, so that many requests which met the same end ask for one new token.
    pub serial: u64,
}

/// A page where a person logs in, for hosts that can send them there.
#[derive(Clone, Debug)]
pub struct LoginPage {
    /// The page: https, or http on this computer. It holds no secret.
    pub url: Url,
    /// What the person does there, in a sentence without a full stop.
    pub message: String,
    /// Cancelled when the login has been made, or has come to nothing.
    pub ended: CancellationToken,
}

/// Where a bridge gets its tokens from: a store, a refresh, or a person.
#[async_trait]
pub trait BearerSource: Send + Sync {
    /// The token to send next; `None` when there is none yet, so that the server's challenge says how to get one.
    /// Callers that name the same `serial` share one refresh or login. May take as long as a person takes.
    ///
    /// # Errors
    /// When there is no token and will be none.
    async fn bearer(&self, why: Why<'_>) -> Result<Option<Credential>, Failed>;

    /// Which login there is now: differs from login to login, and from renewal to renewal; `None` when there is none. It is asked
    /// often, so nothing is renewed for it and no server hears of it.
    async fn stored(&self) -> Option<u64> {
        None
    }

    /// The command with which a person logs in anew at the server with this URL, though there is a login.
    fn login_command(&self, resource: &ResourceId) -> String {
        format!("doorward login --force {}", word(resource.as_str()))
    }

    /// Where a person can make the login for want of which [`bearer`](Self::bearer) failed last, on whichever device; `None`
    /// when there is no such page. While one can be used, the same one.
    async fn login_page(&self) -> Option<LoginPage> {
        None
    }
}

//! A request that a role wants sent, and the answer to it. Only the `fetch` crate sends one.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

/// Redirects that may be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// None: the redirect itself is the answer.
    Refuse,
    /// Up to three, to the same origin. For reading metadata only.
    SameOrigin,
}

/// Which addresses may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only addresses of the public internet.
    Public,
    /// Also private and loopback addresses: for a server that the user named and that is there itself.
    Anywhere,
}

/// A request with its limits. Whoever builds one has to say how much it may cost and where it may go.
#[derive(Clone)]
pub struct Outbound {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Vec<u8>,
    /// The most bytes of the answer's body.
    pub most_bytes: usize,
    /// The time for everything.
    pub timeout: Duration,
    /// Redirects that may be followed.
    pub redirects: Redirects,
    /// Which addresses may be reached.
    pub reach: Reach,
}

impl Outbound {
    /// A read of a metadata document: JSON of up to 1 MiB within 10 s, redirects within the origin.
    pub fn metadata(url: Url, reach: Reach) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method: Method::GET,
            url,
            headers,
            body: Vec::new(),
            most_bytes: 1 << 20,
            timeout: Duration::from_secs(10),
            redirects: Redirects::SameOrigin,
            reach,
        }
    }

    /// A POST to an OAuth endpoint: no redirect is followed, since it would carry credentials elsewhere.
    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>, reach: Reach) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            method: Method::POST,
            url,
            headers,
            body,
            most_bytes: 1 << 20,
            timeout: Duration::from_secs(30),
            redirects: Redirects::Refuse,
            reach,
        }
    }

    /// The same with one more header, marked as sensitive so that it is never printed.
    #[must_use]
    pub fn with_secret_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// The answer to an [`Outbound`].
#[derive(Clone)]
pub struct Inbound {
    /// The status.
    pub status: http::StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// Whoever sends requests. The `fetch` crate's fetcher is one; a role that must not know it takes this.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    /// Sends one request and gives its whole answer, within the limits that the request names.
    async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed>;
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailed {
    /// The host's name has no address.
    #[error("the name {0} could not be resolved")]
    Name(String),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The proxy that stands between cannot be reached, or lets nobody through.
    #[error("no connection through the proxy {proxy}: {why}")]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// What happened.
        why: String,
    },
    /// TLS refused.
    #[error("the TLS connection failed: {0}")]
    Tls(String),
    /// The time was up.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The address is not one that this request may reach.
    #[error("{0} is an address of a private network, which this request may not reach")]
    Forbidden(String),
    /// The body is longer than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

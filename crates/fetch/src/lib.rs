//! The only outbound HTTP: limits, redirect policy, SSRF guard, proxies and the roots of trust of the system.
//!
//! A role builds an [`Outbound`] and says in it what the request may cost and where it may go; [`Fetcher::send`]
//! holds it to that. [`Fetcher::stream`] is for MCP messages, whose answers have no end that is known beforehand.

mod clients;
mod failure;
mod reach;
mod resolver;
mod send;
mod stream;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use doorward_types::outbound::{FetchFailed, Http};

use url::Url;

use clients::Clients;
#[doc(no_inline)]
pub use doorward_types::outbound::{Inbound, Outbound, Reach, Redirects};
pub use reach::is_public;
pub use resolver::is_private_name;

/// What the process as a whole has decided about outgoing requests.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Requests with [`Reach::Public`] go through the proxy that the environment names. The proxy then resolves
    /// names, so it, and no longer this crate, keeps requests away from private networks.
    pub trust_proxy: bool,
    /// The proxy to go through, in place of the one that the environment names. Hosts in `NO_PROXY` are reached directly.
    pub proxy: Option<Url>,
    /// Connections are made to IPv4 addresses only.
    pub ipv4_only: bool,
    /// Certificates, in PEM, that are trusted besides those of the operating system.
    pub extra_roots: Option<Vec<u8>>,
}

/// Why a [`Fetcher`] cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// The extra roots are not certificates in PEM.
    #[error("the extra certificates cannot be read: {0}")]
    ExtraRoots(String),
    /// The proxy's URL is none that requests can go through.
    #[error("the proxy cannot be used: {0}")]
    Proxy(String),
}

/// Sends requests. Clones share connections and are cheap.
#[derive(Clone)]
pub struct Fetcher {
    clients: Arc<Clients>,
}

impl Fetcher {
    /// Makes a fetcher. No connection is opened and no certificate of the system is read before the first request.
    ///
    /// # Errors
    /// When the extra certificates are no PEM.
    pub fn new(options: Options) -> Result<Self, InvalidOptions> {
        Ok(Self { clients: Arc::new(Clients::new(options)?) })
    }

    /// Sends one request and reads its whole answer, within the limits that the request names. A redirect that
    /// the request does not allow, or that leads elsewhere, is itself the answer.
    ///
    /// # Errors
    /// When there is no answer, or a limit is reached. No error text holds a query, a header or a body.
    /// Source: MCP security best practices, "Server-Side Request Forgery".
    pub async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
        send::send(&self.clients, request).await
    }

    /// Sends one request and gives its answer as soon as the headers are there, within `header_timeout`. The
    /// body has neither limit nor deadline, and no redirect is followed. Dropping the body ends the request.
    ///
    /// # Errors
    /// When no answer starts in time. No error text holds a query, a header or a body.
    pub async fn stream(
        &self,
        request: http::Request<bytes::Bytes>,
        reach: Reach,
        header_timeout: std::time::Duration,
    ) -> Result<
        http::Response<impl futures_util::Stream<Item = Result<bytes::Bytes, FetchFailed>> + Send + Unpin + 'static>,
        FetchFailed,
    > {
        stream::stream(&self.clients, request, reach, header_timeout).await
    }
}

#[async_trait]
impl Http for Fetcher {
    async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
        send::send(&self.clients, request).await
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

//! Name resolution that lets only public addresses through. The connection is made to exactly the addresses that
//! were judged here, so a name that changes its mind in between gains nothing.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::reach::is_public;

/// Why a name gave no address; found again in the error that reqwest reports.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotResolved {
    #[error("{0} could not be resolved")]
    Unknown(String),
    #[error("{0} is only at addresses of a private network")]
    Forbidden(String),
}

type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Resolves by the operating system and keeps the public addresses.
pub(crate) struct PublicOnly {
    lookup: Arc<Lookup>,
    /// Hosts of trusted proxies, which may be private: the request does not go to them but through them.
    proxies: Arc<BTreeSet<String>>,
}

impl PublicOnly {
    pub(crate) fn new(proxies: BTreeSet<String>) -> Self {
        let lookup = |host: String| -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
        };
        Self { lookup: Arc::new(lookup), proxies: Arc::new(proxies) }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, proxies) = (Arc::clone(&self.lookup), Arc::clone(&self.proxies));
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let mut addresses = lookup(name.clone()).await.map_err(|_| Box::new(NotResolved::Unknown(name.clone())))?;
            if addresses.is_empty() {
                return Err(Box::new(NotResolved::Unknown(name)) as _);
            }
            if !proxies.contains(&name) {
                addresses.retain(|address| is_public(address.ip()));
            }
            if addresses.is_empty() {
                return Err(Box::new(NotResolved::Forbidden(name)) as _);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Resolves the names of this computer: `localhost` is at both of its loopback addresses, whatever the system's list of hosts
/// says, and nowhere else.
///
/// Source: RFC 6761 section 6.3.
pub(crate) struct ThisComputer;

impl Resolve for ThisComputer {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let known = tokio::net::lookup_host((name.as_str(), 0)).await.map(Iterator::collect).unwrap_or_default();
            Ok(Box::new(loopback(known).into_iter()) as Addrs)
        })
    }
}

/// The system's order counts, as far as it goes.
fn loopback(known: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<_> = known.into_iter().filter(|address| address.ip().is_loopback()).collect();
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        if !all.iter().any(|address| address.ip() == ip) {
            all.push(SocketAddr::new(ip, 0));
        }
    }
    all
}

/// How long is waited for the addresses of a name; where a proxy resolves names there may be nobody to answer.
const LOOKUP: Duration = Duration::from_secs(5);

/// Whether a name is at addresses of a private network only. One that is not known, not in time, or is in public as well,
/// is not.
pub async fn is_private_name(name: &str) -> bool {
    is_private(async { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }).await
}

async fn is_private(lookup: impl Future<Output = io::Result<Vec<SocketAddr>>>) -> bool {
    let Ok(Ok(addresses)) = tokio::time::timeout(LOOKUP, lookup).await else { return false };
    !addresses.is_empty() && addresses.iter().all(|address| !is_public(address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(found: &[&str], proxies: &[&str]) -> PublicOnly {
        let found: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        PublicOnly {
            lookup: Arc::new(move |_| {
                let found = found.clone();
                Box::pin(async move { Ok(found) })
            }),
            proxies: Arc::new(proxies.iter().map(ToString::to_string).collect()),
        }
    }

    async fn resolve(found: &[&str], proxies: &[&str]) -> Result<Vec<String>, String> {
        match resolver(found, proxies).resolve("a.example".parse().unwrap()).await {
            Ok(addresses) => Ok(addresses.map(|a| a.ip().to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn a_name_that_points_here_is_refused_before_a_connection() {
        // proves: INV-11, MCP-SBP-016, MCP-SBP-021
        let server = crate::test_server::Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let url = format!("https://a.example:{}/", server.url.port().unwrap()).parse().unwrap();
        let clients = crate::clients::Clients::new(crate::Options::default()).unwrap();
        clients.resolve_public_with(resolver(&["127.0.0.1"], &[]));
        let request = crate::Outbound::metadata(url, crate::Reach::Public);
        let failed = crate::send::send(&clients, request).await.unwrap_err();
        assert_eq!(failed, crate::FetchFailed::Forbidden("a.example".into()));
        assert!(server.requests().is_empty());
    }

    #[test]
    fn localhost_is_both_loopback_addresses_and_no_other() {
        for (known, expected) in [
            (&["127.0.0.1"][..], &["127.0.0.1", "::1"][..]),
            (&["::1", "127.0.0.1"], &["::1", "127.0.0.1"]),
            (&["203.0.113.7", "::1"], &["::1", "127.0.0.1"]),
            (&[], &["127.0.0.1", "::1"]),
        ] {
            let known = known.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            let all: Vec<_> = loopback(known).iter().map(|address| address.ip().to_string()).collect();
            assert_eq!(all, expected);
        }
    }

    #[tokio::test]
    async fn private_addresses_of_a_name_are_never_connected_to() {
        // proves: MCP-SBP-018, MCP-SBP-021, INV-11
        assert_eq!(
            resolve(&["1.1.1.1", "10.0.0.1", "2606:4700::1111", "::1"], &[]).await.unwrap(),
            ["1.1.1.1", "2606:4700::1111"]
        );
        for private in ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1"] {
            assert!(resolve(&[private], &[]).await.unwrap_err().contains("private"), "{private}");
        }
        assert!(resolve(&[], &[]).await.unwrap_err().contains("resolved"));
        assert_eq!(resolve(&["10.0.0.1"], &["a.example"]).await.unwrap(), ["10.0.0.1"]);
    }

    #[tokio::test]
    async fn a_name_is_private_only_when_all_that_is_known_of_it_in_time_is() {
        // proves: MCP-SBP-018
        for (found, private) in [
            (&["10.0.0.1"][..], true),
            (&["10.0.0.1", "fd00::1"], true),
            (&["10.0.0.1", "1.1.1.1"], false),
            (&["1.1.1.1"], false),
            (&[], false),
        ] {
            let found = found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            assert_eq!(is_private(async { Ok(found) }).await, private);
        }
        assert!(!is_private(async { Err(io::Error::other("no such name")) }).await);
        // A resolver that nobody answers does not hold a command up.
        let waiting = tokio::time::timeout(LOOKUP * 6, is_private(std::future::pending())).await;
        assert_eq!(waiting, Ok(false));
    }
}

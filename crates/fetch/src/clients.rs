//! The HTTP clients behind a fetcher, each made when it is first needed.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::OnceLock,
    time::Duration,
};

use doorward_types::outbound::{FetchFailed, Reach};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, Client, NoProxy, Proxy, redirect::Policy};
use url::Url;

use crate::{
    InvalidOptions, Options, reach,
    resolver::{PublicOnly, ThisComputer},
};

/// Time for the connection alone, so that a dead address leaves time for the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than what servers and load balancers usually allow, so that a kept connection is rarely a closed one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How a connection of HTTP/2 that carries an answer is found dead; one of HTTP/1 is by the keep-alive of TCP.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

type Slot = OnceLock<Result<Client, FetchFailed>>;

pub(crate) struct Clients {
    trust_proxy: bool,
    proxy: Option<(Url, Proxy)>,
    ipv4_only: bool,
    extra_roots: Vec<Certificate>,
    /// Public addresses only.
    public: Slot,
    /// Anything, through the proxy that the system names.
    anywhere: Slot,
    /// This computer, never through a proxy.
    here: Slot,
    /// The same over plain http, for which the system's certificates need not be read: that is most of a short start.
    here_plain: Slot,
}

impl Clients {
    pub(crate) fn new(options: Options) -> Result<Self, InvalidOptions> {
        let extra_roots = match options.extra_roots {
            None => Vec::new(),
            Some(pem) => {
                let roots = Certificate::from_pem_bundle(&pem)
                    .map_err(|e| InvalidOptions::ExtraRoots(e.without_url().to_string()))?;
                if roots.is_empty() {
                    return Err(InvalidOptions::ExtraRoots("there is no certificate in it".into()));
                }
                roots
            }
        };
        let proxy = options.proxy.map(|url| {
            // The reason could repeat a password.
            let made = Proxy::all(url.clone()).map_err(|_| InvalidOptions::Proxy("it is no proxy's URL".into()))?;
            Ok((url, made.no_proxy(NoProxy::from_env())))
        });
        Ok(Self {
            trust_proxy: options.trust_proxy,
            proxy: proxy.transpose()?,
            ipv4_only: options.ipv4_only,
            extra_roots,
            public: Slot::new(),
            anywhere: Slot::new(),
            here: Slot::new(),
            here_plain: Slot::new(),
        })
    }

    /// The client for this target, after the target was judged.
    pub(crate) fn pick(&self, url: &Url, reach: Reach) -> Result<&Client, FetchFailed> {
        reach::check_target(url, reach)?;
        let client = match reach {
            Reach::Public => {
                // The resolver lets a proxy's own name through, so no request may name it as its target.
                if let Some(host) = url.host_str().filter(|host| self.trust_proxy && self.proxy_hosts().contains(*host))
                {
                    return Err(FetchFailed::Forbidden(host.to_owned()));
                }
                self.public.get_or_init(|| self.public_client())
            }
            Reach::Anywhere if reach::is_this_computer(url) && url.scheme() == "http" => {
                self.here_plain.get_or_init(|| finish(self.here().tls_certs_only([])))
            }
            Reach::Anywhere if reach::is_this_computer(url) => self.here.get_or_init(|| finish(self.here())),
            Reach::Anywhere => self.anywhere.get_or_init(|| finish(self.proxied())),
        };
        client.as_ref().map_err(Clone::clone)
    }

    fn here(&self) -> reqwest::ClientBuilder {
        self.builder().no_proxy().dns_resolver(ThisComputer)
    }

    fn public_client(&self) -> Result<Client, FetchFailed> {
        finish(if self.trust_proxy {
            self.proxied().dns_resolver(PublicOnly::new(self.proxy_hosts()))
        } else {
            self.builder().no_proxy().dns_resolver(PublicOnly::new(BTreeSet::new()))
        })
    }

    /// Makes the client for public addresses with another resolver than the system's.
    #[cfg(test)]
    pub(crate) fn resolve_public_with(&self, resolver: PublicOnly) {
        let _ = self.public.set(finish(self.builder().no_proxy().dns_resolver(resolver)));
    }

    /// Through the proxy that was named, else through the one that the system names.
    fn proxied(&self) -> reqwest::ClientBuilder {
        let builder = self.builder();
        match &self.proxy {
            None => builder,
            Some((_, proxy)) => builder.proxy(proxy.clone()),
        }
    }

    /// The host and port of the proxy that stands between, if one does.
    pub(crate) fn proxy_before(&self, url: &Url, reach: Reach) -> Option<String> {
        let goes_direct = match reach {
            Reach::Public => !self.trust_proxy,
            Reach::Anywhere => reach::is_this_computer(url),
        };
        if goes_direct {
            return None;
        }
        let matcher = match &self.proxy {
            None => Matcher::from_system(),
            Some((proxy, _)) => {
                let direct = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
                Matcher::builder().all(proxy.as_str().to_owned()).no(direct.unwrap_or_default()).build()
            }
        };
        let between = matcher.intercept(&url.as_str().parse().ok()?)?;
        Some(between.uri().authority()?.as_str().rsplit('@').next()?.to_owned())
    }

    /// The hosts of the proxies that requests may go through.
    fn proxy_hosts(&self) -> BTreeSet<String> {
        match &self.proxy {
            None => proxy_hosts(),
            Some((url, _)) => url.host_str().map(str::to_owned).into_iter().collect(),
        }
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        // Another crate may have chosen the same provider already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Client::builder()
            .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PONG_WITHIN)
            .tls_certs_merge(self.extra_roots.iter().cloned())
            .local_address(self.ipv4_only.then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

fn finish(builder: reqwest::ClientBuilder) -> Result<Client, FetchFailed> {
    builder.build().map_err(|error| {
        let why = crate::failure::words(&error);
        FetchFailed::Tls(if why.contains("No CA certificates") {
            "this computer knows no certificate authorities; the package ca-certificates brings them, --ca names a file"
                .into()
        } else {
            format!("the client could not be set up: {why}")
        })
    })
}

/// The hosts of the proxies that the environment names.
fn proxy_hosts() -> BTreeSet<String> {
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|text| proxy_host(&text))
        .collect()
}

/// The host of a proxy's address, which may stand there without a scheme.
fn proxy_host(text: &str) -> Option<String> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    Some(url.ok()?.host_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_host_is_found_in_every_form() {
        for text in ["http://proxy.corp:3128", "proxy.corp:3128", "http://u:p@proxy.corp/", "proxy.corp"] {
            assert_eq!(proxy_host(text).as_deref(), Some("proxy.corp"), "{text}");
        }
        assert_eq!(proxy_host(""), None);
    }

    #[test]
    fn extra_roots_must_be_certificates() {
        let with = |pem: &str| Clients::new(Options { extra_roots: Some(pem.into()), ..Options::default() });
        assert!(with("").is_err());
        assert!(with("no certificate").is_err());
    }
}

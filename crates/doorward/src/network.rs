//! What sends the requests of a person's commands, and how far they may reach.

use doorward_client::{Target, target::reach_of};
use doorward_fetch::{Fetcher, InvalidOptions, Options, Reach};
use url::{Host, Url};

use crate::{
    cli,
    failure::{Exit, Failure},
};

/// Makes what sends the requests.
pub(crate) fn fetcher(flags: &cli::Network) -> Result<Fetcher, Box<Failure>> {
    let refuse = |why: String, next: &str| {
        Failure::new("NET-02", Exit::Configuration, "no requests can be sent", why, next.to_owned())
    };
    let extra_roots = flags.ca.as_ref().map(|file| {
        let next = "name a file with certificates in PEM: --ca FILE";
        std::fs::read(file).map_err(|error| refuse(format!("{}: {error}", file.display()), next))
    });
    let given = flags.proxy.as_deref().filter(|text| !text.is_empty());
    let proxy = given.filter(|text| *text != "none").map(|text| {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&with_scheme).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        // A password in it is not repeated.
        let next = "name it as in --proxy http://proxy.example.com:3128";
        url.ok_or_else(|| refuse("the proxy is no http or https URL".into(), next))
    });
    let options = Options {
        // Whoever runs the command has chosen the proxy; it resolves names in our place.
        trust_proxy: given != Some("none"),
        proxy: proxy.transpose()?,
        ipv4_only: flags.ipv4,
        extra_roots: extra_roots.transpose()?,
    };
    let of = flags.ca.as_ref().map(|file| format!(" ({})", file.display())).unwrap_or_default();
    Fetcher::new(options).map_err(|error| match error {
        InvalidOptions::ExtraRoots(_) => {
            refuse(format!("{error}{of}"), "name a file with certificates in PEM: --ca FILE")
        }
        InvalidOptions::Proxy(_) => refuse(error.to_string(), "name it as in --proxy http://proxy.example.com:3128"),
    })
}

/// Lets requests reach private addresses when the MCP server itself is at such an address: the person named it.
///
/// Source: MCP security best practices, "Server-Side Request Forgery".
pub(crate) async fn locate(target: &mut Target) {
    target.reach = reach(&target.resource.url(), target.reach).await;
}

/// How far what belongs to a server that a person named may reach; at least as far as given.
pub(crate) async fn reach(url: &Url, at_least: Reach) -> Reach {
    if at_least == Reach::Anywhere || reach_of(url) == Reach::Anywhere {
        return Reach::Anywhere;
    }
    if let Some(Host::Domain(name)) = url.host()
        && doorward_fetch::is_private_name(name).await
    {
        tracing::info!(name, "the server is in a private network; so may be what belongs to it");
        return Reach::Anywhere;
    }
    Reach::Public
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_named_by_a_private_address_may_be_reached_there() {
        for (url, expected) in [
            ("https://10.0.0.7/", Reach::Anywhere),
            ("https://192.168.1.2:8443/realm", Reach::Anywhere),
            ("https://127.0.0.1/", Reach::Anywhere),
            ("https://[fd00::7]/", Reach::Anywhere),
            ("https://8.8.8.8/", Reach::Public),
            ("https://169.254.169.254/", Reach::Public),
        ] {
            assert_eq!(reach(&Url::parse(url).unwrap(), Reach::Public).await, expected, "{url}");
        }
        assert_eq!(reach(&Url::parse("https://8.8.8.8/").unwrap(), Reach::Anywhere).await, Reach::Anywhere);
    }
}

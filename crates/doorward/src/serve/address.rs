//! The addresses that mean this gateway.

use doorward_types::Issuer;

use crate::failure::{Exit, Failure};

/// The `Host` values that mean this gateway: its public name, and the ways to say "this machine" on its port.
pub(super) fn allowed_hosts(issuer: &Issuer, address: std::net::SocketAddr) -> Vec<String> {
    let url = issuer.url();
    let host = url.host_str().unwrap_or_default();
    let mut hosts = vec![match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }];
    if address.ip().is_loopback() {
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", address.port())));
    }
    hosts
}

/// The public URL is the issuer too. It is an origin: pages and metadata lie at paths of their own below it.
pub(super) fn read_public_url(text: &str) -> Result<Issuer, Box<Failure>> {
    let refuse = |why: &dyn std::fmt::Display| {
        Failure::new(
            "CFG-01",
            Exit::Configuration,
            format!("{text} cannot be the public URL"),
            why,
            "give the https URL that clients use, such as --public-url https://mcp.example.com",
        )
    };
    let issuer = Issuer::parse(text.trim_end_matches('/')).map_err(|refusal| refuse(&refusal))?;
    if issuer.url().path() != "/" {
        return Err(refuse(&"it has a path, and the gateway needs a host name (or port) of its own"));
    }
    Ok(issuer)
}

/// Our own origin, and those that were named.
pub(super) fn allowed_origins(issuer: &Issuer, named: &[String]) -> Result<Vec<String>, Box<Failure>> {
    let mut origins = vec![issuer.url().origin().ascii_serialization()];
    for text in named {
        let origin = url::Url::parse(text).map(|url| url.origin());
        match origin {
            Ok(origin) if origin.is_tuple() && origin.ascii_serialization() == text.trim_end_matches('/') => {
                origins.push(origin.ascii_serialization());
            }
            _ => {
                return Err(Failure::new(
                    "CFG-04",
                    Exit::Configuration,
                    format!("{text} is not an origin"),
                    "an origin is a scheme, a host and perhaps a port, and nothing more",
                    "write it like --allow-origin http://localhost:6274",
                ));
            }
        }
    }
    Ok(origins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_an_origin() {
        // proves: OA21-01, MCP-AUTH-124
        let read = |text: &str| read_public_url(text).map(|issuer| issuer.to_string()).map_err(|failure| failure.why);
        assert_eq!(read("https://mcp.example.com/").unwrap(), "https://mcp.example.com");
        assert_eq!(read("http://localhost:8420").unwrap(), "http://localhost:8420");
        for bad in
            ["https://mcp.example.com/gateway", "http://mcp.example.com", "mcp.example.com", "https://a.example/?x"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

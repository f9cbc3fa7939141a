//! One reading of a URL: accepted only when it is written the way the parser writes it.
//!
//! Two programs that read one URL differently is how most redirect attacks start. So a URL that
//! carries meaning here (issuer, resource, redirect URI) must be in the parser's own canonical
//! form; then the text and the parsed value say the same, and comparing text is enough.

use url::{Host, Url};

/// Why a text is not a URL that this program will use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Longer than [`MOST_BYTES`].
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// Not a URL at all, or a relative one.
    #[error("it is not an absolute URL")]
    NotAbsolute,
    /// Another spelling of the URL that is meant.
    #[error("it is not in canonical form (write it as {0})")]
    NotCanonical(String),
    /// `user:password@`.
    #[error("it carries a user name or password")]
    UserInfo,
    /// A `#`.
    #[error("it has a fragment")]
    Fragment,
    /// A `?` where none may be.
    #[error("it has a query")]
    Query,
    /// Neither https nor http to this machine.
    #[error("it uses {0}, and only https (or http to this machine) is allowed")]
    Scheme(String),
}

/// The longest URL that is read.
pub const MOST_BYTES: usize = 2048;

/// Reads an absolute https URL, or http on a loopback host, in canonical form and without user
/// information or fragment. A bare origin may stand without its slash.
///
/// # Errors
/// Names the rule that the text breaks.
pub fn parse(text: &str) -> Result<Url, InvalidUrl> {
    let url = parse_any_host(text)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        other => Err(InvalidUrl::Scheme(match other {
            "http" => format!("http to {}", url.host_str().unwrap_or_default()),
            other => other.to_owned(),
        })),
    }
}

/// As [`parse`], but with any http(s) host: for a place where the user named the URL and said
/// aloud that plain http is meant.
///
/// # Errors
/// Names the rule that the text breaks.
pub fn parse_any_host(text: &str) -> Result<Url, InvalidUrl> {
    if text.len() > MOST_BYTES {
        return Err(InvalidUrl::TooLong);
    }
    let url = Url::parse(text).map_err(|_| InvalidUrl::NotAbsolute)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidUrl::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(InvalidUrl::UserInfo);
    }
    if text.contains('#') {
        return Err(InvalidUrl::Fragment);
    }
    let canonical = url.as_str();
    let bare_origin = canonical.strip_suffix('/').is_some_and(|origin| origin == text) && url.path() == "/";
    if canonical != text && !bare_origin {
        return Err(InvalidUrl::NotCanonical(canonical.to_owned()));
    }
    Ok(url)
}

/// Whether a URL's host is this very machine by name or by literal: `localhost`, 127.0.0.1 or ::1.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(ip)) => ip == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        for good in [
            "https://a.example",
            "https://a.example/",
            "https://a.example/mcp?x=1",
            "http://localhost:8420/mcp",
            "http://[::1]:9/",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "HTTPS://a.example/",
            "https://a.example:443/",
            "https://a.example/x/../y",
            "https://a.example/%2e%2e/x",
            "https:a.example",
            "https:///a.example",
            "https://a.exa\tmple",
            " https://a.example",
            "https://ⓐ.example/",
            "https://a.example\\x",
            "https://u@a.example/",
            "https://@a.example/",
            "https://a.example/#",
            "https://a.example/#x",
            "http://a.example/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0.0.0.0/",
            "http://foo.localhost/",
            "ftp://a.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "a.example",
            "//a.example",
            "",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

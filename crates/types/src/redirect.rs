//! Redirect URIs: what may be registered, and when a requested one is the registered one.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::web_url;

/// A redirect URI that a client may register. Making one is the check of its form; whether a
/// requested URI is this one is answered by [`matches`](RedirectUri::matches).
///
/// Source: OAuth 2.1 section 2.3, RFC 8252 section 7.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

/// How a redirect URI reaches its client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A web server, over TLS.
    Https,
    /// A program on the person's own computer, listening on a port of `host`
    /// (`127.0.0.1`, `[::1]` or `localhost`, compared as written).
    Loopback {
        /// The host as written.
        host: String,
    },
    /// A program on the person's own device that handles this scheme (RFC 8252 section 7.1).
    PrivateUse {
        /// The scheme, lower case.
        scheme: String,
    },
}

/// Why a text cannot be registered as a redirect URI. The message completes "… because".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Longer than 2048 bytes.
    #[error("it is longer than {} bytes", web_url::MOST_BYTES)]
    TooLong,
    /// A space, a control character, a character outside ASCII, or one that URLs must encode.
    #[error("it contains a character that a URL cannot hold, or an encoded control character")]
    Character,
    /// No scheme, or not a URL.
    #[error("it is not an absolute URL")]
    NotAbsolute,
    /// Another spelling of the URL that is meant.
    #[error("it is not in canonical form (write it as {0})")]
    NotCanonical(String),
    /// A `#`.
    #[error("it has a fragment")]
    Fragment,
    /// `user@`.
    #[error("it carries a user name or password")]
    UserInfo,
    /// A `*`, which some servers read as a pattern.
    #[error("it contains `*`; redirect URIs are compared exactly and patterns do not exist")]
    Wildcard,
    /// A query parameter that the authorization response itself uses.
    #[error("its query has the parameter `{0}`, which the authorization response uses")]
    ResponseParameter(String),
    /// `http` to a host other than this computer.
    #[error("it uses plain http to a host that is not 127.0.0.1, [::1] or localhost")]
    PlainHttp,
    /// A port that is no number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535 without leading zeros")]
    Port,
    /// `javascript:` and its kin.
    #[error("the scheme `{0}` can never be a redirect target")]
    Scheme(String),
    /// A web address that is an IP literal of the public net.
    #[error("its host is an IP address; a web client registers a host name")]
    IpHost,
}

/// Schemes that a browser acts on itself, or that reach other software with side effects.
const FORBIDDEN_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "cid",
    "data",
    "file",
    "filesystem",
    "ftp",
    "gopher",
    "intent",
    "jar",
    "javascript",
    "ldap",
    "livescript",
    "mailto",
    "mhtml",
    "mocha",
    "moz-extension",
    "news",
    "nntp",
    "res",
    "resource",
    "search",
    "search-ms",
    "sftp",
    "shell",
    "sms",
    "smb",
    "ssh",
    "tel",
    "telnet",
    "urn",
    "vbscript",
    "view-source",
    "wais",
    "ws",
    "wss",
];

/// Parameters of an authorization response; a redirect URI that brings its own would shadow them.
const RESPONSE_PARAMETERS: &[&str] = &[
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "response",
    "id_token",
    "access_token",
    "token_type",
];

impl RedirectUri {
    /// Reads a redirect URI for registration.
    ///
    /// # Errors
    /// Names the rule that the text breaks.
    /// Source: OAuth 2.1 section 2.3.1, RFC 9700 section 4.1, RFC 8252 sections 7 and 8.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidRedirectUri> {
        let text = text.into();
        check_characters(&text)?;
        let (scheme, rest) = text.split_once(':').ok_or(InvalidRedirectUri::NotAbsolute)?;
        if !is_scheme(scheme) {
            return Err(InvalidRedirectUri::NotAbsolute);
        }
        let lower = scheme.to_ascii_lowercase();
        let kind = match lower.as_str() {
            "https" => https(&text)?,
            "http" => loopback(&text)?,
            forbidden if FORBIDDEN_SCHEMES.contains(&forbidden) || forbidden.starts_with("ms-") => {
                return Err(InvalidRedirectUri::Scheme(lower));
            }
            _ => private_use(&text, scheme, rest)?,
        };
        if let Some((_, query)) = text.split_once('?') {
            let shadowed = url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| RESPONSE_PARAMETERS.contains(&name.as_ref()));
            if let Some((name, _)) = shadowed {
                return Err(InvalidRedirectUri::ResponseParameter(name.into_owned()));
            }
        }
        Ok(Self { text, kind })
    }

    /// Whether `requested` is this URI: byte for byte, except that the port of a loopback URI is free.
    /// `localhost` and `127.0.0.1` are different hosts.
    ///
    /// Source: OAuth 2.1 sections 2.3.1 and 8.4.2, RFC 8252 section 7.3.
    pub fn matches(&self, requested: &str) -> bool {
        if self.text == requested {
            return true;
        }
        let Kind::Loopback { host } = &self.kind else { return false };
        match (split_loopback(&self.text), split_loopback(requested)) {
            (Ok(mine), Ok(theirs)) => theirs.host == host && mine.rest == theirs.rest,
            _ => false,
        }
    }

    /// The text as registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How the URI reaches its client.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }
}

fn check_characters(text: &str) -> Result<(), InvalidRedirectUri> {
    if text.len() > web_url::MOST_BYTES {
        return Err(InvalidRedirectUri::TooLong);
    }
    if text.contains('#') {
        return Err(InvalidRedirectUri::Fragment);
    }
    if text.contains('*') {
        return Err(InvalidRedirectUri::Wildcard);
    }
    let plain =
        |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
    if !text.bytes().all(plain) {
        return Err(InvalidRedirectUri::Character);
    }
    // A percent sign must start a triplet, and the triplet must not hide a control character.
    for (at, _) in text.match_indices('%') {
        let value = text.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        match value.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte >= 0x20 && byte != 0x7f => {}
            _ => return Err(InvalidRedirectUri::Character),
        }
    }
    Ok(())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn https(text: &str) -> Result<Kind, InvalidRedirectUri> {
    use web_url::InvalidUrl as U;
    let url = web_url::parse(text).map_err(|refusal| match refusal {
        U::TooLong => InvalidRedirectUri::TooLong,
        U::NotAbsolute | U::Scheme(_) | U::Query => InvalidRedirectUri::NotAbsolute,
        U::NotCanonical(canonical) => InvalidRedirectUri::NotCanonical(canonical),
        U::UserInfo => InvalidRedirectUri::UserInfo,
        U::Fragment => InvalidRedirectUri::Fragment,
    })?;
    match url.host() {
        Some(url::Host::Domain(_)) => Ok(Kind::Https),
        Some(_) if web_url::is_loopback(&url) => Ok(Kind::Https),
        _ => Err(InvalidRedirectUri::IpHost),
    }
}

struct LoopbackParts<'a> {
    host: &'a str,
    rest: &'a str,
}

/// Takes a loopback URI apart by hand: the port is the one part that may vary, so it is the one part
/// that must not be normalised by a parser.
fn split_loopback(text: &str) -> Result<LoopbackParts<'_>, InvalidRedirectUri> {
    let after = text.strip_prefix("http://").ok_or(InvalidRedirectUri::PlainHttp)?;
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if authority.contains('@') {
        return Err(InvalidRedirectUri::UserInfo);
    }
    let host = ["127.0.0.1", "[::1]", "localhost"]
        .into_iter()
        .find(|host| authority.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':')))
        .ok_or(InvalidRedirectUri::PlainHttp)?;
    let host = &authority[..host.len()];
    if let Some(port) = authority[host.len()..].strip_prefix(':') {
        let digits = !port.is_empty() && !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
        if !digits || port.parse::<u16>().is_err() {
            return Err(InvalidRedirectUri::Port);
        }
    }
    Ok(LoopbackParts { host, rest })
}

fn loopback(text: &str) -> Result<Kind, InvalidRedirectUri> {
    let parts = split_loopback(text)?;
    let without_port = format!("http://{}{}", parts.host, parts.rest);
    let canonical = Url::parse(&without_port).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
    if canonical.as_str() != without_port && canonical.as_str().strip_suffix('/') != Some(&without_port) {
        return Err(InvalidRedirectUri::NotCanonical(canonical.into()));
    }
    Ok(Kind::Loopback { host: parts.host.to_owned() })
}

fn private_use(text: &str, scheme: &str, rest: &str) -> Result<Kind, InvalidRedirectUri> {
    if scheme.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(InvalidRedirectUri::NotCanonical(format!("{}:{rest}", scheme.to_ascii_lowercase())));
    }
    if rest.is_empty() || rest == "/" || rest == "//" {
        return Err(InvalidRedirectUri::NotAbsolute);
    }
    let authority = rest.strip_prefix("//").map(|after| &after[..after.find(['/', '?']).unwrap_or(after.len())]);
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(InvalidRedirectUri::UserInfo);
    }
    Url::parse(text).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
    Ok(Kind::PrivateUse { scheme: scheme.to_owned() })
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = InvalidRedirectUri;
    fn try_from(text: String) -> Result<Self, InvalidRedirectUri> {
        Self::parse(text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

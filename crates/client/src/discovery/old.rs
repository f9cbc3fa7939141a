//! Servers of the 2025-03-26 revision, which are their own authorization servers and say so nowhere.
//!
//! This way is taken only where nothing of a later revision is to be seen: the challenge names no metadata, and both
//! places for it clearly have none. It is the rule of that revision, not a weaker reading of a later one, and it is told
//! each time.

use doorward_types::{Issuer, metadata::AuthorizationServerMetadata};
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::{Code, Failed, found::Flow};

/// The header by which such a server knows the revision, and its value.
///
/// Source: MCP 2025-03-26 authorization, section 2.3.1.
pub(super) const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("mcp-protocol-version"), HeaderValue::from_static("2025-03-26"));

/// The MCP server as an authorization server: its URL without the path.
///
/// # Errors
/// When an earlier login was at a server that named another authorization server, so that it is no server of that age.
/// Source: MCP 2025-03-26 authorization, section 2.3.2.
pub(super) fn issuer(flow: &Flow, absent: &[String]) -> Result<Issuer, Failed> {
    let resource = flow.target.resource.url();
    let none = |why: String, next: &str| {
        Err(Failed::new(Code::NoResourceMetadata, "the MCP server asks for a login and does not say where", why, next))
    };
    let Ok(origin) = Issuer::parse(resource.origin().ascii_serialization()) else {
        return none(absent.join("; "), "check that the URL is the one of the MCP endpoint");
    };
    match &flow.target.known_issuer {
        Some(known) if known.url().origin() != resource.origin() => none(
            format!("at the last login it named {known}, and now {}", absent.join("; ")),
            "try again later; if it stays so, ask the operator of the server, and log out first to begin anew",
        ),
        _ => Ok(origin),
    }
}

/// Where its metadata lies: at the root, whatever the path of the MCP server.
pub(super) fn place(origin: &Issuer) -> Url {
    origin.metadata_candidates().swap_remove(0)
}

/// The issuer that its metadata was asked for by, in the spelling of the document: the two spellings of an origin ask at
/// the same place, and that revision knows neither.
pub(super) fn spelling(origin: Issuer, document: &AuthorizationServerMetadata) -> Issuer {
    match document.issuer.strip_suffix('/') {
        Some(bare) if bare == origin.as_str() => Issuer::parse(document.issuer.as_str()).unwrap_or(origin),
        _ => origin,
    }
}

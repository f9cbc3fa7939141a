use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::web_url::{self, InvalidUrl};

/// A protected resource's identifier: the canonical URI of one MCP server, the audience of its tokens.
///
/// Scheme and host are lower case in it however they were written; all else is kept as written, and
/// two identifiers are equal only when their texts are.
///
/// Source: RFC 8707 section 2, RFC 9728 section 1.2, MCP 2026-07-28 authorization, "Canonical Server URI".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(String);

/// Why a text is no resource identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a resource identifier: {0}")]
pub struct InvalidResource(#[from] InvalidUrl);

impl ResourceId {
    /// Reads a resource identifier: an https URL (or http on this machine) without fragment.
    ///
    /// # Errors
    /// Names the rule that the text breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidResource> {
        let text = lower_case_origin(text.into());
        web_url::parse(&text)?;
        Ok(Self(text))
    }

    /// The text as it goes over the wire, no slash added.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parsed form, to send requests to and build URLs from.
    pub fn url(&self) -> Url {
        Url::parse(&self.0).expect("a resource identifier was parsed when it was made")
    }

    /// Where the resource's metadata may lie, in the order in which a client asks when no challenge
    /// named the place: path inserted, then root.
    ///
    /// Source: RFC 9728 section 3.1, MCP 2026-07-28 authorization, "Protected Resource Metadata Discovery".
    pub fn metadata_candidates(&self) -> Vec<Url> {
        let url = self.url();
        let path = url.path().trim_end_matches('/').to_owned();
        let mut inserted = url.clone();
        inserted.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
        if path.is_empty() && url.query().is_none() {
            return vec![inserted];
        }
        let mut root = url;
        root.set_path("/.well-known/oauth-protected-resource");
        root.set_query(None);
        vec![inserted, root]
    }

    /// The URL at which this resource publishes its own metadata.
    pub fn metadata_url(&self) -> Url {
        self.metadata_candidates().swap_remove(0)
    }
}

/// RFC 3986 section 6.2.2.1: scheme and host mean the same in either case, and the specification asks
/// that both be accepted.
fn lower_case_origin(text: String) -> String {
    let Some(start) = text.find("://") else { return text };
    let end = text[start + 3..].find(['/', '?', '#']).map_or(text.len(), |at| start + 3 + at);
    let (origin, rest) = text.split_at(end);
    format!("{}{rest}", origin.to_ascii_lowercase())
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ResourceId {
    type Error = InvalidResource;
    fn try_from(text: String) -> Result<Self, InvalidResource> {
        Self::parse(text)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_lies_path_inserted_then_at_the_root() {
        // proves: R9728-05
        let at = |id: &str| {
            ResourceId::parse(id).unwrap().metadata_candidates().into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(
            at("https://h.example/public/mcp"),
            [
                "https://h.example/.well-known/oauth-protected-resource/public/mcp",
                "https://h.example/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(at("https://h.example"), ["https://h.example/.well-known/oauth-protected-resource"]);
        assert_eq!(at("https://h.example/"), at("https://h.example"));
        assert_eq!(at("https://h.example/mcp/")[0], "https://h.example/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            at("https://h.example/mcp?a=b")[0],
            "https://h.example/.well-known/oauth-protected-resource/mcp?a=b"
        );
    }

    #[test]
    fn case_of_scheme_and_host_does_not_matter_and_the_rest_does() {
        // proves: MCP-AUTH-077, MCP-AUTH-078, DISC-11
        assert_eq!(ResourceId::parse("HTTPS://H.Example/MCP").unwrap().as_str(), "https://h.example/MCP");
        assert_eq!(ResourceId::parse("https://h.example").unwrap().as_str(), "https://h.example");
        for bad in [
            "https://h.example/mcp#",
            "https://h.example:443/mcp",
            "/mcp",
            "javascript:x",
            "https://u@h.example/",
            "https://h.example/%2e%2e/b",
            "https://h.example/a/../mcp",
        ] {
            assert!(ResourceId::parse(bad).is_err(), "{bad}");
        }
    }
}

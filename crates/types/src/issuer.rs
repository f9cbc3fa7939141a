use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::web_url::{self, InvalidUrl};

/// An authorization server's identifier. It keeps the text it was written with, and two issuers are
/// equal only when their texts are: nothing is normalised away before a comparison.
///
/// Source: RFC 8414 sections 2 and 4, RFC 9207 section 2.4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer(String);

/// Why a text is no issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an issuer: {0}")]
pub struct InvalidIssuer(#[from] InvalidUrl);

impl Issuer {
    /// Reads an issuer: an https URL (or http on this machine) without query and fragment.
    ///
    /// # Errors
    /// Names the rule that the text breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidIssuer> {
        let text = text.into();
        let url = web_url::parse(&text)?;
        if url.query().is_some() {
            return Err(InvalidUrl::Query.into());
        }
        Ok(Self(text))
    }

    /// The text, as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parsed form, to build URLs from.
    pub fn url(&self) -> Url {
        Url::parse(&self.0).expect("an issuer was parsed when it was made")
    }

    /// An endpoint's URL below this issuer; `path` starts with a slash.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.strip_suffix('/').unwrap_or(&self.0))
    }

    /// Where the issuer's metadata may lie, in the order in which a client asks.
    ///
    /// Source: RFC 8414 sections 3.1 and 5, MCP 2026-07-28 authorization, "Authorization Server Metadata Discovery".
    pub fn metadata_candidates(&self) -> Vec<Url> {
        let url = self.url();
        let path = url.path().trim_end_matches('/').to_owned();
        let at = |path: String| {
            let mut url = url.clone();
            url.set_path(&path);
            url
        };
        let mut candidates = vec![
            at(format!("/.well-known/oauth-authorization-server{path}")),
            at(format!("/.well-known/openid-configuration{path}")),
        ];
        if !path.is_empty() {
            candidates.push(at(format!("{path}/.well-known/openid-configuration")));
        }
        candidates
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Issuer {
    type Error = InvalidIssuer;
    fn try_from(text: String) -> Result<Self, InvalidIssuer> {
        Self::parse(text)
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> Self {
        issuer.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(issuer: &str) -> Vec<String> {
        Issuer::parse(issuer).unwrap().metadata_candidates().into_iter().map(String::from).collect()
    }

    #[test]
    fn candidates_follow_the_specs_order() {
        // MCP-AUTH-025, MCP-AUTH-026
        assert_eq!(
            candidates("https://a.example/tenant1"),
            [
                "https://a.example/.well-known/oauth-authorization-server/tenant1",
                "https://a.example/.well-known/openid-configuration/tenant1",
                "https://a.example/tenant1/.well-known/openid-configuration",
            ]
        );
        for root in ["https://a.example", "https://a.example/"] {
            assert_eq!(
                candidates(root),
                [
                    "https://a.example/.well-known/oauth-authorization-server",
                    "https://a.example/.well-known/openid-configuration",
                ]
            );
        }
    }

    #[test]
    fn texts_that_differ_are_different_issuers() {
        assert_ne!(Issuer::parse("https://a.example").unwrap(), Issuer::parse("https://a.example/").unwrap());
        assert!(Issuer::parse("https://a.example/?x").is_err());
    }
}

use std::fmt;

use serde::{Deserialize, Serialize};

/// A client identifier, compared as text (RFC 6749 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

/// A text that cannot be a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client identifier is 1 to 2048 characters of printable ASCII")]
pub struct InvalidClientId;

impl ClientId {
    /// Reads a client identifier: 1 to 2048 characters of printable ASCII.
    ///
    /// # Errors
    /// When the text is empty, too long or holds another character.
    /// Source: RFC 6749 appendix A.1.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidClientId> {
        let text = text.into();
        if text.is_empty() || text.len() > 2048 || !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err(InvalidClientId);
        }
        Ok(Self(text))
    }

    /// The identifier as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientId {
    type Error = InvalidClientId;
    fn try_from(text: String) -> Result<Self, InvalidClientId> {
        Self::parse(text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

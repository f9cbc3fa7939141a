//! The members of what a client says of itself, each of the kind that it must be, and why one is not taken.

use doorward_types::{json, messages::ErrorResponse};
use serde_json::{Map, Value};

/// Why what a client says of itself is not taken. The text names the member, the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataRefusal {
    /// A redirect URI cannot be registered, or there is none.
    #[error("{0}")]
    RedirectUri(String),
    /// Anything else.
    #[error("{0}")]
    Metadata(String),
}

impl MetadataRefusal {
    /// The code on the wire.
    ///
    /// Source: RFC 7591 section 3.2.2.
    pub const fn error(&self) -> &'static str {
        match self {
            Self::RedirectUri(_) => "invalid_redirect_uri",
            Self::Metadata(_) => "invalid_client_metadata",
        }
    }

    /// The body of the answer, whose status is 400.
    pub fn response(&self) -> ErrorResponse {
        let visible = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        ErrorResponse {
            error: self.error().to_owned(),
            error_description: Some(self.to_string().chars().filter(visible).collect()),
        }
    }

    pub(crate) fn metadata(text: impl Into<String>) -> Self {
        Self::Metadata(text.into())
    }
}

/// What is read, or why it is not taken.
pub(crate) type Refused<T> = Result<T, MetadataRefusal>;

/// The members of one JSON object. Null counts as absent everywhere.
pub(crate) struct Members(Map<String, Value>);

impl From<Map<String, Value>> for Members {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl Members {
    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// Reads a JSON object strictly.
    pub(crate) fn read(body: &[u8], most_bytes: usize) -> Refused<Self> {
        if body.len() > most_bytes {
            return Err(MetadataRefusal::metadata(format!("the description is longer than {most_bytes} bytes")));
        }
        match json::parse(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(MetadataRefusal::metadata("the description is not a JSON object")),
            Err(refusal) => Err(MetadataRefusal::metadata(format!("the description is not valid JSON: {refusal}"))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The first of these members that is there.
    pub(crate) fn first_of<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| self.get(name).is_some())
    }

    pub(crate) fn text(&self, name: &str) -> Refused<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(MetadataRefusal::metadata(format!("{name} is not a string"))),
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Refused<Option<Vec<&str>>> {
        let wrong = || MetadataRefusal::metadata(format!("{name} is not an array of strings"));
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                items.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }

    pub(crate) fn truth(&self, name: &str) -> Refused<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(MetadataRefusal::metadata(format!("{name} is neither true nor false"))),
        }
    }
}

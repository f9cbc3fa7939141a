//! A statement with what is bound to it, in words that both engines understand.

use doorward_types::{Digest, Timestamp, secret::Kind};

/// A value that is bound to a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// A whole number, a moment in seconds, or a truth value as 0 or 1.
    Int(Option<i64>),
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) values: Vec<Value>,
}

impl Statement {
    pub(crate) const fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// Whether a text holds the character U+0000, which PostgreSQL cannot store. No text of ours does, so what is asked for is not
    /// there, and what would be written is refused.
    pub(crate) fn holds_nul(&self) -> bool {
        self.values.iter().any(|value| matches!(value, Value::Text(Some(text)) if text.contains('\0')))
    }

    /// Binds the next placeholder.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// Makes the engine's query of a statement.
macro_rules! query {
    ($statement:expr) => {{
        let statement: crate::statement::Statement = $statement;
        statement.values.into_iter().fold(sqlx::query(statement.sql), |query, value| match value {
            crate::statement::Value::Text(text) => query.bind(text),
            crate::statement::Value::Bytes(bytes) => query.bind(bytes),
            crate::statement::Value::Int(number) => query.bind(number),
        })
    }};
}
pub(crate) use query;

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(ToOwned::to_owned))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

impl<K: Kind> From<Digest<K>> for Value {
    fn from(digest: Digest<K>) -> Self {
        Self::Bytes(Some(digest.as_bytes().to_vec()))
    }
}

impl<K: Kind> From<Option<Digest<K>>> for Value {
    fn from(digest: Option<Digest<K>>) -> Self {
        Self::Bytes(digest.map(|digest| digest.as_bytes().to_vec()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(Some(number.into()))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(Some(truth.into()))
    }
}

impl From<Timestamp> for Value {
    fn from(moment: Timestamp) -> Self {
        Self::Int(Some(moment.as_unix()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(moment: Option<Timestamp>) -> Self {
        Self::Int(moment.map(Timestamp::as_unix))
    }
}

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One scope token (RFC 6749 section 3.3), compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

/// A text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is visible ASCII without quote and backslash; scopes are parted by single spaces, at most {MOST_SCOPES} of them"
)]
pub struct InvalidScope;

/// The most scopes in one set.
const MOST_SCOPES: usize = 200;

impl Scope {
    /// Reads one scope token.
    ///
    /// # Errors
    /// When it is empty, longer than 256 bytes or holds a character outside the grammar.
    /// Source: RFC 6749 section 3.3.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidScope> {
        let text = text.into();
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || text.len() > 256 || !text.bytes().all(allowed) {
            return Err(InvalidScope);
        }
        Ok(Self(text))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;
    fn try_from(text: String) -> Result<Self, InvalidScope> {
        Self::parse(text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

/// A set of scopes; on the wire they are parted by spaces and their order means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// No scope at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads a space-separated list. An empty text is the empty set; a repeated scope counts once.
    ///
    /// # Errors
    /// When a token is malformed, when there are doubled or outer spaces, or too many scopes.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        let scopes = text.split(' ').map(Scope::parse).collect::<Result<BTreeSet<_>, _>>()?;
        if scopes.len() > MOST_SCOPES {
            return Err(InvalidScope);
        }
        Ok(Self(scopes))
    }

    /// Whether every scope of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Whether the set holds this scope.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether the set holds a scope of this name.
    pub fn contains_name(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s.as_str() == scope)
    }

    /// All scopes of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The scopes of this set that `other` lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// Whether there is no scope in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = InvalidScope;
    fn try_from(text: String) -> Result<Self, InvalidScope> {
        Self::parse(&text)
    }
}

impl From<ScopeSet> for String {
    fn from(set: ScopeSet) -> Self {
        set.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_exact_tokens() {
        // STEP-02
        let set = ScopeSet::parse("files:read files:write files:read").unwrap();
        assert_eq!(set.to_string(), "files:read files:write");
        assert!(set.contains_name("files:read") && !set.contains_name("files") && !set.contains_name("Files:read"));
        for bad in ["a  b", " a", "a ", "a\tb", "a\"b", "a\\b", "é"] {
            assert!(ScopeSet::parse(bad).is_err(), "{bad}");
        }
        assert!(ScopeSet::parse("").unwrap().is_empty());
    }
}

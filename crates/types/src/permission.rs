use crate::{Scope, ScopeSet};

/// What a scope of an MCP gateway allows. A later one implies the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Look: list everything, read resources and prompts, call tools that only read.
    Read,
    /// Change: call tools that add or alter, and say that they destroy nothing.
    Write,
    /// Delete, send, spend, run: call any other tool.
    Danger,
}

impl Permission {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Danger];

    /// The scope's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Write => "mcp:write",
            Self::Danger => "mcp:danger",
        }
    }

    /// The scope that stands for this permission.
    pub fn scope(self) -> Scope {
        Scope::parse(self.name()).expect("the names are scopes")
    }

    /// This permission alone, as a set.
    pub fn set(self) -> ScopeSet {
        ScopeSet::from_iter([self.scope()])
    }

    /// The permission that a scope stands for.
    pub fn from_scope(scope: &Scope) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == scope.as_str())
    }

    /// The set of all of them.
    pub fn all_scopes() -> ScopeSet {
        Self::ALL.into_iter().map(Self::scope).collect()
    }

    /// `granted` with everything that its scopes imply.
    ///
    /// Source: MCP 2026-07-28 authorization, "Step-Up Authorization Flow" (scope hierarchy).
    pub fn with_implied(granted: &ScopeSet) -> ScopeSet {
        let Some(broadest) = granted.iter().filter_map(Self::from_scope).max() else { return granted.clone() };
        granted.union(&Self::ALL.into_iter().filter(|permission| *permission <= broadest).map(Self::scope).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broad_permission_implies_the_narrower_ones() {
        // proves: MCP-AUTH-115, STEP-02
        let implied = |scopes: &str| Permission::with_implied(&ScopeSet::parse(scopes).unwrap()).to_string();
        assert_eq!(implied("mcp:danger"), "mcp:danger mcp:read mcp:write");
        assert_eq!(implied("mcp:write offline_access"), "mcp:read mcp:write offline_access");
        assert_eq!(implied("mcp:dangerous"), "mcp:dangerous");
    }
}

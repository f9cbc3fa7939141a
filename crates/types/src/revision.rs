use std::fmt;

/// A revision of the MCP specification, named by its date. Later revisions compare greater.
///
/// Source: MCP specification, "Versioning".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The first, with the HTTP+SSE transport.
    V2024_11_05,
    /// Streamable HTTP, JSON-RPC batches.
    V2025_03_26,
    /// Batches removed, `MCP-Protocol-Version` header added.
    V2025_06_18,
    /// The last with sessions and `initialize`.
    V2025_11_25,
    /// Stateless: every request carries its own version and capabilities.
    V2026_07_28,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The newest revision.
    pub const LATEST: Self = Self::V2026_07_28;
    /// The newest revision that starts with `initialize`.
    pub const LATEST_WITH_INITIALIZE: Self = Self::V2025_11_25;

    /// The revision of this date, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// The date, as in `MCP-Protocol-Version`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether requests stand alone (no `initialize`, no session).
    pub const fn is_stateless(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! The permissions on the consent page, grouped by risk.

/// How much harm a permission can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Looks, changes nothing.
    Read,
    /// Changes what can be changed back.
    Change,
    /// Deletes, sends, spends or runs.
    Danger,
}

impl Risk {
    const ALL: [Self; 3] = [Self::Read, Self::Change, Self::Danger];

    /// The title of the group.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Change => "Change",
            Self::Danger => "Delete, send, run",
        }
    }

    /// The class name in the stylesheet.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
            Self::Danger => "dangerous",
        }
    }

    /// True for the group that carries the word “Danger”.
    #[must_use]
    pub fn is_danger(self) -> bool {
        self == Self::Danger
    }
}

/// One permission that the app asked for. One that was not asked for is not in the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeChoice {
    /// The scope's value, sent back as `scope`.
    pub scope: String,
    /// Its group.
    pub risk: Risk,
    /// What it allows, as a sentence without a full stop.
    pub sentence: String,
    /// The names of the tools behind it; empty when the list is not known yet.
    pub tools: Vec<String>,
    /// Whether the box is ticked at first. A dangerous one never is, whatever stands here.
    pub ticked: bool,
    /// Whether this person allowed it to this app before.
    pub already_allowed: bool,
}

impl ScopeChoice {
    /// How many tools are named before “All … tools”.
    const FIRST: usize = 4;

    /// A permission that is asked for the first time.
    #[must_use]
    pub fn new(scope: impl Into<String>, risk: Risk, sentence: impl Into<String>, tools: Vec<String>) -> Self {
        Self { scope: scope.into(), risk, sentence: sentence.into(), tools, ticked: true, already_allowed: false }
    }

    /// Whether the box is ticked when the page opens: what is dangerous takes a deliberate tick.
    #[must_use]
    pub fn is_ticked(&self) -> bool {
        self.ticked && !self.risk.is_danger()
    }

    /// The tools named in the line below the permission.
    #[must_use]
    pub fn first_tools(&self) -> &[String] {
        &self.tools[..self.tools.len().min(Self::FIRST)]
    }

    /// Whether there are more tools than the line names.
    #[must_use]
    pub fn has_more_tools(&self) -> bool {
        self.tools.len() > Self::FIRST
    }
}

/// The permissions of one risk, each with its place in the view.
#[derive(Debug)]
pub struct RiskGroup<'a> {
    /// The risk they share.
    pub risk: Risk,
    /// The permissions, in the view's order.
    pub choices: Vec<(usize, &'a ScopeChoice)>,
}

impl<'a> RiskGroup<'a> {
    /// The groups that hold a permission, from harmless to dangerous.
    #[must_use]
    pub fn of(scopes: &'a [ScopeChoice]) -> Vec<Self> {
        let group = |risk| Self { risk, choices: scopes.iter().enumerate().filter(|(_, c)| c.risk == risk).collect() };
        Risk::ALL.into_iter().map(group).filter(|group| !group.choices.is_empty()).collect()
    }
}

//! The consent page: who asks, what was verified, what it will be able to do, for how long.

use super::{Account, DisplayName, Identity, ReturnTo, RiskGroup, ScopeChoice, When};
use askama::Template;

/// The consent page. It posts `scope` (repeated), `duration`, `answer` (`deny` or `allow`), `interaction` and
/// `form_token` to `/consent`.
#[derive(Debug, Clone, Template)]
#[template(path = "consent.html")]
pub struct Consent {
    /// The gateway's name, shown in the header.
    pub gateway: String,
    /// What to put right, after an answer that could not be taken.
    pub error: Option<String>,
    /// The name the app claims.
    pub client: DisplayName,
    /// The app's client identifier.
    pub client_id: String,
    /// The name of what it wants to use.
    pub resource_name: String,
    /// The address of what it wants to use.
    pub resource_url: String,
    /// The names of other servers that the access can be passed on to.
    pub also_at: Vec<String>,
    /// Who is signed in; its form token goes with “Switch account” (`POST /sign-out` with `interaction`).
    pub account: Account,
    /// What is known of the app's identity.
    pub identity: Identity,
    /// Where the answer is sent, in words.
    pub return_to: ReturnTo,
    /// Where the answer is sent, in full; empty for a device.
    pub redirect_uri: String,
    /// When this app first asked for this person's consent; none for the first time.
    pub first_seen: Option<When>,
    /// The permissions it asked for.
    pub scopes: Vec<ScopeChoice>,
    /// The durations on offer.
    pub durations: Vec<DurationChoice>,
    /// After which time the app asks again if it may not stay connected, in words; none when it did not ask to.
    pub asks_again: Option<String>,
    /// When the app asked.
    pub requested: When,
    /// The opaque id of this authorization request.
    pub interaction: String,
    /// The form token of the consent form.
    pub form_token: String,
}

impl Consent {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }

    fn groups(&self) -> Vec<RiskGroup<'_>> {
        RiskGroup::of(&self.scopes)
    }

    /// Whether this person allowed some of it before.
    fn is_again(&self) -> bool {
        self.scopes.iter().any(|scope| scope.already_allowed)
    }

    /// The sentences of what was, or was not, allowed before.
    fn words_of(&self, already_allowed: bool) -> String {
        let of_kind = self.scopes.iter().filter(|scope| scope.already_allowed == already_allowed);
        let words: Vec<&str> = of_kind.map(|scope| scope.sentence.as_str()).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(" · ") }
    }
}

/// A duration on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationChoice {
    /// The duration.
    pub duration: GrantDuration,
    /// Whether it is the chosen one when the page opens.
    pub checked: bool,
}

/// How long the access lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantDuration {
    /// Eight hours.
    Hours8,
    /// Thirty days.
    Days30,
    /// No end but the person's own, or the policy's.
    UntilRevoked {
        /// How long the policy allows at the most, in words.
        at_most: Option<String>,
    },
}

impl GrantDuration {
    /// The form value: `hours8`, `days30` or `until_revoked`.
    #[must_use]
    pub fn value(&self) -> &'static str {
        match self {
            Self::Hours8 => "hours8",
            Self::Days30 => "days30",
            Self::UntilRevoked { .. } => "until_revoked",
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Hours8 => "8 hours".to_owned(),
            Self::Days30 => "30 days".to_owned(),
            Self::UntilRevoked { at_most: None } => "Until I revoke it".to_owned(),
            Self::UntilRevoked { at_most: Some(limit) } => format!("Until I revoke it, at most {limit}"),
        }
    }
}

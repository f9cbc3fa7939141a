//! The connected apps: one card for each grant.

use super::{Account, DisplayName, Identity, Risk, When};
use askama::Template;

/// The page at `/apps`. Each card posts `grant` and `form_token` to `/apps/revoke`; “Revoke all” posts `all=yes`.
#[derive(Debug, Clone, Template)]
#[template(path = "apps.html")]
pub struct ConnectedApps {
    /// The gateway's name.
    pub gateway: String,
    /// Who is signed in.
    pub account: Account,
    /// What just happened, such as “Claude Code has no access any more.”
    pub notice: Option<String>,
    /// The grants, the latest first.
    pub grants: Vec<GrantCard>,
    /// What ended by itself lately, the latest grant first.
    pub ended: Vec<EndedGrant>,
    /// The MCP endpoint's address, for the line that the empty page teaches.
    pub mcp_url: String,
    /// The form token of the revoke forms.
    pub form_token: String,
}

impl ConnectedApps {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// One grant: what a person allowed to one app for one resource.
#[derive(Debug, Clone)]
pub struct GrantCard {
    /// The grant's id, sent back as `grant`.
    pub id: String,
    /// The app's client identifier.
    pub client_id: String,
    /// The name the app claims.
    pub client: DisplayName,
    /// What is known of the app's identity.
    pub identity: Identity,
    /// The name of what it uses.
    pub resource: String,
    /// The names of other servers that its access can be passed on to.
    pub also_at: Vec<String>,
    /// What it may do.
    pub scopes: Vec<Chip>,
    /// When it was allowed.
    pub granted: When,
    /// When it was last used, if ever.
    pub last_used: Option<When>,
    /// When it ends; none for “until revoked”.
    pub expires: Option<When>,
}

/// An access that ended by itself.
#[derive(Debug, Clone)]
pub struct EndedGrant {
    /// The name the app claims.
    pub client: DisplayName,
    /// The name of what it used.
    pub resource: String,
    /// When it ended.
    pub at: When,
    /// Why, as a sentence without a capital and a full stop.
    pub why: &'static str,
}

/// A permission in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// The words, such as “Read files”.
    pub words: String,
    /// Its risk.
    pub risk: Risk,
}

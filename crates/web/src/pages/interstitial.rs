//! The page after the answer. It leads back to the app without a redirect, because Chromium applies `form-action` to the
//! redirects that follow a form.

use super::{DisplayName, ReturnTo};
use askama::Template;

/// “Returning you to …”: a 200 page that moves on by itself and has a link for when that fails.
#[derive(Debug, Clone, Template)]
#[template(path = "interstitial.html")]
pub struct Interstitial {
    /// The gateway's name.
    pub gateway: String,
    /// The name the app claims.
    pub client: DisplayName,
    /// Where the answer goes, in words.
    pub return_to: ReturnTo,
    /// The authorization response: an already judged redirect URI with its parameters. It must be absolute.
    pub url: String,
    /// What the person answered.
    pub outcome: Outcome,
}

impl Interstitial {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They allowed at least one permission.
    Allowed,
    /// They denied.
    Denied,
}

//! The page after the answer. It leads back to the app without a redirect, because Chromium applies `form-action` to the
//! redirects that follow a form.

use super::{DisplayName, ReturnTo};
use askama::Template;

/// “Returning you to …”: a 200 page that moves on by itself and has a link for when that fails. When nobody was asked it
/// waits for the link: a browser is only sent to an app's address by a person who chose to go there.
///
/// Source: RFC 9700 section 4.11.2.
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
    /// What is sent back.
    pub outcome: Outcome,
}

impl Interstitial {
    fn moves_on(&self) -> bool {
        !matches!(self.outcome, Outcome::NotAsked { .. })
    }

    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// What is sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The person allowed at least one permission.
    Allowed,
    /// The person denied.
    Denied,
    /// The app's request had a mistake, and nobody was asked.
    NotAsked {
        /// The error's name on the wire.
        error: &'static str,
    },
}

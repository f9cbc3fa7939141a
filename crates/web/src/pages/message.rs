//! Pages that only say something.

use super::Link;
use askama::Template;

/// An error for a person: what happened, why, what to do next.
#[derive(Debug, Clone, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The gateway's name.
    pub gateway: String,
    /// The headline.
    pub title: String,
    /// What happened.
    pub what: String,
    /// The evidence. It may quote the request.
    pub why: String,
    /// What to do next.
    pub next: String,
    /// A way on, if there is one.
    pub link: Option<Link>,
    /// The stable code, such as `OA-104`.
    pub code: String,
}

impl ErrorPage {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// A plain notice, such as “You are signed out”.
#[derive(Debug, Clone, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// The gateway's name.
    pub gateway: String,
    /// The headline.
    pub title: String,
    /// One or two sentences.
    pub text: String,
    /// A way on, if there is one.
    pub link: Option<Link>,
}

impl Notice {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

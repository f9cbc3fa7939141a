//! The page at `/`.

use super::Account;
use askama::Template;

/// The home page: what this gateway is, the address to give to an app, who is signed in.
#[derive(Debug, Clone, Template)]
#[template(path = "home.html")]
pub struct Home {
    /// The gateway's name.
    pub gateway: String,
    /// The MCP endpoint's address.
    pub mcp_url: String,
    /// Who is signed in.
    pub account: Option<Account>,
}

impl Home {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

//! The page on which a person types the code that a device shows.

use askama::Template;

/// The page at `/device`. It posts `user_code` and `form_token` to `/device`.
#[derive(Debug, Clone, Template)]
#[template(path = "device.html")]
pub struct DevicePage {
    /// The gateway's name.
    pub gateway: String,
    /// The code in the field: typed before, or brought by the link.
    pub code: String,
    /// Whether the link brought the code, so that it has to be compared.
    pub brought: bool,
    /// What was wrong with the code.
    pub error: Option<String>,
    /// The form token.
    pub form_token: String,
}

impl DevicePage {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

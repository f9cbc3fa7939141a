//! Set-up of the first account, and sign-in.

use super::DisplayName;
use askama::Template;

/// The one answer to a wrong name and to a wrong password, so that nobody learns which names exist.
pub const WRONG_NAME_OR_PASSWORD: &str = "Name or password is not right";

/// The set-up page. It posts `name`, `password`, `token` and `form_token` to `/setup`.
#[derive(Debug, Clone, Template)]
#[template(path = "setup.html")]
pub struct SetUp {
    /// The gateway's name.
    pub gateway: String,
    /// The one-time set-up token from the link.
    pub token: String,
    /// The form token.
    pub form_token: String,
    /// The name typed before, when the form comes back.
    pub name: String,
    /// What is wrong, if it belongs to no field.
    pub error: Option<String>,
    /// What is wrong with the name.
    pub name_error: Option<String>,
    /// What is wrong with the password.
    pub password_error: Option<String>,
}

impl SetUp {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }

    fn has_errors(&self) -> bool {
        self.error.is_some() || self.name_error.is_some() || self.password_error.is_some()
    }
}

/// The sign-in page. It posts `name`, `password`, `interaction` (if there is one) and `form_token` to `/sign-in`.
#[derive(Debug, Clone, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    /// The gateway's name.
    pub gateway: String,
    /// What the sign-in is for, when an app asked.
    pub context: Option<SignInContext>,
    /// The opaque id of the authorization request that waits for this sign-in. Never an address.
    pub interaction: Option<String>,
    /// The form token.
    pub form_token: String,
    /// The name typed before, when the form comes back.
    pub name: String,
    /// Why the sign-in failed; [`WRONG_NAME_OR_PASSWORD`] whichever of the two it was.
    pub error: Option<String>,
}

impl SignIn {
    /// The page's HTML.
    #[must_use]
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// The app that waits for a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInContext {
    /// The name the app claims.
    pub client: DisplayName,
    /// The name of what it wants to use.
    pub resource: String,
}

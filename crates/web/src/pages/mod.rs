//! The pages a person sees. A page is a plain view struct and a template that is checked when this crate is compiled.
//!
//! Nothing is decided here: a view says what to show, its `render` gives the HTML. Every text is escaped by the
//! template; what an app claims about itself is a [`DisplayName`]. No page holds a script, an inline style, a
//! client's link or a client's logo.

mod apps;
mod consent;
mod device;
mod home;
mod interstitial;
mod message;
mod parts;
mod scopes;
mod sign_in;
mod style;
mod text;

#[cfg(test)]
mod consent_tests;
#[cfg(test)]
mod markup;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use apps::{Chip, ConnectedApps, EndedGrant, GrantCard};
pub use consent::{Consent, DurationChoice, GrantDuration};
pub use device::DevicePage;
pub use home::Home;
pub use interstitial::{Interstitial, Outcome};
pub use message::{ErrorPage, Notice};
pub use parts::{Account, Identity, Link, ReturnTo, When};
pub use scopes::{Risk, RiskGroup, ScopeChoice};
pub use sign_in::{SetUp, SignIn, SignInContext, WRONG_NAME_OR_PASSWORD};
pub use style::{STYLE, style_path};
pub use text::{DisplayName, NAME_LIMIT, display_name, visible};

/// The HTML of a page.
fn html(page: &impl askama::Template) -> String {
    page.render().expect("a template without fallible filters writes to a String, which never fails")
}

//! What several pages show.

use std::fmt;

/// A moment, for people and for programs. The endpoint words it; a page has no clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// RFC 3339, such as `2026-11-23T14:03:00Z`.
    pub datetime: String,
    /// Words, such as `today at 14:03 UTC`.
    pub words: String,
}

/// A link to a page of ours. Both parts are fixed texts, so that no request can choose where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// An absolute path, such as `/sign-in`.
    pub path: &'static str,
    /// What the link says.
    pub words: &'static str,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's name.
    pub name: String,
    /// The form token of the sign-out form.
    pub form_token: String,
}

impl Account {
    /// The first letter, for the round sign beside the name.
    #[must_use]
    pub fn initial(&self) -> String {
        self.name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "?".to_owned(), |c| c.to_uppercase().to_string())
    }
}

/// What the gateway knows of an app's identity. The words stand in the template, never a colour alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Its metadata document is on the list of known apps.
    KnownApp,
    /// Its metadata document was fetched from this host.
    Domain(String),
    /// The administrator registered it.
    RegisteredByAdmin,
    /// It registered itself; its name is a claim.
    Unverified,
    /// Its name looks like the one of a known app whose addresses it does not have.
    Imitation {
        /// The known app's name.
        of: String,
    },
}

impl Identity {
    /// True for an app that nobody vouches for.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        matches!(self, Self::Unverified | Self::Imitation { .. })
    }
}

/// Where the answer, and with it the access, is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnTo {
    /// An https address on this host (with its port, if it names one).
    Web(String),
    /// A loopback address.
    ThisComputer {
        /// `127.0.0.1`, `[::1]` or `localhost`, without the port.
        host: String,
    },
    /// An app's own scheme, without `://`.
    Scheme(String),
    /// A device elsewhere, which polls for it.
    Device {
        /// The code that it shows.
        code: String,
        /// From where it asked.
        asked_from: String,
    },
}

impl ReturnTo {
    /// True for an https address.
    #[must_use]
    pub fn is_web(&self) -> bool {
        matches!(self, Self::Web(_))
    }

    /// True for a device elsewhere.
    #[must_use]
    pub fn is_device(&self) -> bool {
        matches!(self, Self::Device { .. })
    }

    /// True for a loopback address.
    #[must_use]
    pub fn is_this_computer(&self) -> bool {
        matches!(self, Self::ThisComputer { .. })
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visible = super::visible;
        match self {
            Self::Web(host) => f.write_str(&visible(host)),
            Self::ThisComputer { host } => write!(f, "an app on this computer ({})", visible(host)),
            Self::Device { .. } => f.write_str("a device elsewhere"),
            Self::Scheme(scheme) => write!(f, "the app that handles {}://", visible(scheme)),
        }
    }
}

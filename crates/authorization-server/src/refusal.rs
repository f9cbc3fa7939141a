//! What a person is told when a request stops here.

use doorward_types::form::InvalidForm;
use http::StatusCode;

/// A No that is shown on our own page, because there is nowhere the browser may be sent to.
///
/// Source: OAuth 2.1 section 4.1.2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRefusal {
    /// The parameters could not be read.
    Parameters(InvalidForm),
    /// The request names no client.
    NoClient,
    /// The client is not registered here (any more).
    UnknownClient,
    /// The request names no redirect URI.
    NoRedirectUri,
    /// The redirect URI is not one of the client's.
    RedirectUri {
        /// The URI as requested: printable ASCII, cut short.
        requested: String,
    },
    /// No such request waits for an answer.
    UnknownInteraction,
    /// The request waited too long.
    Expired,
    /// The request was answered before.
    AlreadyAnswered,
    /// The request belongs to another browser or session.
    OtherBrowser,
    /// The resource is not configured any more.
    ResourceGone,
    /// The client describes itself in another way than when it asked.
    ClientChanged,
    /// The reference names no pushed request that this client can still use.
    UnknownPushedRequest,
    /// The form was not served to the session that sends it.
    ForgedForm,
    /// The set-up link was used, replaced, or never ours.
    SetUpLink,
}

impl PageRefusal {
    /// The refusal of a redirect URI, with the evidence made fit for a page.
    pub(crate) fn redirect_uri(requested: &str) -> Self {
        let visible = |c: &char| matches!(c, '!'..='~');
        Self::RedirectUri { requested: requested.chars().filter(visible).take(200).collect() }
    }

    /// The stable code, which has a page in the documentation.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Parameters(_) => "OA-101",
            Self::NoClient => "OA-102",
            Self::UnknownClient => "OA-103",
            Self::NoRedirectUri => "OA-104",
            Self::RedirectUri { .. } => "OA-105",
            Self::UnknownInteraction => "OA-106",
            Self::Expired => "OA-107",
            Self::AlreadyAnswered => "OA-108",
            Self::OtherBrowser => "OA-109",
            Self::ResourceGone => "OA-110",
            Self::ClientChanged => "OA-116",
            Self::UnknownPushedRequest => "OA-113",
            Self::ForgedForm => "OA-111",
            Self::SetUpLink => "OA-112",
        }
    }

    /// The HTTP status: 400, or 403 where the request is well-formed but not the sender's to make.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::OtherBrowser | Self::ForgedForm | Self::SetUpLink => StatusCode::FORBIDDEN,
            Self::Parameters(_)
            | Self::NoClient
            | Self::UnknownClient
            | Self::NoRedirectUri
            | Self::RedirectUri { .. }
            | Self::UnknownInteraction
            | Self::Expired
            | Self::AlreadyAnswered
            | Self::UnknownPushedRequest
            | Self::ClientChanged
            | Self::ResourceGone => StatusCode::BAD_REQUEST,
        }
    }

    /// The page's heading.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Parameters(_) => "This request cannot be read",
            Self::NoClient | Self::UnknownClient => "This app is not known here",
            Self::NoRedirectUri | Self::RedirectUri { .. } => "This app asked to be answered at an unknown address",
            Self::UnknownInteraction | Self::Expired | Self::UnknownPushedRequest => "This request is no longer open",
            Self::AlreadyAnswered => "This request was answered already",
            Self::OtherBrowser => "This request belongs to another browser",
            Self::ResourceGone => "This server is no longer offered here",
            Self::ClientChanged => "This app has changed",
            Self::ForgedForm => "This form did not come from this page",
            Self::SetUpLink => "This set-up link does not work",
        }
    }

    /// What happened.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Parameters(_)
            | Self::NoClient
            | Self::UnknownClient
            | Self::NoRedirectUri
            | Self::RedirectUri { .. }
            | Self::ClientChanged
            | Self::ResourceGone => "Nothing was allowed, and you were not sent on to the app.",
            Self::UnknownInteraction
            | Self::Expired
            | Self::UnknownPushedRequest
            | Self::OtherBrowser
            | Self::ForgedForm => "Nothing was changed.",
            Self::AlreadyAnswered => "Your first answer counts; this one changed nothing.",
            Self::SetUpLink => "No account was made.",
        }
    }

    /// Why, with the evidence.
    pub fn why(&self) -> String {
        match self {
            Self::Parameters(refusal) => format!("In the request that the app sent, {refusal}."),
            Self::NoClient => "The request has no client_id.".into(),
            Self::UnknownClient => {
                "The client_id in the request is not registered, or its registration has ended.".into()
            }
            Self::NoRedirectUri => "The request has no redirect_uri.".into(),
            Self::RedirectUri { requested } => {
                format!("The app did not register the redirect_uri that it asks for: {requested}")
            }
            Self::UnknownInteraction => "No request of this name is waiting for an answer.".into(),
            Self::Expired => "It was not answered in time.".into(),
            Self::UnknownPushedRequest => {
                "The app sent its request ahead, and it was not opened in time, was opened elsewhere, or is another app's.".into()
            }
            Self::AlreadyAnswered => "A request can be answered once.".into(),
            Self::OtherBrowser => "Only the browser in which it was started, in the same session, can answer it.".into(),
            Self::ClientChanged => {
                "Its name, its addresses or its keys are not those it asked with, so what you were shown does not hold any more.".into()
            }
            Self::ResourceGone => "The server that the app wants to use was taken out of the configuration.".into(),
            Self::ForgedForm => {
                "Its security token is missing or belongs to another session. That happens when you signed in or out in another tab.".into()
            }
            Self::SetUpLink => "It was used before, a newer one has taken its place, or an account exists already.".into(),
        }
    }

    /// What to do next.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::UnknownClient => {
                "Remove the connection in the app and connect again, so that it registers anew. If you did not just try to connect an app, close this page."
            }
            Self::Parameters(_) | Self::NoClient | Self::NoRedirectUri | Self::RedirectUri { .. } => {
                "If you did not just try to connect an app, close this page. If you did, report this page to the app's makers."
            }
            Self::UnknownInteraction
            | Self::Expired
            | Self::UnknownPushedRequest
            | Self::AlreadyAnswered
            | Self::OtherBrowser => "Go back to the app and connect again.",
            Self::ResourceGone => "Ask whoever runs this server.",
            Self::ClientChanged => "Go back to the app and connect again, and look at its name and address once more.",
            Self::ForgedForm => "Go back, load the page again and repeat what you did.",
            Self::SetUpLink => "Sign in, or start doorward again to get a new link if there is no account yet.",
        }
    }
}

impl std::fmt::Display for PageRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why())
    }
}

impl From<InvalidForm> for PageRefusal {
    fn from(refusal: InvalidForm) -> Self {
        Self::Parameters(refusal)
    }
}

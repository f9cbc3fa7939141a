//! The only way out for a browser: a redirect URI that was matched against the client's registration just now.

use doorward_types::{Issuer, Secret, redirect::Kind, secret::AuthorizationCode};

use crate::facts::Client;

/// A requested redirect URI that its client has registered. Only [`Client::match_redirect_uri`] makes one.
pub struct MatchedRedirectUri {
    requested: String,
    kind: Kind,
}

impl Client {
    /// Compares a requested redirect URI with the registered ones: byte for byte, save for the port of a loopback URI.
    ///
    /// Source: OAuth 2.1 sections 2.3.1 and 4.1.1.
    pub fn match_redirect_uri(&self, requested: &str) -> Option<MatchedRedirectUri> {
        let registered = self.redirect_uris.iter().find(|registered| registered.matches(requested))?;
        Some(MatchedRedirectUri { requested: requested.to_owned(), kind: registered.kind().clone() })
    }
}

impl MatchedRedirectUri {
    /// The URI as requested.
    pub fn as_str(&self) -> &str {
        &self.requested
    }

    /// How it reaches the client.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Where it leads, for people: the host with its port as written, or the scheme with its colon.
    pub fn host_for_display(&self) -> &str {
        match &self.kind {
            Kind::PrivateUse { scheme } => &self.requested[..=scheme.len()],
            Kind::Https | Kind::Loopback { .. } => {
                let after = self.requested.split_once("://").map_or(self.requested.as_str(), |(_, after)| after);
                &after[..after.find(['/', '?']).unwrap_or(after.len())]
            }
        }
    }
}

impl std::fmt::Debug for MatchedRedirectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.host_for_display())
    }
}

/// The error codes of an authorization response.
///
/// Source: OAuth 2.1 section 4.1.2.1, RFC 8707 section 2, OpenID Connect Core section 3.1.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the codes are defined by the specifications")]
pub enum AuthorizationError {
    InvalidRequest,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    InvalidTarget,
    InteractionRequired,
    RequestNotSupported,
    RequestUriNotSupported,
}

impl AuthorizationError {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
        }
    }
}

/// An authorization response on its way: the one thing with a URL to send a browser to. It is shown on a page that
/// says where it leads, never answered as a bare redirect, so that no link sends anybody anywhere by itself.
///
/// Source: RFC 9700 section 4.11.2, RFC 9207 section 2.
pub struct RedirectBack {
    url: String,
    to: MatchedRedirectUri,
    error: Option<AuthorizationError>,
}

impl RedirectBack {
    pub(crate) fn with_code(
        to: MatchedRedirectUri,
        issuer: &Issuer,
        state: Option<&str>,
        code: &Secret<AuthorizationCode>,
    ) -> Self {
        Self::new(to, issuer, state, &[("code", code.expose())], None)
    }

    /// `description` is a fixed sentence: nothing of the request is ever reflected in it.
    pub(crate) fn with_error(
        to: MatchedRedirectUri,
        issuer: &Issuer,
        state: Option<&str>,
        error: AuthorizationError,
        description: &'static str,
    ) -> Self {
        Self::new(to, issuer, state, &[("error", error.as_str()), ("error_description", description)], Some(error))
    }

    fn new(
        to: MatchedRedirectUri,
        issuer: &Issuer,
        state: Option<&str>,
        parameters: &[(&str, &str)],
        error: Option<AuthorizationError>,
    ) -> Self {
        let mut url = to.as_str().to_owned();
        let rest = state.map(|state| ("state", state)).into_iter().chain([("iss", issuer.as_str())]);
        for (name, value) in parameters.iter().copied().chain(rest) {
            match url.find('?') {
                None => url.push('?'),
                Some(at) if at + 1 == url.len() || url.ends_with('&') => {}
                Some(_) => url.push('&'),
            }
            url.push_str(name);
            url.push('=');
            for part in url::form_urlencoded::byte_serialize(value.as_bytes()) {
                // `%20` is read alike by form and by plain percent-decoders; `+` is not.
                url.push_str(if part == "+" { "%20" } else { part });
            }
        }
        Self { url, to, error }
    }

    /// The whole URL, with the response in its query.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How it reaches the client.
    pub fn kind(&self) -> &Kind {
        self.to.kind()
    }

    /// Where it leads, for people.
    pub fn host_for_display(&self) -> &str {
        self.to.host_for_display()
    }

    /// The error that is reported; none when a code is delivered.
    pub fn error(&self) -> Option<AuthorizationError> {
        self.error
    }
}

impl std::fmt::Debug for RedirectBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<redirect to {}>", self.host_for_display())
    }
}

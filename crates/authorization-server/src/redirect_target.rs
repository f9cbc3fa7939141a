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

#[cfg(test)]
mod tests {
    use doorward_testkit::{redirect_uris, url_text};
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{CALLBACK, ISSUER, client, client_at, entropy};

    fn matches(registered: &str, requested: &str) -> bool {
        client_at(&[registered]).match_redirect_uri(requested).is_some()
    }

    #[test]
    fn an_https_uri_matches_itself_alone() {
        // proves: REDIR-01, REDIR-02, REDIR-03, REDIR-04, REDIR-05, REDIR-06, REDIR-07, REDIR-08, REDIR-09, BCP-01
        // proves: R9700-01, MCP-AUTH-083
        assert!(matches(CALLBACK, CALLBACK));
        for requested in redirect_uris::NOT_THE_CALLBACK.iter().chain(&[""]) {
            assert!(!matches(CALLBACK, requested), "{requested:?}");
        }
        assert!(!matches("https://xn--bcher-kva.example/cb", "https://bücher.example/cb"));
        assert!(!matches("https://a.example/cb?a=x%20y", "https://a.example/cb?a=x+y"));
    }

    #[test]
    fn of_a_loopback_uri_the_port_is_free_and_nothing_else() {
        // proves: REDIR-06, REDIR-10, REDIR-11, REDIR-12, REDIR-13, OA21-04
        for registered in ["http://127.0.0.1/cb", "http://127.0.0.1:33418/cb"] {
            for port in redirect_uris::LOOPBACK_PORTS {
                assert!(matches(registered, &format!("http://127.0.0.1{port}/cb")), "{port}");
            }
            for bad in redirect_uris::NOT_THE_LOOPBACK.iter().chain(&["http://localhost/cb"]) {
                assert!(!matches(registered, bad), "{bad}");
            }
        }
        assert!(matches("http://localhost/cb", "http://localhost:7/cb"));
        for bad in redirect_uris::NOT_LOCALHOST.iter().chain(&["http://127.0.0.1/cb"]) {
            assert!(!matches("http://localhost/cb", bad), "{bad}");
        }
        assert!(matches("http://[::1]/cb", "http://[::1]:7/cb"));
        for bad in ["http://[::1%25lo]/cb", "http://[::1%lo0]/cb", "http://[0:0:0:0:0:0:0:1]/cb", "http://[::0001]/cb"]
        {
            assert!(!matches("http://[::1]/cb", bad), "{bad}");
        }
    }

    #[test]
    fn a_private_use_uri_matches_itself_alone() {
        // proves: REDIR-15
        let registered = "com.example.app:/cb";
        assert!(matches(registered, registered));
        for bad in ["com.example.app://evil/cb", "com.example.app:/cb?x", "COM.EXAMPLE.APP:/cb", "com.example.app:/cb/"]
        {
            assert!(!matches(registered, bad), "{bad}");
        }
    }

    #[test]
    fn no_registered_uri_is_another_ones_pattern() {
        // proves: REDIR-21
        let several = client_at(&["https://a.example/x", "https://b.example/y"]);
        assert!(several.match_redirect_uri("https://a.example/y").is_none());
        assert!(several.match_redirect_uri("https://b.example/y").is_some());
        assert!(Client { redirect_uris: Vec::new(), ..several }.match_redirect_uri("https://a.example/x").is_none());
    }

    fn redirect(uri: &str, state: Option<&str>) -> RedirectBack {
        let to = client_at(&[uri]).match_redirect_uri(uri).unwrap();
        let code = Secret::<AuthorizationCode>::generate(&mut entropy());
        RedirectBack::with_code(to, &Issuer::parse(ISSUER).unwrap(), state, &code)
    }

    #[test]
    fn a_state_comes_back_whoever_decodes_it() {
        // A plus is a space to some and a plus to others.
        let back = redirect("https://a.example/cb", Some("a b+c&d=e"));
        assert!(back.url().contains("&state=a%20b%2Bc%26d%3De&"), "{}", back.url());
    }

    #[test]
    fn the_response_is_added_to_the_query_once() {
        // proves: REDIR-17, OA21-05, OA21-32, R9207-01, MCP-AUTH-087
        let code = Secret::<AuthorizationCode>::generate(&mut entropy());
        for (uri, before) in [
            ("https://a.example/cb", "https://a.example/cb?"),
            ("https://a.example", "https://a.example?"),
            ("https://a.example/cb?", "https://a.example/cb?"),
            ("https://a.example/cb?foo=bar", "https://a.example/cb?foo=bar&"),
            ("https://a.example/cb?foo=bar&", "https://a.example/cb?foo=bar&"),
            ("https://a.example/cb?a=?", "https://a.example/cb?a=?&"),
            ("http://127.0.0.1:7/cb", "http://127.0.0.1:7/cb?"),
            ("com.example.app:/cb", "com.example.app:/cb?"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback?"),
        ] {
            let state = "a b+c&d=e%41/?#é";
            let back = redirect(uri, Some(state));
            assert!(back.url().starts_with(before) && back.url().is_ascii(), "{}", back.url());
            let read = url_text::parameters(back.url());
            let values =
                |name: &str| read.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
            assert_eq!(values("code"), [code.expose()]);
            assert_eq!(values("state"), [state]);
            assert_eq!(values("iss"), [ISSUER]);
            assert_eq!(values("foo").len(), usize::from(uri.contains("foo")));
        }
        assert!(!redirect(CALLBACK, None).url().contains("state"));
    }

    #[test]
    fn neither_prints_what_it_carries() {
        let back = redirect(CALLBACK, Some("s3cret"));
        assert_eq!(format!("{back:?}"), "<redirect to a.example>");
    }

    #[test]
    fn people_are_told_the_host_as_written() {
        for (uri, shown) in [
            ("https://a.example/cb", "a.example"),
            ("https://a.example:8443/?x", "a.example:8443"),
            ("http://[::1]:7/cb", "[::1]:7"),
            ("com.example.app:/cb", "com.example.app:"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
        ] {
            assert_eq!(redirect(uri, None).host_for_display(), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_not_a_loopback_uri_matches_by_bytes(at in 0_usize..40, with in "[ -~\u{80}-\u{10ffff}]{0,2}", cut in 0_usize..3) {
            // proves: REDIR-02, REDIR-04
            let mut text = CALLBACK.to_owned();
            let at = at.min(text.len());
            text.replace_range(at..(at + cut).min(text.len()), &with);
            prop_assert_eq!(client().match_redirect_uri(&text).is_some(), text == CALLBACK);
        }
    }
}

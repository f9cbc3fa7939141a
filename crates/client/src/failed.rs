//! Why a login, a refresh or a revocation came to nothing, told so that a person knows what to do next.

use std::fmt;

use doorward_types::{is_invisible, messages::ErrorResponse, outbound::FetchFailed};

/// What the process should exit with when nothing else can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something else went wrong.
    Error = 1,
    /// What was asked for makes no sense.
    Usage = 2,
    /// A person has to log in.
    AuthenticationNeeded = 3,
    /// No connection, or a broken one; trying later may help.
    Unreachable = 4,
    /// A server said no, or says things that must not be believed.
    Refused = 5,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $exit:ident;)*) => {
        /// A kind of failure, with a code that stays the same from release to release.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is shown, such as `CL-201`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What the process exits with.
            pub const fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit,)* }
            }
        }
    };
}

codes! {
    /// The URL of the MCP server cannot be used.
    BadTarget = "CL-001", Usage;
    /// The caller of the machine gave it an input that it does not wait for.
    OutOfOrder = "CL-002", Error;
    /// The credential store failed.
    Store = "CL-003", Error;

    /// A server could not be reached.
    Unreachable = "CL-101", Unreachable;
    /// TLS failed.
    Tls = "CL-102", Unreachable;
    /// A server answered with an error of its own.
    ServerFault = "CL-103", Unreachable;
    /// A document or endpoint lies where it may not be asked for: another origin, or a private network.
    Forbidden = "CL-104", Refused;
    /// A server has been asked too often, and wants to be left alone for a while.
    TooOften = "CL-105", Unreachable;

    /// The MCP server publishes no metadata, and is no server of 2025-03-26 either.
    NoResourceMetadata = "CL-110", Refused;
    /// The MCP server's metadata describes another resource.
    ResourceMismatch = "CL-111", Refused;
    /// The MCP server's metadata cannot be read.
    BadResourceMetadata = "CL-112", Refused;

    /// The authorization server publishes no metadata.
    NoServerMetadata = "CL-120", Refused;
    /// The authorization server's metadata names another issuer.
    IssuerMismatch = "CL-121", Refused;
    /// The authorization server does not say that it supports PKCE with S256.
    NoPkce = "CL-122", Refused;
    /// The authorization server's metadata cannot be used.
    BadServerMetadata = "CL-123", Refused;
    /// The MCP server now names another authorization server than the one that credentials are bound to.
    IssuerChanged = "CL-124", Refused;

    /// There is no way to get a client identifier.
    NoRegistration = "CL-201", Refused;
    /// The authorization server refused to register this client.
    RegistrationRefused = "CL-202", Refused;
    /// The answer to the registration cannot be used.
    BadRegistration = "CL-203", Refused;
    /// The held port is not one that the client's redirect URI allows.
    BadRedirect = "CL-204", Error;

    /// Nobody came back from the browser in time.
    LoginTimedOut = "CL-301", AuthenticationNeeded;
    /// The person, or the server for them, said no.
    Denied = "CL-302", Refused;
    /// The answer in the browser came from another authorization server.
    CallbackIssuer = "CL-303", Refused;
    /// The authorization server refused the request.
    AuthorizationRefused = "CL-304", Refused;
    /// The port that the browser would come back to is taken, blocked, or answered by somebody else.
    PortUnusable = "CL-305", Error;
    /// The authorization server has no sign-in by a code for another device.
    NoDeviceFlow = "CL-306", Refused;

    /// The token endpoint refused.
    TokenRefused = "CL-401", Refused;
    /// The token endpoint's answer cannot be used.
    BadTokenAnswer = "CL-402", Refused;
    /// The login has ended; a person has to log in again.
    LoginNeeded = "CL-403", AuthenticationNeeded;
    /// The authorization server does not know this client any more.
    ClientUnknown = "CL-404", Refused;
    /// The server asks for more rights again and again.
    TooManyStepUps = "CL-405", Refused;
    /// The tokens are not bound to a key, and were to be.
    NotBound = "CL-406", Refused;
    /// There is no assertion that this server would take.
    NoAssertion = "CL-407", Refused;
    /// The identity provider refused.
    ProviderRefused = "CL-408", Refused;
    /// The identity provider's ID token is not believed.
    BadIdToken = "CL-409", Refused;

    /// The authorization server did not confirm that the tokens were revoked.
    NotRevoked = "CL-501", Refused;
}

/// A failure: its code, what happened, the evidence, and what to do next. None of the texts holds a secret or a
/// control character, however the other side chose its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    code: Code,
    what: String,
    why: String,
    hint: String,
}

impl Failed {
    /// Makes a failure. The texts are sentences without a full stop.
    pub fn new(code: Code, what: impl AsRef<str>, why: impl AsRef<str>, hint: impl AsRef<str>) -> Self {
        let line = |text: &str| printable(text, MOST_LINE);
        let (what, why) = (line(what.as_ref()), line(why.as_ref()));
        Self { code, what, why, hint: printable(hint.as_ref(), MOST_HINT) }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What happened.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The evidence: which URL, which status, which words.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What to type or do next.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// The same failure with something else to do next.
    #[must_use]
    pub fn with_hint(self, hint: impl AsRef<str>) -> Self {
        Self { hint: printable(hint.as_ref(), MOST_HINT), ..self }
    }

    /// What the process exits with.
    pub fn exit(&self) -> Exit {
        self.code.exit()
    }
}

/// What to do where no answer comes, if it follows from how the request was lost: in TLS, or at a proxy.
pub fn about_the_way(failed: &FetchFailed) -> Option<(Code, &'static str)> {
    Some(match failed {
        // What was answered is no TLS at all.
        FetchFailed::Tls(words) if words.contains("InvalidContentType") => {
            (Code::Tls, "check the port; a server on this computer that speaks no TLS has an http:// URL")
        }
        FetchFailed::Tls(words) if words.contains("this computer's clock") => {
            (Code::Tls, "compare this computer's clock; if it is right, the operator has to renew the certificate")
        }
        FetchFailed::Tls(_) => (
            Code::Tls,
            "check the address; where the certificate is of an authority of your own, or of a proxy that inspects TLS, \
             name it with --ca FILE",
        ),
        FetchFailed::Proxy { .. } => {
            (Code::Unreachable, "check the proxy that HTTPS_PROXY or --proxy names, or do without it: --proxy none")
        }
        _ => return None,
    })
}

/// A request of which no answer came.
pub(crate) fn no_answer(what: &str, url: &url::Url, failed: &FetchFailed) -> Failed {
    let (code, hint) = about_the_way(failed).unwrap_or(match failed {
        FetchFailed::Forbidden(_) => (
            Code::Forbidden,
            "this is how a server makes a client reach into a private network; if the MCP server is yours and lies \
             there too, allow private addresses for it",
        ),
        FetchFailed::TooLong(_) => (Code::ServerFault, "check the address"),
        _ => (Code::Unreachable, "check the address and the network, and try again"),
    });
    Failed::new(code, what, format!("{}: {failed}", place(url)), hint)
}

/// A URL without its query, which can hold what is nobody's business.
pub(crate) fn place(url: &url::Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// A server's error in its own words, cut to what fits in a line.
pub(crate) fn words(error: &ErrorResponse) -> String {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    match error.error_description.as_deref().filter(|text| !text.is_empty()) {
        Some(description) => format!("{} ({})", clean(&error.error), clean(description)),
        None => clean(&error.error),
    }
}

/// The most characters of what happened and of why.
const MOST_LINE: usize = 600;
/// The most of what to do next: half of a command would be another one.
const MOST_HINT: usize = 20_000;

/// Words from elsewhere, cut and freed of what a terminal would act on.
fn printable(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control() && !is_invisible(*c)).take(most).collect()
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]\n  why:  {}\n  next: {}", self.what, self.code.as_str(), self.why, self.hint)
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_texts_are_harmless() {
        // proves: DISC-08, LEAK-05
        let mut seen: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), Code::ALL.len());
        let failed = Failed::new(
            Code::Denied,
            "no",
            format!("\u{1b}[31m\r\n\u{2028}\u{202e}\u{61c}\u{ad}\u{e0041}x{}", "y".repeat(5000)),
            "try",
        );
        assert!(failed.why().starts_with("[31mxy") && failed.why().len() == 600);
        assert_eq!((failed.exit() as u8, Code::LoginNeeded.exit() as u8), (5, 3));
    }

    #[test]
    fn what_to_do_next_fits_how_the_request_was_lost() {
        let url = url::Url::parse("https://as.example/token").unwrap();
        let tls = |words: &str| FetchFailed::Tls(words.to_owned());
        for (lost, code, next) in [
            (
                tls("the certificate expired 2 days ago by this computer's clock"),
                Code::Tls,
                "compare this computer's clock",
            ),
            (tls("received corrupt message of type InvalidContentType"), Code::Tls, "check the port"),
            (tls("UnknownIssuer"), Code::Tls, "--ca FILE"),
            (FetchFailed::TooLong(1), Code::ServerFault, "check the address"),
            (FetchFailed::Connect("refused".into()), Code::Unreachable, "the network"),
            (FetchFailed::Forbidden("10.0.0.1".into()), Code::Forbidden, "private network"),
        ] {
            let told = no_answer("no token", &url, &lost);
            assert!(told.code() == code && told.hint().contains(next), "{told}");
        }
    }
}

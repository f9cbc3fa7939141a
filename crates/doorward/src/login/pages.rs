//! The pages that the browser shows at the end of a login. Nothing of a request appears in them.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use doorward_client::{Code, Failed};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// What the browser is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The login is complete and the first call succeeded.
    Done,
    /// The person, or the server for them, said no.
    Denied,
    /// The tokens are there, and the MCP server did not take them.
    NotLetIn,
    /// Anything else; the program says more.
    Failed(Code),
    /// The answer is not the one that is waited for.
    NotTaken,
    /// The server had forgotten this program, which was made known to it again.
    Again,
    /// The answer was taken already, or nobody waits any more.
    Over,
    /// Nothing is here.
    Absent,
    /// Not the way to ask.
    NoSuchMethod,
    /// Not asked for by a person who follows a link.
    Forbidden,
}

impl Page {
    pub(crate) fn of(failed: &Failed) -> Self {
        match failed.code() {
            Code::Denied => Self::Denied,
            Code::TokenRefused => Self::NotLetIn,
            code => Self::Failed(code),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Done => StatusCode::OK,
            Self::Denied | Self::NotLetIn | Self::Failed(_) | Self::NotTaken => StatusCode::BAD_REQUEST,
            Self::Again => StatusCode::CONFLICT,
            Self::Over => StatusCode::GONE,
            Self::Absent => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("You are signed in", "You can close this page and go back to your program."),
            Self::Denied => (
                "Access was not given",
                "The sign-in ended with a no, so your program has no access. To try again, start the sign-in again \
                 from your program or terminal.",
            ),
            Self::NotLetIn => (
                "The server does not accept this sign-in",
                "You signed in, but the MCP server refused the first call. Ask whoever runs the server; your terminal \
                 or your program's log says more.",
            ),
            Self::Failed(_) => (
                "The sign-in did not complete",
                "Your terminal or your program's log says why and what to do. Then start the sign-in again.",
            ),
            Self::NotTaken => (
                "This is not the answer that is waited for",
                "The sign-in still waits. Finish it in the page that was opened for it.",
            ),
            Self::Again => (
                "One more time, please",
                "The server had forgotten this program. It is known again now, and another sign-in page was opened.",
            ),
            Self::Over => (
                "This sign-in is over",
                "Nothing waits for this answer any more. If you were not let in, start the sign-in again.",
            ),
            Self::Absent => ("Nothing is here", "This address is used by a sign-in that runs on this computer."),
            Self::NoSuchMethod | Self::Forbidden => {
                ("This is refused", "This address takes the end of a sign-in only.")
            }
        }
    }

    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let (title, text) = self.words();
        let code = match self {
            Self::Failed(code) => format!("<p class=code>{}</p>", code.as_str()),
            _ => String::new(),
        };
        let mark = if self == Self::Done { "good" } else { "bad" };
        let html = format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>{title} - doorward</title><style>{STYLE}</style></head>\
             <body><main class={mark}><h1>{title}</h1><p>{text}</p>{code}</main></body></html>"
        );
        let mut response = Response::new(Full::new(Bytes::from(html)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::CONNECTION, "close"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
        if self == Self::NoSuchMethod {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
}

const STYLE: &str = ":root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.5 system-ui,sans-serif;\
background:light-dark(#f4f5f7,#15171b);color:light-dark(#1c1f24,#e8eaee)}\
main{box-sizing:border-box;width:min(30rem,92vw);padding:2rem;border-radius:12px;border-top:4px solid;\
background:light-dark(#fff,#1f2228);border-color:light-dark(#b3261e,#ff8a80)}\
main.good{border-color:light-dark(#1a7f4b,#6fdc9f)}\
h1{margin:0 0 .5rem;font-size:1.35rem;line-height:1.3}p{margin:0}\
.code{margin-top:1rem;font-family:ui-monospace,monospace;opacity:.75}";

/// Nothing but the one style may be applied, loaded, run, framed or sent.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        Base64::encode_string(digest.as_ref())
    );
    HeaderValue::try_from(policy).expect("visible ASCII makes a header value")
});

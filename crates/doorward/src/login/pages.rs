//! The pages that the browser shows at the end of a login. Nothing of a request appears in them.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use doorward_client::{Code, Failed};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// What the browser is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The login is complete and the first call succeeded.
    Done,
    /// The person, or the server for them, said no.
    Denied,
    /// The tokens are there, and the MCP server did not take them.
    NotLetIn,
    /// Anything else: what happened and what to do, in words of this program.
    Failed { code: Code, what: String, next: String },
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
            code => Self::Failed { code, what: failed.what().to_owned(), next: failed.hint().to_owned() },
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Done => StatusCode::OK,
            Self::Denied | Self::NotLetIn | Self::Failed { .. } | Self::NotTaken => StatusCode::BAD_REQUEST,
            Self::Again => StatusCode::CONFLICT,
            Self::Over => StatusCode::GONE,
            Self::Absent => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    /// The heading, what happened, and what to do.
    fn words(&self) -> (&'static str, String, &'static str) {
        let (title, text, next) = match self {
            Self::Done => (
                "You are signed in",
                "The server has answered the first call with your new access.",
                "You can close this page and go back to your program.",
            ),
            Self::Denied => (
                "Access was not given",
                "The sign-in ended with a no, so your program has no access.",
                "To try again, start the sign-in again from your program or terminal.",
            ),
            Self::NotLetIn => (
                "The server does not accept this sign-in",
                "You signed in, but the MCP server refused the first call.",
                "Ask whoever runs the server. Your terminal or your program’s log says more.",
            ),
            Self::Failed { what, .. } => {
                let text = format!("{}.", capital(what));
                let next = "Your terminal or your program’s log says why. Then start the sign-in again.";
                return ("The sign-in did not complete", text, next);
            }
            Self::NotTaken => (
                "This is not the awaited answer",
                "It belongs to another sign-in, or did not come from the server that was asked.",
                "The sign-in still waits. Finish it in the page that was opened for it.",
            ),
            Self::Again => (
                "One more time, please",
                "The server had forgotten this program. It is known again now.",
                "Another sign-in page was opened. Finish the sign-in there.",
            ),
            Self::Over => (
                "This sign-in is over",
                "Nothing waits for this answer any more.",
                "If you were not let in, start the sign-in again from your program or terminal.",
            ),
            Self::Absent => ("Nothing is here", "This address is used by a sign-in that runs on this computer.", ""),
            Self::NoSuchMethod | Self::Forbidden => {
                ("This is refused", "This address takes the end of a sign-in only.", "")
            }
        };
        (title, text.to_owned(), next)
    }

    fn mark(&self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("good", "M5 12.5l4.5 4.5L19 7.5"),
            Self::Denied | Self::NotLetIn | Self::Failed { .. } => ("bad", "M6.5 6.5l11 11m0-11l-11 11"),
            _ => ("plain", "M12 6.5v7m0 4v.01"),
        }
    }

    /// The page about a sign-in at this server.
    pub(crate) fn response(self, about: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.html(about))));
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

    pub(super) fn html(&self, about: &str) -> String {
        let (title, text, next) = self.words();
        let (kind, mark) = self.mark();
        let advice = match self {
            Self::Failed { code, next, .. } => format!(
                "<dl><dt>What to do<dd>{}<dt>Code<dd class=code>{}</dl>",
                escaped(&capital(next)),
                code.as_str()
            ),
            _ => String::new(),
        };
        let next = if next.is_empty() { String::new() } else { format!("<p class=next>{next}</p>") };
        format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\
             <title>{title} · doorward</title><style>{STYLE}</style></head><body>\
             <header>{DOOR}<span class=brand>doorward</span><span class=about><bdi>{}</bdi></span></header>\
             <main class={kind}><svg class=icon viewBox=\"0 0 24 24\" aria-hidden=true><path d=\"{mark}\"/></svg>\
             <h1>{title}</h1><p>{}</p>{advice}{next}</main></body></html>",
            escaped(about),
            escaped(&text),
        )
    }
}

/// A text with nothing in it that a browser would take for markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

const DOOR: &str = "<svg class=door viewBox=\"0 0 24 24\" aria-hidden=true><path class=frame \
d=\"M5 22V6.5A4.5 4.5 0 0 1 9.5 2h5A4.5 4.5 0 0 1 19 6.5V22M2.5 22h19\"/><path class=leaf \
d=\"M8.5 22V7.2c0-.9.8-1.6 1.7-1.4l4.1.7c.7.1 1.2.7 1.2 1.4V22z\"/></svg>";

const STYLE: &str = "\
:root{color-scheme:light dark;--page:light-dark(#f4f3ef,#131719);--card:light-dark(#fff,#1c2124);\
--line:light-dark(#dedbd2,#343b40);--ink:light-dark(#1b2126,#e9ecee);--muted:light-dark(#59626a,#a4aeb5);\
--accent:light-dark(#1f5c63,#86c9cf);--good:light-dark(#1c6441,#8ccfa8);--good-ground:light-dark(#e3f1e8,#1d3327);\
--bad:light-dark(#a3231c,#f5a198);--bad-ground:light-dark(#fae5e2,#3a2321)}\
*{box-sizing:border-box}\
body{margin:0;padding:clamp(1.5rem,12vh,7rem) 1rem 3rem;background:var(--page);color:var(--ink);\
font:1rem/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif;overflow-wrap:anywhere}\
header,main{max-width:31rem;margin-inline:auto}\
header{display:flex;align-items:center;gap:.625rem;margin-bottom:1.25rem;padding-inline:.25rem}\
.door{flex:none;width:28px;height:28px;color:var(--accent)}\
.frame{fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round}.leaf{fill:currentColor}\
.brand{font-weight:650}.about{color:var(--muted);padding-left:.625rem;border-left:1px solid var(--line)}\
main{padding:clamp(1.25rem,5vw,2.25rem);background:var(--card);border:1px solid var(--line);border-radius:.875rem;\
box-shadow:0 8px 28px rgb(27 33 38/7%)}\
.icon{display:block;width:2.75rem;height:2.75rem;margin-bottom:1rem;padding:.5rem;border-radius:50%;fill:none;\
stroke:currentColor;stroke-width:2.25;stroke-linecap:round;stroke-linejoin:round;color:var(--muted);background:var(--page)}\
.good .icon{color:var(--good);background:var(--good-ground)}.bad .icon{color:var(--bad);background:var(--bad-ground)}\
h1{margin:0;font-size:1.4375rem;line-height:1.3;font-weight:650;letter-spacing:-.015em;text-wrap:balance}\
p{margin:.5rem 0 0}.next{color:var(--muted)}\
dl{margin:1.25rem 0 0;padding-top:1rem;border-top:1px solid var(--line)}\
dt{color:var(--muted);font-size:.875rem}dd{margin:0 0 .75rem}\
.code{font:.875rem ui-monospace,'SF Mono','Cascadia Mono','Liberation Mono',monospace}\
@media(forced-colors:active){.icon{border:1px solid}}";

/// Nothing but the one style may be applied, loaded, run, framed or sent.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        Base64::encode_string(digest.as_ref())
    );
    HeaderValue::try_from(policy).expect("visible ASCII makes a header value")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_text_in_a_page() {
        // proves: BRW-08
        let failed = Failed::new(Code::ServerFault, "<b onclick=x>no</b>", "why", "\"><script>alert(1)</script>");
        let html = Page::of(&failed).html("<i>evil</i>.example");
        assert!(!html.contains("<b ") && !html.contains("<script") && !html.contains("<i>"), "{html}");
        assert!(html.contains("CL-103") && html.contains("&lt;script&gt;"), "{html}");
    }
}

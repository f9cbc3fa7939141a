//! One harmless call, to see whether a server lets us in.

use std::time::Duration;

use bytes::Bytes;
use doorward_client::{
    BearerFor, Code, Failed, Occasion, Target, is_page, is_plain, next_nonce, no_answer_for_now, word,
};
use doorward_types::{ResourceId, Revision, challenge};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::json;

use super::{fail, place::Place};
use crate::{clock::now, entropy::SystemEntropy};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a server said to the call.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

impl Answer {
    pub(super) fn asks_for_login(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Why there is nowhere to log in, where the server did not ask for a login; `None` where it did.
    pub(super) fn asks_for_none(&self, resource: &ResourceId) -> Option<Failed> {
        let status = self.status;
        if let Some(failed) = self.none_for_now("the MCP server is not well", resource) {
            return Some(failed);
        }
        let check = "check that the URL is the one of the MCP endpoint; a server that takes an API key needs no login";
        let (code, what, next) = match () {
            () if self.asks_for_login() => return None,
            () if status.is_success() && is_page(&self.headers) => {
                (Code::NoResourceMetadata, "this address is that of a web page, and of no MCP server", check.to_owned())
            }
            () if status.is_success() => (
                Code::NoResourceMetadata,
                "this server asks for no login",
                format!("doorward connect {}", word(resource.as_str())),
            ),
            () => (
                Code::NoResourceMetadata,
                "there is no MCP server that asks for a login at this address",
                check.to_owned(),
            ),
        };
        let why = format!("{resource} answered {status} without a token, and names no authorization server");
        Some(Failed::new(code, what, why, next))
    }

    fn none_for_now(&self, what: &str, resource: &ResourceId) -> Option<Failed> {
        no_answer_for_now(what, &resource.url(), self.status, &self.headers)
    }

    fn asks_for_scope(&self) -> bool {
        challenge::bearer(&self.headers).is_some_and(|challenge| challenge.get("error") == Some("insufficient_scope"))
    }

    /// Whether the server let a call with a token in. Any answer but those named here, "unknown method" included, is the word
    /// of one that did.
    ///
    /// # Errors
    /// When it does not take the token, or is not well.
    pub(super) fn judge(&self, target: &Target) -> Result<(), NotLetIn> {
        let (status, refused) = (self.status, self.asks_for_login());
        // A server that only wants more scopes for this call takes the token.
        let forbidden = status == StatusCode::FORBIDDEN && !self.asks_for_scope();
        let none = self.none_for_now("there is a login, but the MCP server is not well", &target.resource);
        if let Some(failed) = none {
            return Err(failed.into());
        }
        if !refused && !forbidden {
            return Ok(());
        }
        let what = "the MCP server does not take the access token";
        let why = format!("{} answered {status} to the first call", target.resource);
        let failed = Failed::new(Code::TokenRefused, what, why, "ask the operator of the server");
        Err(NotLetIn { refused, failed })
    }
}

/// Asks the server what it is. Every server judges the token before it looks at what is asked.
pub(super) async fn send(place: &Place, target: &Target, bearer: Option<&BearerFor>) -> Result<Answer, Failed> {
    let version = Revision::LATEST.as_str();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "doorward", "version": env!("CARGO_PKG_VERSION")},
    });
    let call = json!({"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": meta}});
    let url = target.resource.url();
    let body = Bytes::from(call.to_string());
    let request = |nonce: Option<&str>| {
        let mut request = Request::post(url.as_str())
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json")
            .header("mcp-protocol-version", version)
            .header("mcp-method", "server/discover")
            .body(body.clone())
            .expect("a parsed URL and fixed headers make a request");
        let mut occasion =
            Occasion { method: &Method::POST, url: &url, nonce, now: now(), entropy: &mut SystemEntropy };
        let shown = bearer.and_then(|bearer| bearer.headers_for(&target.resource, &mut occasion));
        for (name, value) in &place.headers {
            request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        request.headers_mut().extend(shown.unwrap_or_default());
        request
    };
    let send = async |request| {
        let answer = place.knock(request, target.reach, PATIENCE).await;
        answer
            .map(|(status, headers)| Answer { status, headers })
            .map_err(|failed| fail::unreachable(&target.resource, &failed))
    };
    let mut answer: Answer = send(request(None)).await?;
    if answer.asks_for_login()
        && bearer.is_some_and(BearerFor::is_bound)
        && challenge::wants_nonce(&answer.headers)
        && let Some(nonce) = next_nonce(&answer.headers)
    {
        let again = request(Some(nonce));
        place.trace.again();
        answer = send(again).await?;
    }
    if answer.status.is_redirection() {
        return Err(redirected(target, &answer));
    }
    Ok(answer)
}

/// No token follows a redirect, so a server is spoken to where it is or not at all.
fn redirected(target: &Target, answer: &Answer) -> Failed {
    let to = answer.headers.get(header::LOCATION).and_then(|to| target.resource.url().join(to.to_str().ok()?).ok());
    let to = to.map(|mut to| {
        to.set_query(None);
        to.set_fragment(None);
        // A URL without a host has neither.
        let _ = to.set_username("").and_then(|()| to.set_password(None));
        to
    });
    let usable = to.as_ref().and_then(|to| ResourceId::parse(to.as_str()).ok()).filter(|to| is_plain(to.as_str()));
    let next = match usable {
        Some(to) => format!("if you trust that address, give it: doorward login {}", word(to.as_str())),
        None => "ask the operator of the server for the URL of its MCP endpoint".to_owned(),
    };
    let to = to.map(|to| format!(" and points to {to}")).unwrap_or_default();
    let why = format!("{} answered {}{to}; no token is sent elsewhere", target.resource, answer.status);
    Failed::new(Code::Forbidden, "the MCP server is somewhere else", why, next)
}

/// What a server said to a token instead of letting it in.
pub(super) struct NotLetIn {
    /// Whether the token itself is refused, and so will be tomorrow.
    pub(super) refused: bool,
    pub(super) failed: Failed,
}

impl From<Failed> for NotLetIn {
    fn from(failed: Failed) -> Self {
        Self { refused: false, failed }
    }
}

/// Uses a new token once.
///
/// # Errors
/// When the server does not take it, or is not well.
pub(super) async fn try_token(place: &Place, target: &Target, bearer: &BearerFor) -> Result<(), NotLetIn> {
    send(place, target, Some(bearer)).await?.judge(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(header::HeaderName, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers }
    }

    #[test]
    fn a_wrong_address_is_told_by_what_it_answered() {
        let resource = ResourceId::parse("https://mcp.example/mcp").unwrap();
        for (status, header, what, next) in [
            (200, (header::CONTENT_TYPE, "application/json"), "asks for no login", "doorward connect"),
            (200, (header::CONTENT_TYPE, "text/html; charset=utf-8"), "web page", "check that the URL"),
            (404, (header::CONTENT_TYPE, "text/html"), "no MCP server that asks", "check that the URL"),
            (405, (header::ALLOW, "GET"), "no MCP server that asks", "check that the URL"),
            (500, (header::ALLOW, "POST"), "not well", "try again later"),
            (503, (header::RETRY_AFTER, "3"), "not well", "try again in 3 s"),
            (429, (header::RETRY_AFTER, "60"), "not well", "try again in 60 s"),
        ] {
            let failed = answer(status, &[header]).asks_for_none(&resource).unwrap();
            assert!(failed.what().contains(what) && failed.hint().contains(next), "{status}: {failed}");
            assert!(failed.why().contains(&status.to_string()), "{failed}");
        }
        assert_eq!(answer(401, &[]).asks_for_none(&resource), None, "this one does ask");
    }

    #[test]
    fn a_server_that_is_asked_too_often_says_nothing_about_the_token() {
        let target = Target::new("https://mcp.example/mcp", "t").unwrap();
        let judged = |status| answer(status, &[(header::RETRY_AFTER, "60")]).judge(&target).map_err(|not| not.failed);
        for (status, code, next) in [
            (429, Code::TooOften, "try again in 60 s"),
            (503, Code::ServerFault, "the server has a problem of its own; try again in 60 s"),
            (403, Code::TokenRefused, "ask the operator of the server"),
        ] {
            let failed = judged(status).unwrap_err();
            assert_eq!((failed.code(), failed.hint()), (code, next), "{status}");
        }
        for status in [200, 400, 404] {
            assert_eq!(judged(status), Ok(()), "{status}");
        }
        let asked = answer(429, &[]).asks_for_none(&target.resource).unwrap();
        assert_eq!((asked.code(), asked.hint()), (Code::TooOften, "try again in some minutes"));
    }

    #[test]
    fn another_address_is_suggested_only_where_it_could_be_that_of_a_server() {
        let target = Target::new("https://mcp.example/mcp", "t").unwrap();
        for (to, suggested) in [
            ("https://mcp.example/v2/mcp?x=1#y", Some("doorward login https://mcp.example/v2/mcp")),
            ("/v2/mcp", Some("doorward login https://mcp.example/v2/mcp")),
            ("https://ada:s3cret@mcp.example/v2", Some("doorward login https://mcp.example/v2")),
            ("https://mcp.example/&calc", None),
            ("https://mcp.example/%25PATH%25", None),
            ("ftp://mcp.example/mcp", None),
            ("mailto:ada@mcp.example", None),
        ] {
            let failed = redirected(&target, &answer(308, &[(header::LOCATION, to)]));
            assert_eq!(failed.hint().contains("doorward login"), suggested.is_some(), "{failed}");
            assert!(suggested.is_none_or(|command| failed.hint().ends_with(command)), "{failed}");
            assert!(!failed.to_string().contains("s3cret"), "{failed}");
        }
    }
}

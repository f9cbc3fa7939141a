use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

/// Why a request does not come from where it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Elsewhere {
    #[error("this host name is not served here: add it to the gateway's public URL or listen address")]
    Host,
    #[error("requests from this web page's origin are not allowed")]
    Origin,
}

impl Elsewhere {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }
}

/// Whether the request names a host that is served: a name that somebody else pointed at this machine is not,
/// whatever page it comes from. Header and target (HTTP/2's `:authority`) must agree.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Security & Endpoint"; RFC 9110 section 7.2.
pub(super) fn check_host(headers: &HeaderMap, uri: &Uri, allowed: &[String]) -> Result<(), Elsewhere> {
    let mut named = Vec::new();
    for value in headers.get_all(header::HOST) {
        named.push(value.to_str().map_err(|_| Elsewhere::Host)?);
    }
    if named.len() > 1 {
        return Err(Elsewhere::Host);
    }
    named.extend(uri.authority().map(|authority| authority.as_str()));
    let is_allowed = |host: &&str| allowed.iter().any(|own| own.eq_ignore_ascii_case(host));
    let agree = named.windows(2).all(|pair| pair[0].eq_ignore_ascii_case(pair[1]));
    match !named.is_empty() && agree && named.iter().all(is_allowed) {
        true => Ok(()),
        false => Err(Elsewhere::Host),
    }
}

/// The origin of the page that sends the request, if it is allowed to; `None` when no page does.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Security & Endpoint" (MCP-HTTP-001, -002).
pub(super) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<Option<HeaderValue>, Elsewhere> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(None) };
    let known = origin.to_str().is_ok_and(|origin| origin != "null" && allowed.iter().any(|own| own == origin));
    match known && origins.next().is_none() {
        true => Ok(Some(origin.clone())),
        false => Err(Elsewhere::Origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: http::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn only_hosts_of_the_list_are_served() {
        // proves: MCPP-01, MCP-HTTP-001
        let allowed = ["localhost:8420".to_owned(), "127.0.0.1:8420".to_owned(), "mcp.example".to_owned()];
        let judge = |hosts: &[&str], uri: &str| check_host(&with(header::HOST, hosts), &uri.parse().unwrap(), &allowed);
        for good in ["localhost:8420", "LOCALHOST:8420", "127.0.0.1:8420", "mcp.example"] {
            assert_eq!(judge(&[good], "/mcp"), Ok(()), "{good}");
        }
        assert_eq!(judge(&[], "http://mcp.example/mcp"), Ok(()));
        assert_eq!(judge(&["mcp.example"], "http://mcp.example/mcp"), Ok(()));
        for bad in [
            "attacker.tld:8420",
            "127.0.0.1.nip.io:8420",
            "[::1]:x",
            "localhost",
            "localhost:8421",
            "localhost.:8420",
            "localhost:8420.evil",
            "a@localhost:8420",
            "",
            "mcp.example, evil.example",
            "localhost:8420\u{e9}",
        ] {
            assert_eq!(judge(&[bad], "/mcp"), Err(Elsewhere::Host), "{bad}");
        }
        assert_eq!(judge(&[], "/mcp"), Err(Elsewhere::Host));
        assert_eq!(judge(&["mcp.example", "mcp.example"], "/mcp"), Err(Elsewhere::Host));
        assert_eq!(judge(&["localhost:8420"], "http://mcp.example/mcp"), Err(Elsewhere::Host));
        assert_eq!(judge(&["localhost:8420"], "http://evil.example/mcp"), Err(Elsewhere::Host));
    }

    #[test]
    fn a_page_must_be_of_an_allowed_origin() {
        // proves: MCPP-01, MCP-HTTP-002, HTTP-08
        let allowed = ["http://localhost:8420".to_owned(), "null".to_owned()];
        let judge = |origins: &[&str]| check_origin(&with(header::ORIGIN, origins), &allowed);
        assert_eq!(judge(&[]), Ok(None));
        assert_eq!(judge(&["http://localhost:8420"]), Ok(Some(HeaderValue::from_static("http://localhost:8420"))));
        for bad in [
            "https://evil",
            "null",
            "http://localhost.evil",
            "http://localhost:8420.evil",
            "http://localhost",
            "https://localhost:8420",
            "chrome-extension://x",
            "HTTP://LOCALHOST:8420",
            "http://localhost:8420/",
            "",
        ] {
            assert_eq!(judge(&[bad]), Err(Elsewhere::Origin), "{bad}");
        }
        assert_eq!(judge(&["http://localhost:8420", "http://localhost:8420"]), Err(Elsewhere::Origin));
    }
}

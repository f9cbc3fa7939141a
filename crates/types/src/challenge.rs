//! `WWW-Authenticate`: writing our challenges, reading anybody's.

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

use crate::{ScopeSet, jose::dpop::ALGORITHMS};

/// One challenge: a scheme and its parameters, names in lower case.
///
/// Source: RFC 9110 section 11.6.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case, such as `bearer`.
    pub scheme: String,
    /// The parameters in order. A repeated name keeps its first value.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter, by its lower-case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Reads every well-formed challenge of all `WWW-Authenticate` headers of an answer, in order. Malformed parts are passed over;
/// nothing a server sends makes this fail.
pub fn parse_all(headers: &HeaderMap) -> Vec<Challenge> {
    let mut out = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE).iter().take(16) {
        if value.len() <= 16 * 1024
            && let Ok(text) = std::str::from_utf8(value.as_bytes())
        {
            parse_into(text, &mut out);
        }
    }
    out
}

/// The first `Bearer` challenge of an answer, or, where there is none, the first `DPoP` challenge, which has the same
/// parameters.
///
/// Source: RFC 6750 section 3, RFC 9449 section 7.1.
pub fn bearer(headers: &HeaderMap) -> Option<Challenge> {
    let all = parse_all(headers);
    let first = |scheme: &str| all.iter().find(|challenge| challenge.scheme == scheme).cloned();
    first("bearer").or_else(|| first("dpop"))
}

/// Whether an answer asks for tokens that are bound to a key and for no others.
pub fn wants_bound(headers: &HeaderMap) -> bool {
    let all = parse_all(headers);
    let has = |scheme: &str| all.iter().any(|challenge| challenge.scheme == scheme);
    has("dpop") && !has("bearer")
}

/// Whether an answer asks for the same request with its nonce in the proof.
///
/// Source: RFC 9449 section 9.
pub fn wants_nonce(headers: &HeaderMap) -> bool {
    let asks = |challenge: &Challenge| challenge.scheme == "dpop" && challenge.get("error") == Some("use_dpop_nonce");
    parse_all(headers).iter().any(asks)
}

fn parse_into(text: &str, out: &mut Vec<Challenge>) {
    let mut reader = Reader { text, at: 0 };
    // Parameters seen before any scheme, or after a broken one, belong to nobody.
    let mut current: Option<Challenge> = None;
    loop {
        reader.skip(|c| c == ' ' || c == '\t' || c == ',');
        let word = reader.token();
        if word.is_empty() {
            // Not a token here: step over one character so that the reading always ends.
            if reader.step().is_none() {
                break;
            }
            continue;
        }
        let after_word = reader.at;
        reader.skip(|c| c == ' ' || c == '\t');
        if reader.peek() == Some('=') && !reader.is_token68_end() {
            reader.at += 1;
            reader.skip(|c| c == ' ' || c == '\t');
            let value = if reader.peek() == Some('"') { reader.quoted() } else { Some(reader.token().to_owned()) };
            if let (Some(challenge), Some(value)) = (current.as_mut(), value) {
                let name = word.to_ascii_lowercase();
                if challenge.get(&name).is_none() && challenge.parameters.len() < 64 {
                    challenge.parameters.push((name, value));
                }
            }
        } else {
            let spaced = reader.at > after_word;
            out.extend(current.take());
            current = Some(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
            if spaced {
                reader.token68();
            }
        }
    }
    out.extend(current);
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    fn step(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }
    fn skip(&mut self, which: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&which) {
            self.step();
        }
    }
    fn token(&mut self) -> &'a str {
        let start = self.at;
        self.skip(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
        &self.text[start..self.at]
    }
    /// `abc==` is the end of a token68, not a parameter.
    fn is_token68_end(&self) -> bool {
        let rest = self.rest().trim_start_matches('=').trim_start();
        rest.is_empty() || rest.starts_with(',')
    }
    /// Passes over a token68 such as the value of `Basic dXNlcg==`, when one stands here.
    fn token68(&mut self) {
        let start = self.at;
        self.skip(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        self.skip(|c| c == '=');
        let end = self.rest().trim_start();
        if !(end.is_empty() || end.starts_with(',')) {
            self.at = start;
        }
    }
    fn quoted(&mut self) -> Option<String> {
        self.step();
        let mut out = String::new();
        while let Some(c) = self.step() {
            match c {
                '"' => return Some(out),
                '\\' => out.push(self.step()?),
                c => out.push(c),
            }
        }
        None
    }
}

/// A challenge that we send: `Bearer`, or `DPoP` with the same parameters.
///
/// Source: RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BearerChallenge {
    /// The URL of the protected resource's metadata.
    pub resource_metadata: Option<String>,
    /// What the request at hand needs.
    pub scope: Option<ScopeSet>,
    /// The error code; absent when no credentials were presented (RFC 6750 section 3.1).
    pub error: Option<&'static str>,
    /// A sentence for developers.
    pub error_description: Option<String>,
}

impl BearerChallenge {
    /// The header's value. Characters that a quoted string cannot hold are left out.
    pub fn to_header(&self) -> HeaderValue {
        self.under("Bearer", &[])
    }

    /// The same challenge for tokens that are bound to a key.
    ///
    /// Source: RFC 9449 section 7.1.
    pub fn to_dpop_header(&self) -> HeaderValue {
        self.under("DPoP", &[("algs", &ALGORITHMS.join(" "))])
    }

    fn under(&self, scheme: &str, more: &[(&str, &str)]) -> HeaderValue {
        let mut parts = Vec::new();
        let mut push = |name: &str, value: &str| {
            let value: String = value.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
            parts.push(format!("{name}=\"{value}\""));
        };
        if let Some(error) = self.error {
            push("error", error);
        }
        if let Some(description) = &self.error_description {
            push("error_description", description);
        }
        if let Some(scope) = self.scope.as_ref().filter(|scope| !scope.is_empty()) {
            push("scope", &scope.to_string());
        }
        if let Some(url) = &self.resource_metadata {
            push("resource_metadata", url);
        }
        more.iter().for_each(|(name, value)| push(name, value));
        if parts.is_empty() {
            parts.push("realm=\"mcp\"".to_owned());
        }
        HeaderValue::try_from(format!("{scheme} {}", parts.join(", "))).expect("visible ASCII makes a header value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        parse_all(&headers)
    }

    #[test]
    fn challenges_of_every_shape_are_read() {
        // proves: R6750-08
        // R6750-08, DISC-07, MCP-AUTH-015
        let all = read(&[
            r#"Negotiate, Basic dXNlcg==, Newauth realm="a, \"b\"", title=x , bearer scope="a b" , Resource_Metadata = "https://h/x,y""#,
            "Bearer",
        ]);
        let schemes: Vec<_> = all.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "newauth", "bearer", "bearer"]);
        assert_eq!(all[2].get("realm"), Some("a, \"b\""));
        assert_eq!(all[2].get("title"), Some("x"));
        assert_eq!(all[3].get("scope"), Some("a b"));
        assert_eq!(all[3].get("resource_metadata"), Some("https://h/x,y"));
        assert!(all[4].parameters.is_empty());
    }

    #[test]
    fn broken_challenges_do_no_harm() {
        // DISC-07
        for text in [
            "Bearer realm=\"unterminated",
            "=,=,\"",
            "Bearer ===",
            ",,,,",
            "Bearer realm=",
            "Bearer a=\"\\",
            "é Bearer scope=x",
        ] {
            let _ = read(&[Box::leak(text.to_owned().into_boxed_str())]);
        }
        let twice = read(&[r#"Bearer scope="a", scope="b""#]);
        assert_eq!(twice[0].get("scope"), Some("a"));
    }

    #[test]
    fn what_we_write_we_can_read() {
        let mut headers = HeaderMap::new();
        let challenge = BearerChallenge {
            resource_metadata: Some("https://h.example/.well-known/oauth-protected-resource/mcp".into()),
            scope: Some(ScopeSet::parse("a b").unwrap()),
            error: Some("invalid_token"),
            error_description: Some("it \"expired\"\r\n".into()),
        };
        headers.insert(WWW_AUTHENTICATE, challenge.to_header());
        let read = bearer(&headers).unwrap();
        assert_eq!(read.get("scope"), Some("a b"));
        assert_eq!(read.get("error_description"), Some("it expired"));
        assert_eq!(read.get("resource_metadata"), Some("https://h.example/.well-known/oauth-protected-resource/mcp"));
    }
}

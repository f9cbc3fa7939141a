//! What of a request and its answer may be shown. A name that is not known to be harmless hides its value, and a value that
//! was hidden once is hidden wherever else it comes up.

use base64ct::{Base64, Encoding as _};
use doorward_types::challenge;
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::secrets::Secrets;
use crate::output;

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "***";
/// The most characters of a value, and of a name.
const MOST_VALUE: usize = 400;
const MOST_NAME: usize = 60;
/// The most values of one request or answer.
const MOST_PAIRS: usize = 40;
/// The longest body that is looked into.
const MOST_BODY: usize = 256 << 10;

/// Names whose values are harmless: in queries, forms and JSON.
const HARMLESS: &[&str] = &[
    "access_type",
    "acr_values",
    "application_type",
    "audience",
    "authorization_details_types_supported",
    "authorization_endpoint",
    "authorization_response_iss_parameter_supported",
    "authorization_servers",
    "bearer_methods_supported",
    "client_assertion_type",
    "client_id",
    "client_id_metadata_document_supported",
    "client_name",
    "client_uri",
    "code_challenge_method",
    "code_challenge_methods_supported",
    "device_authorization_endpoint",
    "dpop_bound_access_tokens",
    "dpop_bound_access_tokens_required",
    "dpop_signing_alg_values_supported",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "grant_type",
    "grant_types",
    "grant_types_supported",
    "interval",
    "iss",
    "issued_token_type",
    "issuer",
    "jwks_uri",
    "prompt",
    "redirect_uri",
    "redirect_uris",
    "registration_endpoint",
    "requested_token_type",
    "require_pushed_authorization_requests",
    "resource",
    "resource_metadata",
    "response_mode",
    "response_type",
    "response_types",
    "response_types_supported",
    "revocation_endpoint",
    "scope",
    "scopes_supported",
    "software_id",
    "software_version",
    "subject_token_type",
    "token_endpoint",
    "token_endpoint_auth_method",
    "token_endpoint_auth_methods_supported",
    "token_type",
    "token_type_hint",
    "verification_uri",
];

/// Parts of the names whose values are certainly secret.
const SECRET: &[&str] = &[
    "assertion",
    "code",
    "jwt",
    "key",
    "login_hint",
    "nonce",
    "password",
    "proof",
    "secret",
    "session",
    "state",
    "ticket",
    "token",
    "verifier",
];

/// A text that may be shown and kept. Only [`Mask`] makes one, or the reading of what was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Shown(String);

impl Shown {
    fn hidden() -> Self {
        Self(HIDDEN.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) name: Shown,
    pub(crate) value: Shown,
}

/// Hides secrets, and remembers them so that they can be hidden again.
#[derive(Default)]
pub(super) struct Mask {
    secrets: Secrets,
}

impl Mask {
    /// A text that others chose, without the secrets that are known, on one line and not too long.
    pub(super) fn text(&self, text: &str) -> Shown {
        self.bounded(text, MOST_VALUE)
    }

    fn bounded(&self, text: &str, most: usize) -> Shown {
        let mut text = output::harmless(&self.secrets.hide(text));
        if let Some((end, _)) = text.char_indices().nth(most) {
            text.truncate(end);
            text.push('…');
        }
        Shown(text)
    }

    /// An address, without what could be secret in it.
    pub(super) fn url(&mut self, url: &Url) -> Shown {
        let text = self.address(url);
        self.text(&text)
    }

    fn address(&mut self, url: &Url) -> String {
        if !url.has_host() {
            return format!("{}:{HIDDEN}", url.scheme());
        }
        let mut text = format!("{}://", url.scheme());
        if !url.username().is_empty() || url.password().is_some() {
            for part in [url.username(), url.password().unwrap_or_default()] {
                self.secrets.learn(part);
            }
            text.push_str("***@");
        }
        text.push_str(url.host_str().unwrap_or_default());
        if let Some(port) = url.port() {
            text.push_str(&format!(":{port}"));
        }
        text.push_str(url.path());
        let mut separator = '?';
        for pair in self.query(url.query().unwrap_or_default()) {
            let piece = match (pair.name.as_str(), pair.value.as_str()) {
                (HIDDEN, HIDDEN) => HIDDEN.to_owned(),
                (name, value) => format!("{name}={value}").replace(' ', "+"),
            };
            text.push(separator);
            text.push_str(&piece);
            separator = '&';
        }
        if url.fragment().is_some() {
            text.push_str("#***");
        }
        text
    }

    /// The address at which a browser comes back, the end of which nobody can guess.
    pub(super) fn return_address(&mut self, text: &str) -> Shown {
        let Ok(url) = Url::parse(text) else { return Shown::hidden() };
        let hidden = url.path().rsplit_once('/').filter(|(_, last)| last.len() >= 20).map(|(start, last)| {
            self.secrets.learn(last);
            format!("{start}/{HIDDEN}")
        });
        let mut shown = url.clone();
        if let Some(path) = hidden {
            shown.set_path(&path);
        }
        self.url(&shown)
    }

    /// The query with which a browser came back.
    pub(super) fn query(&mut self, query: &str) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let pieces: Vec<_> = query.split('&').filter(|piece| !piece.is_empty()).take(MOST_PAIRS).collect();
        for piece in &pieces {
            self.learn_piece(piece);
        }
        for piece in pieces {
            let Some((name, value)) = form_urlencoded::parse(piece.as_bytes()).next() else { continue };
            if is_bare(&name, &value) {
                pairs.push(Pair { name: Shown::hidden(), value: Shown::hidden() });
            } else {
                let value = self.value(&name, &value, is_harmless(&name));
                pairs.push(self.pair(&name, value.as_deref()));
            }
        }
        pairs
    }

    /// Remembers a name and its value, both as they stand and as they are meant, unless they are harmless.
    fn learn_piece(&mut self, piece: &str) {
        let Some((name, value)) = form_urlencoded::parse(piece.as_bytes()).next() else { return };
        let (raw_name, raw_value) = piece.split_once('=').unwrap_or((piece, ""));
        if is_bare(&name, &value) {
            // The secret is what looks like a name.
            for text in [&name, raw_name, piece] {
                self.secrets.learn(text);
            }
        } else if !is_harmless(&name) {
            self.parameter(&name, &value);
            self.learn_of(&name, raw_value);
            self.secrets.learn_piece(raw_name, raw_value);
        }
    }

    /// Remembers a parameter that a person wants sent besides, which messages may hold as they were given it.
    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        if !is_harmless(name) {
            self.learn_of(name, value);
            self.secrets.learn_piece(name, value);
        }
    }

    /// What a request says, by its headers and its body.
    pub(super) fn sent(&mut self, headers: &HeaderMap, body: &[u8]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (name, value) in headers {
            let shown = match value.to_str() {
                Ok(_) if value.is_sensitive() && name != header::AUTHORIZATION => None,
                Ok(text) if *name == header::AUTHORIZATION => {
                    let (scheme, secret) = text.split_once(' ').unwrap_or(("", text));
                    self.secrets.learn(secret);
                    if scheme.eq_ignore_ascii_case("basic") {
                        self.learn_basic(secret);
                    }
                    Some(format!("{scheme} {HIDDEN}").trim().to_owned())
                }
                Ok(text) if is_harmless_header(name) => Some(text.to_owned()),
                _ => None,
            };
            if let (None, Ok(text)) = (&shown, value.to_str()) {
                self.secrets.learn(text);
            }
            pairs.push(self.pair(name.as_str(), shown.as_deref()));
        }
        pairs.extend(self.body(headers, body));
        pairs.truncate(MOST_PAIRS);
        pairs
    }

    /// What an answer says, by its headers and its body.
    pub(super) fn got(&mut self, headers: &HeaderMap, body: &[u8]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for challenge in challenge::parse_all(headers).into_iter().take(4) {
            let name = format!("www-authenticate {}", challenge.scheme);
            if challenge.parameters.is_empty() {
                pairs.push(self.pair(&name, Some("")));
            }
            for (parameter, value) in &challenge.parameters {
                let known = is_harmless(parameter) || matches!(parameter.as_str(), "realm" | "algs");
                let value = self.value(parameter, value, known);
                pairs.push(self.pair(&format!("{name} {parameter}"), value.as_deref()));
            }
        }
        for name in [header::CONTENT_TYPE, header::LOCATION, header::RETRY_AFTER] {
            for value in headers.get_all(&name).iter().filter_map(|value| value.to_str().ok()).take(2) {
                let value = self.value(name.as_str(), value, true);
                pairs.push(self.pair(name.as_str(), value.as_deref()));
            }
        }
        for name in [header::SET_COOKIE, HeaderName::from_static("dpop-nonce")] {
            if headers.contains_key(&name) {
                pairs.push(self.pair(name.as_str(), None));
            }
        }
        pairs.extend(self.body(headers, body));
        pairs.truncate(MOST_PAIRS);
        pairs
    }

    fn body(&mut self, headers: &HeaderMap, body: &[u8]) -> Vec<Pair> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if body.is_empty() || body.len() > MOST_BODY {
            return Vec::new();
        }
        if kind == "application/x-www-form-urlencoded" {
            return self.query(&String::from_utf8_lossy(body));
        }
        // What is no JSON is a page or nonsense: nothing in it has a name that could be known.
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return Vec::new() };
        // Secrets first, so that they are known wherever else they stand.
        for (name, value) in members.iter().filter(|(name, _)| !is_harmless(name)) {
            match value {
                // Sentences are no secrets.
                Value::String(text) if is_secret(name) || !text.contains(' ') => self.learn_of(name, text),
                _ => {}
            }
        }
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(items) => {
                let items: Option<Vec<_>> = items.iter().take(MOST_PAIRS).map(Value::as_str).collect();
                items.map(|items| items.join(" "))
            }
            Value::Null | Value::Object(_) => None,
        };
        let mut pairs = Vec::new();
        for (name, value) in members.iter().take(MOST_PAIRS) {
            let shown = text(value).filter(|_| is_harmless(name)).and_then(|mut text| {
                // What would be cut away in the end is not looked at.
                text.truncate(text.floor_char_boundary(2 * MOST_VALUE));
                let each: Vec<_> = text.split(' ').map(|text| self.value(name, text, true)).collect();
                each.into_iter().collect::<Option<Vec<_>>>()
            });
            pairs.push(self.pair(name, shown.map(|each| each.join(" ")).as_deref()));
        }
        pairs
    }

    fn pair(&self, name: &str, value: Option<&str>) -> Pair {
        let value = value.map_or_else(Shown::hidden, |value| self.text(value));
        Pair { name: self.bounded(name, MOST_NAME), value }
    }

    /// A value as it may be shown, if it may: of an address only what is harmless.
    fn value(&mut self, name: &str, value: &str, known: bool) -> Option<String> {
        if !known {
            return None;
        }
        if matches!(name, "redirect_uri" | "redirect_uris") {
            return Some(self.return_address(value).0);
        }
        match Url::parse(value) {
            // Byte for byte where nothing is to be hidden: issuers are compared so.
            Ok(url) if url.has_host() && !value.contains(['@', '?', '#']) => Some(value.to_owned()),
            Ok(url) if url.has_host() => Some(self.address(&url)),
            // A relative address has a query as well.
            _ if name == "location" => value.split(['?', '#']).next().map(str::to_owned),
            _ => Some(value.to_owned()),
        }
    }

    /// Remembers the value of a name that is not harmless.
    fn learn_of(&mut self, name: &str, value: &str) {
        match is_secret(name) {
            true => self.secrets.learn(value),
            false => self.secrets.learn_maybe(value),
        }
        // The page for a code has the code in it.
        if let Ok(url) = Url::parse(value) {
            for (name, value) in url.query_pairs().filter(|(name, _)| !is_harmless(name)) {
                match is_secret(&name) {
                    true => self.secrets.learn(&value),
                    false => self.secrets.learn_maybe(&value),
                }
            }
        }
    }

    /// Remembers the secret of a client that authenticates so, which is form-encoded in there.
    fn learn_basic(&mut self, encoded: &str) {
        let decoded = Base64::decode_vec(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(decoded) = decoded.map(Zeroizing::new) else { return };
        let Some((_, secret)) = decoded.split_once(':') else { return };
        self.secrets.learn(secret);
        if let Some((plain, _)) = form_urlencoded::parse(secret.as_bytes()).next() {
            self.secrets.learn(&plain);
        }
    }
}

/// A name without a value, which is a value without a name: the equals signs may be the padding of its encoding.
fn is_bare(name: &str, value: &str) -> bool {
    !is_harmless(name) && value.chars().all(|c| c == '=')
}

fn is_harmless(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

fn is_harmless_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "accept" | "content-type" | "mcp-method" | "mcp-protocol-version" | "user-agent")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CODE: &str = "SplxlOBeZQQYbYS6WxSbIA";

    fn text(pairs: &[Pair]) -> String {
        let pairs: Vec<_> =
            pairs.iter().map(|pair| format!("{}={}", pair.name.as_str(), pair.value.as_str())).collect();
        pairs.join(" ")
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_harmless_names_are_in_order() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn of_an_address_only_what_is_known_is_shown() {
        // proves: LEAK-02
        let mut mask = Mask::default();
        for (address, shown) in [
            (
                "https://as.example/authorize?response_type=code&client_id=c&state=xyzxyzxyz&code_challenge=abc&scope=a%20b",
                "https://as.example/authorize?response_type=code&client_id=c&state=***&code_challenge=***&scope=a+b",
            ),
            ("https://u:p@as.example:8443/x#access_token=1", "https://***@as.example:8443/x#***"),
            (
                "https://mcp.example/mcp?api_key=1&CODE=2&Scope=3",
                "https://mcp.example/mcp?api_key=***&CODE=***&Scope=***",
            ),
            (
                "https://as.example/a?resource=https://mcp.example/mcp?key=s3cr3t",
                "https://as.example/a?resource=https://mcp.example/mcp?key=***",
            ),
            ("data:text/plain,secret", "data:***"),
            ("https://mcp.example/mcp?0123456789abcdef", "https://mcp.example/mcp?***"),
            ("https://mcp.example/mcp?MDEyMzQ1Njc4OWFiY2Q==&scope=a", "https://mcp.example/mcp?***&scope=a"),
        ] {
            assert_eq!(mask.url(&Url::parse(address).unwrap()).as_str(), shown);
        }
        let back = "http://127.0.0.1:4000/callback/4f6Jt0pBvR1b2Qy7m3kZxA";
        assert_eq!(mask.return_address(back).as_str(), "http://127.0.0.1:4000/callback/***");
    }

    #[test]
    fn of_a_request_and_an_answer_only_what_is_known_is_shown() {
        // proves: LEAK-02, LEAK-08
        let mut mask = Mask::default();
        let form = format!("grant_type=authorization_code&code={CODE}&code_verifier=dBjftJeZ4CVP&client_id=it");
        let sent = headers(&[
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", "Basic aXQ6czNjcjN0czNjcjN0"),
            ("dpop", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"),
            ("x-api-key", "k3yk3yk3yk3y"),
        ]);
        let shown = text(&mask.sent(&sent, form.as_bytes()));
        for part in ["grant_type=authorization_code", "code=***", "client_id=it", "authorization=Basic ***", "dpop=***"]
        {
            assert!(shown.contains(part), "{part} is missing in {shown}");
        }
        let answer = json!({
            "access_token": "at-0123456789", "refresh_token": "rt-0123456789", "token_type": "Bearer",
            "expires_in": 3600, "scope": "files:read rt-0123456789", "surprise": "s-0123456789", "inner": {"a": "b"},
        });
        let got = headers(&[
            ("content-type", "application/json"),
            ("set-cookie", "sid=0123456789"),
            ("location", "/next?code=1234567890"),
            ("www-authenticate", "Bearer error=\"invalid_token\", scope=\"a\", trick=\"t-0123456789\""),
        ]);
        let shown = [shown, text(&mask.got(&got, answer.to_string().as_bytes()))].join(" ");
        for part in
            ["expires_in=3600", "scope=files:read ***", "location=/next ", "error=invalid_token", "surprise=***"]
        {
            assert!(shown.contains(part), "{part} is missing in {shown}");
        }
        // What was hidden stays hidden in words that others choose.
        let told = mask.text(&format!("no such code {CODE}; k3yk3yk3yk3y at-0123456789"));
        assert_eq!(told.as_str(), "no such code ***; *** ***");
        for secret in [CODE, "dBjftJeZ4CVP", "aXQ6", "eyJ", "k3yk", "at-01", "rt-01", "s-01", "sid=", "12345", "t-01"] {
            assert!(!shown.contains(secret), "{secret} is shown in {shown}");
        }
    }

    #[test]
    fn what_is_hidden_in_an_address_is_hidden_in_every_message_with_it() {
        // proves: LEAK-02, LEAK-08
        for (query, shown) in [
            ("auth=0123456789abcdef", "auth=***"),
            ("sig=a1", "sig=***"),
            ("pat=Abc-45678&pwd=hunter", "pat=***&pwd=***"),
            ("token=ab%2Fcd%2Bef012345", "token=***"),
            ("0123456789abcdef", "***"),
            ("MDEyMzQ1Njc4OWFiY2Q==", "***"),
            ("my+key=s3cr3t%20s3cr3t", "my+key=***"),
            ("mode=readonly&scope=read", "mode=***&scope=read"),
        ] {
            let url = Url::parse(&format!("https://mcp.example/mcp?{query}")).unwrap();
            let mut mask = Mask::default();
            assert_eq!(mask.url(&url).as_str(), format!("https://mcp.example/mcp?{shown}"));
            let told = mask.text(&format!("no answer from {url}; doorward login '{url}'"));
            let plain = format!("https://mcp.example/mcp?{shown}");
            assert_eq!(told.as_str(), format!("no answer from {plain}; doorward login '{plain}'"));
            for (name, value) in url.query_pairs().filter(|(name, _)| matches!(&**name, "auth" | "pat" | "token")) {
                assert_eq!(mask.text(&format!("{name} {value} is wrong")).as_str(), format!("{name} *** is wrong"));
            }
        }
        // Words that are common stay: they are hidden only where they stand as that value.
        let mut mask = Mask::default();
        mask.url(&Url::parse("https://mcp.example/mcp?mode=readonly&host=mcp.example&v=1&n=Ab123456").unwrap());
        let words = "readonly is no scope of mcp.example; v=12, 1 and xAb1234567 are";
        assert_eq!(mask.text(words).as_str(), words);
        assert_eq!(mask.text("v=1, Ab123456").as_str(), "v=***, ***");
        // What a person wants sent besides, and the secret that a client shows.
        mask.parameter("organization", "acme");
        mask.parameter("audience", "https://api.example");
        let hint = mask.text("doorward login --authorize-param organization=acme --authorize-param audience=a");
        assert_eq!(hint.as_str(), "doorward login --authorize-param organization=*** --authorize-param audience=a");
        mask.sent(&headers(&[("authorization", "Basic aXQ6czNjciUyRjN0czNjcjN0")]), b"");
        assert_eq!(mask.text("it: s3cr%2F3ts3cr3t, s3cr/3ts3cr3t").as_str(), "it: ***, ***");
    }

    #[test]
    fn what_others_say_is_one_short_line() {
        // proves: LEAK-05
        let mut mask = Mask::default();
        let evil = "\u{1b}[31mred\r\nsecond\u{202e}".to_owned() + &"x".repeat(9000);
        let answer = json!({ "error": "invalid_grant", "error_description": evil });
        let pairs = mask.got(&headers(&[("content-type", "application/json")]), answer.to_string().as_bytes());
        let shown = text(&pairs);
        assert!(!shown.contains(['\u{1b}', '\r', '\n', '\u{202e}']) && shown.chars().count() < 600, "{shown}");
        let many: serde_json::Map<_, _> = (0..1000).map(|n| (format!("n{n}{}", "y".repeat(200)), json!(n))).collect();
        let pairs = mask.got(&headers(&[]), Value::Object(many).to_string().as_bytes());
        assert!(
            pairs.len() <= MOST_PAIRS && pairs.iter().all(|pair| pair.name.as_str().chars().count() <= MOST_NAME + 1)
        );
        for nonsense in [&b"<html>code=abc"[..], b"[1,2]", b"\xff\xfe", b"{"] {
            assert!(mask.got(&headers(&[("content-type", "text/html")]), nonsense).len() == 1);
        }
    }
}

//! What of a request and its answer may be shown. A name that is not known to be harmless hides its value, and a value that
//! was hidden once is hidden wherever else it comes up.

use base64ct::{Base64, Encoding as _};
use doorward_types::challenge;
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{
    names::{is_harmless, is_harmless_header, is_secret},
    secrets::{HIDDEN, Secrets},
};
use crate::output;

/// The most characters of a value, and of a name.
const MOST_VALUE: usize = 400;
const MOST_NAME: usize = 60;
/// The most values of one request or answer.
const MOST_PAIRS: usize = 40;
/// The longest body that is looked into.
const MOST_BODY: usize = 256 << 10;

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
        let Ok(mut url) = Url::parse(text) else { return Shown::hidden() };
        let hidden = url.path().rsplit_once('/').filter(|(_, last)| last.len() >= 20).map(|(start, last)| {
            self.secrets.learn(last);
            format!("{start}/{HIDDEN}")
        });
        if let Some(path) = hidden {
            url.set_path(&path);
        }
        self.url(&url)
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

#[cfg(test)]
mod tests;

use doorward_types::{ResourceId, Secret, jose::dpop, secret};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::{ProofKey, proof::Occasion};

/// An access token, bound to the MCP server that it was issued for, and perhaps to a key. The only way to the token is to
/// name that server and a request to it, so it cannot be sent to another one.
///
/// Source: RFC 8707 section 2, RFC 9449 section 7.1, MCP 2026-07-28 authorization, "Access Token Usage".
#[derive(Debug)]
pub struct BearerFor {
    resource: ResourceId,
    token: Secret<secret::AccessToken>,
    key: Option<ProofKey>,
}

impl BearerFor {
    pub(crate) fn new(resource: ResourceId, token: Secret<secret::AccessToken>, key: Option<ProofKey>) -> Self {
        Self { resource, token, key }
    }

    /// The headers of one request to this server: `Authorization`, and a new proof when the token is bound to a key. Both
    /// are marked as sensitive. `None` when the token is for another server, or when the request goes to another origin.
    pub fn headers_for(&self, resource: &ResourceId, occasion: &mut Occasion<'_>) -> Option<HeaderMap> {
        if resource != &self.resource || occasion.url.origin() != resource.url().origin() {
            return None;
        }
        let scheme = if self.is_bound() { "DPoP" } else { "Bearer" };
        let mut headers = HeaderMap::new();
        let mut insert = |name: HeaderName, mut value: HeaderValue| {
            value.set_sensitive(true);
            headers.insert(name, value);
        };
        insert(AUTHORIZATION, HeaderValue::try_from(format!("{scheme} {}", self.token.expose())).ok()?);
        if let Some(key) = &self.key {
            insert(HeaderName::from_static(dpop::HEADER), key.proof(occasion, Some(&self.token)));
        }
        Some(headers)
    }

    /// Whether the token is good only with proofs of a key.
    pub fn is_bound(&self) -> bool {
        self.key.is_some()
    }

    /// The server that the token is for.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }
}

/// The nonce that a server wants in the next proof, if its answer gives one.
///
/// Source: RFC 9449 sections 8 and 9.
pub fn next_nonce(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(dpop::NONCE_HEADER).iter();
    let nonce = values.next()?.to_str().ok()?;
    let is_one = values.next().is_none() && !nonce.is_empty() && nonce.len() <= MOST_NONCE;
    (is_one && nonce.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))).then_some(nonce)
}

/// The most bytes of a nonce.
const MOST_NONCE: usize = 1024;

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    use doorward_types::{
        Timestamp,
        jose::dpop::{self, Nonces},
    };
    use http::Method;
    use url::Url;

    use super::*;
    use crate::scripted::{Counting, NOW};

    const MCP: &str = "https://h.example/mcp";

    fn id(text: &str) -> ResourceId {
        ResourceId::parse(text).unwrap()
    }

    fn bearer(key: Option<ProofKey>) -> BearerFor {
        BearerFor::new(id(MCP), Secret::parse("s3cret").unwrap(), key)
    }

    fn headers(bearer: &BearerFor, resource: &str, url: &str, nonce: Option<&str>, seed: u64) -> Option<HeaderMap> {
        let (url, mut entropy) = (Url::parse(url).unwrap(), Counting(seed));
        let mut occasion = Occasion { method: &Method::POST, url: &url, nonce, now: NOW, entropy: &mut entropy };
        bearer.headers_for(&id(resource), &mut occasion)
    }

    #[test]
    fn a_token_is_shown_to_its_own_server_only() {
        // proves: MCP-AUTH-126, MCP-AUTH-130, OA21-42, R6750-02
        for bearer in [bearer(None), bearer(Some(ProofKey::generate()))] {
            let shown = headers(&bearer, MCP, MCP, None, 1).unwrap();
            assert!(shown.values().all(HeaderValue::is_sensitive));
            for other in
                ["https://h.example/", "https://h.example/mcp/", "https://h.example/mcp2", "https://evil.example/mcp"]
            {
                assert!(headers(&bearer, other, MCP, None, 1).is_none(), "{other}");
            }
            assert!(headers(&bearer, MCP, "https://evil.example/mcp", None, 1).is_none());
            assert!(!format!("{bearer:?} {shown:?}").contains("s3cret"));
        }
        let shown = headers(&bearer(None), MCP, MCP, None, 1).unwrap();
        assert_eq!((shown.len(), &shown[AUTHORIZATION]), (1, &HeaderValue::from_static("Bearer s3cret")));
    }

    #[test]
    fn a_bound_token_comes_with_a_new_proof_for_each_request() {
        // proves: R9449-01, EXT-05, EXT-DRAFT-001
        let (key, nonces) = (ProofKey::generate(), Nonces::new(b"k", "resource"));
        let nonce = nonces.current(NOW);
        let bearer = bearer(Some(key.clone()));
        let shown = headers(&bearer, MCP, "https://h.example/mcp?x=1#y", Some(&nonce), 1).unwrap();
        assert_eq!(shown[AUTHORIZATION], "DPoP s3cret");
        let proof = shown[dpop::HEADER].to_str().unwrap();
        let (url, token) = (Url::parse(MCP).unwrap(), Secret::parse("s3cret").unwrap());
        let check = |proof: &str, method, token: &Secret<secret::AccessToken>, now: Timestamp| {
            dpop::check(proof, method, &url, Some(token), &nonces, now)
        };
        let proven = check(proof, "POST", &token, NOW).unwrap();
        assert_eq!(*proven.thumbprint(), key.thumbprint());
        // What a query says is nobody's business but the server's.
        let claims = Base64UrlUnpadded::decode_vec(proof.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["htu"], MCP);
        assert!(check(proof, "GET", &token, NOW).is_err());
        assert!(check(proof, "POST", &Secret::parse("other").unwrap(), NOW).is_err());
        let again = headers(&bearer, MCP, MCP, Some(&nonce), 2).unwrap();
        assert_ne!(again[dpop::HEADER], shown[dpop::HEADER]);
        let without = headers(&bearer, MCP, MCP, None, 3).unwrap();
        let refused = check(without[dpop::HEADER].to_str().unwrap(), "POST", &token, NOW).unwrap_err();
        assert_eq!(refused, dpop::ProofRefusal::Nonce);
    }

    #[test]
    fn a_nonce_is_taken_only_when_there_is_one_and_it_is_one() {
        // proves: R9449-09
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("DPoP-Nonce", HeaderValue::from_str(value).unwrap());
            }
            next_nonce(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["abc.-_~"]).as_deref(), Some("abc.-_~"));
        for bad in [&[][..], &[""], &["a", "b"], &["a b"], &["a\"b"], &["a\\b"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(read(&[&"a".repeat(1025)]), None);
    }
}

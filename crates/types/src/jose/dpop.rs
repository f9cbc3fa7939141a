//! DPoP: a request carries a proof, made for it alone, that its sender holds a private key.
//!
//! The proof is judged here without a store. Whether it was used before is asked of [`ProvenKey::proof`] by whoever
//! keeps what was used: the authorization server in its rows, a resource server in its memory.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest, hmac};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Jwk, JwsRefusal, Thumbprint, VerifyingKey, verify::Compact};
use crate::{
    Digest, Secret, Timestamp,
    secret::{AccessToken, UsedOnce},
};

/// The algorithms that a proof may be signed with, by their registered names. None of them is symmetric.
///
/// Source: RFC 9449 section 5.1.
pub const ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];

/// How far a proof's `iat` may be from our clock, either way.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

/// The name of the request header, and of its answer's header with the next nonce.
pub const HEADER: &str = "dpop";
/// The answer's header with the nonce that the next proof must hold.
pub const NONCE_HEADER: &str = "dpop-nonce";

/// The longest proof that is read, in bytes.
const MOST_BYTES: usize = 8 * 1024;

/// Why a proof does not count. None of it tells more than the sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// More than one `DPoP` header.
    #[error("there is more than one DPoP header")]
    Several,
    /// Not a signed token of this kind.
    #[error("the DPoP proof is not valid: {0}")]
    Jws(#[from] JwsRefusal),
    /// Its key is missing, private, symmetric, weak, or not for the algorithm.
    #[error("the DPoP proof's jwk is not a public key for one of the supported algorithms")]
    Key,
    /// A claim is missing or of the wrong type.
    #[error("the DPoP proof lacks a claim, or one has the wrong type")]
    Claims,
    /// It was made for another method.
    #[error("the DPoP proof's htm is not the method of this request")]
    Method,
    /// It was made for another URL.
    #[error("the DPoP proof's htu is not the URL of this request")]
    Url,
    /// It is too old, or made in the future.
    #[error("the DPoP proof's iat is more than five minutes from now")]
    Time,
    /// It is not about the token that came with it.
    #[error("the DPoP proof's ath is not the digest of the access token")]
    Token,
    /// It has no nonce of ours, or an old one.
    #[error("the DPoP proof needs the nonce of the DPoP-Nonce header")]
    Nonce,
    /// It was used before.
    #[error("the DPoP proof was used before")]
    Used,
}

impl ProofRefusal {
    /// The code on the wire.
    ///
    /// Source: RFC 9449 sections 5, 7.1, 8 and 9.
    pub const fn error(self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            _ => "invalid_dpop_proof",
        }
    }
}

/// Makes and recognises the nonces of one server without keeping any: each is an HMAC over a slice of time. All nodes
/// that share the key know each other's nonces.
///
/// Source: RFC 9449 section 8.
pub struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// How long one nonce is given out. It is accepted as long again.
    pub const SLICE: Duration = Duration::from_secs(SLICE_SECONDS.unsigned_abs());

    /// The nonces under a key. `place` parts the nonces of authorization server and resource.
    pub fn new(key: &[u8], place: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let part = hmac::sign(&key, format!("dpop nonce {place}").as_bytes());
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, part.as_ref()) }
    }

    /// The nonce to use now.
    pub fn current(&self, now: Timestamp) -> String {
        self.of(slice(now))
    }

    fn of(&self, slice: i64) -> String {
        let tag = hmac::sign(&self.key, &slice.to_be_bytes());
        Base64UrlUnpadded::encode_string(&tag.as_ref()[..18])
    }

    /// Until when `nonce` is accepted, if it is: one of this slice of time or the one before. One slice ahead is good too:
    /// a node's clock may be fast.
    fn accepts(&self, nonce: &str, now: Timestamp) -> Option<Timestamp> {
        let now = slice(now);
        let known = [now, now.saturating_sub(1), now.saturating_add(1)];
        let found = known.into_iter().find(|slice| {
            constant_time::verify_slices_are_equal(self.of(*slice).as_bytes(), nonce.as_bytes()).is_ok()
        })?;
        Some(Timestamp::from_unix(found.saturating_add(2).saturating_mul(SLICE_SECONDS)))
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<nonces>")
    }
}

const SLICE_SECONDS: i64 = 120;

fn slice(moment: Timestamp) -> i64 {
    moment.as_unix().div_euclid(SLICE_SECONDS)
}

/// A key that the sender of a request proved to hold. Only [`check`] makes one.
#[derive(Debug)]
pub struct ProvenKey {
    thumbprint: Thumbprint,
    proof: Digest<UsedOnce>,
    until: Timestamp,
}

impl ProvenKey {
    /// The key's thumbprint.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Names the proof: who has seen it before must refuse it.
    pub fn proof(&self) -> Digest<UsedOnce> {
        self.proof
    }

    /// Until when the proof would be taken again, and must be remembered.
    pub fn until(&self) -> Timestamp {
        self.until
    }
}

/// The one proof of a request, if there is any.
///
/// # Errors
/// When there is more than one, or it is not ASCII.
/// Source: RFC 9449 section 4.3, check 1.
pub fn presented(headers: &HeaderMap) -> Result<Option<&str>, ProofRefusal> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ProofRefusal::Several);
    }
    value.to_str().map(Some).map_err(|_| JwsRefusal::Malformed.into())
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    nonce: Option<String>,
    ath: Option<String>,
}

/// Judges a proof for a request with this method to this URL; with an access token, it must be about that token too.
/// What says nothing about the request is judged first, the nonce last: so a proof that only lacks it gets it.
///
/// # Errors
/// Names the first check that failed.
/// Source: RFC 9449 section 4.3.
pub fn check(
    proof: &str,
    method: &str,
    url: &Url,
    token: Option<&Secret<AccessToken>>,
    nonces: &Nonces,
    now: Timestamp,
) -> Result<ProvenKey, ProofRefusal> {
    if proof.len() > MOST_BYTES {
        return Err(JwsRefusal::Malformed.into());
    }
    let compact = Compact::read(proof)?;
    if !compact.is_of_type("dpop+jwt") {
        return Err(JwsRefusal::Type.into());
    }
    let (key, thumbprint) = embedded_key(&compact)?;
    let verified = compact.verify(&key)?;
    let claims: Claims =
        serde_json::from_value(Value::Object(verified.claims().clone())).map_err(|_| ProofRefusal::Claims)?;
    if claims.htm != method {
        return Err(ProofRefusal::Method);
    }
    if !is_same(&claims.htu, url) {
        return Err(ProofRefusal::Url);
    }
    let iat = Timestamp::from_unix(claims.iat);
    if now.since(iat) > WINDOW || iat.since(now) > WINDOW {
        return Err(ProofRefusal::Time);
    }
    let ath = token.map(|token| {
        let digest = digest::digest(&digest::SHA256, token.expose().as_bytes());
        Base64UrlUnpadded::encode_string(digest.as_ref())
    });
    if ath.is_some() && ath != claims.ath {
        return Err(ProofRefusal::Token);
    }
    if claims.jti.is_empty() || claims.jti.len() > 512 {
        return Err(ProofRefusal::Claims);
    }
    let name = Secret::<UsedOnce>::parse(format!("dpop {} {}", thumbprint.as_str(), claims.jti))
        .map_err(|_| ProofRefusal::Claims)?;
    let nonce = claims.nonce.and_then(|nonce| nonces.accepts(&nonce, now)).ok_or(ProofRefusal::Nonce)?;
    let until = nonce.min(iat.plus(WINDOW).plus(Duration::from_secs(1)));
    Ok(ProvenKey { thumbprint, proof: name.digest(), until })
}

/// The key in a proof's header, with the algorithm that the header names if the key is of that kind.
fn embedded_key(compact: &Compact<'_>) -> Result<(VerifyingKey, Thumbprint), ProofRefusal> {
    /// Members of private and symmetric keys (RFC 7518 section 6).
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let header = compact.header();
    let alg = header.get("alg").and_then(Value::as_str).filter(|alg| ALGORITHMS.contains(alg));
    let alg = alg.ok_or(JwsRefusal::Algorithm)?;
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(ProofRefusal::Key)?;
    if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err(ProofRefusal::Key);
    }
    let mut jwk: Jwk = serde_json::from_value(Value::Object(jwk.clone())).map_err(|_| ProofRefusal::Key)?;
    jwk.alg.get_or_insert_with(|| alg.to_owned());
    let key = VerifyingKey::from_jwk(&jwk).ok_or(ProofRefusal::Key)?;
    let thumbprint = jwk.thumbprint().ok_or(ProofRefusal::Key)?;
    Ok((key, thumbprint))
}

/// Whether `htu` names the URL, both without query and fragment and after normalising.
///
/// Source: RFC 9449 section 4.3, check 9; RFC 3986 sections 6.2.2 and 6.2.3.
fn is_same(htu: &str, url: &Url) -> bool {
    let plain = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'\\';
    if htu.len() > crate::web_url::MOST_BYTES || !htu.bytes().all(plain) {
        return false;
    }
    let Ok(named) = Url::parse(htu) else { return false };
    named.username().is_empty() && named.password().is_none() && normal(named) == normal(url.clone())
}

/// The parser has already lowered scheme and host, left out the default port and resolved the dots.
fn normal(mut url: Url) -> String {
    url.set_query(None);
    url.set_fragment(None);
    let mut out = String::new();
    let mut rest = url.as_str();
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => {
                out.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;

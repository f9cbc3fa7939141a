use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};

use super::{KeySet, VerifyingKey};

/// Why a token's signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsRefusal {
    /// Not three parts of strict base64url, or not strict JSON objects in the first two.
    #[error("it is not a signed token in compact form")]
    Malformed,
    /// Another `typ` than wanted: a token made for another purpose.
    #[error("its typ is not the one of this kind of token")]
    Type,
    /// A header that changes how the token must be read (`crit`, `b64`).
    #[error("its header asks for an extension that is not supported")]
    Critical,
    /// A key that the issuer does not publish.
    #[error("it is signed with a key that the issuer does not publish")]
    UnknownKey,
    /// The header names another algorithm than the key's.
    #[error("its algorithm is not the one of the key")]
    Algorithm,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
}

/// The claims of a token whose signature was verified. Only [`verify`] makes one.
#[derive(Debug)]
pub struct Verified {
    claims: Map<String, Value>,
}

impl Verified {
    /// The claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

/// A compact JWS that was taken apart, with nothing of it to be believed yet.
pub(super) struct Compact<'a> {
    header: Map<String, Value>,
    /// What is signed: header and payload as they were sent.
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Takes a token apart. A header that changes how it must be read is refused.
    pub(super) fn read(token: &'a str) -> Result<Self, JwsRefusal> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsRefusal::Malformed);
        };
        let message = &token[..header.len() + 1 + payload.len()];
        let header = object(header)?;
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(JwsRefusal::Critical);
        }
        Ok(Self { header, message, payload, signature })
    }

    /// Its header.
    pub(super) fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// Whether the header says `typ`; an `application/` before it and the case are ignored.
    pub(super) fn is_of_type(&self, typ: &str) -> bool {
        let found = self.header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        found.strip_prefix("application/").unwrap_or(&found) == typ
    }

    /// Verifies the signature with this key and its algorithm.
    pub(super) fn verify(&self, key: &VerifyingKey) -> Result<Verified, JwsRefusal> {
        if !self.header.get("alg").and_then(Value::as_str).is_some_and(|alg| key.algorithm().is_named(alg)) {
            return Err(JwsRefusal::Algorithm);
        }
        if !key.verifies(self.message.as_bytes(), &decode(self.signature)?) {
            return Err(JwsRefusal::Signature);
        }
        Ok(Verified { claims: object(self.payload)? })
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwsRefusal> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| JwsRefusal::Malformed)
}

fn object(part: &str) -> Result<Map<String, Value>, JwsRefusal> {
    match crate::json::parse(&decode(part)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(JwsRefusal::Malformed),
    }
}

/// What a token says of itself in one text claim: to know whose keys to load, and not to be believed before [`verify`].
pub fn claimed(token: &str, claim: &str) -> Option<String> {
    let payload = object(Compact::read(token).ok()?.payload).ok()?;
    Some(payload.get(claim)?.as_str()?.to_owned())
}

/// Verifies a compact JWS against an issuer's keys. `typ` is what the header must say; an `application/`
/// before it and the case are ignored.
///
/// # Errors
/// Names the first check that failed.
/// Source: RFC 7515 section 5.2, RFC 8725 section 3.
pub fn verify(token: &str, keys: &KeySet, typ: &str) -> Result<Verified, JwsRefusal> {
    verify_typed(token, keys, |found| found == Some(typ))
}

/// As [`verify`], for a kind of token whose `typ` may be left out: `accepts` is asked with what the header says, in lower
/// case and without `application/` before it. All other checks are the same.
///
/// # Errors
/// Names the first check that failed.
pub fn verify_typed(
    token: &str,
    keys: &KeySet,
    accepts: impl Fn(Option<&str>) -> bool,
) -> Result<Verified, JwsRefusal> {
    let compact = Compact::read(token)?;
    let found = match compact.header().get("typ") {
        None => None,
        Some(Value::String(text)) => Some(text.to_ascii_lowercase()),
        Some(_) => return Err(JwsRefusal::Type),
    };
    if !accepts(found.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ))) {
        return Err(JwsRefusal::Type);
    }
    let kid = match compact.header().get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= 256 => Some(kid.as_str()),
        Some(_) => return Err(JwsRefusal::UnknownKey),
    };
    compact.verify(keys.select(kid).ok_or(JwsRefusal::UnknownKey)?)
}

#[cfg(test)]
mod tests;

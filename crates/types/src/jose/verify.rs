use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};

use super::KeySet;

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

/// Verifies a compact JWS against an issuer's keys. `typ` is what the header must say; an `application/`
/// before it and the case are ignored.
///
/// # Errors
/// Names the first check that failed.
/// Source: RFC 7515 section 5.2, RFC 8725 section 3.
pub fn verify(token: &str, keys: &KeySet, typ: &str) -> Result<Verified, JwsRefusal> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsRefusal::Malformed);
    };
    let decode = |part: &str| Base64UrlUnpadded::decode_vec(part).map_err(|_| JwsRefusal::Malformed);
    let object = |part: &str| match crate::json::parse(&decode(part)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(JwsRefusal::Malformed),
    };
    let fields = object(header)?;
    if fields.contains_key("crit") || fields.contains_key("b64") {
        return Err(JwsRefusal::Critical);
    }
    let found = fields.get("typ").and_then(Value::as_str).ok_or(JwsRefusal::Type)?.to_ascii_lowercase();
    if found.strip_prefix("application/").unwrap_or(&found) != typ {
        return Err(JwsRefusal::Type);
    }
    let kid = match fields.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= 256 => Some(kid.as_str()),
        Some(_) => return Err(JwsRefusal::UnknownKey),
    };
    let key = keys.select(kid).ok_or(JwsRefusal::UnknownKey)?;
    if fields.get("alg").and_then(Value::as_str) != Some(key.algorithm().as_str()) {
        return Err(JwsRefusal::Algorithm);
    }
    let message = &token[..header.len() + 1 + payload.len()];
    if !key.verifies(message.as_bytes(), &decode(signature)?) {
        return Err(JwsRefusal::Signature);
    }
    Ok(Verified { claims: object(payload)? })
}

//! The private key that a client signs its assertions with, as its owner keeps it.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Algorithm;

/// The most bytes of a key file.
pub const MOST_KEY_BYTES: usize = 64 * 1024;

/// A private key with the one algorithm that it signs with. It is read from PEM (PKCS#8, PKCS#1 or SEC1) or from a JWK.
#[derive(Clone)]
pub struct ClientKey {
    pair: Arc<Pair>,
    algorithm: Algorithm,
    kid: Option<String>,
    /// As it was read.
    text: Zeroizing<String>,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// Why a text is not a key that can be used. None of it tells anything of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClientKey {
    /// Neither PEM nor JSON.
    #[error("it is neither a PEM file nor a JWK")]
    Form,
    /// A public key.
    #[error("it is a public key, and the private one is needed")]
    Public,
    /// Under a passphrase.
    #[error("it is under a passphrase: write it without one, for example with openssl pkcs8 -topk8 -nocrypt")]
    Sealed,
    /// A kind that is not used here.
    #[error("it is not a key for ES256 (P-256), EdDSA (Ed25519), RS256 or PS256 (RSA of at least 2048 bits)")]
    Kind,
    /// The algorithm that was named is not one of the key's.
    #[error("the key cannot sign with the algorithm that was named")]
    Algorithm,
}

/// A private key as it is stored: for sealed storage only.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientKeyRecord {
    text: String,
    algorithm: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
}

/// A secret part of a JWK.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Part(Zeroizing<String>);

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Part>,
    n: Option<String>,
    e: Option<String>,
    p: Option<Part>,
    q: Option<Part>,
    dp: Option<Part>,
    dq: Option<Part>,
    qi: Option<Part>,
}

impl ClientKey {
    /// Reads a key. A JWK's `alg` and `kid` count; an RSA key without `alg` signs RS256.
    ///
    /// # Errors
    /// Says why it cannot be used.
    /// Source: RFC 7468, RFC 7517, RFC 7518 section 6.
    pub fn parse(text: &str) -> Result<Self, BadClientKey> {
        let text = Zeroizing::new(text.trim().to_owned());
        if text.len() > MOST_KEY_BYTES {
            return Err(BadClientKey::Form);
        }
        let (pair, alg, kid) = if text.starts_with('{') { from_jwk(&text)? } else { (from_pem(&text)?, None, None) };
        let algorithm = match &pair {
            Pair::P256(_) => Algorithm::Es256,
            Pair::Ed25519(_) => Algorithm::EdDsa,
            Pair::Rsa(pair) if pair.public_modulus_len() < 256 => return Err(BadClientKey::Kind),
            Pair::Rsa(_) => Algorithm::Rs256,
        };
        let key = Self { pair: Arc::new(pair), algorithm, kid, text };
        match alg {
            Some(alg) => key.signing(&alg),
            None => Ok(key),
        }
    }

    /// The same key for the algorithm of this name.
    ///
    /// # Errors
    /// When the key is not for it.
    pub fn signing(self, name: &str) -> Result<Self, BadClientKey> {
        let fits = match *self.pair {
            Pair::P256(_) => [Algorithm::Es256].as_slice(),
            Pair::Ed25519(_) => &[Algorithm::EdDsa],
            Pair::Rsa(_) => &[Algorithm::Rs256, Algorithm::Ps256],
        };
        let algorithm = fits.iter().copied().find(|algorithm| algorithm.is_named(name));
        Ok(Self { algorithm: algorithm.ok_or(BadClientKey::Algorithm)?, ..self })
    }

    /// The same key under the name that its public half is published under.
    #[must_use]
    pub fn named(self, kid: impl Into<String>) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's name, when it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Signs `claims` into a compact JWS whose header says `typ`.
    ///
    /// Source: RFC 7515 section 7.1.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'a str>,
            typ: &'a str,
        }
        let part = |json: Vec<u8>| Base64UrlUnpadded::encode_string(&json);
        let header = Header { alg: self.algorithm.as_str(), kid: self.kid(), typ };
        let header = part(serde_json::to_vec(&header).expect("a header serialises"));
        let claims = part(serde_json::to_vec(claims).expect("claims serialise"));
        let message = format!("{header}.{claims}");
        let signature = Base64UrlUnpadded::encode_string(&self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::P256(pair) => pair.sign(&random, message).expect("the generator works").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &'static dyn signature::RsaEncoding = match self.algorithm {
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut bytes = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut bytes).expect("a key that was read signs");
                bytes
            }
        }
    }

    /// The stored form, with the key in plain text: for sealed storage only.
    pub fn to_stored(&self) -> ClientKeyRecord {
        let (text, algorithm) = (self.text.to_string(), self.algorithm.as_str().to_owned());
        ClientKeyRecord { text, algorithm, kid: self.kid.clone() }
    }

    /// Reads the stored form; the key is judged again.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_stored(record: ClientKeyRecord) -> Result<Self, BadClientKey> {
        let key = Self::parse(&Zeroizing::new(record.text))?.signing(&record.algorithm)?;
        Ok(Self { kid: record.kid, ..key })
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<client key for {}>", self.algorithm.as_str())
    }
}

fn from_pem(text: &str) -> Result<Pair, BadClientKey> {
    let begin = text.find("-----BEGIN ").ok_or(BadClientKey::Form)?;
    // Parameters of a curve may stand before the key itself.
    let begin = text[begin..].find("PRIVATE KEY-----").map_or(begin, |key| {
        let before = &text[..begin + key];
        before.rfind("-----BEGIN ").unwrap_or(begin)
    });
    let rest = &text[begin + "-----BEGIN ".len()..];
    let (label, rest) = rest.split_once("-----").ok_or(BadClientKey::Form)?;
    let (body, _) = rest.split_once("-----END ").ok_or(BadClientKey::Form)?;
    if label.contains("PUBLIC KEY") || label.contains("CERTIFICATE") {
        return Err(BadClientKey::Public);
    }
    if label.starts_with("ENCRYPTED") || body.contains("ENCRYPTED") {
        return Err(BadClientKey::Sealed);
    }
    let body = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
    let der = Zeroizing::new(Base64::decode_vec(&body).map_err(|_| BadClientKey::Form)?);
    let p256 = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = match label {
        "PRIVATE KEY" => EcdsaKeyPair::from_pkcs8(p256, &der)
            .map(Pair::P256)
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Pair::Ed25519))
            .or_else(|_| RsaKeyPair::from_pkcs8(&der).map(Pair::Rsa)),
        "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(p256, &der).map(Pair::P256),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).map(Pair::Rsa),
        _ => return Err(BadClientKey::Kind),
    };
    pair.map_err(|_| BadClientKey::Kind)
}

fn from_jwk(text: &str) -> Result<(Pair, Option<String>, Option<String>), BadClientKey> {
    let jwk: PrivateJwk = serde_json::from_str(text).map_err(|_| BadClientKey::Form)?;
    let bytes = |part: Option<&str>| {
        let text = part.ok_or(BadClientKey::Kind)?;
        Base64UrlUnpadded::decode_vec(text).map(Zeroizing::new).map_err(|_| BadClientKey::Form)
    };
    let secret = |part: &Option<Part>| bytes(part.as_ref().map(|part| part.0.as_str()));
    if jwk.d.is_none() && jwk.kty != "oct" {
        return Err(BadClientKey::Public);
    }
    let d = secret(&jwk.d)?;
    let pair = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => {
            let point = [&[4][..], &bytes(jwk.x.as_deref())?, &bytes(jwk.y.as_deref())?].concat();
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &d, &point).map(Pair::P256)
        }
        ("OKP", Some("Ed25519")) => {
            Ed25519KeyPair::from_seed_and_public_key(&d, &bytes(jwk.x.as_deref())?).map(Pair::Ed25519)
        }
        ("RSA", _) => {
            let (n, e) = (bytes(jwk.n.as_deref())?, bytes(jwk.e.as_deref())?);
            let (p, q) = (secret(&jwk.p)?, secret(&jwk.q)?);
            let (dp, dq, qi) = (secret(&jwk.dp)?, secret(&jwk.dq)?, secret(&jwk.qi)?);
            let numbers = [&[0][..], &n, &e, &d, &p, &q, &dp, &dq, &qi];
            RsaKeyPair::from_der(&pkcs1(&numbers)).map(Pair::Rsa)
        }
        _ => return Err(BadClientKey::Kind),
    };
    Ok((pair.map_err(|_| BadClientKey::Kind)?, jwk.alg, jwk.kid))
}

/// The DER form of an RSA private key from its numbers, version first.
///
/// Source: RFC 8017 appendix A.1.2.
fn pkcs1(numbers: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    fn element(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
        out.push(tag);
        let length = content.len().to_be_bytes();
        let length = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
        if content.len() > 127 {
            out.push(0x80 | u8::try_from(length.len()).expect("a length has at most eight bytes"));
        }
        out.extend_from_slice(length);
        out.extend_from_slice(content);
    }
    let mut inside = Zeroizing::new(Vec::with_capacity(8192));
    for number in numbers {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len().saturating_sub(1));
        let mut content = Zeroizing::new(Vec::with_capacity(number.len() + 1));
        // A leading bit would make it negative.
        if number.get(start).is_some_and(|first| first & 0x80 != 0) {
            content.push(0);
        }
        content.extend_from_slice(&number[start..]);
        element(&mut inside, 2, &content);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(inside.len() + 8));
    element(&mut out, 0x30, &inside);
    out
}

#[cfg(test)]
mod tests;

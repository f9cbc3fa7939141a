use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Jwk, VerifyingKey};

/// A P-256 key pair that signs with ES256, parsed once. Its name is its RFC 7638 thumbprint.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: Jwk,
    kid: String,
}

/// A stored key that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key is not a P-256 private key in PKCS#8")]
pub struct BadKey;

impl SigningKey {
    /// Makes a new key pair. This and the per-signature nonce are the two places where the
    /// cryptographic library draws its own randomness.
    pub fn generate() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("the system's generator works");
        Self::from_pkcs8(document.as_ref()).expect("a key that was just made can be read")
    }

    /// Reads a key pair.
    ///
    /// # Errors
    /// When the bytes are not a P-256 key pair in PKCS#8.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, BadKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).map_err(|_| BadKey)?;
        let point = pair.public_key().as_ref();
        let (x, y) =
            (Base64UrlUnpadded::encode_string(&point[1..33]), Base64UrlUnpadded::encode_string(&point[33..65]));
        let public = Jwk {
            kty: "EC".into(),
            kid: None,
            usage: Some("sig".into()),
            alg: Some("ES256".into()),
            crv: Some("P-256".into()),
            x: Some(x),
            y: Some(y),
            n: None,
            e: None,
        };
        let kid: String = public.thumbprint().ok_or(BadKey)?.into();
        let public = Jwk { kid: Some(kid.clone()), ..public };
        Ok(Self { pair, pkcs8: Zeroizing::new(bytes.to_vec()), public, kid })
    }

    /// The key pair, to be sealed and stored.
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as it is published.
    pub fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    /// The public half as it verifies.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::from_jwk(&self.public).expect("our own public key is well-formed")
    }

    /// Signs `claims` into a compact JWS whose header says `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'static str,
            kid: &'a str,
            typ: &'a str,
        }
        self.sign_under(&Header { alg: "ES256", kid: &self.kid, typ }, claims)
    }

    /// Signs `claims` under a header that the caller made in full: for a DPoP proof, whose header holds the key itself.
    pub fn sign_under(&self, header: &impl Serialize, claims: &impl Serialize) -> String {
        let part = |json: Vec<u8>| Base64UrlUnpadded::encode_string(&json);
        let header = part(serde_json::to_vec(header).expect("a header serialises"));
        let payload = part(serde_json::to_vec(claims).expect("claims serialise"));
        let message = format!("{header}.{payload}");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("the system's generator works");
        format!("{message}.{}", Base64UrlUnpadded::encode_string(signature.as_ref()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<signing key {}>", self.kid)
    }
}

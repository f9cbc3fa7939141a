//! The key that tokens are bound to, and the proofs that it is held.

use std::{fmt, sync::Arc};

use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{
    Entropy, Secret, Timestamp,
    jose::{Jwk, SigningKey, Thumbprint},
    secret::AccessToken,
};
use http::HeaderValue;
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

/// The algorithm that proofs are signed with, by its registered name.
pub(crate) const ALGORITHM: &str = "ES256";

/// One login's own key. Its tokens are bound to it, and every request that shows one of them carries a new proof.
///
/// Source: RFC 9449 section 4.
#[derive(Clone)]
pub struct ProofKey(Arc<SigningKey>);

/// What a proof is made for and with.
pub struct Occasion<'a> {
    /// The request's method.
    pub method: &'a http::Method,
    /// The request's URL. Query and fragment are left out of the proof.
    pub url: &'a Url,
    /// The newest nonce of the server that the request goes to.
    pub nonce: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
    /// Where the proof's name comes from.
    pub entropy: &'a mut dyn Entropy,
}

impl ProofKey {
    /// Makes a new key.
    pub fn generate() -> Self {
        Self(Arc::new(SigningKey::generate()))
    }

    /// The thumbprint that tokens are bound to.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::parse(self.0.kid()).expect("the key is named by its thumbprint")
    }

    /// A proof for one request, about the token that it shows if it shows one.
    ///
    /// Source: RFC 9449 section 4.2.
    pub(crate) fn proof(&self, occasion: &mut Occasion<'_>, token: Option<&Secret<AccessToken>>) -> HeaderValue {
        #[derive(Serialize)]
        struct Header {
            typ: &'static str,
            alg: &'static str,
            jwk: Jwk,
        }
        #[derive(Serialize)]
        struct Claims<'a> {
            jti: String,
            htm: &'a str,
            htu: String,
            iat: i64,
            #[serde(skip_serializing_if = "Option::is_none")]
            ath: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            nonce: Option<&'a str>,
        }
        let mut url = occasion.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let ath = token.map(|token| token.digest().to_text());
        let claims = Claims {
            jti: name(occasion.entropy),
            htm: occasion.method.as_str(),
            htu: url.into(),
            iat: occasion.now.as_unix(),
            ath,
            nonce: occasion.nonce,
        };
        // The bare key: what it is used for and called is no part of it.
        let jwk = Jwk { kid: None, usage: None, alg: None, ..self.0.public_jwk().clone() };
        let proof = self.0.sign_under(&Header { typ: "dpop+jwt", alg: ALGORITHM, jwk }, &claims);
        HeaderValue::try_from(proof).expect("a compact JWS is visible ASCII")
    }

    /// The stored form, with the key in plain text: for sealed storage only.
    pub(crate) fn to_stored(&self) -> String {
        Base64UrlUnpadded::encode_string(self.0.to_pkcs8())
    }

    pub(crate) fn from_stored(text: &str) -> Result<Self, String> {
        let bytes = Base64UrlUnpadded::decode_vec(text).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| "the key of the tokens cannot be read")?;
        Ok(Self(Arc::new(SigningKey::from_pkcs8(&bytes).map_err(|error| error.to_string())?)))
    }
}

/// A name that no other proof or assertion has.
pub(crate) fn name(entropy: &mut dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    Base64UrlUnpadded::encode_string(&bytes)
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<proof key {}>", self.0.kid())
    }
}

impl fmt::Debug for Occasion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

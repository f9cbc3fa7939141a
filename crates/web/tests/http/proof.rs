//! A client's key, and proofs that it holds it.

use doorward_types::jose::SigningKey;
use serde_json::{Value, json};

use crate::world::{Answer, World, now};

/// A key of a client's own.
pub(crate) struct Holder {
    pub(crate) key: SigningKey,
}

impl Holder {
    pub(crate) fn new() -> Self {
        Self { key: SigningKey::generate() }
    }

    /// A right proof for the token endpoint but for a change of its claims.
    pub(crate) fn proof(&self, world: &World, nonce: &str, jti: &str, change: impl Fn(&mut Value)) -> String {
        let jwk = self.key.public_jwk();
        let header = json!({
            "typ": "dpop+jwt", "alg": "ES256",
            "jwk": {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y},
        });
        let mut claims = json!({
            "jti": jti, "htm": "POST", "htu": format!("{}/oauth/token", world.origin), "iat": now(), "nonce": nonce,
        });
        change(&mut claims);
        self.key.sign_under(&header, &claims)
    }
}

/// The nonce that an answer gives for the next proof.
#[track_caller]
pub(crate) fn nonce(answer: &Answer) -> String {
    answer.header("dpop-nonce").unwrap_or_else(|| panic!("no nonce: {answer:?}")).to_owned()
}

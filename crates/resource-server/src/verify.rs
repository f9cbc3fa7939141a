use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use doorward_types::{
    Digest, Issuer, Secret, Timestamp,
    jose::{self, AccessTokenClaims, KeySet},
    secret::AccessToken,
};
use serde_json::Value;

use crate::Refusal;

/// A token that its issuer signed and whose claims are well-formed. Whether it is meant for this
/// resource, still good and broad enough is decided by [`admit`](crate::Guard::admit), which takes it by move.
#[derive(Debug)]
pub struct Verified {
    pub(crate) claims: Arc<AccessTokenClaims>,
}

/// Verifies the access tokens of one issuer.
pub struct Verifier {
    issuer: Issuer,
    keys: KeySet,
    // A signature does not change: what was verified once is remembered by the token's digest.
    seen: Mutex<HashMap<Digest<AccessToken>, Arc<AccessTokenClaims>>>,
}

/// How many verified tokens are remembered.
const MOST_SEEN: usize = 10_000;

impl Verifier {
    /// A verifier of tokens that `issuer` signed with one of `keys`.
    pub fn new(issuer: Issuer, keys: KeySet) -> Self {
        Self { issuer, keys, seen: Mutex::default() }
    }

    /// Verifies signature, type, issuer and the form of the claims.
    ///
    /// # Errors
    /// Names the first check that failed.
    /// Source: RFC 9068 section 4.
    pub fn verify(&self, token: &Secret<AccessToken>, now: Timestamp) -> Result<Verified, Refusal> {
        let digest = token.digest();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(claims) = seen {
            return Ok(Verified { claims });
        }
        let verified = jose::verify(token.expose(), &self.keys, AccessTokenClaims::TYP)?;
        let claims: AccessTokenClaims =
            serde_json::from_value(Value::Object(verified.claims().clone())).map_err(|_| Refusal::Claims)?;
        if claims.iss != self.issuer {
            return Err(Refusal::Issuer);
        }
        if claims.sub.is_empty() || claims.jti.is_empty() {
            return Err(Refusal::Claims);
        }
        let claims = Arc::new(claims);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_SEEN {
            seen.retain(|_, claims| claims.exp > now);
            if seen.len() >= MOST_SEEN {
                seen.clear();
            }
        }
        seen.insert(digest, claims.clone());
        Ok(Verified { claims })
    }
}

#[cfg(test)]
mod tests;

//! Access tokens of our own that come back to us: to be revoked, exchanged or asked about.

use doorward_types::jose::{self, AccessTokenClaims, KeySet};
use serde_json::Value;

use crate::Policy;

/// The claims of an access token that we signed, expired or not.
pub(crate) fn claims(policy: &Policy, keys: &KeySet, token: &str) -> Option<AccessTokenClaims> {
    let verified = jose::verify(token, keys, AccessTokenClaims::TYP).ok()?;
    let claims = serde_json::from_value(Value::Object(verified.claims().clone())).ok();
    claims.filter(|claims: &AccessTokenClaims| claims.iss == policy.issuer)
}

use serde::{Deserialize, Serialize};

use crate::{ClientId, Issuer, ResourceId, ScopeSet, Timestamp};

/// The claims of an access token that this project issues (`at+jwt`).
///
/// Source: RFC 9068 section 2.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// The account on whose behalf it acts.
    pub sub: String,
    /// The one resource it is good at. Never a list.
    pub aud: ResourceId,
    /// The client that holds it.
    pub client_id: ClientId,
    /// What it allows.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// When it was issued.
    pub iat: Timestamp,
    /// From when on it is refused.
    pub exp: Timestamp,
    /// Its own name.
    pub jti: String,
    /// The grant it belongs to; revoking the grant ends the token before `exp`.
    pub gid: String,
}

impl AccessTokenClaims {
    /// The `typ` of the token's header.
    pub const TYP: &'static str = "at+jwt";
}

use serde::{Deserialize, Serialize};

use crate::{ClientId, Issuer, ResourceId, ScopeSet, Timestamp, jose::Thumbprint};

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
    /// The key that its holder must prove to have; none for a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts for the subject, when that is not the client that the access was given to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// Who acts for the subject of a token; inside it, on whose tokens that rests. Only the outermost one is to be judged.
///
/// Source: RFC 8693 section 4.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The acting client.
    pub sub: String,
    /// The one that acted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

impl Actor {
    /// How many actors stand one inside the other, this one counted.
    pub fn depth(&self) -> usize {
        1 + self.act.as_ref().map_or(0, |act| act.depth())
    }
}

/// What binds a token to its holder's key.
///
/// Source: RFC 7800 section 3, RFC 9449 section 6.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The thumbprint of the holder's DPoP key.
    pub jkt: Thumbprint,
}

impl AccessTokenClaims {
    /// The `typ` of the token's header.
    pub const TYP: &'static str = "at+jwt";
}

//! Messages of the token and registration endpoints, for whichever side reads or writes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ScopeSet, Secret, secret};

/// A successful answer of the token endpoint.
///
/// Source: RFC 6749 section 5.1, RFC 8693 section 2.2.1.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret<secret::AccessToken>,
    /// How to present it, `Bearer` or `DPoP` (compared without regard to case).
    pub token_type: String,
    /// Seconds until it expires; unknown when absent.
    pub expires_in: Option<u64>,
    /// The token for the next refresh.
    pub refresh_token: Option<Secret<secret::RefreshToken>>,
    /// What was granted; absent means: as asked.
    pub scope: Option<ScopeSet>,
    /// What kind of token was issued, after an exchange (RFC 8693 section 2.2.1).
    pub issued_token_type: Option<String>,
    /// Who the person is, where the server is an OpenID provider (OpenID Connect Core section 3.1.3.3).
    pub id_token: Option<Secret<secret::Assertion>>,
}

#[derive(Serialize, Deserialize)]
struct TokenResponseJson {
    access_token: String,
    token_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<Value>,
}

impl TokenResponse {
    /// Reads an answer; unknown members are ignored.
    ///
    /// # Errors
    /// Says which member is missing or malformed, without its value.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let json: TokenResponseJson = crate::json::parse_as(bytes).map_err(|e| e.to_string())?;
        // A list that cannot be read says nothing about what was granted.
        let scope = json.scope.and_then(|scope| ScopeSet::parse(scope.trim()).ok());
        Ok(Self {
            access_token: Secret::parse(json.access_token).map_err(|e| e.to_string())?,
            token_type: json.token_type,
            expires_in: json.expires_in.as_ref().and_then(seconds),
            refresh_token: json
                .refresh_token
                .filter(|t| !t.is_empty())
                .map(Secret::parse)
                .transpose()
                .map_err(|e| e.to_string())?,
            scope,
            issued_token_type: json.issued_token_type,
            // Most of those who read an answer have no use for it; a strange one costs them nothing.
            id_token: json.id_token.as_ref().and_then(Value::as_str).and_then(|text| Secret::parse(text).ok()),
        })
    }

    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let json = TokenResponseJson {
            access_token: self.access_token.expose().to_owned(),
            token_type: self.token_type.clone(),
            expires_in: self.expires_in.map(Into::into),
            refresh_token: self.refresh_token.as_ref().map(|t| t.expose().to_owned()),
            scope: self.scope.as_ref().map(ToString::to_string),
            issued_token_type: self.issued_token_type.clone(),
            id_token: self.id_token.as_ref().map(|token| Value::from(token.expose())),
        };
        serde_json::to_vec(&json).expect("strings and a number serialise")
    }
}

/// A number of seconds; some servers write it as a string.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::String(text) => &text.trim().parse().map(Value::Number).ok()?,
        other => other,
    };
    number.as_u64().or_else(|| number.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64))
}

/// An error answer of any OAuth endpoint that speaks JSON.
///
/// Source: RFC 6749 section 5.2, RFC 7591 section 3.2.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// The code, such as `invalid_grant`.
    pub error: String,
    /// A sentence for developers, in ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

/// What a client says of itself when it registers, and what the server answers it registered.
///
/// Source: RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Where authorization responses may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// A name for people; anybody can claim any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// The client's home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<String>,
    /// Such as `authorization_code` and `refresh_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<String>>,
    /// Such as `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_types: Option<Vec<String>>,
    /// `native` or `web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<String>,
    /// The scopes it may ask for, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Names the software, the same for all its installations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Its public keys, a JWK set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its public keys are; never together with `jwks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// All its tokens are bound to a key of its own (RFC 9449 section 5.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_bound_access_tokens: Option<bool>,
    /// It authorizes with pushed requests only (RFC 9126 section 6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_pushed_authorization_requests: Option<bool>,
}

/// The answer to a registration.
///
/// Source: RFC 7591 section 3.2.1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegistrationResponse {
    /// The identifier that was given.
    pub client_id: String,
    /// The secret, for a confidential client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// When the identifier was given, seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id_issued_at: Option<i64>,
    /// When the secret expires; 0 for never. Present if there is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<i64>,
    /// What the client manages its registration with (RFC 7592 section 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_access_token: Option<String>,
    /// Where it manages it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    /// All that was registered.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &str) -> TokenResponse {
        let text = format!(r#"{{"access_token":"a","token_type":"Bearer",{more}}}"#);
        TokenResponse::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_token_answer_is_read_although_it_is_not_quite_right() {
        // proves: MCP-AUTH-126, KEY-13
        for (text, expected) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("3600.9", Some(3600)),
            ("-1", None),
            ("\"soon\"", None),
            ("null", None),
        ] {
            assert_eq!(parse(&format!("\"expires_in\":{text}")).expires_in, expected, "{text}");
        }
        assert_eq!(parse(r#""scope":"read write""#).scope, ScopeSet::parse("read write").ok());
        for unreadable in ["a  b", "a\\\\b", ""] {
            let scope = parse(&format!("\"scope\":\"{unreadable}\"")).scope;
            assert!(scope.is_none_or(|scope| scope.to_string().is_empty()), "{unreadable}");
        }
    }
}

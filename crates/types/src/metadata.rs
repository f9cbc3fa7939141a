//! Metadata documents of authorization servers (RFC 8414, OpenID Connect Discovery) and protected
//! resources (RFC 9728).

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::{Issuer, ResourceId, web_url};

/// An authorization server's metadata as published; not yet to be believed.
///
/// Source: RFC 8414 section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the members are named and defined by RFC 8414 section 2")]
pub struct AuthorizationServerMetadata {
    pub issuer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "is_false")]
    pub require_pushed_authorization_requests: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub response_types_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub authorization_grant_profiles_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "absent")]
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(default, deserialize_with = "absent")]
    pub client_id_metadata_document_supported: bool,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub subject_types_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub id_token_signing_alg_values_supported: Vec<String>,
}

/// What is false when it is absent need not be said.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Why a metadata document is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataRefusal {
    /// It names another issuer than the one it was asked for.
    #[error("the document says issuer {found:?}, but {expected:?} was asked for")]
    Issuer {
        /// The issuer that was asked for.
        expected: String,
        /// The issuer in the document.
        found: String,
    },
    /// It does not say that PKCE with S256 is supported.
    #[error("the server does not list S256 in code_challenge_methods_supported (it lists {0})")]
    NoS256(String),
    /// An endpoint that the flow needs is missing.
    #[error("the document has no {0}")]
    Missing(&'static str),
    /// An endpoint's URL cannot be used.
    #[error("the {0} cannot be used: {1}")]
    Endpoint(&'static str, String),
    /// It describes another resource.
    #[error("the document describes the resource {found:?}, but {expected:?} was asked for")]
    Resource {
        /// The resource that was asked for.
        expected: String,
        /// The resource in the document.
        found: String,
    },
    /// It names no authorization server.
    #[error("the document names no authorization server")]
    NoAuthorizationServer,
}

/// Rules about metadata that the user has switched off for one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerated {
    /// The document may name another issuer than the one it was asked for.
    pub other_issuer: bool,
    /// The document may say nothing about PKCE.
    pub unlisted_pkce: bool,
}

/// An authorization server's metadata that was checked: its issuer is the one that was asked for, every endpoint is https
/// (or on this machine, when the issuer is too), and where a person is sent S256 is listed. Endpoints come from here and
/// from nowhere else.
#[derive(Clone, Debug)]
pub struct ValidatedMetadata {
    issuer: Issuer,
    /// What the server calls itself, which is its issuer unless the user tolerates another name.
    named: String,
    authorization_endpoint: Option<Url>,
    token_endpoint: Url,
    registration_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    device_authorization_endpoint: Option<Url>,
    pushed_authorization_request_endpoint: Option<Url>,
    document: AuthorizationServerMetadata,
}

impl AuthorizationServerMetadata {
    /// Checks the document against the issuer for which it was fetched, for a login with a code.
    ///
    /// # Errors
    /// Says what is wrong with it, with the evidence.
    /// Source: RFC 8414 section 3.3, MCP 2026-07-28 authorization, "Authorization Code Protection".
    pub fn validate(self, expected: &Issuer) -> Result<ValidatedMetadata, MetadataRefusal> {
        if self.issuer == expected.as_str() && !self.lists_s256() {
            let methods = self.code_challenge_methods_supported.as_deref();
            let found = methods.map_or_else(|| "nothing at all".to_owned(), |methods| shorten(&format!("{methods:?}")));
            return Err(MetadataRefusal::NoS256(found));
        }
        let valid = self.validate_for_tokens(expected)?;
        match &valid.authorization_endpoint {
            Some(_) => Ok(valid),
            None => Err(MetadataRefusal::Missing("authorization_endpoint")),
        }
    }

    /// The same for grants that need no code, so that nothing has to be protected with PKCE. A server that does not list
    /// S256 gets no authorization endpoint here.
    ///
    /// # Errors
    /// Says what is wrong with it, with the evidence.
    /// Source: RFC 8414 sections 2 and 3.3.
    pub fn validate_for_tokens(self, expected: &Issuer) -> Result<ValidatedMetadata, MetadataRefusal> {
        if self.issuer != expected.as_str() {
            return Err(MetadataRefusal::Issuer { expected: expected.to_string(), found: shorten(&self.issuer) });
        }
        let local = web_url::is_loopback(&expected.url());
        let read = |name: &'static str, text: &Option<String>| -> Result<Option<Url>, MetadataRefusal> {
            let Some(text) = text else { return Ok(None) };
            let url = web_url::parse(text).map_err(|e| MetadataRefusal::Endpoint(name, e.to_string()))?;
            if web_url::is_loopback(&url) && !local {
                return Err(MetadataRefusal::Endpoint(name, format!("it points at this computer ({})", shorten(text))));
            }
            Ok(Some(url))
        };
        let authorization_endpoint = read("authorization_endpoint", &self.authorization_endpoint)?;
        let token_endpoint =
            read("token_endpoint", &self.token_endpoint)?.ok_or(MetadataRefusal::Missing("token_endpoint"))?;
        Ok(ValidatedMetadata {
            issuer: expected.clone(),
            named: self.issuer.clone(),
            authorization_endpoint: authorization_endpoint.filter(|_| self.lists_s256()),
            token_endpoint,
            registration_endpoint: read("registration_endpoint", &self.registration_endpoint)?,
            revocation_endpoint: read("revocation_endpoint", &self.revocation_endpoint)?,
            device_authorization_endpoint: read("device_authorization_endpoint", &self.device_authorization_endpoint)?,
            pushed_authorization_request_endpoint: read(
                "pushed_authorization_request_endpoint",
                &self.pushed_authorization_request_endpoint,
            )?,
            document: self,
        })
    }

    /// The same as [`validate`](Self::validate), with what the user has switched off for this server. Whatever the
    /// server calls itself, it stays the one that was asked for: what other servers gave is never sent to it.
    ///
    /// # Errors
    /// Says what is wrong with it all the same.
    pub fn validate_tolerating(
        mut self,
        expected: &Issuer,
        tolerated: Tolerated,
    ) -> Result<ValidatedMetadata, MetadataRefusal> {
        let named = self.issuer.clone();
        if tolerated.other_issuer {
            expected.as_str().clone_into(&mut self.issuer);
        }
        // A list that is there and lacks it is the server's word, and stands.
        if tolerated.unlisted_pkce && self.code_challenge_methods_supported.is_none() {
            self.code_challenge_methods_supported = Some(vec!["S256".to_owned()]);
        }
        let valid = self.validate(expected)?;
        Ok(ValidatedMetadata { named, ..valid })
    }

    /// What a server of the 2025-03-26 revision has that publishes no metadata: three endpoints at its own origin, and
    /// PKCE, which that revision asks of every client.
    ///
    /// Source: MCP 2025-03-26 authorization, sections 2.3.3 and 2.6.
    pub fn of_2025_03_26(origin: &Issuer) -> Self {
        Self {
            issuer: origin.to_string(),
            authorization_endpoint: Some(origin.endpoint("/authorize")),
            token_endpoint: Some(origin.endpoint("/token")),
            registration_endpoint: Some(origin.endpoint("/register")),
            code_challenge_methods_supported: Some(vec!["S256".to_owned()]),
            ..Self::default()
        }
    }

    fn lists_s256(&self) -> bool {
        self.code_challenge_methods_supported.iter().flatten().any(|method| method == "S256")
    }
}

impl ValidatedMetadata {
    /// The issuer, as it was asked for.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }
    /// What the server calls itself in its answers. It is the issuer, unless the user tolerates another name.
    ///
    /// Source: RFC 9207 section 2.
    pub fn named(&self) -> &str {
        &self.named
    }
    /// Where the person is sent, if the server protects that with PKCE (S256).
    pub fn authorization_endpoint(&self) -> Option<&Url> {
        self.authorization_endpoint.as_ref()
    }
    /// Where codes and refresh tokens are exchanged.
    pub fn token_endpoint(&self) -> &Url {
        &self.token_endpoint
    }
    /// Where a client registers itself, if it can.
    pub fn registration_endpoint(&self) -> Option<&Url> {
        self.registration_endpoint.as_ref()
    }
    /// Where tokens are given back, if they can be.
    pub fn revocation_endpoint(&self) -> Option<&Url> {
        self.revocation_endpoint.as_ref()
    }
    /// Where a device asks to be let in, if it can.
    pub fn device_authorization_endpoint(&self) -> Option<&Url> {
        self.device_authorization_endpoint.as_ref()
    }
    /// Where an authorization request is pushed to, if it can be.
    pub fn pushed_authorization_request_endpoint(&self) -> Option<&Url> {
        self.pushed_authorization_request_endpoint.as_ref()
    }
    /// All other members.
    pub fn document(&self) -> &AuthorizationServerMetadata {
        &self.document
    }
}

/// A protected resource's metadata as published; not yet to be believed.
///
/// Source: RFC 9728 section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the members are named and defined by RFC 9728 section 2")]
pub struct ProtectedResourceMetadata {
    pub resource: String,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    #[serde(default, deserialize_with = "absent", skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens_required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
}

impl ProtectedResourceMetadata {
    /// Checks that the document describes `expected` and names at least one usable authorization server,
    /// and gives those servers in the document's order (at most five).
    ///
    /// # Errors
    /// Says what is wrong with it, with the evidence.
    /// Source: RFC 9728 section 3.3.
    pub fn validate(&self, expected: &ResourceId) -> Result<Vec<Issuer>, MetadataRefusal> {
        if ResourceId::parse(self.resource.as_str()).ok().as_ref() != Some(expected) {
            return Err(MetadataRefusal::Resource { expected: expected.to_string(), found: shorten(&self.resource) });
        }
        let servers: Vec<_> =
            self.authorization_servers.iter().filter_map(|s| Issuer::parse(s.as_str()).ok()).take(5).collect();
        if servers.is_empty() {
            return Err(MetadataRefusal::NoAuthorizationServer);
        }
        Ok(servers)
    }
}

/// Evidence from elsewhere, cut to what fits in a message and stripped of control characters.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// A member that is null is one that is not there.
fn absent<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(reader: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(reader)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_null_are_as_if_absent() {
        // proves: MCP-AUTH-012
        let text = r#"{"issuer":"https://a.example","scopes_supported":null,"response_types_supported":null,
            "protected_resources":null,"authorization_response_iss_parameter_supported":null}"#;
        let document: AuthorizationServerMetadata = crate::json::parse_as(text.as_bytes()).unwrap();
        let expected = AuthorizationServerMetadata {
            issuer: "https://a.example".into(),
            ..AuthorizationServerMetadata::default()
        };
        assert_eq!(document, expected);
        let text = r#"{"resource":"https://a.example/","authorization_servers":["https://b.example"],
            "scopes_supported":null,"bearer_methods_supported":null}"#;
        let document: ProtectedResourceMetadata = crate::json::parse_as(text.as_bytes()).unwrap();
        assert_eq!((document.authorization_servers.len(), document.scopes_supported.len()), (1, 0));
    }
}

//! The metadata that follows from what the operator decided.

use doorward_types::{
    ResourceId,
    jose::dpop,
    metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata},
};

use crate::{
    Policy, client_assertion, client_credentials,
    client_metadata::METHODS,
    exchange, jwt_bearer,
    policy::{GRANT_TYPES, offline_access},
};

/// What names the profile of assertions that is understood here.
///
/// Source: ID-JAG section 7.2.
const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

impl Policy {
    /// The grant types that a token can be asked with. An assertion's issuers are the operator's own matter and are not
    /// named; that there are any is.
    ///
    /// Source: RFC 8414 section 2, ID-JAG sections 7.2 and 8.4.
    fn grant_types(&self) -> Vec<&'static str> {
        let asserted = (!self.enterprises.is_empty()).then_some(jwt_bearer::GRANT_TYPE);
        let without_person = [client_credentials::GRANT_TYPE, exchange::GRANT_TYPE];
        GRANT_TYPES.into_iter().chain(without_person).chain(asserted).collect()
    }

    /// The authorization server's metadata. `offline_access` is listed here alone: it is nothing that a resource needs.
    ///
    /// Source: RFC 8414 section 2, RFC 9207 section 2.3.
    pub fn metadata(&self) -> AuthorizationServerMetadata {
        let endpoint = |path: &str| Some(self.issuer.endpoint(path));
        let scopes = self.resources.iter().fold(offline_access(), |all, resource| all.union(&resource.scopes));
        AuthorizationServerMetadata {
            issuer: self.issuer.to_string(),
            authorization_endpoint: endpoint("/oauth/authorize"),
            token_endpoint: endpoint("/oauth/token"),
            jwks_uri: endpoint("/oauth/jwks"),
            pushed_authorization_request_endpoint: endpoint("/oauth/par"),
            require_pushed_authorization_requests: self.pushed_only,
            device_authorization_endpoint: endpoint("/oauth/device_authorization"),
            registration_endpoint: endpoint("/oauth/register").filter(|_| self.registration),
            revocation_endpoint: endpoint("/oauth/revoke"),
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
            response_types_supported: texts(&["code"]),
            response_modes_supported: texts(&["query"]),
            introspection_endpoint: endpoint("/oauth/introspect"),
            grant_types_supported: texts(&self.grant_types()),
            authorization_grant_profiles_supported: match self.enterprises.is_empty() {
                true => Vec::new(),
                false => texts(&[ID_JAG]),
            },
            dpop_signing_alg_values_supported: texts(&dpop::ALGORITHMS),
            token_endpoint_auth_methods_supported: Some(texts(&METHODS)),
            token_endpoint_auth_signing_alg_values_supported: texts(
                &client_assertion::ALGORITHMS.map(|alg| alg.as_str()),
            ),
            revocation_endpoint_auth_methods_supported: texts(&METHODS),
            // Who cannot prove who it is is told nothing there.
            introspection_endpoint_auth_methods_supported: texts(&METHODS[1..]),
            introspection_endpoint_auth_signing_alg_values_supported: texts(
                &client_assertion::ALGORITHMS.map(|alg| alg.as_str()),
            ),
            revocation_endpoint_auth_signing_alg_values_supported: texts(
                &client_assertion::ALGORITHMS.map(|alg| alg.as_str()),
            ),
            client_id_metadata_document_supported: self.client_documents,
            code_challenge_methods_supported: Some(texts(&["S256"])),
            authorization_response_iss_parameter_supported: true,
            protected_resources: self.resources.iter().map(|resource| resource.id.to_string()).collect(),
            ..AuthorizationServerMetadata::default()
        }
    }

    /// The same document for the OpenID path, with the members that its readers insist on. No ID token is ever issued.
    ///
    /// Source: RFC 8414 section 5, OpenID Connect Discovery section 3.
    pub fn openid_configuration(&self) -> AuthorizationServerMetadata {
        AuthorizationServerMetadata {
            subject_types_supported: texts(&["public"]),
            id_token_signing_alg_values_supported: texts(&["ES256"]),
            ..self.metadata()
        }
    }

    /// A resource's metadata; nothing for one that is not configured.
    ///
    /// Source: RFC 9728 section 2.
    pub fn resource_metadata(&self, id: &ResourceId) -> Option<ProtectedResourceMetadata> {
        let resource = self.resource(id)?;
        Some(ProtectedResourceMetadata {
            resource: resource.id.to_string(),
            authorization_servers: vec![self.issuer.to_string()],
            scopes_supported: resource.scopes.iter().map(ToString::to_string).collect(),
            bearer_methods_supported: texts(&["header"]),
            dpop_signing_alg_values_supported: texts(&dpop::ALGORITHMS),
            dpop_bound_access_tokens_required: self.dpop_only,
            resource_name: Some(resource.name.clone()),
            resource_documentation: None,
        })
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use doorward_types::Issuer;

    use super::*;
    use crate::{
        fixtures::{ISSUER, R1, R2, policy as fixture, policy_of_two},
        policy::{DEVICE_CODE, Enterprise},
    };

    #[test]
    fn the_metadata_says_what_is_there_and_no_more() {
        // proves: R9126-05, R8628-06, STEP-08, R8414-01, R8414-02, R8414-04, R8414-06, R9207-02, R9728-09, MCP-AUTH-088, OA21-29, BCP-26, REG-11
        let policy = policy_of_two();
        let document = policy.metadata();
        assert_eq!(document.issuer, ISSUER);
        assert_eq!(document.token_endpoint.as_deref(), Some("https://as.example/oauth/token"));
        assert_eq!(document.code_challenge_methods_supported, Some(texts(&["S256"])));
        assert_eq!(document.response_types_supported, ["code"]);
        assert_eq!(document.response_modes_supported, ["query"]);
        let without_person = [client_credentials::GRANT_TYPE, exchange::GRANT_TYPE];
        let expected = ["authorization_code", "refresh_token", DEVICE_CODE].into_iter().chain(without_person);
        assert_eq!(document.grant_types_supported, expected.collect::<Vec<_>>());
        assert!(document.authorization_grant_profiles_supported.is_empty());
        assert_eq!(document.scopes_supported, ["mcp:danger", "mcp:read", "mcp:write", "offline_access"]);
        assert_eq!(document.protected_resources, [R1, R2]);
        assert!(document.authorization_response_iss_parameter_supported);
        let pushed = document.pushed_authorization_request_endpoint.as_deref();
        assert_eq!(
            (pushed, document.require_pushed_authorization_requests),
            (Some("https://as.example/oauth/par"), false)
        );
        assert!(Policy { pushed_only: true, ..policy_of_two() }.metadata().require_pushed_authorization_requests);
        let device = document.device_authorization_endpoint.as_deref();
        assert_eq!(device, Some("https://as.example/oauth/device_authorization"));
        assert!(!document.client_id_metadata_document_supported && document.introspection_endpoint.is_some());
        let json = serde_json::to_value(&document).unwrap();
        assert!(json.get("id_token_signing_alg_values_supported").is_none());
        assert!(document.validate(&policy.issuer).is_ok());
        assert_eq!(policy.openid_configuration().subject_types_supported, ["public"]);
    }

    #[test]
    fn assertions_are_announced_when_somebody_is_trusted_and_keys_always() {
        // proves: EXT-EMA-018, EXT-EMA-019, EXT-CC-004, IDJAG-10, R9449-05, R9449-13, EXT-DRAFT-005, EXT-DRAFT-010
        let issuer = Issuer::parse("https://idp.example").unwrap();
        let policy = Policy { enterprises: vec![Enterprise { issuer, jwks_uri: None }], ..fixture() };
        let document = policy.metadata();
        assert!(document.grant_types_supported.iter().any(|name| name == jwt_bearer::GRANT_TYPE));
        assert_eq!(document.authorization_grant_profiles_supported, [ID_JAG]);
        // Whom the operator trusts stands nowhere.
        assert!(!serde_json::to_string(&document).unwrap().contains("idp.example"));
        assert!(document.dpop_signing_alg_values_supported.iter().any(|alg| alg == "ES256"));
        let symmetric = |alg: &String| alg.starts_with("HS") || alg == "none";
        assert!(!document.dpop_signing_alg_values_supported.iter().any(symmetric));
        let methods = &document.introspection_endpoint_auth_methods_supported;
        assert!(!methods.iter().any(|method| method == "none"));
        assert!(methods.iter().any(|method| method == "client_secret_basic"));
        for only in [false, true] {
            let policy = Policy { dpop_only: only, ..fixture() };
            let document = policy.resource_metadata(&policy.resources[0].id).unwrap();
            assert_eq!(document.dpop_bound_access_tokens_required, only);
        }
    }

    #[test]
    fn each_resource_has_its_own_metadata() {
        // proves: MCP-AUTH-123
        let policy = policy_of_two();
        for id in [R1, R2] {
            let id = ResourceId::parse(id).unwrap();
            let document = policy.resource_metadata(&id).unwrap();
            assert_eq!(document.validate(&id).unwrap(), std::slice::from_ref(&policy.issuer));
            assert_eq!(document.bearer_methods_supported, ["header"]);
            assert!(!document.scopes_supported.iter().any(|scope| scope == "offline_access"));
        }
        assert!(fixture().resource_metadata(&ResourceId::parse(R2).unwrap()).is_none());
    }
}

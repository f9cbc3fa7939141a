//! What the operator decided, and the metadata that follows from it.

use std::time::Duration;

use doorward_types::{
    Issuer, Permission, ResourceId, Scope, ScopeSet,
    jose::dpop,
    metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata},
};

use crate::{
    client_assertion, client_credentials, client_metadata, exchange,
    facts::{Client, ClientOrigin, Lifetimes},
    jwt_bearer,
};

/// A protected resource that tokens can be issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its identifier, the audience of its tokens.
    pub id: ResourceId,
    /// Its name for people.
    pub name: String,
    /// The scopes that can be asked for at it.
    pub scopes: ScopeSet,
}

/// What the operator decided: every decision of this crate takes it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// This authorization server's identifier.
    pub issuer: Issuer,
    /// All resources it issues tokens for.
    pub resources: Vec<Resource>,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// Callbacks whose scheme has no dot, in full, beside those of [`known_apps`](crate::known_apps). Such a scheme does
    /// more than take callbacks (install an extension, clone a repository), so the scheme alone is never enough.
    pub known_callbacks: Vec<String>,
    /// The most redirect URIs that one client may register.
    pub most_redirect_uris: usize,
    /// Whether anybody may register a client (RFC 7591).
    pub registration: bool,
    /// A client that registers with https callbacks only gets a secret even if it says it needs none: for hosts that insist
    /// on one. Whoever names no method always gets one, which is the standard's default.
    pub registration_confidential: bool,
    /// The most clients that registered themselves or came by their document; beyond it none is taken.
    pub most_strangers: u64,
    /// Whether a client may be the URL of a document: only where the server can reach out to read it.
    pub client_documents: bool,
    /// Every authorization request must be pushed (RFC 9126 section 5).
    pub pushed_only: bool,
    /// Every token must be bound to its holder's key (RFC 9449).
    pub dpop_only: bool,
    /// Identity providers whose word lets a client in without asking the person (ID-JAG).
    pub enterprises: Vec<Enterprise>,
    /// The most that strangers get: clients that registered themselves or came by their document.
    pub strangers: Ceiling,
    /// Refresh tokens only for clients that ask for `offline_access`. Many hosts never ask and could not stay connected.
    pub refresh_only_when_asked: bool,
}

/// An identity provider whose assertions are believed.
///
/// Source: Identity Assertion JWT Authorization Grant (ID-JAG) section 4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enterprise {
    /// Its issuer identifier.
    pub issuer: Issuer,
    /// Where its keys are; none for: where its metadata says.
    pub jwks_uri: Option<String>,
}

/// What the operator allows a class of clients at the most.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ceiling {
    /// How long a grant lasts; none for no limit of its own.
    pub grant: Option<Duration>,
    /// How long a refresh token lasts unused; none for the common lifetime.
    pub refresh_idle: Option<Duration>,
    /// Which scopes; none for all.
    pub scope: Option<ScopeSet>,
}

/// Asks to stay connected without asking the person again.
///
/// Source: OpenID Connect Core section 11, MCP 2026-07-28 authorization, "Refresh Tokens".
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The grant type of devices.
///
/// Source: RFC 8628 section 3.4.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// [`OFFLINE_ACCESS`] alone, as a set.
pub(crate) fn offline_access() -> ScopeSet {
    Scope::parse(OFFLINE_ACCESS).into_iter().collect()
}

/// The ways in which a client may prove who it is, by their registered names.
pub(crate) const AUTHENTICATION_METHODS: [&str; 4] = client_metadata::METHODS;
/// What names the profile of assertions that is understood here.
///
/// Source: ID-JAG section 7.2.
const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The grant types that a client may register for by itself.
pub(crate) const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", DEVICE_CODE];

impl Policy {
    /// The policy that a gateway starts with, for no resource yet.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            resources: Vec::new(),
            lifetimes: Lifetimes::default(),
            known_callbacks: Vec::new(),
            most_redirect_uris: 20,
            registration: true,
            registration_confidential: false,
            most_strangers: 10_000,
            client_documents: false,
            pushed_only: false,
            dpop_only: false,
            enterprises: Vec::new(),
            strangers: Ceiling::default(),
            refresh_only_when_asked: false,
        }
    }

    /// The ceiling over this client, if there is one.
    fn ceiling(&self, client: &Client) -> Option<&Ceiling> {
        match client.origin {
            ClientOrigin::Dynamic | ClientOrigin::Document => Some(&self.strangers),
            ClientOrigin::Administrator => None,
        }
    }

    /// The scopes that a client can be allowed at a resource: within its registration and its ceiling. A broad one there
    /// brings what it implies.
    pub fn most_scope(&self, client: &Client, resource: &Resource) -> ScopeSet {
        let within = |limit: &ScopeSet| resource.scopes.intersection(&Permission::with_implied(limit));
        let ceiling = self.ceiling(client);
        let registered = client.scope_limit().map(within);
        let allowed = ceiling.and_then(|ceiling| ceiling.scope.as_ref()).map(within);
        registered.iter().chain(&allowed).fold(resource.scopes.clone(), |all, limit| all.intersection(limit))
    }

    /// How long a grant of this client lasts at the most.
    pub fn longest_grant(&self, client: &Client) -> Option<Duration> {
        let ceiling = self.ceiling(client).and_then(|ceiling| ceiling.grant);
        self.lifetimes.grant.into_iter().chain(ceiling).min()
    }

    /// How long a refresh token of this client lasts unused.
    pub fn refresh_idle(&self, client: &Client) -> Duration {
        let ceiling = self.ceiling(client).and_then(|ceiling| ceiling.refresh_idle);
        ceiling.map_or(self.lifetimes.refresh_idle, |idle| idle.min(self.lifetimes.refresh_idle))
    }

    /// The grant types that a token can be asked with. An assertion's issuers are the operator's own matter and are not
    /// named; that there are any is.
    ///
    /// Source: RFC 8414 section 2, ID-JAG sections 7.2 and 8.4.
    fn grant_types(&self) -> Vec<&'static str> {
        let asserted = (!self.enterprises.is_empty()).then_some(jwt_bearer::GRANT_TYPE);
        let without_person = [client_credentials::GRANT_TYPE, exchange::GRANT_TYPE];
        GRANT_TYPES.into_iter().chain(without_person).chain(asserted).collect()
    }

    /// A configured resource.
    pub fn resource(&self, id: &ResourceId) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == *id)
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
            token_endpoint_auth_methods_supported: Some(texts(&AUTHENTICATION_METHODS)),
            token_endpoint_auth_signing_alg_values_supported: texts(
                &client_assertion::ALGORITHMS.map(|alg| alg.as_str()),
            ),
            revocation_endpoint_auth_methods_supported: texts(&AUTHENTICATION_METHODS),
            // Who cannot prove who it is is told nothing there.
            introspection_endpoint_auth_methods_supported: texts(&AUTHENTICATION_METHODS[1..]),
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
    use super::*;
    use crate::fixtures::{ISSUER, R1, R2, policy as fixture, policy_of_two};

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

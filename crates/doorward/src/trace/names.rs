//! What a name says of its value: harmless, secret, or nothing.

use http::HeaderName;

/// Names whose values are harmless: in queries, forms and JSON.
const HARMLESS: &[&str] = &[
    "access_type",
    "acr_values",
    "application_type",
    "audience",
    "authorization_details_types_supported",
    "authorization_endpoint",
    "authorization_response_iss_parameter_supported",
    "authorization_servers",
    "bearer_methods_supported",
    "client_assertion_type",
    "client_id",
    "client_id_metadata_document_supported",
    "client_name",
    "client_uri",
    "code_challenge_method",
    "code_challenge_methods_supported",
    "device_authorization_endpoint",
    "dpop_bound_access_tokens",
    "dpop_bound_access_tokens_required",
    "dpop_signing_alg_values_supported",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "grant_type",
    "grant_types",
    "grant_types_supported",
    "interval",
    "iss",
    "issued_token_type",
    "issuer",
    "jwks_uri",
    "prompt",
    "redirect_uri",
    "redirect_uris",
    "registration_endpoint",
    "requested_token_type",
    "require_pushed_authorization_requests",
    "resource",
    "resource_metadata",
    "response_mode",
    "response_type",
    "response_types",
    "response_types_supported",
    "revocation_endpoint",
    "scope",
    "scopes_supported",
    "software_id",
    "software_version",
    "subject_token_type",
    "token_endpoint",
    "token_endpoint_auth_method",
    "token_endpoint_auth_methods_supported",
    "token_type",
    "token_type_hint",
    "verification_uri",
];

/// Parts of the names whose values are certainly secret.
const SECRET: &[&str] = &[
    "assertion",
    "code",
    "jwt",
    "key",
    "login_hint",
    "nonce",
    "password",
    "proof",
    "secret",
    "session",
    "state",
    "ticket",
    "token",
    "verifier",
];

/// Whether the value of this name may be shown.
pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok()
}

/// Whether the value of this name is certainly secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// The same of a header's.
pub(super) fn is_harmless_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "accept" | "content-type" | "mcp-method" | "mcp-protocol-version" | "user-agent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harmless_names_are_in_order() {
        assert!(HARMLESS.is_sorted());
    }
}

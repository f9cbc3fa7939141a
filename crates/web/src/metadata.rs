//! The documents from which clients learn what to do.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

use crate::{Site, common};

/// The authorization server's metadata.
///
/// Source: RFC 8414 section 3.
pub(crate) async fn authorization_server(State(site): State<Arc<Site>>) -> Response {
    common::document(&site.policy.metadata())
}

/// The same, for clients that only ask at the OpenID path.
///
/// Source: MCP 2026-07-28 authorization, "Authorization Server Metadata Discovery".
pub(crate) async fn openid_configuration(State(site): State<Arc<Site>>) -> Response {
    common::document(&site.policy.openid_configuration())
}

/// The keys that verify our access tokens.
///
/// Source: RFC 7517 section 5.
pub(crate) async fn keys(State(site): State<Arc<Site>>) -> Response {
    common::document(&serde_json::json!({"keys": site.keys.current().published()}))
}

/// The metadata of the resource at this path.
///
/// Source: RFC 9728 section 3.
pub(crate) async fn resource(State(site): State<Arc<Site>>, Path(path): Path<String>) -> Response {
    let wanted = site.policy.issuer.endpoint(&format!("/{path}"));
    match site.policy.resources.iter().find(|resource| resource.id.as_str() == wanted) {
        Some(resource) => described(&site, &resource.id),
        None => common::oauth_error(StatusCode::NOT_FOUND, "not_found", "there is no protected resource at this path"),
    }
}

/// The same at the root, when it can only mean one resource of this host.
pub(crate) async fn root_resource(State(site): State<Arc<Site>>) -> Response {
    let here = site.policy.issuer.endpoint("/");
    let mut found = site.policy.resources.iter().filter(|resource| resource.id.as_str().starts_with(&here));
    match (found.next(), found.next()) {
        (Some(only), None) => described(&site, &only.id),
        _ => common::oauth_error(StatusCode::NOT_FOUND, "not_found", "ask at the path of one of the resources"),
    }
}

fn described(site: &Site, resource: &doorward_types::ResourceId) -> Response {
    match site.policy.resource_metadata(resource) {
        Some(metadata) => common::document(&metadata),
        None => common::oauth_error(StatusCode::NOT_FOUND, "not_found", "there is no such protected resource"),
    }
}

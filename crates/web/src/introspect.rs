use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::introspection;

use crate::{
    Site,
    common::{self, Early},
    peer::Source,
    token::{authenticated, grant_facts, read_form, refresh_facts, refused},
};

/// The introspection endpoint: a client asks what a token is worth.
///
/// Source: RFC 7662 section 2.
pub(crate) async fn introspect(
    State(site): State<Arc<Site>>,
    source: Source,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&site, source, &headers, &body).await.unwrap_or_else(|early| *early)
}

async fn answer(site: &Site, source: Source, headers: &HeaderMap, body: &[u8]) -> Result<Response, Early> {
    let form = read_form(headers, body)?;
    let client = authenticated(site, source, headers, &form).await?;
    let request = introspection::read(&form).map_err(|refusal| refused(&refusal))?;
    let refresh = refresh_facts(site, request.refresh_digest()).await?;
    let ring = site.keys.current();
    let keys = ring.verifying();
    let grant = match request.grant(&site.policy, keys) {
        Some(id) => grant_facts(site, &id).await.map_err(|fault| common::away_json(&fault))?,
        None => None,
    };
    let now = (site.now)();
    let told = introspection::introspect(&site.policy, &client, &request, refresh.as_ref(), grant.as_ref(), keys, now);
    let told = told.map_err(|refusal| refused(&refusal))?;
    Ok(common::json(StatusCode::OK, told.to_json()))
}

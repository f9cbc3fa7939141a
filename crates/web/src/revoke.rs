use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::revocation;

use crate::{
    Site,
    common::{self, Early},
    peer::Source,
    token::{authenticated, read_form, refresh_facts, refused},
};

/// The revocation endpoint: a client gives a token back, and its grant ends.
///
/// Source: RFC 7009 section 2.
pub(crate) async fn revoke(State(site): State<Arc<Site>>, source: Source, headers: HeaderMap, body: Bytes) -> Response {
    answer(&site, source, &headers, &body).await.unwrap_or_else(|early| *early)
}

async fn answer(site: &Site, source: Source, headers: &HeaderMap, body: &[u8]) -> Result<Response, Early> {
    let form = read_form(headers, body)?;
    let client = authenticated(site, source, headers, &form).await?;
    let request = revocation::read(&form).map_err(|refusal| refused(&refusal))?;
    let refresh = refresh_facts(site, request.refresh_digest()).await?;
    let keys = site.keys.current();
    let now = (site.now)();
    let decided = revocation::revoke(&site.policy, &client, &request, refresh.as_ref(), keys.verifying(), now);
    let writes = decided.map_err(|refusal| refused(&refusal))?;
    if !writes.is_empty() {
        site.store.commit(writes).await.map_err(|fault| common::away_json(&fault))?;
    }
    Ok(common::json(StatusCode::OK, Vec::new()))
}

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{TokenRefusal, pushed, store::Committed, waiting::Waiting};
use doorward_types::jose::dpop::ProofRefusal;

use crate::{
    Site,
    common::{self, Early},
    peer::Source,
    token::{authenticated, proven, read_form, refused, with_nonce},
    waiting,
};

/// The path of the endpoint, which proofs of a key name.
const PATH: &str = "/oauth/par";

/// Pushed authorization requests.
///
/// Source: RFC 9126 section 2.
pub(crate) async fn push(State(site): State<Arc<Site>>, source: Source, headers: HeaderMap, body: Bytes) -> Response {
    let response = answer(&site, source, &headers, &body).await.unwrap_or_else(|early| *early);
    with_nonce(&site, &headers, response)
}

async fn answer(site: &Site, source: Source, headers: &HeaderMap, body: &[u8]) -> Result<Response, Early> {
    let form = read_form(headers, body)?;
    let client = authenticated(site, source, headers, &form).await?;
    let key = proven(site, headers, PATH).map_err(|refusal| refused(&refusal))?;
    let jkt = key.as_ref().map(|key| key.thumbprint().clone());
    let decided = pushed::push(&site.policy, &client, &form, jkt, (site.now)(), &mut *(site.entropy)());
    let (response, mut writes) = decided.map_err(|refusal| {
        tracing::info!(why = ?refusal, client = %client.id(), "a pushed request was refused");
        Box::new(common::oauth_answer(StatusCode::BAD_REQUEST, &refusal.response()))
    })?;
    waiting::of_client(site, Waiting::Browser, source, &client).await?;
    writes.extend(key.map(|key| pushed::spent(&key)));
    match site.store.commit(writes).await.map_err(|fault| common::away_json(&fault))? {
        Committed::Done => {
            Ok(common::json(StatusCode::CREATED, serde_json::to_vec(&response).expect("a text and a number serialise")))
        }
        // The reference is new, so it is the proof that was used before.
        Committed::Conflict => Err(refused(&TokenRefusal::Proof(ProofRefusal::Used))),
    }
}

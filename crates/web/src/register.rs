use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{
    registration::{self, RegistrationRefusal},
    store::{Committed, StoreFault},
};
use doorward_types::messages::RegistrationResponse;

use crate::{
    Site,
    common::{self, Early},
    peer::Source,
    waiting::later,
};

/// Dynamic client registration.
///
/// Source: RFC 7591 section 3.
pub(crate) async fn register(
    State(site): State<Arc<Site>>,
    source: Source,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&site, source, &headers, &body).await.unwrap_or_else(|early| *early)
}

async fn answer(site: &Site, source: Source, headers: &HeaderMap, body: &[u8]) -> Result<Response, Early> {
    must_be_json(headers)?;
    if let Err(wait) = site.strangers.may_register(source, (site.now)()) {
        tracing::warn!(?source, "registrations come too fast");
        let text = "clients register too fast; keep the client_id that was given, and try again later";
        let response = common::oauth_error(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text);
        return Err(later(response, wait));
    }
    let away = |fault: StoreFault| common::away_json(&fault);
    // The loser of a race reads again: the identifier was taken, or the client that is like this one changed.
    for _ in 0..3 {
        let wanted = registration::read(&site.policy, body).map_err(refused)?;
        let now = (site.now)();
        let like = match wanted.fingerprint() {
            Some(fingerprint) => site.store.client_like(fingerprint, now).await.map_err(away)?,
            None => None,
        };
        let strangers = site.store.count_strangers().await.map_err(away)?;
        let mut entropy = (site.entropy)();
        let registered = registration::register(&site.policy, wanted, like.as_ref(), strangers, now, &mut *entropy);
        drop(entropy);
        let (response, writes) = registered.map_err(refused)?;
        if writes.is_empty() || site.store.commit(writes).await.map_err(away)? == Committed::Done {
            return Ok(registered_answer(StatusCode::CREATED, &response));
        }
    }
    Err(away(StoreFault("the same registration was contended for too often".into())))
}

/// A registration's answer, which must not be kept: it can hold secrets.
pub(crate) fn registered_answer(status: StatusCode, response: &RegistrationResponse) -> Response {
    common::json(status, serde_json::to_vec(response).expect("a registration serialises"))
}

/// Refuses a body that is not said to be JSON.
pub(crate) fn must_be_json(headers: &HeaderMap) -> Result<(), Early> {
    if common::has_media_type(headers, "application/json") {
        return Ok(());
    }
    let text = "send the client's metadata as application/json";
    Err(Box::new(common::oauth_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_client_metadata", text)))
}

/// The answer to a refused registration.
pub(crate) fn refused(refusal: RegistrationRefusal) -> Early {
    tracing::info!(%refusal, "a registration was refused");
    let response = common::oauth_answer(refusal.status(), &refusal.response());
    match refusal.retry_after() {
        Some(seconds) => later(response, Duration::from_secs(seconds)),
        None => Box::new(response),
    }
}

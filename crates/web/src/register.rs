use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use doorward_authorization_server::{registration, store::Committed};

use crate::{Site, common};

/// Dynamic client registration.
///
/// Source: RFC 7591 section 3.
pub(crate) async fn register(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    if !common::has_media_type(&headers, "application/json") {
        let text = "send the client's metadata as application/json";
        return common::oauth_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_client_metadata", text);
    }
    // An identifier that is taken already is as good as impossible; one more draw settles it.
    for _ in 0..2 {
        let registered = registration::register(&site.policy, &body, (site.now)(), &mut *(site.entropy)());
        let (response, writes) = match registered {
            Ok(registered) => registered,
            Err(refusal) => {
                tracing::info!(%refusal, "a registration was refused");
                return common::oauth_answer(StatusCode::BAD_REQUEST, &refusal.response());
            }
        };
        match site.store.commit(writes).await {
            Ok(Committed::Done) => {
                let body = serde_json::to_vec(&response).expect("a registration serialises");
                return common::json(StatusCode::CREATED, body);
            }
            Ok(Committed::Conflict) => {}
            Err(fault) => return *common::away_json(&fault),
        }
    }
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response()
}

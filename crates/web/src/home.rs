use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    pages::{self, Home},
};

/// What this gateway is.
pub(crate) async fn home(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let shown = async {
        let browser = Browser::of(&site, &headers).await?;
        let html = Home {
            gateway: site.name.clone(),
            mcp_url: site.policy.resources.first().map(|resource| resource.id.to_string()).unwrap_or_default(),
            account: browser.shown_account(),
        }
        .render();
        Ok(common::page(StatusCode::OK, html))
    };
    shown.await.unwrap_or_else(|early: Early| *early)
}

/// The stylesheet. Its path changes with its content, so it may be kept for ever.
pub(crate) async fn asset(Path(file): Path<String>) -> Response {
    if pages::style_path().strip_prefix("/assets/") != Some(file.as_str()) {
        return common::plain(StatusCode::NOT_FOUND, "there is no such file\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, pages::STYLE).into_response()
}

/// Alive: the process answers.
pub(crate) async fn health() -> Response {
    common::plain(StatusCode::OK, "ok\n")
}

/// How long the store may take to show that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ready for requests: the store answers and the keys that others sign with are known. Says no more than that.
pub(crate) async fn ready(State(site): State<Arc<Site>>) -> Response {
    let answered = tokio::time::timeout(PATIENCE, site.store.ready()).await;
    if matches!(answered, Ok(Ok(()))) && site.keys.are_readable() {
        return common::plain(StatusCode::OK, "ready\n");
    }
    let mut response = common::plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

pub(crate) async fn not_found(State(site): State<Arc<Site>>) -> Response {
    let texts = [
        "There is nothing here",
        "This gateway has no page at this address.",
        "The address may be mistyped, or from an older version.",
        "Start at the gateway's first page.",
    ];
    common::refusal_page(&site, StatusCode::NOT_FOUND, "OA-199", texts)
}

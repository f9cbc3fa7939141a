use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
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

pub(crate) async fn not_found(State(site): State<Arc<Site>>) -> Response {
    let texts = [
        "There is nothing here",
        "This gateway has no page at this address.",
        "The address may be mistyped, or from an older version.",
        "Start at the gateway's first page.",
    ];
    common::refusal_page(&site, StatusCode::NOT_FOUND, "OA-199", texts)
}

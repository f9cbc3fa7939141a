//! The page on which a person types the code that a device shows.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{device, store::Committed};
use doorward_types::{
    Secret,
    secret::{InteractionToken, UserCode},
};

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    forms::read_form,
    limits::Guessing,
    pages::DevicePage,
    peer::Source,
};

const PURPOSE: &str = "device";

/// How often the code is looked up again after another browser was quicker.
const MOST_TURNS: usize = 3;

pub(crate) async fn page(State(site): State<Arc<Site>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let shown = async {
        let query = read_form(&site, query.unwrap_or_default().as_bytes())?;
        let browser = Browser::of(&site, &headers).await?;
        // A code in the link only fills the field: the person still compares it, and presses the button.
        let brought = query.get("user_code").and_then(device::typed).map(|code| device::shown(&code));
        Ok(show(&site, &browser, brought.as_deref().unwrap_or_default(), brought.is_some(), None, StatusCode::OK))
    };
    shown.await.unwrap_or_else(|early: Early| *early)
}

fn show(
    site: &Site,
    browser: &Browser,
    code: &str,
    brought: bool,
    error: Option<&str>,
    status: StatusCode,
) -> Response {
    let html = DevicePage {
        gateway: site.name.clone(),
        code: code.to_owned(),
        brought,
        error: error.map(str::to_owned),
        form_token: browser.form_token(PURPOSE),
    }
    .render();
    browser.remembered(site, common::page(status, html))
}

/// Looks up what was typed, and asks the same question as for any app.
///
/// Source: RFC 8628 section 3.3.
pub(crate) async fn typed(State(site): State<Arc<Site>>, source: Source, headers: HeaderMap, body: Bytes) -> Response {
    let answered = async {
        let form = read_form(&site, &body)?;
        let browser = Browser::of(&site, &headers).await?;
        browser.check_form(&site, &headers, &form, PURPOSE)?;
        let text = form.get("user_code").unwrap_or_default();
        let text: String = text.chars().take(20).collect();
        let again = |error: &str, status| Ok(show(&site, &browser, &text, false, Some(error), status));
        let guessing = Guessing {
            account: browser.account().map(|account| account.id.0.as_str()),
            browser: &browser.token.digest().to_text(),
            source: &source.name(),
        };
        if !site.limits.take_guess(&guessing, (site.now)()) {
            let error = "Too many codes were tried. Wait a quarter of an hour, or sign in first, then try again.";
            return again(error, StatusCode::TOO_MANY_REQUESTS);
        }
        let opened = match device::typed(&text) {
            Some(code) => open(&site, &browser, &code).await?,
            None => None,
        };
        let Some(token) = opened else {
            tracing::info!("a device code was typed that does not wait");
            let error = "No device is waiting with this code. Check it, or start again on the device.";
            return again(error, StatusCode::BAD_REQUEST);
        };
        site.limits.give_guess_back(&guessing);
        let page = if browser.account().is_some() { "consent" } else { "sign-in" };
        let next = common::see_other(&format!("/{page}?interaction={}", token.expose()));
        Ok(browser.remembered(&site, next))
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

/// The request that waits for this code's person; nothing when no device does.
async fn open(
    site: &Site,
    browser: &Browser,
    code: &Secret<UserCode>,
) -> Result<Option<Secret<InteractionToken>>, Early> {
    let away = |fault| common::away(site, &fault);
    for _ in 0..MOST_TURNS {
        let Some(facts) = site.store.device_by_user_code(&code.digest()).await.map_err(away)? else { return Ok(None) };
        let name = device::interaction(code, &facts.device).digest();
        let begun = site.store.interaction(&name).await.map_err(away)?;
        let (digest, now) = (browser.token.digest(), (site.now)());
        let opened = device::open(code, &facts, begun.as_ref(), digest, now, &mut *(site.entropy)());
        let Some((token, writes)) = opened else { return Ok(None) };
        if writes.is_empty() || site.store.commit(writes).await.map_err(away)? == Committed::Done {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

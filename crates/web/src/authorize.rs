use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use doorward_authorization_server::{
    PageRefusal,
    authorize::{self, Begin},
    facts::Client,
    pushed,
    redirect_target::RedirectBack,
    store::Committed,
};
use doorward_types::form::Form;

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    documents::{self, Wanted},
    pages::{Interstitial, Outcome},
    peer::Source,
    waiting, words,
};

/// The authorization endpoint: judges the request, then sends the browser to sign-in or consent.
///
/// Source: RFC 6749 section 3.1.
pub(crate) async fn authorize(State(site): State<Arc<Site>>, source: Source, uri: Uri, headers: HeaderMap) -> Response {
    match answer(&site, source, &uri, &headers).await {
        Ok(response) => response,
        Err(early) => *early,
    }
}

async fn answer(site: &Site, source: Source, uri: &Uri, headers: &HeaderMap) -> Result<Response, Early> {
    let refuse = |refusal| common::refused(site, &refusal);
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes()).map_err(|refusal| refuse(refusal.into()))?;
    let id = authorize::client_id(&form).map_err(refuse)?;
    let browser = Browser::of(site, headers).await?;
    // A pushed request begins once; whoever loses a race for it goes on with what the other one began.
    for _ in 0..MOST_TURNS {
        let client = documents::client(site, &id, Wanted::Fresh, source).await;
        let client = client.map_err(|unread| documents::unread_page(site, unread))?;
        let begin = begin(site, &form, client.as_ref(), &browser).await?;
        if let Some(response) = went_on(site, begin, client.as_ref(), &browser, source).await? {
            return Ok(response);
        }
    }
    Err(refuse(PageRefusal::UnknownPushedRequest))
}

/// How often a decision that lost a race is made again.
const MOST_TURNS: usize = 3;

async fn begin(site: &Site, form: &Form, client: Option<&Client>, browser: &Browser) -> Result<Begin, Early> {
    let away = |fault| common::away(site, &fault);
    let (digest, now) = (browser.token.digest(), (site.now)());
    let reference = match pushed::reference(form) {
        Ok(Some(reference)) => reference,
        Ok(None) => {
            return Ok(authorize::begin(&site.policy, form, client, digest, now, &mut *(site.entropy)()));
        }
        Err(refusal) => return Ok(Begin::Refuse(refusal)),
    };
    let row = site.store.pushed_request(&reference.digest()).await.map_err(away)?;
    let begun = site.store.interaction(&pushed::interaction(&reference).digest()).await.map_err(away)?;
    let facts = pushed::Facts { client, pushed: row.as_ref(), begun: begun.as_ref() };
    let begun = pushed::begin(&site.policy, form, &reference, &facts, digest, now, &mut *(site.entropy)());
    Ok(begun.unwrap_or_else(Begin::Refuse))
}

/// The answer; nothing when the same request was begun in the meantime.
async fn went_on(
    site: &Site,
    begin: Begin,
    client: Option<&Client>,
    browser: &Browser,
    source: Source,
) -> Result<Option<Response>, Early> {
    let refuse = |refusal| common::refused(site, &refusal);
    match begin {
        Begin::Refuse(refusal) => Err(refuse(refusal)),
        // Never a bare redirect: an error of a client that nobody approved is a way to make us send people anywhere.
        Begin::Redirect(back) => {
            let error = back.error().map_or("server_error", |error| error.as_str());
            Ok(Some(leave(site, client, &back, Outcome::NotAsked { error })))
        }
        Begin::Interact { token, writes } => {
            if !writes.is_empty() {
                waiting::of_browser(site, source, browser).await?;
                let committed = site.store.commit(writes).await.map_err(|fault| common::away(site, &fault))?;
                if committed == Committed::Conflict {
                    return Ok(None);
                }
            }
            let page = if browser.account().is_some() { "consent" } else { "sign-in" };
            let next = common::see_other(&format!("/{page}?interaction={}", token.expose()));
            Ok(Some(browser.remembered(site, next)))
        }
    }
}

/// The page that leads back to the client. It is a page and no redirect, since browsers hold the redirect after a form to
/// the form's own policy and would lose the answer.
pub(crate) fn leave(site: &Site, client: Option<&Client>, back: &RedirectBack, outcome: Outcome) -> Response {
    let name = client.map_or_else(|| "".into(), words::client_name);
    let html = Interstitial {
        gateway: site.name.clone(),
        client: name,
        return_to: words::return_to(back.kind(), back.url()),
        url: back.url().to_owned(),
        outcome,
    }
    .render();
    let mut response = common::page(StatusCode::OK, html);
    let policy = HeaderValue::from_static(common::LEAVING_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

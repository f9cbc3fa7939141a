//! The first account, made through the one-time link that the gateway printed.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{
    PageRefusal,
    account::{self, SetUpLink},
    password::PasswordHash,
};
use doorward_types::{
    Secret,
    form::Form,
    secret::{Password, SetupToken},
};

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    forms::read_form,
    pages::SetUp,
    passwords::NotNow,
    sign_in::signed_in,
};

const PURPOSE: &str = "set-up";

fn token(form: &Form) -> Option<Secret<SetupToken>> {
    form.get("token").and_then(|text| Secret::parse(text).ok()).filter(Secret::is_well_formed)
}

/// The link with the presented one-time value, if it still works.
async fn usable(site: &Site, form: &Form) -> Result<(Secret<SetupToken>, SetUpLink), Early> {
    let away = |fault| common::away(site, &fault);
    let current = site.store.setup().await.map_err(away)?;
    let has_accounts = site.store.has_accounts().await.map_err(away)?;
    token(form)
        .and_then(|token| Some((account::set_up_link(current.as_ref(), has_accounts, &token)?, token)))
        .map(|(link, token)| (token, link))
        .ok_or_else(|| common::refused(site, &PageRefusal::SetUpLink))
}

#[derive(Default)]
struct Wrong<'a> {
    name: Option<&'a str>,
    password: Option<&'a str>,
    all: Option<&'a str>,
}

fn show(site: &Site, browser: &Browser, token: &Secret<SetupToken>, name: &str, wrong: Wrong<'_>) -> Response {
    let status =
        if wrong.name.or(wrong.password).or(wrong.all).is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let html = SetUp {
        gateway: site.name.clone(),
        token: token.expose().to_owned(),
        form_token: browser.form_token(PURPOSE),
        name: name.to_owned(),
        error: wrong.all.map(str::to_owned),
        name_error: wrong.name.map(str::to_owned),
        password_error: wrong.password.map(str::to_owned),
    }
    .render();
    browser.remembered(site, common::page(status, html))
}

pub(crate) async fn page(State(site): State<Arc<Site>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let shown = async {
        let query = read_form(&site, query.unwrap_or_default().as_bytes())?;
        let (token, _) = usable(&site, &query).await?;
        let browser = Browser::of(&site, &headers).await?;
        Ok(show(&site, &browser, &token, "", Wrong::default()))
    };
    shown.await.unwrap_or_else(|early: Early| *early)
}

pub(crate) async fn set_up(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let answered = async {
        let form = read_form(&site, &body)?;
        let browser = Browser::of(&site, &headers).await?;
        browser.check_form(&site, &headers, &form, PURPOSE)?;
        let (token, link) = usable(&site, &form).await?;
        let name = form.get("name").unwrap_or_default();
        let again = |wrong: Wrong<'_>| Ok(show(&site, &browser, &token, name, wrong));
        let chosen = form.get("password").and_then(|text| Secret::<Password>::parse(text).ok());
        let Some(password) = chosen else {
            return again(Wrong { password: Some("Choose a password of up to 1000 characters."), ..Wrong::default() });
        };
        let entropy = site.entropy;
        let hash = match site.passwords.work(move || PasswordHash::choose(&password, &mut *entropy())).await {
            Ok(Ok(hash)) => hash,
            Ok(Err(refusal)) => {
                let text = format!("This is too short: {refusal}.");
                return again(Wrong { password: Some(&text), ..Wrong::default() });
            }
            Err(NotNow::Busy | NotNow::Wait(_)) => {
                return again(Wrong { all: Some("The gateway is busy. Try again in a moment."), ..Wrong::default() });
            }
        };
        let made = account::set_up(&link, name, hash, (site.now)(), &mut *(site.entropy)());
        let (account, verified, writes) = match made {
            Ok(made) => made,
            Err(refusal) => return again(Wrong { name: Some(&refusal.to_string()), ..Wrong::default() }),
        };
        tracing::info!(account = %account.id.0, "the first account is made");
        // On a conflict somebody else was first, and the link is used up.
        let signed_in = signed_in(&site, &browser, verified, None, writes).await;
        if signed_in.is_err() {
            usable(&site, &form).await?;
        }
        signed_in
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

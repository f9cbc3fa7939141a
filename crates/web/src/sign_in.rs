//! Signing in and out.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{
    PageRefusal, Write,
    facts::Account,
    session::{self, PasswordVerified},
    store::Committed,
};
use doorward_types::{
    Secret,
    secret::{InteractionToken, Password},
};

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    consent,
    forms::{interaction, read_form},
    pages::{Link, Notice, SignIn, SignInContext, WRONG_NAME_OR_PASSWORD},
    passwords::NotNow,
    words,
};

const PURPOSE: &str = "sign-in";

pub(crate) async fn page(State(site): State<Arc<Site>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let shown = async {
        let query = read_form(&site, query.unwrap_or_default().as_bytes())?;
        let browser = Browser::of(&site, &headers).await?;
        let interaction = interaction(&query);
        if browser.account().is_some() {
            return Ok(common::see_other(&after(interaction.as_ref())));
        }
        show(&site, &browser, interaction, "", None, StatusCode::OK).await
    };
    shown.await.unwrap_or_else(|early: Early| *early)
}

async fn show(
    site: &Site,
    browser: &Browser,
    interaction: Option<Secret<InteractionToken>>,
    name: &str,
    error: Option<&str>,
    status: StatusCode,
) -> Result<Response, Early> {
    // Who asks is only shown to the browser that the request is bound to; a stale request is told after the sign-in.
    let context = match &interaction {
        Some(token) => consent::pending(site, browser, token).await?.ok().map(|pending| SignInContext {
            client: words::client_name(pending.client()),
            resource: pending.resource().name.clone(),
        }),
        None => None,
    };
    let html = SignIn {
        gateway: site.name.clone(),
        context,
        interaction: interaction.map(|token| token.expose().to_owned()),
        form_token: browser.form_token(PURPOSE),
        name: name.to_owned(),
        error: error.map(str::to_owned),
    }
    .render();
    Ok(browser.remembered(site, common::page(status, html)))
}

/// Where a browser goes when it is signed in.
fn after(interaction: Option<&Secret<InteractionToken>>) -> String {
    match interaction {
        Some(token) => format!("/consent?interaction={}", token.expose()),
        None => "/apps".to_owned(),
    }
}

pub(crate) async fn sign_in(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let answered = async {
        let form = read_form(&site, &body)?;
        let browser = Browser::of(&site, &headers).await?;
        let interaction = interaction(&form);
        if let Err(refused) = browser.check_form(&site, &headers, &form, PURPOSE) {
            // Signed in meanwhile in another tab, this one's form is stale: it goes on where it wanted to.
            let signed_in = browser.account().is_some() && common::is_from_our_page(&site, &headers);
            return if signed_in { Ok(common::see_other(&after(interaction.as_ref()))) } else { Err(refused) };
        }
        let name = form.get("name").unwrap_or_default();
        let again = |error: &'static str, status| show(&site, &browser, interaction.clone(), name, Some(error), status);
        let Some(password) = form.get("password").and_then(|text| Secret::<Password>::parse(text).ok()) else {
            return again(WRONG_NAME_OR_PASSWORD, StatusCode::UNAUTHORIZED).await;
        };
        match check(&site, name, password).await? {
            Ok(Some((account, verified))) => {
                let response = signed_in(&site, &browser, verified, interaction, Vec::new()).await?;
                tracing::info!(account = %account.id.0, "signed in");
                Ok(response)
            }
            Ok(None) => {
                tracing::info!("a sign-in failed");
                again(WRONG_NAME_OR_PASSWORD, StatusCode::UNAUTHORIZED).await
            }
            Err(NotNow::Wait(_)) => {
                again("Too many tries. Wait a minute, then try again.", StatusCode::TOO_MANY_REQUESTS).await
            }
            Err(NotNow::Busy) => {
                again("Many people are signing in right now. Try again in a moment.", StatusCode::TOO_MANY_REQUESTS)
                    .await
            }
        }
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

/// Checks a name and a password at the same cost whether or not the account exists.
async fn check(
    site: &Site,
    name: &str,
    password: Secret<Password>,
) -> Result<Result<Option<(Account, PasswordVerified)>, NotNow>, Early> {
    let now = (site.now)();
    if let Err(wait) = site.passwords.begin_try(name, now) {
        return Ok(Err(wait));
    }
    let found = site.store.account_by_name(name).await.map_err(|fault| common::away(site, &fault))?;
    let account = found.clone();
    let verified = site.passwords.work(move || session::verify_password(account.as_ref(), &password)).await;
    let verified = match verified {
        Ok(verified) => verified,
        Err(busy) => return Ok(Err(busy)),
    };
    match verified {
        Some(_) => site.passwords.forget(name),
        None => record_failure(site, found.as_ref()).await,
    }
    Ok(Ok(found.zip(verified)))
}

/// Puts a failed sign-in into the record, unless this minute's is there. That the record cannot be written is no reason to answer
/// otherwise.
async fn record_failure(site: &Site, account: Option<&Account>) {
    let Some((id, writes)) = session::failed(account, (site.now)()) else { return };
    let recorded = match site.store.is_used(&id).await {
        Ok(false) => site.store.commit(writes).await.map(|_| ()),
        other => other.map(|_| ()),
    };
    if let Err(fault) = recorded {
        tracing::error!(%fault, "a failed sign-in was not recorded");
    }
}

/// Gives the browser a new session, and sends it on. `also` is committed in the same step, before.
pub(crate) async fn signed_in(
    site: &Site,
    browser: &Browser,
    verified: PasswordVerified,
    interaction: Option<Secret<InteractionToken>>,
    also: Vec<Write>,
) -> Result<Response, Early> {
    let before = browser.token.digest();
    let (token, session) = session::sign_in(&site.policy, &verified, before, (site.now)(), &mut *(site.entropy)());
    let writes = also.into_iter().chain(session).collect();
    match site.store.commit(writes).await.map_err(|fault| common::away(site, &fault))? {
        Committed::Done => {
            site.catalogue.get_ready(&verified.account().0);
            let next = common::see_other(&after(interaction.as_ref()));
            Ok(Browser::renewed(token).remembered(site, next))
        }
        // The account went away in the meantime, or the set-up link was used.
        Committed::Conflict => Err(common::refused(site, &PageRefusal::AlreadyAnswered)),
    }
}

pub(crate) async fn sign_out(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let answered = async {
        let form = read_form(&site, &body)?;
        let browser = Browser::of(&site, &headers).await?;
        browser.check_form(&site, &headers, &form, "sign-out")?;
        let next = Browser::new(&site);
        let writes = session::sign_out(browser.token.digest(), next.token.digest());
        site.store.commit(writes).await.map_err(|fault| common::away(&site, &fault))?;
        if let Some(token) = interaction(&form) {
            // Another person is to answer.
            let path = format!("/sign-in?interaction={}", token.expose());
            return Ok(next.remembered(&site, common::see_other(&path)));
        }
        let html = Notice {
            gateway: site.name.clone(),
            title: "You are signed out".to_owned(),
            text: "Apps that you connected keep their access until you revoke it under Connected apps.".to_owned(),
            link: Some(Link { path: "/sign-in", words: "Sign in again" }),
        }
        .render();
        Ok(next.remembered(&site, common::page(StatusCode::OK, html)))
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

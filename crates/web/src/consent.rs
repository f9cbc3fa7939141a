//! The page on which a person allows or denies.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{
    PageRefusal,
    consent::{self, Answer, Destination, Lasts, Next, Pending},
    exchange,
    facts::{Client, ClientOrigin},
    store::Committed,
};
use doorward_types::{ClientId, ResourceId, Scope, ScopeSet, Secret, form::Form, secret::InteractionToken};

use crate::{
    Site,
    authorize::leave,
    browser::Browser,
    common::{self, Early, refused},
    forms::{interaction, read_form},
    pages::{Consent, DurationChoice, GrantDuration, Link, Notice, Outcome, ReturnTo},
    words,
};

/// The request that waits for this browser, judged again.
pub(crate) async fn pending(
    site: &Site,
    browser: &Browser,
    token: &Secret<InteractionToken>,
) -> Result<Result<Pending, PageRefusal>, Early> {
    let away = |fault| common::away(site, &fault);
    let Some(found) = site.store.interaction(&token.digest()).await.map_err(away)? else {
        return Ok(Err(PageRefusal::UnknownInteraction));
    };
    let (digest, now) = (browser.token.digest(), (site.now)());
    let id = match consent::client_of(&found, token) {
        Ok(id) => id,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let client = site.store.client(&id).await.map_err(away)?;
    Ok(consent::open(&site.policy, &found, token, &digest, client.as_ref(), now))
}

/// A resource's name for people.
pub(crate) fn resource_name(site: &Site, id: &ResourceId) -> String {
    site.policy.resource(id).map_or_else(|| id.to_string(), |resource| resource.name.clone())
}

/// The names of other servers that this client's access can be passed on to.
pub(crate) fn also_at(site: &Site, client: &ClientId, resource: &ResourceId, exchangers: &[Client]) -> Vec<String> {
    let reached = exchange::reach(&site.policy, client, resource, exchangers);
    reached.into_iter().map(|resource| resource.name.clone()).collect()
}

fn purpose(token: &Secret<InteractionToken>) -> String {
    format!("consent {}", token.expose())
}

pub(crate) async fn page(State(site): State<Arc<Site>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let shown = async {
        let query = read_form(&site, query.unwrap_or_default().as_bytes())?;
        let browser = Browser::of(&site, &headers).await?;
        let Some(token) = interaction(&query) else { return Err(refused(&site, &PageRefusal::UnknownInteraction)) };
        show(&site, &browser, &token, None).await
    };
    shown.await.unwrap_or_else(|early: Early| *early)
}

async fn show(
    site: &Site,
    browser: &Browser,
    token: &Secret<InteractionToken>,
    error: Option<String>,
) -> Result<Response, Early> {
    let (Some(account), Some(shown_account)) = (browser.account(), browser.shown_account()) else {
        let next = common::see_other(&format!("/sign-in?interaction={}", token.expose()));
        return Ok(browser.remembered(site, next));
    };
    let pending = pending(site, browser, token).await?.map_err(|refusal| refused(site, &refusal))?;
    let (client, resource) = (pending.client(), pending.resource());
    let grants = site.store.grants_of(&account.id).await.map_err(|fault| common::away(site, &fault))?;
    let earlier: Vec<_> = grants
        .iter()
        .map(|(grant, _)| grant)
        .filter(|grant| grant.client == client.id && grant.resource == resource.id)
        .collect();
    let exchangers = site.store.exchangers().await.map_err(|fault| common::away(site, &fault))?;
    let also_at = also_at(site, &client.id, &resource.id, &exchangers);
    let now = (site.now)();
    let allowed_before =
        earlier.iter().filter(|grant| grant.is_live(now)).fold(ScopeSet::none(), |all, grant| all.union(&grant.scope));
    // What a server offers that checks its tokens itself is not known here.
    let own = site.policy.resources.first().is_some_and(|own| own.id == pending.resource().id);
    let tools = if own { site.catalogue.tools(&account.id.0).await } else { Vec::new() };
    let (return_to, redirect_uri) = match pending.destination() {
        Destination::Client(redirect) => {
            (words::return_to(redirect.kind(), redirect.as_str()), redirect.as_str().to_owned())
        }
        Destination::Device { user_code, asked_from } => {
            let (code, asked_from) = (user_code.to_owned(), asked_from.to_owned());
            (ReturnTo::Device { code, asked_from }, String::new())
        }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let html = Consent {
        gateway: site.name.clone(),
        error,
        client: words::client_name(client),
        client_id: client.id.to_string(),
        resource_name: resource.name.clone(),
        resource_url: resource.id.to_string(),
        also_at,
        account: shown_account,
        identity: words::identity(client),
        return_to,
        redirect_uri,
        first_seen: earlier.iter().map(|grant| grant.created_at).min().map(words::when),
        scopes: words::scope_choices(pending.offered(), &allowed_before, &tools),
        durations: durations(site, client),
        asks_again: pending.offline().then(|| words::how_long(site.policy.lifetimes.access_token)),
        requested: words::when(pending.requested_at()),
        interaction: token.expose().to_owned(),
        form_token: browser.form_token(&purpose(token)),
    }
    .render();
    Ok(common::page(status, html))
}

pub(crate) async fn answer(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let answered = async {
        let form = read_form(&site, &body)?;
        let browser = Browser::of(&site, &headers).await?;
        let Some(token) = interaction(&form) else { return Err(refused(&site, &PageRefusal::UnknownInteraction)) };
        browser.check_form(&site, &headers, &form, &purpose(&token))?;
        let Some(owner) = browser.owner(&site) else {
            return Ok(common::see_other(&format!("/sign-in?interaction={}", token.expose())));
        };
        let Some(answer) = read_answer(&form) else {
            let error = "Choose allow or deny, and for how long.".to_owned();
            return show(&site, &browser, &token, Some(error)).await;
        };
        let outcome = if answer == Answer::Deny { Outcome::Denied } else { Outcome::Allowed };
        let pending = pending(&site, &browser, &token).await?.map_err(|refusal| refused(&site, &refusal))?;
        let client = pending.client().clone();
        let decided = consent::answer(&site.policy, pending, &owner, answer, (site.now)(), &mut *(site.entropy)());
        let answered = match decided {
            Ok(answered) => answered,
            Err(refusal) => return show(&site, &browser, &token, Some(refusal.to_string())).await,
        };
        match site.store.commit(answered.writes).await.map_err(|fault| common::away(&site, &fault))? {
            Committed::Done => Ok(match answered.next {
                Next::Leave(back) => leave(&site, Some(&client), &back, outcome),
                Next::Stay => stay(&site, &client, outcome),
            }),
            Committed::Conflict => lost(&site, &headers, &token).await,
        }
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

/// What became of the request in the meantime: it was answered, its app was removed, or its person's session ended.
async fn lost(site: &Site, headers: &HeaderMap, token: &Secret<InteractionToken>) -> Result<Response, Early> {
    let browser = Browser::of(site, headers).await?;
    if browser.account().is_none() {
        return Ok(common::see_other(&format!("/sign-in?interaction={}", token.expose())));
    }
    let refusal = pending(site, &browser, token).await?.err().unwrap_or(PageRefusal::AlreadyAnswered);
    Err(refused(site, &refusal))
}

/// The page after the answer to a device: the browser is sent nowhere.
fn stay(site: &Site, client: &Client, outcome: Outcome) -> Response {
    let name = words::client_name(client);
    let (title, text) = match outcome {
        Outcome::Allowed => (
            "The device is let in",
            format!(
                "“{name}” has what you allowed, in a few seconds. You can close this page, and stop the access at any time."
            ),
        ),
        Outcome::Denied | Outcome::NotAsked { .. } => {
            ("The device is not let in", format!("You denied it. “{name}” gets no access. You can close this page."))
        }
    };
    let link = Some(Link { path: "/apps", words: "Connected apps" });
    let html = Notice { gateway: site.name.clone(), title: title.to_owned(), text, link }.render();
    common::page(StatusCode::OK, html)
}

/// The durations within the policy's limits. What nobody vouches for ends by itself unless the person wants otherwise.
fn durations(site: &Site, client: &Client) -> Vec<DurationChoice> {
    let limit = site.policy.longest_grant(client);
    let offered = Lasts::within(limit);
    let wanted = match client.origin {
        ClientOrigin::Dynamic | ClientOrigin::Document => Lasts::Days30,
        ClientOrigin::Administrator => Lasts::UntilRevoked,
    };
    let preset = offered.iter().copied().rfind(|lasts| *lasts == wanted).or(offered.last().copied());
    let choice = |lasts: &Lasts| DurationChoice {
        duration: match lasts {
            Lasts::Hours8 => GrantDuration::Hours8,
            Lasts::Days30 => GrantDuration::Days30,
            Lasts::UntilRevoked => GrantDuration::UntilRevoked { at_most: limit.map(words::how_long) },
        },
        checked: Some(*lasts) == preset,
    };
    offered.iter().map(choice).collect()
}

/// Nothing of the form but these three fields counts: the request is the stored one.
fn read_answer(form: &Form) -> Option<Answer> {
    match form.get("answer")? {
        "deny" => Some(Answer::Deny),
        "allow" => Some(Answer::Allow {
            scope: form.all("scope").filter_map(|text| Scope::parse(text).ok()).collect::<ScopeSet>(),
            lasts: form.get("duration").and_then(Lasts::parse)?,
        }),
        _ => None,
    }
}

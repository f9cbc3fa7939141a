//! Connected apps: what a person allowed, and the buttons that end it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use doorward_authorization_server::{
    facts::{Client, Grant},
    revocation,
    standing::{self, Ending, Standing},
};
use doorward_types::Timestamp;

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    consent::{also_at, resource_name},
    forms::read_form,
    pages::{ConnectedApps, EndedGrant, GrantCard, Identity},
    words,
};

const PURPOSE: &str = "apps";

/// For how long an app whose access ended by itself is still named, so that nobody wonders why it asks again.
const ENDED_LATELY: Duration = Duration::from_secs(14 * 24 * 3600);
/// The most of them that are named.
const MOST_ENDED: usize = 5;

pub(crate) async fn page(State(site): State<Arc<Site>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let shown = async {
        let query = read_form(&site, query.unwrap_or_default().as_bytes())?;
        let browser = Browser::of(&site, &headers).await?;
        let (Some(account), Some(shown)) = (browser.account(), browser.shown_account()) else {
            return Ok(browser.remembered(&site, common::see_other("/sign-in")));
        };
        let grants = site.store.grants_of(&account.id).await.map_err(|fault| common::away(&site, &fault))?;
        let exchangers = site.store.exchangers().await.map_err(|fault| common::away(&site, &fault))?;
        let now = (site.now)();
        let judged = |grant: &Grant, client: Option<&Client>| standing::standing(&site.policy, client, grant, now);
        let live = grants.iter().filter(|(grant, client)| judged(grant, client.as_ref()) == Standing::Live);
        let ended = grants.iter().filter_map(|(grant, client)| match judged(grant, client.as_ref()) {
            Standing::Ended(at, why) if now.since(at) < ENDED_LATELY && grant.last_used_at.is_some() => {
                Some(ended(&site, grant, client.as_ref(), at, why))
            }
            _ => None,
        });
        let notice = match query.get("done") {
            Some("one") => Some("The app has no access any more. This took effect at once."),
            Some("all") => Some("No app has access any more. This took effect at once."),
            _ => None,
        };
        let html = ConnectedApps {
            gateway: site.name.clone(),
            account: shown,
            notice: notice.map(str::to_owned),
            ended: ended.take(MOST_ENDED).collect(),
            grants: live.map(|(grant, client)| card(&site, grant, client.as_ref(), &exchangers)).collect(),
            mcp_url: site.policy.resources.first().map(|resource| resource.id.to_string()).unwrap_or_default(),
            form_token: browser.form_token(PURPOSE),
        }
        .render();
        Ok(common::page(StatusCode::OK, html))
    };
    shown.await.unwrap_or_else(|early: Early| *early)
}

fn card(site: &Site, grant: &Grant, client: Option<&Client>, exchangers: &[Client]) -> GrantCard {
    GrantCard {
        id: grant.id.0.clone(),
        client_id: grant.client.to_string(),
        client: client.map_or_else(|| "".into(), words::client_name),
        identity: client.map_or(Identity::Unverified, words::identity),
        resource: resource_name(site, &grant.resource),
        also_at: also_at(site, &grant.client, &grant.resource, exchangers),
        scopes: words::chips(&grant.scope),
        granted: words::when(grant.created_at),
        last_used: grant.last_used_at.map(words::when),
        expires: grant.expires_at.map(words::when),
    }
}

fn ended(site: &Site, grant: &Grant, client: Option<&Client>, at: Timestamp, why: Ending) -> EndedGrant {
    EndedGrant {
        client: client.map_or_else(|| "".into(), words::client_name),
        resource: resource_name(site, &grant.resource),
        at: words::when(at),
        why: match why {
            Ending::Revoked => "it was revoked",
            Ending::Expired => "the time you allowed was over",
            Ending::Unused => "the app did not use it",
        },
    }
}

pub(crate) async fn revoke(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let answered = async {
        let form = read_form(&site, &body)?;
        let browser = Browser::of(&site, &headers).await?;
        browser.check_form(&site, &headers, &form, PURPOSE)?;
        let Some(owner) = browser.owner(&site) else { return Ok(common::see_other("/sign-in")) };
        let away = |fault| common::away(&site, &fault);
        // Only the person's own grants are looked at, whatever the form names.
        let own = site.store.grants_of(owner.account()).await.map_err(away)?;
        let all = form.get("all") == Some("yes");
        let chosen = own.iter().map(|(grant, _)| grant).filter(|grant| all || form.get("grant") == Some(&grant.id.0));
        let now = (site.now)();
        let writes: Vec<_> =
            chosen.filter_map(|grant| revocation::by_person(&owner, Some(grant), now)).flatten().collect();
        if writes.is_empty() && !all {
            let texts = [
                "There is no such connection",
                "Nothing was changed.",
                "It was revoked before, or it is not yours.",
                "Go back to Connected apps and load the page again.",
            ];
            return Err(Box::new(common::refusal_page(&site, StatusCode::NOT_FOUND, "OA-123", texts)));
        }
        site.store.commit(writes).await.map_err(away)?;
        Ok(common::see_other(if all { "/apps?done=all" } else { "/apps?done=one" }))
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

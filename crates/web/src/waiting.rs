//! Whether one more request may wait for somebody, and what is said when it may not.

use std::time::Duration;

use axum::{
    http::{StatusCode, header},
    response::Response,
};
use doorward_authorization_server::{
    client_auth::AuthenticatedClient,
    store::StoreFault,
    waiting::{self, Asker, Waiting},
};

use crate::{
    Site,
    browser::Browser,
    common::{self, Early},
    pages::{ErrorPage, Link},
    peer::Source,
};

/// After how long a stranger who found no room may try again: rows that are over are removed each minute.
const ROOM_AGAIN: Duration = Duration::from_secs(60);

/// Why a request may not wait.
pub(crate) enum Held {
    /// Its sender asked too often.
    TooFast(Duration),
    /// As many wait as strangers may have waiting.
    Crowded,
    /// The store is away.
    Away(StoreFault),
}

/// A browser's request. Who is signed in is counted by account, so that strangers at the same address hold nobody up.
pub(crate) async fn of_browser(site: &Site, source: Source, browser: &Browser) -> Result<(), Early> {
    let (asker, name) = match browser.account() {
        Some(account) => (Asker::Known, account.id.0.clone()),
        None => (Asker::Stranger, source.name()),
    };
    one_more(site, Waiting::Answer, asker, Some(&name)).await.map_err(|held| page(site, held, asker))
}

/// A client's request. The operator's own, when it proved who it is, may send as many as it has people.
pub(crate) async fn of_client(
    site: &Site,
    kind: Waiting,
    source: Source,
    client: &AuthenticatedClient,
) -> Result<(), Early> {
    let asker = Asker::of(client);
    let name = (asker == Asker::Stranger).then(|| source.name());
    one_more(site, kind, asker, name.as_deref()).await.map_err(json)
}

async fn one_more(site: &Site, kind: Waiting, asker: Asker, name: Option<&str>) -> Result<(), Held> {
    if let Some(name) = name {
        site.strangers.may_ask(kind, name, (site.now)()).map_err(Held::TooFast)?;
    }
    let count = site.store.count_waiting(kind, site.policy.most_waiting).await.map_err(Held::Away)?;
    waiting::one_more(&site.policy, asker, count).map_err(|_| Held::Crowded)
}

fn page(site: &Site, held: Held, asker: Asker) -> Early {
    let (status, wait, why) = match held {
        Held::TooFast(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, wait, "More apps were connected from your address just now than people do.")
        }
        Held::Crowded => {
            (StatusCode::SERVICE_UNAVAILABLE, ROOM_AGAIN, "More requests wait for an answer than this gateway keeps.")
        }
        Held::Away(fault) => return common::away(site, &fault),
    };
    let stranger = asker == Asker::Stranger;
    let next = if stranger {
        "Sign in first, then go back to the app and connect again. Or wait a minute and connect again."
    } else {
        "Wait a minute, go back to the app and connect again."
    };
    let html = ErrorPage {
        gateway: site.name.clone(),
        title: "Too many requests to connect".into(),
        what: "Nothing was allowed, and you were not sent on to the app.".into(),
        why: why.into(),
        next: next.into(),
        link: stranger.then_some(Link { path: "/sign-in", words: "Sign in" }),
        code: "OA-117".into(),
    };
    tracing::warn!(%status, why, "a request may not wait");
    later(common::page(status, html.render()), wait)
}

fn json(held: Held) -> Early {
    let (status, wait, text) = match held {
        Held::TooFast(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, wait, "too many requests came from this address; try again later")
        }
        Held::Crowded => {
            (StatusCode::SERVICE_UNAVAILABLE, ROOM_AGAIN, "too many requests wait for an answer; try again in a minute")
        }
        Held::Away(fault) => return common::away_json(&fault),
    };
    tracing::warn!(%status, text, "a request may not wait");
    later(common::oauth_error(status, "temporarily_unavailable", text), wait)
}

/// Says when to try again.
pub(crate) fn later(mut response: Response, wait: Duration) -> Early {
    response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    Box::new(response)
}

//! Clients whose identifier is the URL of a document, and the keys of those that have some elsewhere.

use std::{sync::Arc, time::Duration};

use doorward_authorization_server::{
    Policy,
    client_document::{self, DocumentUrl},
    facts::{Client, ClientOrigin},
    known_apps,
    store::{Committed, Store, StoreFault},
};
use doorward_types::{ClientId, Timestamp, jose::KeySet, outbound::Http, web_url};
use futures_util::FutureExt as _;
use http::StatusCode;

use crate::{
    Site,
    common::{self, Early},
    peer::Source,
    strangers::{Keys, Strangers, Unread},
    waiting::later,
};

/// How long after a read the same keys are read again because of a key that is not among them.
const KEYS_SETTLE: Duration = Duration::from_secs(60);

/// Whether a client has to be fresh, or may be as it was when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// For a new request for access.
    Fresh,
    /// For what was granted already, which must not end because a host is away. It is looked at again when its copy is old,
    /// since its keys may be new ones; if that fails, it is as it was.
    Known,
}

fn away(fault: StoreFault) -> Unread {
    Unread::Away(Arc::new(fault))
}

/// A client by its identifier. What an operator registered counts before any document of that name.
pub(crate) async fn client(
    site: &Site,
    id: &ClientId,
    wanted: Wanted,
    source: Source,
) -> Result<Option<Client>, Unread> {
    let known = site.store.client(id).await.map_err(away)?;
    let now = (site.now)();
    let (true, Some(http)) = (site.policy.client_documents && client_document::is_meant(id), &site.http) else {
        // A document that may not be read any more describes nobody.
        return Ok(known.filter(|known| known.origin != ClientOrigin::Document || site.policy.client_documents));
    };
    let standing = match known {
        Some(known) if known.origin != ClientOrigin::Document => return Ok(Some(known)),
        Some(known) if client_document::is_fresh(&known, now) => return Ok(Some(known)),
        known => known.filter(|known| wanted == Wanted::Known && known.exists(now)),
    };
    if standing.is_some() && !site.strangers.may_look_again(id.as_str(), now) {
        return Ok(standing);
    }
    match read(site, http, id, source, now).await {
        Err(Unread::Failed) if standing.is_some() => Ok(standing),
        Err(Unread::Busy(_)) if standing.is_some() => {
            site.strangers.did_not_look(id.as_str());
            Ok(standing)
        }
        other => other,
    }
}

/// Reads a document, together with all who want the same one.
async fn read(
    site: &Site,
    http: &Arc<dyn Http>,
    id: &ClientId,
    source: Source,
    now: Timestamp,
) -> Result<Option<Client>, Unread> {
    let url = match DocumentUrl::parse(id.as_str()) {
        Ok(url) => url,
        Err(rule) => {
            tracing::info!(client = %id, %rule, "a client_id is not the URL of a document");
            return Ok(None);
        }
    };
    let reading = site.strangers.joined(url.as_str(), || {
        // Strangers who ask for other things at its host do not lock a known app out.
        let host = known_apps::by_document(url.as_str()).map_or(url.host(), |_| url.as_str());
        site.strangers.may_read(source, host, now).map_err(Unread::Busy)?;
        let place = site.strangers.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Unread::Busy(Duration::from_secs(5)))?;
        let job = Job {
            policy: site.policy.clone(),
            store: site.store.clone(),
            http: http.clone(),
            strangers: site.strangers.clone(),
            now: site.now,
            url: url.clone(),
        };
        // It goes on when whoever asked first goes away, since others may be waiting for it.
        let task = tokio::spawn(async move {
            let _place = place;
            job.run().await
        });
        Ok(async move { task.await.unwrap_or(Err(Unread::Failed)) }.boxed().shared())
    })?;
    reading.await.map(Some)
}

struct Job {
    policy: Arc<Policy>,
    store: Arc<dyn Store>,
    http: Arc<dyn Http>,
    strangers: Arc<Strangers>,
    now: fn() -> Timestamp,
    url: DocumentUrl,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.strangers.ended(self.url.as_str());
    }
}

impl Job {
    async fn run(&self) -> Result<Client, Unread> {
        let url = self.url.as_str();
        // Another read may have ended between the look at the store and this one's turn.
        let id = ClientId::parse(url).map_err(|_| Unread::Failed)?;
        let known = self.store.client(&id).await.map_err(away)?;
        if let Some(fresh) = known.filter(|known| client_document::is_fresh(known, (self.now)())) {
            return Ok(fresh);
        }
        let answer = self.http.send(self.url.request(&self.policy.issuer)).await.map_err(|failed| {
            tracing::warn!(client = url, %failed, "metadata_resolution_failed: a client's document could not be read");
            Unread::Failed
        })?;
        let read = client_document::read(&self.policy, &self.url, &answer, (self.now)()).map_err(|refusal| {
            tracing::warn!(client = url, %refusal, "metadata_resolution_failed: a client's document is not good");
            Unread::Failed
        })?;
        self.store(read).await
    }

    /// Another node may have stored a copy in the meantime, which is as good.
    async fn store(&self, read: Client) -> Result<Client, Unread> {
        for _ in 0..3 {
            let before = self.store.client(&read.id).await.map_err(away)?;
            if let Some(registered) = before.as_ref().filter(|before| before.origin != ClientOrigin::Document) {
                return Ok(registered.clone());
            }
            let strangers = self.store.count_strangers().await.map_err(away)?;
            let (now, policy) = ((self.now)(), &self.policy);
            let refreshed = client_document::refreshed(policy, before.as_ref(), read.clone(), strangers, now);
            let (client, writes) = refreshed.map_err(|refusal| {
                tracing::warn!(client = self.url.as_str(), %refusal, "a client's document was not taken");
                Unread::Busy(Duration::from_secs(3600))
            })?;
            if self.store.commit(writes).await.map_err(away)? == Committed::Done {
                return Ok(client);
            }
        }
        Err(Unread::Busy(Duration::from_secs(1)))
    }
}

/// The keys at a client's `jwks_uri`, kept as long as their host says. `again` is for a key that is not among those that
/// are kept: then they are read anew, unless that was just done.
pub(crate) async fn keys(site: &Site, uri: &str, again: bool, source: Source) -> Option<KeySet> {
    let now = (site.now)();
    let kept = site.strangers.keys(uri);
    let good = kept.as_ref().filter(|kept| kept.good_until > now);
    if let Some(good) = good
        && (!again || now.since(good.read_at) < KEYS_SETTLE)
    {
        return Some(good.set.clone());
    }
    let read = read_keys(site, uri, source, now).await;
    // An outage of the host ends nothing that its keys could do a moment ago.
    read.or_else(|| good.map(|good| good.set.clone()))
}

async fn read_keys(site: &Site, uri: &str, source: Source, now: Timestamp) -> Option<KeySet> {
    let (http, url) = (site.http.as_ref()?, web_url::parse(uri).ok()?);
    if let Err(wait) = site.strangers.may_read(source, url.host_str().unwrap_or_default(), now) {
        tracing::warn!(uri, ?wait, "a client's keys are not read so often");
        return None;
    }
    let _place = site.strangers.places.try_acquire().ok()?;
    let answer = match http.send(client_document::request(&site.policy.issuer, &url)).await {
        Ok(answer) => answer,
        Err(failed) => {
            tracing::warn!(uri, %failed, "a client's keys could not be read");
            return None;
        }
    };
    let Some(set) = client_document::read_keys(&answer) else {
        tracing::warn!(uri, status = answer.status.as_u16(), "there are no keys at a client's jwks_uri");
        return None;
    };
    let good_until = now.plus(client_document::lifetime(&answer.headers));
    site.strangers.keep_keys(uri, Keys { set: set.clone(), read_at: now, good_until });
    Some(set)
}

/// The page for a client whose document cannot be read. It says the same whatever the cause, so that nobody learns of other
/// hosts through it.
pub(crate) fn unread_page(site: &Site, unread: Unread) -> Early {
    let (status, wait, texts) = match unread {
        Unread::Failed => (
            StatusCode::BAD_REQUEST,
            None,
            [
                "This app cannot be looked up",
                "Nothing was allowed, and you were not sent on to the app.",
                "The app names a web address that describes it. No usable description could be read there just now.",
                "Try again in a minute. If it happens again, report it to the app's makers; the operator finds the cause in the gateway's log.",
            ],
        ),
        Unread::Busy(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some(wait),
            [
                "Too many apps are being looked up",
                "Nothing was allowed, and you were not sent on to the app.",
                "This gateway looks up descriptions of apps only so often.",
                "Wait a minute, go back to the app and connect again.",
            ],
        ),
        Unread::Away(fault) => return common::away(site, &fault),
    };
    let code = if status == StatusCode::BAD_REQUEST { "OA-114" } else { "OA-115" };
    let page = common::refusal_page(site, status, code, texts);
    match wait {
        Some(wait) => later(page, wait),
        None => Box::new(page),
    }
}

/// The same for programs. A document that cannot be read describes no client.
pub(crate) fn unread_json(unread: &Unread) -> Early {
    let (status, error, text, wait) = match unread {
        Unread::Failed => {
            return Box::new(common::oauth_error(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "no usable description of the client could be read at its client_id",
            ));
        }
        Unread::Busy(wait) => {
            let text = "descriptions of clients are looked up only so often; try again later";
            (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text, wait)
        }
        Unread::Away(fault) => return common::away_json(fault),
    };
    later(common::oauth_error(status, error, text), *wait)
}

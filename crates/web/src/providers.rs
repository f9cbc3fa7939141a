//! The keys of the identity providers whose word is believed, read where they publish them and kept for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doorward_authorization_server::policy::Enterprise;
use doorward_types::{
    Issuer, Timestamp,
    jose::KeySet,
    json,
    metadata::AuthorizationServerMetadata,
    outbound::{Http, Inbound, Outbound, Reach, Redirects},
    web_url,
};
use http::StatusCode;
use url::Url;

/// How long keys are used without another look.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long keys are used while their provider cannot be reached.
const MOST_STALE: Duration = Duration::from_secs(24 * 3600);
/// How long after a try the next one is made, whatever became of it and whatever keys are named.
const SETTLE: Duration = Duration::from_secs(30);
/// How long one read may take: somebody waits for it.
const MOST_TIME: Duration = Duration::from_secs(2);

/// What was read of each configured provider.
#[derive(Default)]
pub struct Providers(Mutex<HashMap<Issuer, Arc<tokio::sync::Mutex<Held>>>>);

#[derive(Default)]
struct Held {
    keys: Option<KeySet>,
    /// When the keys were read.
    read_at: Option<Timestamp>,
    /// When it was last tried.
    tried_at: Option<Timestamp>,
    /// Where the provider says that its keys are.
    place: Option<Url>,
}

impl Held {
    fn younger(moment: Option<Timestamp>, than: Duration, now: Timestamp) -> bool {
        moment.is_some_and(|moment| now.since(moment) < than)
    }

    fn usable(&self, now: Timestamp) -> Option<KeySet> {
        self.keys.clone().filter(|_| Self::younger(self.read_at, MOST_STALE, now))
    }
}

impl Providers {
    /// The keys of a provider. `again` is for an assertion with a key that is not among those that are kept: then they are
    /// read anew, unless that was just tried. Who comes meanwhile waits for the same read.
    pub(crate) async fn keys(
        &self,
        http: &dyn Http,
        enterprise: &Enterprise,
        again: bool,
        now: Timestamp,
    ) -> Option<KeySet> {
        let held = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(enterprise.issuer.clone()).or_default().clone()
        };
        let mut held = held.lock().await;
        let fresh = Held::younger(held.read_at, FRESH, now);
        if (fresh && !again) || Held::younger(held.tried_at, SETTLE, now) {
            return held.usable(now);
        }
        held.tried_at = Some(now);
        match read(http, enterprise, held.place.clone()).await {
            Ok((place, keys)) => {
                *held = Held { keys: Some(keys), read_at: Some(now), tried_at: Some(now), place: Some(place) };
            }
            Err(why) => {
                // It may have moved.
                held.place = None;
                tracing::warn!(issuer = %enterprise.issuer, why, "the keys of an identity provider could not be read");
            }
        }
        held.usable(now)
    }
}

/// Reads the keys: where the operator or the provider says they are.
async fn read(http: &dyn Http, enterprise: &Enterprise, known: Option<Url>) -> Result<(Url, KeySet), String> {
    let place = match (&enterprise.jwks_uri, known) {
        (Some(text), _) => web_url::parse(text).map_err(|refusal| refusal.to_string())?,
        (None, Some(known)) => known,
        (None, None) => discover(http, &enterprise.issuer).await?,
    };
    let answer = get(http, enterprise, &place).await?;
    let keys = KeySet::parse(&answer.body).map_err(|refusal| refusal.to_string())?;
    if keys.is_empty() { Err("there is no key in it that can be used".to_owned()) } else { Ok((place, keys)) }
}

/// Asks the provider's metadata. Only a document that names this very issuer counts.
///
/// Source: RFC 8414 section 3.3.
async fn discover(http: &dyn Http, issuer: &Issuer) -> Result<Url, String> {
    let mut why = "it has no metadata".to_owned();
    let enterprise = Enterprise { issuer: issuer.clone(), jwks_uri: None };
    for candidate in issuer.metadata_candidates() {
        let found = match get(http, &enterprise, &candidate).await {
            Ok(answer) => {
                json::parse_as::<AuthorizationServerMetadata>(&answer.body).map_err(|refusal| refusal.to_string())
            }
            Err(failed) => Err(failed),
        };
        match found {
            Ok(document) if document.issuer == issuer.as_str() => {
                let text = document.jwks_uri.ok_or("its metadata names no jwks_uri")?;
                return web_url::parse(&text).map_err(|refusal| format!("its jwks_uri cannot be used: {refusal}"));
            }
            Ok(_) => why = "its metadata names another issuer".to_owned(),
            Err(refusal) => why = refusal,
        }
    }
    Err(why)
}

async fn get(http: &dyn Http, enterprise: &Enterprise, url: &Url) -> Result<Inbound, String> {
    // What the operator named may be on a private network; where that leads to, only if it is the same host.
    let named = enterprise.jwks_uri.is_some() || url.host() == enterprise.issuer.url().host();
    let reach = if named { Reach::Anywhere } else { Reach::Public };
    let request =
        Outbound { timeout: MOST_TIME, redirects: Redirects::Refuse, ..Outbound::metadata(url.clone(), reach) };
    let answer = http.send(request).await.map_err(|failed| failed.to_string())?;
    if answer.status == StatusCode::OK { Ok(answer) } else { Err(format!("{url} answered {}", answer.status)) }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use doorward_types::{jose::SigningKey, outbound::FetchFailed};
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://idp.example/tenant";
    const KEYS_AT: &str = "https://idp.example/keys";

    /// A provider without a socket: documents by URL, and what was asked.
    #[derive(Default)]
    struct Place {
        documents: Mutex<HashMap<String, Value>>,
        asked: Mutex<Vec<(String, Reach)>>,
        /// With which it answers, when that is not 200.
        status: Option<StatusCode>,
    }

    #[async_trait]
    impl Http for Place {
        async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
            assert_eq!((request.redirects, request.timeout), (Redirects::Refuse, MOST_TIME));
            self.asked.lock().unwrap().push((request.url.to_string(), request.reach));
            tokio::task::yield_now().await;
            match self.documents.lock().unwrap().get(request.url.as_str()) {
                None => Err(FetchFailed::Timeout(MOST_TIME)),
                Some(document) => {
                    let body = document.to_string().into_bytes();
                    let status = self.status.unwrap_or(StatusCode::OK);
                    Ok(Inbound { status, headers: HeaderMap::new(), body })
                }
            }
        }
    }

    impl Place {
        fn publish(&self, url: &str, document: Value) {
            self.documents.lock().unwrap().insert(url.to_owned(), document);
        }

        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut *self.asked.lock().unwrap()).into_iter().map(|(url, _)| url).collect()
        }

        fn with_metadata(issuer: &str, jwks_uri: &str) -> Self {
            let place = Self::default();
            let at = "https://idp.example/.well-known/openid-configuration/tenant";
            place.publish(at, json!({"issuer": issuer, "jwks_uri": jwks_uri}));
            place.publish(KEYS_AT, json!({"keys": [SigningKey::generate().public_jwk()]}));
            place
        }
    }

    fn enterprise(jwks_uri: Option<&str>) -> Enterprise {
        Enterprise { issuer: Issuer::parse(ISSUER).unwrap(), jwks_uri: jwks_uri.map(ToOwned::to_owned) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_000_000 + seconds)
    }

    #[tokio::test]
    async fn keys_are_found_by_the_providers_metadata_and_kept() {
        // proves: EXT-EMA-024, JWT-18
        let (place, providers) = (Place::with_metadata(ISSUER, KEYS_AT), Providers::default());
        let trusted = enterprise(None);
        let keys = |again, now| providers.keys(&place, &trusted, again, at(now));
        let (first, second) = tokio::join!(keys(false, 0), keys(false, 0));
        assert!(first.is_some() && second.is_some());
        let discovered = [
            "https://idp.example/.well-known/oauth-authorization-server/tenant",
            "https://idp.example/.well-known/openid-configuration/tenant",
            KEYS_AT,
        ];
        assert_eq!(place.asked(), discovered, "once for all who wait");
        assert!(keys(false, 599).await.is_some());
        assert!(place.asked().is_empty());
        // A key that is not known leads to one more look, and not to one for each.
        for _ in 0..10 {
            assert!(keys(true, 599).await.is_some());
        }
        assert_eq!(place.asked(), [KEYS_AT]);
    }

    #[tokio::test]
    async fn an_outage_is_bridged_for_a_day() {
        // proves: JWT-19
        let (place, providers) = (Place::with_metadata(ISSUER, KEYS_AT), Providers::default());
        assert!(providers.keys(&place, &enterprise(None), false, at(0)).await.is_some());
        place.documents.lock().unwrap().clear();
        place.asked();
        assert!(providers.keys(&place, &enterprise(None), false, at(3600)).await.is_some());
        assert_eq!(place.asked(), [KEYS_AT]);
        assert!(providers.keys(&place, &enterprise(None), true, at(3601)).await.is_some());
        assert!(place.asked().is_empty(), "it is not asked again at once");
        assert!(providers.keys(&place, &enterprise(None), false, at(86_399)).await.is_some());
        assert!(providers.keys(&place, &enterprise(None), false, at(86_400)).await.is_none());
        // And nothing is believed before the first read.
        assert!(Providers::default().keys(&place, &enterprise(None), false, at(0)).await.is_none());
    }

    #[tokio::test]
    async fn only_the_providers_own_documents_count_and_only_they_reach_inside() {
        // proves: EXT-EMA-024, JWT-18
        for (issuer, jwks_uri) in [
            ("https://evil.example/tenant", KEYS_AT),
            ("https://idp.example/tenant/", KEYS_AT),
            (ISSUER, "http://idp.example/keys"),
            (ISSUER, "file:///etc/passwd"),
            (ISSUER, "https://idp.example/none"),
        ] {
            let place = Place::with_metadata(issuer, jwks_uri);
            let keys = Providers::default().keys(&place, &enterprise(None), false, at(0)).await;
            assert!(keys.is_none(), "{issuer} {jwks_uri}");
        }
        for bad in [json!({}), json!({"keys": []}), json!({"keys": [{"kty": "oct", "k": "AAAA"}]}), json!("x")] {
            let place = Place::with_metadata(ISSUER, KEYS_AT);
            place.publish(KEYS_AT, bad);
            assert!(Providers::default().keys(&place, &enterprise(None), false, at(0)).await.is_none());
        }
        for status in [StatusCode::CREATED, StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY] {
            let place = Place { status: Some(status), ..Place::with_metadata(ISSUER, KEYS_AT) };
            for trusted in [enterprise(None), enterprise(Some(KEYS_AT))] {
                assert!(Providers::default().keys(&place, &trusted, false, at(0)).await.is_none(), "{status}");
            }
        }
        let elsewhere = "https://cdn.example/keys";
        let place = Place::with_metadata(ISSUER, elsewhere);
        place.publish(elsewhere, json!({"keys": [SigningKey::generate().public_jwk()]}));
        assert!(Providers::default().keys(&place, &enterprise(None), false, at(0)).await.is_some());
        let reached = place.asked.lock().unwrap().pop().unwrap();
        assert_eq!(reached, (elsewhere.to_owned(), Reach::Public));
        // What the operator named is the operator's word.
        assert!(Providers::default().keys(&place, &enterprise(Some(elsewhere)), false, at(0)).await.is_some());
        assert_eq!(place.asked.lock().unwrap().pop().unwrap(), (elsewhere.to_owned(), Reach::Anywhere));
    }
}

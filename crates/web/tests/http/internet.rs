//! A stand-in for the internet: what each address answers, and what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use doorward_testkit::url_text;
use doorward_types::outbound::{FetchFailed, Http, Inbound, Outbound, Reach, Redirects};
use doorward_web::Strangers;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::world::{PUBLIC, World};

/// The document that most tests use.
pub(crate) const DOCUMENT: &str = "https://app.example/oauth/client.json";
pub(crate) const APP_CALLBACK: &str = "https://app.example/cb";

#[derive(Default)]
pub(crate) struct Internet {
    answers: Mutex<HashMap<String, Inbound>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Internet {
    /// From now on this address answers so.
    pub(crate) fn put(&self, url: &str, status: u16, headers: &[(&'static str, &str)], body: impl ToString) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Inbound { status, headers: map, body: body.to_string().into_bytes() };
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }

    /// From now on nobody is there.
    pub(crate) fn take_away(&self, url: &str) {
        self.answers.lock().unwrap().remove(url);
    }

    /// The usual document, with these members replaced, good for an hour.
    pub(crate) fn document(&self, changes: Value) {
        let mut document = json!({
            "client_id": DOCUMENT,
            "client_name": "An app",
            "redirect_uris": [APP_CALLBACK, "http://127.0.0.1/cb"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let headers = [("content-type", "application/json"), ("cache-control", "max-age=3600")];
        self.put(DOCUMENT, 200, &headers, document);
    }

    pub(crate) fn count(&self, url: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == url).count()
    }
}

#[async_trait]
impl Http for Internet {
    async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
        assert_eq!((request.reach, request.redirects), (Reach::Public, Redirects::Refuse), "{request:?}");
        self.asked.lock().unwrap().push(request.url.to_string());
        // Others come while this one is on its way.
        tokio::task::yield_now().await;
        let answer = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        answer.ok_or(FetchFailed::Forbidden("10.0.0.1".into()))
    }
}

/// A gateway that can reach out, with the account `ann`.
pub(crate) async fn world(per_minute: u32) -> (World, Arc<Internet>) {
    let internet = Arc::new(Internet::default());
    let http: Arc<dyn Http> = internet.clone();
    let world = World::with(
        PUBLIC,
        |policy| policy.client_documents = true,
        Some(http),
        Strangers::limited(per_minute, per_minute),
    )
    .await;
    world.add_account("ann").await;
    (world, internet)
}

/// A right authorization request of the app behind a document.
pub(crate) fn request(world: &World, id: &str, callback: &str, challenge: &str) -> String {
    let resource = world.resource();
    let fields = [
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", callback),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("resource", &resource),
        ("scope", "mcp:read"),
        ("state", "s"),
    ];
    format!("/oauth/authorize?{}", url_text::form(&fields))
}

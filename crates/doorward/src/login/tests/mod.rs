//! Logins and refreshes against a small authorization server that does what a test tells it, with a real credential
//! store and with curl as the browser.

mod enterprise;
mod late;
mod logging_in;
mod refused;
mod renewing;
mod world;

use std::{sync::Arc, time::Duration};

use doorward_client::{Code, CredentialStore as _, Occasion};
use doorward_relay::bridge::{BearerSource as _, Credential, Why};
use http::HeaderMap;

use crate::{clock::now, entropy::SystemEntropy};
use world::{Refreshes, World};

const PATIENCE: Duration = Duration::from_secs(60);

fn token(credential: &Credential, world: &World) -> String {
    let (resource, mut entropy) = (world.resource(), SystemEntropy);
    let (method, url) = (&http::Method::POST, &resource.url());
    let mut occasion = Occasion { method, url, nonce: None, now: now(), entropy: &mut entropy };
    let headers = credential.bearer.headers_for(&resource, &mut occasion).expect("a token for this server");
    headers[http::header::AUTHORIZATION].to_str().unwrap().trim_start_matches("Bearer ").to_owned()
}

fn challenge(text: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static(text))])
}

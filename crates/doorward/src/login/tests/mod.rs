//! Logins and refreshes against a small authorization server that does what a test tells it, with a real credential
//! store and with curl as the browser.

mod logging_in;
mod renewing;
mod world;

use std::{sync::Arc, time::Duration};

use doorward_client::{Code, CredentialStore as _};
use doorward_relay::bridge::{BearerSource as _, Credential, Why};
use http::HeaderMap;

use world::{Refreshes, World};

const PATIENCE: Duration = Duration::from_secs(60);

fn token(credential: &Credential, world: &World) -> String {
    let header = credential.bearer.header_for(&world.resource()).expect("a token for this server");
    header.to_str().unwrap().trim_start_matches("Bearer ").to_owned()
}

fn challenge(text: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static(text))])
}

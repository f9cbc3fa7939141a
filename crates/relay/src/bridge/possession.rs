//! How a token is shown to the server: by itself, or with a proof of the key that it is bound to.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use doorward_client::{Occasion, next_nonce};
use doorward_types::{Entropy, ResourceId, Timestamp, challenge};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::bearer::Credential;

/// The server's newest nonce. That of its authorization server is another one and not known here.
///
/// Source: RFC 9449 section 9.
#[derive(Default)]
pub(super) struct Possession {
    nonce: Mutex<Option<String>>,
}

impl Possession {
    fn nonce(&self) -> MutexGuard<'_, Option<String>> {
        self.nonce.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers of one request that shows this token; `None` when the token is for another server.
    pub(super) fn headers(
        &self,
        credential: &Credential,
        resource: &ResourceId,
        method: &Method,
        url: &Url,
    ) -> Option<HeaderMap> {
        let nonce = self.nonce().clone();
        let mut occasion = Occasion { method, url, nonce: nonce.as_deref(), now: now(), entropy: &mut System };
        credential.bearer.headers_for(resource, &mut occasion)
    }

    /// Takes note of the nonce in an answer; says whether the request has to be sent again with it.
    pub(super) fn wants_again(&self, status: StatusCode, headers: &HeaderMap, credential: Option<&Credential>) -> bool {
        let Some(nonce) = next_nonce(headers).filter(|_| credential.is_some_and(|c| c.bearer.is_bound())) else {
            return false;
        };
        *self.nonce() = Some(nonce.to_owned());
        status == StatusCode::UNAUTHORIZED && challenge::wants_nonce(headers)
    }
}

/// The operating system's generator.
struct System;

impl Entropy for System {
    fn fill(&mut self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the operating system's generator works");
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

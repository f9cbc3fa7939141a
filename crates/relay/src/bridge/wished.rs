//! What the host has asked its session for.
//!
//! Source: MCP 2025-11-25 logging, "Setting Log Level"; resources, "Subscriptions".

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
};

use serde_json::value::RawValue;

use crate::{envelope::Request, listen::MOST_WATCHED};

/// All of it.
#[derive(Default)]
pub(super) struct Wishes(Mutex<Now>);

/// What of it is in force.
#[derive(Clone, Default)]
pub(super) struct Now {
    pub(super) level: Option<Box<RawValue>>,
    pub(super) watched: BTreeSet<String>,
}

impl Wishes {
    /// What is in force now.
    pub(super) fn now(&self) -> Now {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, Now> {
        self.0.lock().expect("nobody panics with it in hand")
    }

    /// The host begins a session.
    pub(super) fn forget(&self) {
        *self.held() = Now::default();
    }

    /// Notes what the server did for the host.
    pub(super) fn granted(&self, request: &Request) {
        let uri = || request.params.text("uri");
        let mut now = self.held();
        match request.method.as_str() {
            "logging/setLevel" => now.level = request.params.get("level").map(ToOwned::to_owned),
            "resources/subscribe" if now.watched.len() < MOST_WATCHED => now.watched.extend(uri()),
            "resources/unsubscribe" => drop(uri().map(|uri| now.watched.remove(&uri))),
            _ => {}
        }
    }
}

//! What a host of the older era said once, and a server of the newer era wants to hear with each request.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
};

use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use crate::{
    envelope::{Members, raw},
    era::Era,
    listen::{Filter, MOST_WATCHED},
    translate::{self, Remembered},
};

/// All of it.
#[derive(Default)]
pub(in crate::bridge) struct Said {
    now: Mutex<Now>,
    /// Held while another follower of changes takes the place of the present one.
    pub(super) changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Now {
    remembered: Remembered,
    capabilities: Members,
    watched: BTreeSet<String>,
    following: Option<AbortHandle>,
}

impl Said {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("nobody panics with it in hand")
    }

    /// Remembers who the host is and what it can do, as its `initialize` says.
    pub(in crate::bridge) fn initialize(&self, params: &Members) {
        let mut capabilities = params.object("capabilities").unwrap_or_default();
        // A task outlives the answer to the request that began it.
        capabilities.remove("tasks");
        let remembered = Remembered {
            client_info: params.get("clientInfo").map(ToOwned::to_owned),
            capabilities: Some(capabilities.to_raw()),
            log_level: None,
        };
        let mut now = self.now();
        (now.remembered, now.capabilities) = (remembered, capabilities);
        now.watched.clear();
    }

    /// Remembers the level of `logging/setLevel`.
    pub(super) fn set_level(&self, level: String) {
        self.now().remembered.log_level = Some(level);
    }

    /// What the host can do.
    pub(super) fn capabilities(&self) -> Members {
        self.now().capabilities.clone()
    }

    /// A request's `_meta` with all of it.
    pub(in crate::bridge) fn meta(&self, mut meta: Members) -> Members {
        translate::metadata(Era::Legacy, Era::Modern, &self.now().remembered, &mut meta);
        meta
    }

    /// A request's parameters with all of it.
    pub(super) fn params(&self, mut params: Members) -> Members {
        let meta = self.meta(params.object("_meta").unwrap_or_default());
        params.set("_meta", meta.to_raw());
        params
    }

    /// Notes that the host watches a resource, or no longer; `false` when that changes nothing or is too much.
    pub(super) fn watch(&self, uri: &str, on: bool) -> bool {
        let watched = &mut self.now().watched;
        match on {
            true => watched.len() < MOST_WATCHED && watched.insert(uri.to_owned()),
            false => watched.remove(uri),
        }
    }

    /// What the host wants to hear of: all lists, and what it watches.
    pub(super) fn filter(&self) -> Filter {
        Filter::all(self.now().watched.iter().cloned())
    }

    /// Puts another follower of changes in place of the present one.
    pub(super) fn follow(&self, follower: Option<AbortHandle>) {
        if let Some(old) = std::mem::replace(&mut self.now().following, follower) {
            old.abort();
        }
    }
}

/// A filter as the parameters of `subscriptions/listen`.
pub(super) fn listen_params(filter: &Filter) -> Members {
    let mut params = Members::default();
    params.set("notifications", raw(&filter.to_json()));
    params
}

/// A value that is a string, as it was written.
pub(super) fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

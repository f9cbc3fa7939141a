//! What is known while a login is missing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::pages::Pages;
use crate::{
    bridge::call::{Call, Speech},
    era::Era,
};

/// What is known while a login is missing.
#[derive(Default)]
pub(in crate::bridge) struct WithoutLogin {
    /// The session that the host has begun, while the server knows nothing of it.
    pub(super) begun: tokio::sync::Mutex<Option<Begun>>,
    /// Whether there is one.
    pub(super) waits: AtomicBool,
    /// Whether the host was ever told what stands in for the server: it may ask for what the server has not.
    pub(super) stood_in: AtomicBool,
    /// Whether it was offered a tool of the bridge's own.
    pub(super) offered: AtomicBool,
    /// Whether the host of the older era can show pages.
    pub(super) shows_pages: AtomicBool,
    pub(super) pages: Pages,
}

/// The host's own words, for when the server can hear them.
pub(super) struct Begun {
    pub(super) initialize: Call,
    pub(super) initialized: Option<Call>,
}

impl WithoutLogin {
    /// Whether the server knows nothing of the host's session.
    pub(in crate::bridge) fn waits(&self) -> bool {
        self.waits.load(Relaxed)
    }

    /// Takes a notification for a session that the server does not know; gives back any other.
    pub(in crate::bridge) async fn heed(&self, call: Call) -> Option<Call> {
        let mut begun = self.begun.lock().await;
        let Some(begun) = begun.as_mut().filter(|_| call.speech.era() == Era::Legacy) else { return Some(call) };
        if call.speech == Speech::Initialized {
            begun.initialized = Some(call);
        }
        None
    }
}

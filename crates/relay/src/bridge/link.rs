//! What all messages of one bridge share.

use std::{
    ops::Deref,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    elsewhere::Elsewhere,
    host::Host,
    room::{Held, Room},
    session::Session,
    tools::KnownTools,
    wire::Wire,
};
use crate::envelope::{Id, Message};

/// What comes outside of the answer to any request.
#[derive(Debug)]
pub(super) enum Unasked {
    /// The server says it. It takes room until it has been dealt with.
    Said(Message, Held),
    /// A new session has taken the place of one that the server had forgotten.
    SessionAnew,
}

/// The host at one end, the server at the other, and what is known of both.
pub(super) struct Link {
    wire: Wire,
    pub(super) host: Host,
    pub(super) session: Session,
    pub(super) tools: KnownTools,
    pub(super) elsewhere: Elsewhere,
    /// Who takes what the server says unasked; the host itself when there is nobody.
    aside: Mutex<Option<UnboundedSender<Unasked>>>,
    /// For what is set aside, and for questions that wait for the host.
    pub(super) room: Room,
    ids: AtomicU64,
}

impl Link {
    pub(super) fn new(wire: Wire, host: Host) -> Self {
        let room = Room::of(wire.settings.max_message);
        Self {
            room,
            wire,
            host,
            session: Session::default(),
            tools: KnownTools::default(),
            elsewhere: Elsewhere::default(),
            aside: Mutex::default(),
            ids: AtomicU64::new(1),
        }
    }

    /// An id for a request of the bridge's own.
    pub(super) fn own_id(&self) -> Id {
        Id::own(&format!("doorward-{}", self.ids.fetch_add(1, Relaxed)))
    }

    /// Says who takes what the server says unasked.
    pub(super) fn hand_aside(&self, taker: Option<UnboundedSender<Unasked>>) {
        *self.aside.lock().expect("nobody panics with it in hand") = taker;
    }

    fn is_handed_aside(&self) -> bool {
        self.aside.lock().expect("nobody panics with it in hand").is_some()
    }

    /// Hands on what came unasked; gives it back when nobody but the host takes it.
    pub(super) fn set_aside(&self, unasked: Unasked) -> Option<Unasked> {
        match &*self.aside.lock().expect("nobody panics with it in hand") {
            Some(taker) => taker.send(unasked).err().map(|back| back.0),
            None => Some(unasked),
        }
    }

    /// Takes a message that the server sent unasked, outside of the stream of any request.
    pub(super) async fn unasked(&self, message: Message, text: String) {
        match message {
            // An answer belongs on the stream of its own request, unless that stream broke.
            Message::Response { id: Some(ref id), .. } => {
                if !self.elsewhere.deliver(&id.clone(), message, text) {
                    tracing::debug!("an answer that belongs to no request is dropped");
                }
            }
            Message::Response { id: None, .. } => tracing::debug!("an answer to nothing is dropped"),
            Message::Request(_) | Message::Notification { .. } => {
                if self.is_handed_aside() {
                    // While there is no room the stream is not read.
                    let held = self.room.take(text.len()).await;
                    if self.set_aside(Unasked::Said(message, held)).is_none() {
                        return;
                    }
                }
                self.host.say(&text).await;
            }
        }
    }
}

impl Deref for Link {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

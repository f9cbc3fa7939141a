//! What all messages of one bridge share.

use std::{
    ops::Deref,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{
    elsewhere::Elsewhere,
    host::Host,
    room::{Held, Room},
    session::{Session, Which},
    session_ids,
    tools::KnownTools,
    wire::Wire,
    wished::Wishes,
};
use crate::{
    envelope::{self, Id, Message},
    listen::{Change, Filter},
};

/// What comes outside of the answer to any request.
#[derive(Debug)]
pub(super) enum Unasked {
    /// The server says it. It takes room until it has been dealt with.
    Said(Message, Which, Held),
    /// Nothing; who waits for it is told when all before has been dealt with.
    Mark(oneshot::Sender<()>),
    /// A new session has taken the place of one that the server had forgotten.
    SessionAnew(Which),
}

/// The host at one end, the server at the other, and what is known of both.
pub(super) struct Link {
    wire: Wire,
    pub(super) host: Host,
    pub(super) session: Session,
    pub(super) wishes: Wishes,
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
            wishes: Wishes::default(),
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

    /// Waits a moment until what was said unasked before has been dealt with by who takes it.
    pub(super) async fn caught_up(&self) {
        let (sender, dealt_with) = oneshot::channel();
        if self.set_aside(Unasked::Mark(sender)).is_none() {
            let _ = tokio::time::timeout(self.settings.catching_up, dealt_with).await;
        }
    }

    /// Tells the host what the server said in this session.
    pub(super) async fn pass_on(&self, session: Which, message: &Message, text: &str) {
        match session_ids::outward(session, message) {
            Some(told) => self.host.say(&told).await,
            None => self.host.say(text).await,
        }
    }

    /// Tells the host that everything that it follows may have changed.
    pub(super) async fn tell_all(&self, filter: &Filter) {
        for Change { method, params } in filter.all_changes() {
            self.host.say(&envelope::notification(&method, &params)).await;
        }
    }

    /// Takes a message that the server sent unasked, outside of the stream of any request.
    pub(super) async fn unasked(&self, session: Which, message: Message, text: String) {
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
                    match self.set_aside(Unasked::Said(message, session, held)) {
                        None => {}
                        Some(Unasked::Said(message, ..)) => self.pass_on(session, &message, &text).await,
                        Some(Unasked::SessionAnew(_) | Unasked::Mark(_)) => {}
                    }
                    return;
                }
                self.pass_on(session, &message, &text).await;
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

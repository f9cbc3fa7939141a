use std::sync::Arc;

use doorward_resource_server::{Authorized, Refusal};
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};

use super::session::OpenCall;
use crate::{
    envelope::{
        self, HEADER_MISMATCH, INTERNAL_ERROR, INVALID_REQUEST, Id, METHOD_NOT_FOUND, MISSING_CAPABILITY, Members,
        Reply, RpcError, UNSUPPORTED_VERSION,
    },
    era::Era,
    gateway::Parts,
    listen::tagged,
    plan::LEVELS,
    translate::{self, Translation},
    upstream::stdio::{Call, CallFailed, Event, Note},
};

/// A piece of an answer.
#[derive(Debug)]
pub(super) enum Out {
    /// The stream is open, and nothing to say yet.
    Open,
    /// A sign of life.
    KeepAlive,
    /// A notification.
    Note(String),
    /// The answer.
    Final(Final),
}

/// An answer and the status it has when it stands alone.
#[derive(Debug)]
pub(super) struct Final {
    pub(super) json: String,
    pub(super) status: StatusCode,
}

impl Final {
    pub(super) fn new(id: &Id, reply: &Reply, era: Era) -> Self {
        Self { json: envelope::response(Some(id), reply), status: status_of(reply, era) }
    }

    pub(super) fn error(id: &Id, error: &RpcError, era: Era) -> Self {
        Self::new(id, &Reply::Error(error.to_raw()), era)
    }
}

/// Modern callers learn some errors from the status as well; everything else is an answer like any other.
/// That a server failed is no failure of the gateway, and a 5xx would make some clients repeat a call that
/// may have had effect.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Sending Messages".
fn status_of(reply: &Reply, era: Era) -> StatusCode {
    let Reply::Error(error) = reply else { return StatusCode::OK };
    let code = Members::parse(error.get()).and_then(|error| error.get("code")?.get().parse::<i64>().ok());
    match (era, code) {
        (Era::Modern, Some(METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
        (Era::Modern, Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION | INVALID_REQUEST)) => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}

/// An open call and for whom it is.
pub(super) struct Job {
    pub(super) parts: Arc<Parts>,
    pub(super) authorized: Authorized,
    pub(super) id: Id,
    pub(super) caller: Era,
    pub(super) call: Call,
    pub(super) translation: Translation,
    /// Whether the caller takes a stream; if not, only the answer is sent.
    pub(super) streams: bool,
    /// Whether notifications on this call belong to a subscription of this id.
    pub(super) subscription: bool,
    /// The least severe level of log messages that the caller wants, if any.
    pub(super) level: Option<usize>,
    /// The session's note of the call.
    pub(super) open: Option<OpenCall>,
}

/// How many pieces wait for a caller who reads slowly. Then the rest waits in the call, which drops
/// notifications in the end.
const MOST_WAITING: usize = 16;

impl Job {
    /// Sees to the call until it ends. What comes of it can be read from the receiver.
    pub(super) fn start(self) -> mpsc::Receiver<Out> {
        let (out, pieces) = mpsc::channel(MOST_WAITING);
        tokio::spawn(self.drive(out));
        pieces
    }

    async fn drive(mut self, out: mpsc::Sender<Out>) {
        let limits = &self.parts.settings.limits;
        let mut alive = every(limits.keep_alive);
        let mut check = every(limits.grant_check);
        let cancelled = self.open.as_ref().map(|open| open.cancelled.clone()).unwrap_or_default();
        let stopping = self.parts.stopping.clone();
        let deadline = self.call.deadline();
        let mut waiting: Option<Out> = None;
        let mut gone = false;
        loop {
            // While a piece waits for its reader, nobody asks the call whether it takes too long.
            let overdue = async {
                match deadline {
                    Some((limit, at)) => {
                        sleep_until(at).await;
                        limit
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = cancelled.cancelled() => {
                    self.call.cancel("the caller cancelled the call");
                    let _ = out.try_send(Out::Final(taken_back(&self.id, self.caller)));
                    return;
                }
                // To a modern caller, hanging up is cancelling. To a legacy one it is not: the call goes on.
                () = out.closed(), if !gone => {
                    if self.caller == Era::Modern {
                        self.call.cancel("the caller closed the connection");
                        return;
                    }
                    (gone, waiting) = (true, None);
                }
                permit = out.reserve(), if waiting.is_some() && !gone => {
                    if let (Ok(permit), Some(piece)) = (permit, waiting.take()) {
                        alive.reset();
                        let last = matches!(piece, Out::Final(_));
                        permit.send(piece);
                        if last {
                            return;
                        }
                    }
                }
                limit = overdue, if waiting.is_some() => {
                    self.call.cancel("the call took too long");
                    let error = failure(&CallFailed::TimedOut(limit));
                    let _ = out.try_send(Out::Final(Final::error(&self.id, &error, self.caller)));
                    return;
                }
                _ = check.tick() => if let Some(refusal) = self.withdrawn() {
                    self.call.cancel("the caller's access has ended");
                    // The server has the call already. A status of 401 would make the caller send it again.
                    let error = RpcError::new(INTERNAL_ERROR, format!("{refusal}: the call was cancelled"));
                    let _ = out.try_send(Out::Final(Final::error(&self.id, &error, self.caller)));
                    return;
                },
                () = stopping.cancelled(), if self.subscription => {
                    self.call.cancel("the gateway is being stopped");
                    let _ = out.try_send(Out::Final(ended_subscription(&self.id)));
                    return;
                }
                event = self.call.next(), if waiting.is_none() => {
                    waiting = self.piece(event);
                    if gone {
                        match waiting.take() {
                            Some(Out::Final(_)) => return,
                            _ => continue,
                        }
                    }
                }
                _ = alive.tick(), if self.streams && waiting.is_none() && !gone => waiting = Some(Out::KeepAlive),
            }
        }
    }

    /// Why the call may not go on. A call that was let through may end after its token did, for it was asked
    /// for in time; a subscription may not.
    fn withdrawn(&self) -> Option<Refusal> {
        match self.subscription {
            true => withdrawn(&self.parts, &self.authorized),
            false => self.parts.guard.is_revoked(&self.authorized).then_some(Refusal::Revoked),
        }
    }

    fn piece(&self, event: Event) -> Option<Out> {
        match event {
            Event::Note(note) => {
                let wanted = self.streams && (note.method != "notifications/message" || is_loud(&note, self.level));
                let id: Option<&RawValue> = self.subscription.then(|| self.id.as_raw());
                let params = if id.is_some() { tagged(note.params, id) } else { note.params };
                wanted.then(|| Out::Note(envelope::notification(&note.method, &params)))
            }
            Event::Done(Ok(reply)) => {
                let mut reply = translate::reply(reply, self.translation);
                if self.subscription {
                    reply = retagged(reply, &self.id);
                }
                Some(Out::Final(Final::new(&self.id, &reply, self.caller)))
            }
            Event::Done(Err(failed)) => Some(Out::Final(Final::error(&self.id, &failure(&failed), self.caller))),
        }
    }
}

/// The answer to a call that its caller cancelled.
pub(super) fn taken_back(id: &Id, era: Era) -> Final {
    Final::error(id, &RpcError::new(INTERNAL_ERROR, "the call was cancelled by its caller"), era)
}

/// What a caller is told about a call that the server did not answer.
pub(super) fn failure(failed: &CallFailed) -> RpcError {
    RpcError::new(INTERNAL_ERROR, failed.to_string())
}

/// Whether a log message is as severe as the caller wants. A caller who named no level wants none.
fn is_loud(note: &Note, level: Option<usize>) -> bool {
    let severity = note.params.text("level").and_then(|own| LEVELS.iter().position(|known| *known == own));
    level.is_some_and(|least| severity.is_some_and(|severity| severity >= least))
}

/// The end of a subscription names it by the caller's id.
fn retagged(reply: Reply, id: &Id) -> Reply {
    match reply {
        Reply::Result(result) => match Members::parse(result.get()) {
            Some(members) => Reply::Result(tagged(members, Some(id.as_raw())).to_raw()),
            None => Reply::Result(result),
        },
        error => error,
    }
}

/// The answer to a `subscriptions/listen` that the gateway ends in order.
///
/// Source: MCP 2026-07-28 subscriptions/listen.
pub(super) fn ended_subscription(id: &Id) -> Final {
    let mut result = Members::default();
    result.set("resultType", envelope::raw(&"complete"));
    Final::new(id, &Reply::Result(tagged(result, Some(id.as_raw())).to_raw()), Era::Modern)
}

/// Why a stream without an end of its own may not go on, if it may not.
pub(super) fn withdrawn(parts: &Parts, authorized: &Authorized) -> Option<Refusal> {
    parts.guard.withdrawn(authorized, (parts.clock)())
}

/// A tick each `period`, the first after one period.
pub(super) fn every(period: std::time::Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

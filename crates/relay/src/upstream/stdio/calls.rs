use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::Child;
use crate::envelope::{Members, Reply, raw};

/// A notification that belongs to a call.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// The method.
    pub(crate) method: String,
    /// The parameters, with the caller's own progress token.
    pub(crate) params: Members,
}

/// Why a call has no answer from the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallFailed {
    /// The child's end.
    #[error("the MCP server {0}; the call may or may not have had effect")]
    Ended(Ended),
    /// The child had ended before the call reached it.
    #[error("the MCP server {0}")]
    NotSent(Ended),
    /// No answer in time.
    #[error("the MCP server did not answer within {} s; the call was cancelled", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The caller did not take the notifications as fast as they came.
    #[error("more changes came than the listener took; listen again and list again")]
    Overrun,
    /// Too many calls are open.
    #[error("{0} calls are open at this server already; try again when some have ended")]
    Busy(usize),
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    /// By itself, or by somebody's signal.
    #[error("ended ({0})")]
    Exited(String),
    /// It wrote a line that is too long to be a message, and was stopped.
    #[error("was stopped: it wrote a line of more than {0} bytes")]
    LineTooLong(usize),
    /// It did not read what it was sent, and was stopped.
    #[error("was stopped: it did not read its input for {} s", .0.as_secs_f32())]
    NotReading(Duration),
    /// It closed its output, so that no answer can come, and was stopped.
    #[error("was stopped: it closed its output")]
    ClosedOutput,
    /// It closed its input, so that it can be asked nothing, and was stopped.
    #[error("was stopped: it closed its input")]
    ClosedInput,
    /// The gateway stopped it.
    #[error("was stopped by the gateway")]
    Stopped,
}

/// What comes of an open call, in its order.
#[derive(Debug)]
pub(crate) enum Event {
    /// A notification.
    Note(Note),
    /// The end.
    Done(Result<Reply, CallFailed>),
}

/// What kind of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A caller's call. Its log messages are passed on when it is the only one.
    Ordinary,
    /// A `subscriptions/listen`: open for as long as the caller listens.
    Listen,
    /// The gateway's own.
    Own,
    /// The gateway's own `subscriptions/listen`: open for as long as the child runs.
    OwnListen,
}

impl Kind {
    fn listens(self) -> bool {
        matches!(self, Self::Listen | Self::OwnListen)
    }
}

/// What became of a notification for a listening call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The call has it.
    ByListener,
    /// No such call is open.
    ByNobody,
    /// The call was behind, and is not open any more: the server is still to be told.
    TooSlowly,
}

struct Open {
    kind: Kind,
    progress: Option<Box<RawValue>>,
    notes: mpsc::Sender<Note>,
    done: oneshot::Sender<Result<Reply, CallFailed>>,
}

/// The open calls of one child. Every call has a number that no other call of this child ever had.
pub(super) struct Calls(Mutex<Table>);

struct Table {
    next: u64,
    open: HashMap<u64, Open>,
    ended: Option<Ended>,
    last_used: Instant,
}

/// How many notifications wait for a slow caller before more are dropped.
const MOST_NOTES: usize = 256;

impl Calls {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Table { next: 1, open: HashMap::new(), ended: None, last_used: Instant::now() }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a call and gives its number.
    pub(super) fn open(
        &self,
        child: &Arc<Child>,
        kind: Kind,
        progress: Option<Box<RawValue>>,
        most: usize,
        timeout: Option<Duration>,
    ) -> Result<Call, CallFailed> {
        let mut table = self.table();
        if let Some(ended) = &table.ended {
            return Err(CallFailed::NotSent(ended.clone()));
        }
        if table.open.len() >= most {
            return Err(CallFailed::Busy(most));
        }
        let number = table.next;
        table.next += 1;
        table.last_used = Instant::now();
        let ((notes, notes_out), (done, done_out)) = (mpsc::channel(MOST_NOTES), oneshot::channel());
        table.open.insert(number, Open { kind, progress, notes, done });
        let deadline = timeout.map(|timeout| (timeout, Instant::now() + timeout));
        Ok(Call { number, child: child.clone(), notes: Some(notes_out), done: done_out, deadline, open: true })
    }

    /// Ends a call with the server's answer. A second answer, or one to a number never given, finds nobody.
    pub(super) fn answer(&self, number: u64, reply: Reply) -> bool {
        let mut table = self.table();
        table.last_used = Instant::now();
        let open = table.open.remove(&number);
        drop(table);
        open.map(|open| open.done.send(Ok(reply)).is_ok()).is_some()
    }

    /// Forgets a call whose answer nobody waits for any more; says whether it was open.
    fn forget(&self, number: u64) -> bool {
        let mut table = self.table();
        table.last_used = Instant::now();
        table.open.remove(&number).is_some()
    }

    /// Passes a notification on to the call that it names, with the caller's own token in place of ours.
    pub(super) fn progress(&self, number: u64, mut params: Members) -> bool {
        let table = self.table();
        let Some(open) = table.open.get(&number) else { return false };
        let Some(token) = &open.progress else { return false };
        params.set("progressToken", token.clone());
        open.notes.try_send(Note { method: "notifications/progress".into(), params }).is_ok()
    }

    /// Passes a notification on to the listening call that it names. A listener that is too slow to be told
    /// everything is ended, so that it knows that it missed something.
    pub(super) fn heard(&self, number: u64, note: Note) -> Heard {
        let mut table = self.table();
        let Some(open) = table.open.get(&number).filter(|open| open.kind.listens()) else { return Heard::ByNobody };
        match open.notes.try_send(note) {
            Ok(()) => Heard::ByListener,
            Err(_) => {
                table.open.remove(&number);
                Heard::TooSlowly
            }
        }
    }

    /// Passes on a notification that names no call, if there is only one that it can belong to.
    pub(super) fn only(&self, note: Note) -> bool {
        let table = self.table();
        let mut ordinary = table.open.values().filter(|open| !open.kind.listens());
        match (ordinary.next(), ordinary.next()) {
            (Some(only), None) if only.kind == Kind::Ordinary => only.notes.try_send(note).is_ok(),
            _ => false,
        }
    }

    /// Ends every open call, each once, and refuses new ones.
    pub(super) fn end(&self, ended: Ended) {
        let mut table = self.table();
        table.ended = Some(ended.clone());
        let open = std::mem::take(&mut table.open);
        drop(table);
        for call in open.into_values() {
            // Nobody waits when the caller has gone.
            let _ = call.done.send(Err(CallFailed::Ended(ended.clone())));
        }
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.table().ended.clone()
    }

    /// Refuses new calls if none is open for a caller and nothing happened for so long; says whether it does.
    pub(super) fn close_when_idle(&self, limit: Duration) -> bool {
        let mut table = self.table();
        let needed = table.open.values().any(|open| open.kind != Kind::OwnListen);
        let idle = !needed && table.last_used.elapsed() >= limit;
        if idle {
            table.ended = Some(Ended::Stopped);
        }
        idle
    }
}

/// An open call. Dropping it cancels the call.
pub(crate) struct Call {
    number: u64,
    child: Arc<Child>,
    notes: Option<mpsc::Receiver<Note>>,
    done: oneshot::Receiver<Result<Reply, CallFailed>>,
    deadline: Option<(Duration, Instant)>,
    open: bool,
}

impl Call {
    /// The number under which the server knows the call.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How long the call may take, and when that is over.
    pub(crate) fn deadline(&self) -> Option<(Duration, Instant)> {
        self.deadline
    }

    /// The next thing that comes of the call; nothing follows [`Event::Done`]. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Event {
        let Self { notes, done, deadline, .. } = self;
        let late = async {
            match deadline {
                Some((timeout, at)) => {
                    tokio::time::sleep_until(*at).await;
                    *timeout
                }
                None => std::future::pending().await,
            }
        };
        let next_note = async {
            match notes {
                Some(notes) => notes.recv().await,
                None => std::future::pending().await,
            }
        };
        // Notes first: what was said before the answer comes before it.
        let outcome = tokio::select! {
            biased;
            note = next_note => match note {
                Some(note) => return Event::Note(note),
                None => {
                    self.notes = None;
                    (&mut self.done).await.unwrap_or(Err(CallFailed::Overrun))
                }
            },
            outcome = done => outcome.unwrap_or(Err(CallFailed::Overrun)),
            timeout = late => {
                self.cancel("the call took too long");
                Err(CallFailed::TimedOut(timeout))
            }
        };
        self.open = false;
        Event::Done(outcome)
    }

    /// The answer alone.
    pub(crate) async fn answer(mut self) -> Result<Reply, CallFailed> {
        loop {
            if let Event::Done(outcome) = self.next().await {
                return outcome;
            }
        }
    }

    /// Tells the server that nobody wants the answer any more. Its number is never used again.
    ///
    /// Source: MCP 2026-07-28 basic, "Cancellation".
    pub(crate) fn cancel(&mut self, reason: &str) {
        if std::mem::take(&mut self.open) && self.child.calls().forget(self.number) {
            tell_cancelled(&self.child, self.number, reason);
        }
    }
}

pub(super) fn tell_cancelled(child: &Arc<Child>, number: u64, reason: &str) {
    let mut params = Members::default();
    params.set("requestId", raw(&number));
    params.set("reason", raw(&reason));
    child.tell("notifications/cancelled", &params);
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancel("the caller has gone");
    }
}

//! Revocations by other processes: a notification brings them at once, and a look each second those whose notification got lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener},
};
use tokio::{task::JoinHandle, time::timeout};

use super::{PATIENCE, error, open};
use crate::{
    revoked::RevokedGrants,
    rows::{self, Unreadable},
    sql,
    watch::{KnownAt, now},
};

/// The channel that the schema's trigger notifies.
const CHANNEL: &str = "doorward_revoked";

/// How often to look, whatever was heard.
const EVERY: Duration = Duration::from_secs(1);

/// Listens and looks until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    task: JoinHandle<()>,
    known_at: KnownAt,
    answers: Arc<Answers>,
}

/// How often the database answered, and how often it had when a look that got no answer began.
#[derive(Debug)]
struct Answers {
    all: AtomicU64,
    at_vain_look: AtomicU64,
}

impl Answers {
    const NEVER: u64 = u64::MAX;

    fn new() -> Self {
        Self { all: AtomicU64::new(0), at_vain_look: AtomicU64::new(Self::NEVER) }
    }
}

impl Watch {
    pub(super) fn start(options: &PgConnectOptions, revoked: RevokedGrants, mut seen: i64) -> Self {
        let known_at = KnownAt::default();
        known_at.set(now());
        let noted = known_at.clone();
        let answers = Arc::new(Answers::new());
        let told = answers.clone();
        // Connections of its own, one to listen and one to look: neither must wait for those that are busy.
        let own = open::pool(options, 2);
        let task = tokio::spawn(async move {
            let mut listener = None;
            let mut warned = false;
            loop {
                if listener.is_none() {
                    listener = listen(&own).await;
                    // Another server may be there now, a standby or a backup, that numbers transactions from further back.
                    seen = 0;
                }
                let looking_at = now();
                let before = told.all.load(Ordering::SeqCst);
                match timeout(PATIENCE, look(own.clone(), Some(seen), revoked.clone())).await {
                    Ok(Ok(horizon)) => {
                        (seen, warned) = (horizon, false);
                        noted.set(looking_at);
                        told.at_vain_look.store(Answers::NEVER, Ordering::SeqCst);
                    }
                    ended => {
                        seen = 0;
                        let answered = matches!(&ended, Ok(Err(Unreadable::Sql(error))) if !error::is_away(error));
                        let vain = if answered { Answers::NEVER } else { before };
                        told.at_vain_look.store(vain, Ordering::SeqCst);
                        if !warned {
                            let error =
                                ended.map_or_else(|late| late.to_string(), |result| result.unwrap_err().to_string());
                            tracing::warn!(
                                error,
                                "cannot look for revocations by other nodes; trying again each second"
                            );
                        }
                        warned = true;
                    }
                }
                heard(&mut listener).await;
            }
        });
        Self { task, known_at, answers }
    }

    /// Whether the database did not answer the last look, and nobody else since that began: whoever asks now need not wait
    /// to hear so.
    pub(super) fn is_away(&self) -> bool {
        self.answers.at_vain_look.load(Ordering::SeqCst) == self.answers.all.load(Ordering::SeqCst)
    }

    /// The database answered somebody.
    pub(super) fn answered(&self) {
        self.answers.all.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn known_at(&self) -> doorward_types::Timestamp {
        self.known_at.get()
    }

    /// Stops listening and looking.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(own: &PgPool) -> Option<PgListener> {
    let listening = async {
        let mut listener = PgListener::connect_with(own).await?;
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    timeout(PATIENCE, listening).await.ok()?.ok()
}

/// Waits for a notification, but no longer than until the next look. Lets go of a listener whose connection ended.
async fn heard(listener: &mut Option<PgListener>) {
    let Some(open) = listener else { return tokio::time::sleep(EVERY).await };
    match timeout(EVERY, open.try_recv()).await {
        // Many revocations make one look.
        Ok(Ok(Some(_))) => while open.next_buffered().is_some() {},
        Err(_) => {}
        Ok(Ok(None) | Err(_)) => {
            *listener = None;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Reads what was revoked by transactions that were not over when somebody looked last, all of it the first time. Gives the number
/// from which on the next look must read.
pub(super) async fn look(pool: PgPool, seen: Option<i64>, revoked: RevokedGrants) -> Result<i64, Unreadable> {
    let rows = sqlx::query(sql::REVOKED_SINCE).bind(seen.unwrap_or(0)).fetch_all(&pool).await?;
    let horizon = rows.first().map(|row| rows::number(row, "horizon")).transpose()?.unwrap_or_default();
    let found = rows.iter().filter_map(|row| rows::maybe_revoked(row).transpose());
    revoked.extend(found.collect::<Result<Vec<_>, _>>()?);
    Ok(horizon)
}

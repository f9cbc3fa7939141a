//! The one writer of a process. Requests that arrive while a commit is under way share the next one (group
//! commit): a hundred callers pay for one flush to the disk. Nothing is acknowledged before the flush.

use doorward_authorization_server::{
    Write,
    store::{Committed, StoreFault},
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};

use crate::{
    apply::{Applied, Revoked, apply_all},
    failpoint,
    revoked::RevokedGrants,
    sql,
    sweep::{self, Sweep, Swept},
};

/// The most requests that share one transaction.
const MOST_IN_A_GROUP: usize = 128;
/// The most requests that wait; further callers wait for room.
const MOST_WAITING: usize = 1024;

/// Where an answer goes.
type Reply<T> = oneshot::Sender<Result<T, StoreFault>>;

/// What the writer can be asked for.
enum Request {
    Commit(Vec<Write>, Reply<Committed>),
    Sweep(Sweep, Reply<Swept>),
    /// Accept nothing more, finish, close the file.
    Close(Reply<()>),
}

/// A request that was carried out and waits for the commit of its group.
enum Done {
    Commit {
        revoked: Revoked,
        reply: Reply<Committed>,
    },
    /// A commit whose guard did not hold. It waits as well: what it lost against may be a commit of the same
    /// group, and whoever loads and decides again must be able to see that.
    Conflict(Reply<Committed>),
    Sweep {
        swept: Swept,
        reply: Reply<Swept>,
    },
}

/// The writer's front: hands requests over and waits for the answer.
#[derive(Debug)]
pub(crate) struct Writer {
    requests: mpsc::Sender<Request>,
}

impl Writer {
    /// Starts the writer's task on an open connection. `options` make the next one if that one breaks.
    pub(crate) fn start(connection: SqliteConnection, options: SqliteConnectOptions, revoked: RevokedGrants) -> Self {
        let (requests, inbox) = mpsc::channel(MOST_WAITING);
        tokio::spawn(run(inbox, Link { connection: Some(connection), options }, revoked));
        Self { requests }
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault> {
        self.ask(|reply| Request::Commit(writes, reply)).await
    }

    pub(crate) async fn sweep(&self, sweep: Sweep) -> Result<Swept, StoreFault> {
        self.ask(|reply| Request::Sweep(sweep, reply)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreFault> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Finishes what was accepted and closes the connection. Closing twice does nothing.
    pub(crate) async fn close(&self) {
        let _ = self.ask(Request::Close).await;
    }
}

fn stopped() -> StoreFault {
    StoreFault("it was closed".into())
}

/// The connection, made again after it broke.
struct Link {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
}

impl Link {
    async fn get(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }
}

async fn run(mut inbox: mpsc::Receiver<Request>, mut link: Link, revoked: RevokedGrants) {
    let mut group = Vec::with_capacity(MOST_IN_A_GROUP);
    let mut closing = Vec::new();
    while inbox.recv_many(&mut group, MOST_IN_A_GROUP).await > 0 {
        for close in group.extract_if(.., |request| matches!(request, Request::Close(_))) {
            inbox.close();
            closing.push(close);
        }
        if group.is_empty() {
            continue;
        }
        let mut done = Vec::with_capacity(group.len());
        let ended = match link.get().await {
            Ok(connection) => commit_group(connection, &mut group, &mut done).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => done.into_iter().for_each(|one| one.acknowledge(&revoked)),
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                // Whatever state the connection is in, the next group starts on a new one.
                link.connection = None;
                done.into_iter().for_each(|one| one.fail(&error));
                group.drain(..).for_each(|request| request.fail(&error));
            }
        }
    }
    if let Some(connection) = link.connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the store's file was not closed cleanly");
    }
    for close in closing {
        if let Request::Close(reply) = close {
            answer(reply, Ok(()));
        }
    }
}

/// One transaction for the group. On success `done` holds what to acknowledge; requests that failed alone were
/// answered already. On failure nothing is known about any of the group.
async fn commit_group(
    connection: &mut SqliteConnection,
    group: &mut Vec<Request>,
    done: &mut Vec<Done>,
) -> sqlx::Result<()> {
    failpoint::reach();
    connection.execute(sql::BEGIN).await?;
    for request in group.drain(..) {
        connection.execute(sql::SAVEPOINT).await?;
        match request {
            Request::Commit(writes, reply) => match apply_all(connection, writes).await {
                Ok(Applied::Done(revoked)) => done.push(Done::Commit { revoked, reply }),
                Ok(Applied::Conflict) => {
                    done.push(Done::Conflict(reply));
                    connection.execute(sql::UNDO).await?;
                }
                Err(error) => undo_failed(connection, error, reply).await?,
            },
            Request::Sweep(sweep, reply) => match sweep::step(connection, sweep).await {
                Ok(swept) => done.push(Done::Sweep { swept, reply }),
                Err(error) => undo_failed(connection, error, reply).await?,
            },
            Request::Close(reply) => answer(reply, Ok(())),
        }
        connection.execute(sql::RELEASE).await?;
    }
    failpoint::reach();
    connection.execute(sql::COMMIT).await?;
    failpoint::reach();
    Ok(())
}

/// Takes back one request that failed. When even that fails the whole group does: SQLite ends the transaction
/// by itself when the disk is full or broken.
async fn undo_failed<T>(connection: &mut SqliteConnection, error: sqlx::Error, reply: Reply<T>) -> sqlx::Result<()> {
    let undone = connection.execute(sql::UNDO).await;
    tracing::error!(%error, "a write failed");
    answer(reply, Err(fault(&error)));
    undone.map(|_| ())
}

impl Done {
    fn acknowledge(self, revoked_grants: &RevokedGrants) {
        match self {
            Self::Commit { revoked, reply } => {
                revoked_grants.extend(revoked);
                answer(reply, Ok(Committed::Done));
            }
            Self::Conflict(reply) => answer(reply, Ok(Committed::Conflict)),
            Self::Sweep { swept, reply } => {
                revoked_grants.extend(swept.revoked.iter().cloned());
                answer(reply, Ok(swept));
            }
        }
    }

    fn fail(self, error: &sqlx::Error) {
        match self {
            Self::Commit { reply, .. } | Self::Conflict(reply) => answer(reply, Err(fault(error))),
            Self::Sweep { reply, .. } => answer(reply, Err(fault(error))),
        }
    }
}

impl Request {
    fn fail(self, error: &sqlx::Error) {
        match self {
            Self::Commit(_, reply) => answer(reply, Err(fault(error))),
            Self::Sweep(_, reply) => answer(reply, Err(fault(error))),
            Self::Close(reply) => answer(reply, Err(fault(error))),
        }
    }
}

/// A caller that went away does not want its answer; what it asked for stays done.
fn answer<T>(reply: Reply<T>, result: Result<T, StoreFault>) {
    let _ = reply.send(result);
}

fn fault(error: &sqlx::Error) -> StoreFault {
    StoreFault(error.to_string().into())
}

//! What the store needs of an engine. All that both engines do alike stands in [`Database`](crate::database::Database).

use std::{future::Future, path::Path};

use doorward_authorization_server::{
    Write,
    store::{Committed, StoreFault},
};
use doorward_types::Timestamp;

use crate::{
    cells::Cells,
    engine::BackupError,
    revoked::RevokedGrants,
    rows::Unreadable,
    statement::Statement,
    sweep::{Sweep, Swept},
};

/// One database engine.
pub trait Driver: Send + Sync + 'static {
    /// A row that was read.
    type Row: Cells;

    /// All rows that a statement finds, of one moment.
    fn rows(&self, statement: Statement) -> impl Future<Output = Result<Vec<Self::Row>, StoreFault>> + Send;

    /// Commits all writes durably, or none.
    fn commit(&self, writes: Vec<Write>) -> impl Future<Output = Result<Committed, StoreFault>> + Send;

    /// One step of sweeping.
    fn sweep(&self, sweep: Sweep) -> impl Future<Output = Result<Swept, StoreFault>> + Send;

    /// The grants that were revoked, kept up to date.
    fn revoked(&self) -> &RevokedGrants;

    /// Up to which moment all revocations by others are known.
    fn revocations_known_at(&self) -> Timestamp;

    /// Writes a copy of all rows, of one moment, into a new file.
    fn backup(&self, to: &Path) -> impl Future<Output = Result<(), BackupError>> + Send;

    /// Finishes what was accepted. Everything after it fails.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

pub(crate) fn fault(error: impl Into<Unreadable>) -> StoreFault {
    StoreFault(Box::new(error.into()))
}

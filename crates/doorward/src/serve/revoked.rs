use std::{sync::Arc, time::Duration};

use doorward_resource_server::Revocations;
use doorward_store::{Engine, RevokedGrants};
use doorward_types::Timestamp;

/// The revoked grants, as the store keeps them in memory: a look-up on each call costs no query.
pub(crate) struct FromStore {
    pub(crate) revoked: RevokedGrants,
    pub(crate) store: Arc<dyn Engine>,
    /// How old the newest word from the database may be; none where the store is a file, which is always there.
    pub(crate) bound: Option<Duration>,
}

impl Revocations for FromStore {
    fn is_revoked(&self, grant: &str) -> bool {
        self.revoked.is_revoked(grant)
    }

    fn are_known(&self, now: Timestamp) -> bool {
        self.bound.is_none_or(|bound| now.since(self.store.revocations_known_at()) <= bound)
    }
}

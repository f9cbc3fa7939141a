use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use doorward_types::Timestamp;

/// The grants that were revoked and whose access tokens may still be running, in memory: a look-up on each
/// request costs no query. Clones share one set.
#[derive(Clone, Debug, Default)]
pub struct RevokedGrants(Arc<RwLock<HashMap<String, Timestamp>>>);

impl RevokedGrants {
    /// Whether the grant of this name was revoked.
    pub fn is_revoked(&self, grant: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(grant)
    }

    /// Adds grants; one that is already there keeps its first moment.
    pub(crate) fn extend(&self, grants: impl IntoIterator<Item = (String, Timestamp)>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (grant, at) in grants {
            all.entry(grant).or_insert(at);
        }
    }

    /// Forgets grants that were revoked at `end` or before.
    pub(crate) fn forget_until(&self, end: Timestamp) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, at| *at > end);
    }
}

//! How often the server has asked for which scopes in addition.

use std::{collections::HashMap, sync::Mutex};

use doorward_client::{Failed, StepUps};
use doorward_types::ScopeSet;
use http::HeaderMap;

/// The most different challenges that are counted.
const MOST_CHALLENGES: usize = 256;

/// A count for each challenge, by the scopes that it names.
#[derive(Default)]
pub(super) struct AskedForMore(Mutex<HashMap<String, StepUps>>);

impl AskedForMore {
    /// What to ask for next, when a challenge names these scopes: they and what was asked for before.
    ///
    /// # Errors
    /// When the server has asked for them too often.
    pub(super) fn next(
        &self,
        wanted: &str,
        before: Option<&ScopeSet>,
        headers: &HeaderMap,
    ) -> Result<ScopeSet, Failed> {
        let mut counted = self.0.lock().expect("counting does not panic");
        if counted.len() >= MOST_CHALLENGES {
            counted.clear();
        }
        counted.entry(wanted.to_owned()).or_default().next(before, headers)
    }
}

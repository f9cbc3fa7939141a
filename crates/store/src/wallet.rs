//! What the sealed file holds, and the one rule for changing it: nobody overwrites what they have not seen.

use doorward_client::{IdentityKey, Key, RegisteredClient, SaveFailed, StoreFault, StoredIdentity, StoredTokens};
use doorward_types::{ClientId, Issuer, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The removals that are remembered.
const MOST_REMOVED: usize = 256;

/// The content. A row that this version cannot read is left as it is.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Wallet {
    #[serde(default)]
    tokens: Vec<Box<RawValue>>,
    #[serde(default)]
    clients: Vec<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identities: Vec<Box<RawValue>>,
    /// Rows that were removed: a later row under the same key goes on counting, so that a process that still knows
    /// the removed one can never take the new one for it.
    #[serde(default)]
    removed: Vec<Removed>,
}

#[derive(Serialize, Deserialize)]
struct Removed {
    key: Key,
    generation: u64,
}

impl Wallet {
    /// Every row of tokens, in the order of their keys, and a sentence for each row that cannot be read.
    pub(crate) fn tokens(&self) -> (Vec<StoredTokens>, Vec<String>) {
        let (mut all, unreadable) = read_all(&self.tokens, StoredTokens::from_stored);
        all.sort_by_cached_key(StoredTokens::key);
        (all, unreadable)
    }

    /// Every registered client, and a sentence for each row that cannot be read.
    pub(crate) fn clients(&self) -> (Vec<RegisteredClient>, Vec<String>) {
        read_all(&self.clients, RegisteredClient::from_stored)
    }

    /// Every sign-in at an identity provider, in the order of their keys, and a sentence for each row that cannot be read.
    pub(crate) fn identities(&self) -> (Vec<StoredIdentity>, Vec<String>) {
        let (mut all, unreadable) = read_all(&self.identities, StoredIdentity::from_stored);
        all.sort_by_cached_key(StoredIdentity::key);
        (all, unreadable)
    }

    pub(crate) fn identity(&self, key: &IdentityKey) -> Option<StoredIdentity> {
        self.identities().0.into_iter().find(|identity| identity.key() == *key)
    }

    pub(crate) fn save_identity(&mut self, identity: &StoredIdentity, expected: u64) -> Result<u64, SaveFailed> {
        let key = identity.key();
        let current = self.identity(&key).map_or(0, |current| current.generation);
        if current != expected {
            return Err(SaveFailed::Conflict);
        }
        let generation = current + 1;
        let mut kept = identity.clone();
        kept.generation = generation;
        let row = raw(&kept.to_stored())?;
        self.identities.retain(|row| !is_identity_of(row, &key));
        self.identities.push(row);
        Ok(generation)
    }

    pub(crate) fn remove_identity(&mut self, key: &IdentityKey) -> bool {
        let before = self.identities.len();
        self.identities.retain(|row| !is_identity_of(row, key));
        self.identities.len() < before
    }

    pub(crate) fn find(&self, key: &Key) -> Option<StoredTokens> {
        self.tokens().0.into_iter().find(|tokens| tokens.key() == *key)
    }

    pub(crate) fn save(&mut self, tokens: &StoredTokens, expected: u64) -> Result<u64, SaveFailed> {
        let key = tokens.key();
        let current = self.find(&key).map_or(0, |current| current.generation);
        if current != expected {
            return Err(SaveFailed::Conflict);
        }
        let before = self.removed.iter().find(|removed| removed.key == key).map_or(0, |removed| removed.generation);
        let generation = current.max(before) + 1;
        let row = raw(&StoredTokens { generation, ..tokens.clone() }.to_stored())?;
        self.tokens.retain(|row| !holds(row, &key));
        self.tokens.push(row);
        self.removed.retain(|removed| removed.key != key);
        Ok(generation)
    }

    pub(crate) fn remove(&mut self, key: &Key, generation: u64) -> bool {
        if self.find(key).is_none_or(|current| current.generation != generation) {
            return false;
        }
        self.tokens.retain(|row| !holds(row, key));
        self.removed.retain(|removed| removed.key != *key);
        self.removed.push(Removed { key: key.clone(), generation });
        let excess = self.removed.len().saturating_sub(MOST_REMOVED);
        self.removed.drain(..excess);
        true
    }

    pub(crate) fn client(&self, issuer: &Issuer) -> Option<RegisteredClient> {
        self.clients().0.into_iter().find(|client| client.issuer() == issuer)
    }

    pub(crate) fn save_client(&mut self, client: &RegisteredClient) -> Result<(), StoreFault> {
        let row = raw(&client.to_stored())?;
        self.clients.retain(|row| !is_client_of(row, client.issuer()));
        self.clients.push(row);
        Ok(())
    }

    pub(crate) fn remove_client(&mut self, issuer: &Issuer, client_id: &ClientId) -> bool {
        if self.client(issuer).is_none_or(|client| client.client_id() != client_id) {
            return false;
        }
        self.clients.retain(|row| !is_client_of(row, issuer));
        true
    }
}

/// Sorts for a person: the newest first.
pub(crate) fn newest_first(tokens: &mut [StoredTokens]) {
    tokens.sort_by_key(|tokens| std::cmp::Reverse::<Timestamp>(tokens.issued_at));
}

fn read_one<R: DeserializeOwned, T>(row: &RawValue, read: impl Fn(R) -> Result<T, String>) -> Result<T, String> {
    // The parser's own message could quote a token.
    let record = serde_json::from_str(row.get()).map_err(|error| format!("{:?} error", error.classify()))?;
    read(record)
}

fn read_all<R: DeserializeOwned, T>(
    rows: &[Box<RawValue>],
    read: impl Fn(R) -> Result<T, String>,
) -> (Vec<T>, Vec<String>) {
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        match read_one(row, &read) {
            Ok(one) => all.push(one),
            Err(why) => unreadable.push(why),
        }
    }
    (all, unreadable)
}

fn holds(row: &RawValue, key: &Key) -> bool {
    read_one(row, StoredTokens::from_stored).is_ok_and(|tokens| tokens.key() == *key)
}

fn is_client_of(row: &RawValue, issuer: &Issuer) -> bool {
    read_one(row, RegisteredClient::from_stored).is_ok_and(|client| client.issuer() == issuer)
}

fn is_identity_of(row: &RawValue, key: &IdentityKey) -> bool {
    read_one(row, StoredIdentity::from_stored).is_ok_and(|identity| identity.key() == *key)
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, StoreFault> {
    serde_json::value::to_raw_value(value).map_err(|_| StoreFault("the credentials cannot be written as JSON".into()))
}

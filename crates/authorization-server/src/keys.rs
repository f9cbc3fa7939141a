//! The keys that sign access tokens: which one signs, which are published, how one takes the place of another.
//!
//! All nodes read the same rows. A new key is published a while before it signs and an old one a while after, so that a
//! node or another verifier that looks seldom never meets a token whose key it has not seen.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::hmac;
use doorward_types::{
    Entropy, Secret, Timestamp,
    jose::{Jwk, KeySet, SigningKey, dpop::Nonces},
    secret::OperatorKey,
};

use crate::{facts::KeyRow, seal::Sealed, write::Write};

/// How long a key is published before it signs: longer than anybody keeps the published set (five minutes), and than a
/// node takes to read the rows again, with clocks that do not quite agree.
pub const LEAD: Duration = Duration::from_secs(10 * 60);

/// The longest life that an operator can give to an access token.
pub const LONGEST_ACCESS_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// How long a key is published after another signs: the longest token has expired by then, on any node's clock.
pub const TRAIL: Duration = Duration::from_secs(LONGEST_ACCESS_TOKEN.as_secs() + LEAD.as_secs());

/// Why rows do not make a ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no key yet: make the first.
    #[error("there is no signing key")]
    None,
    /// A key was sealed under another operator key, or its row was tampered with.
    #[error("the signing key {0} is sealed under another operator key, or its row was changed")]
    Sealed(String),
    /// What was sealed is no key.
    #[error("the signing key {0} cannot be read")]
    Unreadable(String),
}

/// Why a new key is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a new key is published already")]
pub struct UnderWay {
    /// When it begins to sign.
    pub active_from: Timestamp,
}

/// One key of a ring.
#[derive(Clone, Debug)]
struct Held {
    key: Arc<SigningKey>,
    active_from: Timestamp,
}

/// The keys at one moment: at least one, the one that signs longest first.
pub struct KeyRing {
    keys: Vec<Held>,
    published: Vec<Jwk>,
    verifying: KeySet,
    nonces: [u8; 32],
}

impl KeyRing {
    /// Opens the rows with the operator's key. Keys that no living token can be signed with are left out.
    ///
    /// # Errors
    /// When there is no row, or one cannot be opened: a node must not go on with half of the keys.
    pub fn open(rows: &[KeyRow], operator: &Secret<OperatorKey>, now: Timestamp) -> Result<Self, KeyRefusal> {
        let ended = ended(rows, now);
        let mut keys = Vec::new();
        for row in in_order(rows).into_iter().filter(|row| !ended.contains(&row.kid.as_str())) {
            let plain =
                row.sealed.open(operator, &purpose(&row.kid)).ok_or_else(|| KeyRefusal::Sealed(row.kid.clone()))?;
            let key = SigningKey::from_pkcs8(&plain).map_err(|_| KeyRefusal::Unreadable(row.kid.clone()))?;
            if key.kid() != row.kid {
                return Err(KeyRefusal::Unreadable(row.kid.clone()));
            }
            keys.push(Held { key: Arc::new(key), active_from: row.active_from });
        }
        if keys.is_empty() {
            return Err(KeyRefusal::None);
        }
        Ok(Self::of(keys, operator.expose().as_bytes()))
    }

    /// The ring of one key, for whoever has no rows.
    pub fn single(key: SigningKey) -> Self {
        let secret = key.to_pkcs8().to_vec();
        Self::of(vec![Held { key: Arc::new(key), active_from: Timestamp::from_unix(0) }], &secret)
    }

    fn of(keys: Vec<Held>, secret: &[u8]) -> Self {
        let published = keys.iter().map(|held| held.key.public_jwk().clone()).collect();
        let verifying = KeySet::new(keys.iter().map(|held| held.key.verifying_key()).collect());
        let mut nonces = [0; 32];
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"doorward nonces v1");
        nonces.copy_from_slice(tag.as_ref());
        Self { keys, published, verifying, nonces }
    }

    /// The nonces for DPoP proofs at one place (`token` or `resource`). They follow from the operator's key, so all nodes
    /// have the same, and new signing keys do not change them.
    pub fn nonces(&self, place: &str) -> Nonces {
        Nonces::new(&self.nonces, place)
    }

    /// The key that signs at this moment: the newest that is active. By a clock that is behind all of them it is the first.
    pub fn signer(&self, now: Timestamp) -> &Arc<SigningKey> {
        let active = self.keys.iter().rev().find(|held| held.active_from <= now);
        &active.unwrap_or(&self.keys[0]).key
    }

    /// The public keys, those that sign later among them.
    ///
    /// Source: RFC 7517 section 5.
    pub fn published(&self) -> &[Jwk] {
        &self.published
    }

    /// The same, to verify with.
    pub fn verifying(&self) -> &KeySet {
        &self.verifying
    }

    /// Whether these are the same keys with the same turns.
    pub fn is(&self, other: &Self) -> bool {
        let turns = |ring: &Self| ring.keys.iter().map(|held| (held.key.kid().to_owned(), held.active_from)).collect();
        let (own, others): (Vec<_>, Vec<_>) = (turns(self), turns(other));
        own == others
    }

    /// The names of the keys, in the order in which they sign.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|held| held.key.kid())
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// The ring that is in force, shared by all that sign, verify and publish. A new one takes its place at once for all.
#[derive(Debug)]
pub struct SharedKeys {
    ring: RwLock<Arc<KeyRing>>,
    readable: AtomicBool,
}

impl SharedKeys {
    /// Begins with this ring.
    pub fn new(ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), readable: AtomicBool::new(true) }
    }

    /// The ring in force.
    pub fn current(&self) -> Arc<KeyRing> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that signs at this moment.
    pub fn signer(&self, now: Timestamp) -> Arc<SigningKey> {
        self.current().signer(now).clone()
    }

    /// Puts another ring in force.
    pub fn replace(&self, ring: KeyRing) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        self.readable.store(true, Ordering::Release);
    }

    /// The rows have changed and do not open here: the ring stays in force, but others may sign with keys not in it.
    pub fn cannot_be_read(&self) {
        self.readable.store(false, Ordering::Release);
    }

    /// Whether the ring is the one of the rows, as far as is known.
    pub fn are_readable(&self) -> bool {
        self.readable.load(Ordering::Acquire)
    }
}

/// Stores the first key, which signs at once. Of several nodes that try, one succeeds; the others find its key then.
pub fn first(
    key: &SigningKey,
    operator: &Secret<OperatorKey>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Vec<Write> {
    vec![Write::InsertKey { key: row(key, operator, now, now, entropy), seen: 0 }]
}

/// Stores a new key that signs after [`LEAD`]. The one before stays published for [`TRAIL`] after that, so that no token
/// ends early.
///
/// # Errors
/// When a key waits for its turn already.
pub fn rotate(
    rows: &[KeyRow],
    key: &SigningKey,
    operator: &Secret<OperatorKey>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Write>, UnderWay> {
    if let Some(next) = rows.iter().find(|row| row.active_from > now) {
        return Err(UnderWay { active_from: next.active_from });
    }
    // With no key before it there is nobody who could meet it too early.
    let active_from = if rows.is_empty() { now } else { now.plus(LEAD) };
    let key = row(key, operator, now, active_from, entropy);
    Ok(vec![Write::InsertKey { key, seen: count(rows) }])
}

/// Stores a new key that signs at once and removes all others, which may be in wrong hands or can no longer be opened:
/// what they signed is good no longer.
pub fn replace_all(
    rows: &[KeyRow],
    key: &SigningKey,
    operator: &Secret<OperatorKey>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Vec<Write> {
    let mut writes = vec![Write::InsertKey { key: row(key, operator, now, now, entropy), seen: count(rows) }];
    writes.extend(rows.iter().map(|row| Write::DeleteKey { kid: row.kid.clone(), at: now }));
    writes
}

/// Removes the keys that no living token can be signed with.
pub fn expire(rows: &[KeyRow], now: Timestamp) -> Vec<Write> {
    ended(rows, now).into_iter().map(|kid| Write::DeleteKey { kid: kid.to_owned(), at: now }).collect()
}

/// What a key is doing at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Published; it signs later.
    Next,
    /// It signs.
    Signing,
    /// It signs no more; tokens that it signed are good until they expire.
    Retiring,
    /// Nothing that it signed can be good any more.
    Ended,
}

/// All keys with what each is doing, in the order in which they sign.
pub fn stages(rows: &[KeyRow], now: Timestamp) -> Vec<(&KeyRow, Stage)> {
    let ended = ended(rows, now);
    let ordered = in_order(rows);
    let signing = ordered.iter().rposition(|row| row.active_from <= now).unwrap_or(0);
    let stage = |at: usize, row: &KeyRow| match at {
        _ if ended.contains(&row.kid.as_str()) => Stage::Ended,
        at if at < signing => Stage::Retiring,
        at if at == signing => Stage::Signing,
        _ => Stage::Next,
    };
    ordered.iter().enumerate().map(|(at, row)| (*row, stage(at, row))).collect()
}

/// The names of keys whose successor has signed for longer than [`TRAIL`].
fn ended(rows: &[KeyRow], now: Timestamp) -> Vec<&str> {
    let ordered = in_order(rows);
    let pairs = ordered.iter().zip(ordered.iter().skip(1));
    pairs.filter(|(_, next)| next.active_from.plus(TRAIL) <= now).map(|(row, _)| row.kid.as_str()).collect()
}

fn in_order(rows: &[KeyRow]) -> Vec<&KeyRow> {
    let mut ordered: Vec<&KeyRow> = rows.iter().collect();
    ordered.sort_by_key(|row| (row.active_from, row.created_at, &row.kid));
    ordered
}

fn row(
    key: &SigningKey,
    operator: &Secret<OperatorKey>,
    created_at: Timestamp,
    active_from: Timestamp,
    entropy: &mut dyn Entropy,
) -> KeyRow {
    let sealed = Sealed::seal(operator, &purpose(key.kid()), key.to_pkcs8(), entropy);
    KeyRow { kid: key.kid().to_owned(), sealed, created_at, active_from }
}

/// The name goes in, so that a sealed key opens in its own row only.
fn purpose(kid: &str) -> String {
    format!("signing key {kid}")
}

fn count(rows: &[KeyRow]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use doorward_types::{
    Digest, Secret, Timestamp,
    jose::{
        AccessTokenClaims,
        dpop::{self, Nonces, ProofRefusal},
    },
    secret::{AccessToken, UsedOnce},
};
use http::{HeaderMap, Method};
use url::Url;

use crate::{Refusal, Scheme};

/// How many proofs are remembered, some 25 MB. Each is remembered for a few minutes.
const MOST_PROOFS: usize = 500_000;

/// Checks that whoever presents a token holds the key that it is bound to.
///
/// A proof is taken once by each node. What a second node would take again is kept small by the nonce: it is of this very
/// place and a few minutes old at the most.
pub(crate) struct Possession {
    nonces: Nonces,
    only: bool,
    seen: Mutex<Seen>,
}

impl Possession {
    pub(crate) fn new(nonces: Nonces, only: bool) -> Self {
        Self { nonces, only, seen: Mutex::default() }
    }

    /// Whether tokens that are not bound to a key are refused.
    pub(crate) fn is_demanded(&self) -> bool {
        self.only
    }

    pub(crate) fn nonce(&self, now: Timestamp) -> String {
        self.nonces.current(now)
    }

    /// Checks the proof of a request.
    ///
    /// # Errors
    /// When it does not count, is of another key, or was used before.
    /// Source: RFC 9449 sections 4.3, 7.1, 9 and 11.1.
    fn check(
        &self,
        headers: &HeaderMap,
        method: &Method,
        url: &Url,
        token: &Secret<AccessToken>,
        claims: &AccessTokenClaims,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let proof = dpop::presented(headers).map_err(Refusal::Proof)?.ok_or(Refusal::NoProof)?;
        let key =
            dpop::check(proof, method.as_str(), url, Some(token), &self.nonces, now).map_err(
                |refusal| match refusal {
                    ProofRefusal::Nonce => Refusal::UseNonce { nonce: self.nonce(now) },
                    other => Refusal::Proof(other),
                },
            )?;
        if claims.cnf.as_ref().map(|cnf| &cnf.jkt) != Some(key.thumbprint()) {
            return Err(Refusal::OtherKey);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take(key.proof(), key.until(), now)
    }
}

/// A request as it came, as far as a proof is about it.
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
}

/// Judges the way in which a token was presented: a bound one needs its proof, and nothing else may have one.
///
/// # Errors
/// Names the first check that failed.
/// Source: RFC 9449 sections 7.1 and 7.2.
pub(crate) fn check(
    possession: Option<&Possession>,
    asked: &Asked<'_>,
    scheme: Scheme,
    token: &Secret<AccessToken>,
    claims: &AccessTokenClaims,
    now: Timestamp,
) -> Result<(), Refusal> {
    match (scheme, possession) {
        (Scheme::Bearer, _) if claims.cnf.is_some() => Err(Refusal::Bound),
        (Scheme::Bearer, Some(possession)) if possession.is_demanded() => Err(Refusal::Unbound),
        (Scheme::Bearer, _) => Ok(()),
        (Scheme::Dpop, None) => Err(Refusal::OtherScheme),
        (Scheme::Dpop, Some(_)) if claims.cnf.is_none() => Err(Refusal::OtherKey),
        (Scheme::Dpop, Some(possession)) => {
            possession.check(asked.headers, asked.method, asked.url, token, claims, now)
        }
    }
}

/// The proofs that were used, by the moment at which they are of no use any more.
#[derive(Default)]
struct Seen {
    by_end: BTreeMap<Timestamp, HashSet<Digest<UsedOnce>>>,
    count: usize,
}

impl Seen {
    fn take(&mut self, proof: Digest<UsedOnce>, until: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        while let Some(first) = self.by_end.first_entry().filter(|entry| *entry.key() < now) {
            self.count -= first.remove().len();
        }
        // The moment follows from the proof alone, so a proof that comes again is found under the same one.
        if self.by_end.get(&until).is_some_and(|proofs| proofs.contains(&proof)) {
            return Err(Refusal::Proof(ProofRefusal::Used));
        }
        if self.count >= MOST_PROOFS {
            return Err(Refusal::TooManyProofs);
        }
        self.by_end.entry(until).or_default().insert(proof);
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

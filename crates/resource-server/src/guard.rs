use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use doorward_types::{
    ResourceId, ScopeSet, Timestamp,
    challenge::BearerChallenge,
    jose::dpop::{NONCE_HEADER, Nonces},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use url::Url;

use crate::{
    Authorized, AuthorizedRequest, Denials, Principal, Refusal, Revocations, Verified, Verifier,
    possession::{self, Asked, Possession},
    presented,
};

/// One protected resource with all it takes to judge a request to it.
pub struct Guard {
    resource: ResourceId,
    verifier: RwLock<Arc<Verifier>>,
    revocations: Arc<dyn Revocations>,
    initial_scope: ScopeSet,
    denials: Option<Arc<dyn Denials>>,
    possession: Option<Possession>,
}

/// After how many seconds a caller shall try again when revocations are not known.
const TRY_AGAIN: u32 = 2;

impl Guard {
    /// Guards `resource`. A caller without a token is told to ask for `initial_scope`.
    pub fn new(
        resource: ResourceId,
        verifier: Verifier,
        revocations: Arc<dyn Revocations>,
        initial_scope: ScopeSet,
    ) -> Self {
        Self {
            resource,
            verifier: RwLock::new(Arc::new(verifier)),
            revocations,
            initial_scope,
            denials: None,
            possession: None,
        }
    }

    /// The same, and tokens that are bound to a key are taken with a proof of it; with `only`, no others are.
    ///
    /// Source: RFC 9449 section 7.
    #[must_use]
    pub fn proving(self, nonces: Nonces, only: bool) -> Self {
        Self { possession: Some(Possession::new(nonces, only)), ..self }
    }

    /// The same, and whoever keeps the record is told of refusals.
    #[must_use]
    pub fn telling(self, denials: Arc<dyn Denials>) -> Self {
        Self { denials: Some(denials), ..self }
    }

    /// The resource.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// Takes a new verifier, after the issuer's keys changed.
    pub fn replace_verifier(&self, verifier: Verifier) {
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }

    /// Finds the one token in the headers of a request with this method to this URL, and verifies it; if it is bound to a
    /// key, with the proof that the caller holds that key. A proof is used up with this, so a request is verified once.
    ///
    /// # Errors
    /// Names the first check that failed.
    /// Source: RFC 6750 section 2.1, RFC 9449 section 7.
    pub fn verify(&self, headers: &HeaderMap, method: &Method, url: &Url, now: Timestamp) -> Result<Verified, Refusal> {
        let (scheme, token) = presented(headers)?;
        let verifier = self.verifier.read().unwrap_or_else(PoisonError::into_inner).clone();
        let verified = verifier.verify(&token, now)?;
        let asked = Asked { headers, method, url };
        match possession::check(self.possession.as_ref(), &asked, scheme, &token, &verified.claims, now) {
            Ok(()) => Ok(verified),
            Err(refusal) => {
                self.tell(&verified.principal(), &refusal);
                Err(refusal)
            }
        }
    }

    fn tell(&self, principal: &Principal, refusal: &Refusal) {
        if let Some(denials) = self.denials.as_deref().filter(|_| refusal.is_telling()) {
            denials.denied(principal, refusal);
        }
    }

    /// Lets another part of the same request through, which needs more than the part that was let through already.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub fn admit_also<B>(
        &self,
        before: &Authorized,
        request: Request<B>,
        needed: &ScopeSet,
        now: Timestamp,
    ) -> Result<AuthorizedRequest<B>, Refusal> {
        self.admit(before.again(), request, needed, now)
    }

    /// The nonce for the caller's next proof.
    ///
    /// Source: RFC 9449 section 9.
    pub fn nonce(&self, now: Timestamp) -> Option<String> {
        self.possession.as_ref().map(|possession| possession.nonce(now))
    }

    /// Lets a request through if the token is for this resource, still good, and covers `needed`.
    ///
    /// # Errors
    /// Names the first check that failed.
    pub fn admit<B>(
        &self,
        verified: Verified,
        request: Request<B>,
        needed: &ScopeSet,
        now: Timestamp,
    ) -> Result<AuthorizedRequest<B>, Refusal> {
        let principal = verified.principal();
        match verified.admit(&self.resource, needed, &*self.revocations, now) {
            Ok(authorized) => Ok(AuthorizedRequest::new(authorized, request)),
            Err(refusal) => {
                self.tell(&principal, &refusal);
                Err(refusal)
            }
        }
    }

    /// Why a stream that `authorized` opened may not go on; nothing when it may.
    pub fn withdrawn(&self, authorized: &Authorized, now: Timestamp) -> Option<Refusal> {
        authorized.withdrawn(&*self.revocations, now)
    }

    /// Whether the grant behind `authorized` was taken back, whatever the time.
    pub fn is_revoked(&self, authorized: &Authorized) -> bool {
        authorized.is_revoked(&*self.revocations)
    }

    /// The answer to a refused request: status, challenge, and a JSON body for whoever debugs it. A refusal that is not
    /// the token's fault has no challenge: it would make the caller ask for another token.
    ///
    /// Source: RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1, MCP 2026-07-28 authorization, "Error Handling".
    pub fn refuse(&self, refusal: &Refusal) -> Response<Bytes> {
        let scope = match refusal {
            Refusal::InsufficientScope { needed } => needed.clone(),
            _ => self.initial_scope.clone(),
        };
        let challenge = BearerChallenge {
            resource_metadata: Some(self.resource.metadata_url().into()),
            scope: Some(scope),
            error: refusal.error(),
            error_description: refusal.error().map(|_| refusal.to_string()),
        };
        let body = serde_json::json!({
            "error": refusal.error().unwrap_or("unauthorized"),
            "error_description": refusal.to_string(),
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = refusal.status();
        let headers = response.headers_mut();
        if refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(TRY_AGAIN));
        } else {
            self.challenge(headers, refusal, challenge);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// One challenge for each scheme that is taken, the simpler one first. What is wrong with a proof stands in the one that
    /// asks for proofs.
    fn challenge(&self, headers: &mut HeaderMap, refusal: &Refusal, challenge: BearerChallenge) {
        if !self.possession.as_ref().is_some_and(Possession::is_demanded) {
            let plain = match refusal.is_about_a_proof() {
                true => BearerChallenge { error: None, error_description: None, ..challenge.clone() },
                false => challenge.clone(),
            };
            headers.append(header::WWW_AUTHENTICATE, plain.to_header());
        }
        if self.possession.is_some() {
            headers.append(header::WWW_AUTHENTICATE, challenge.to_dpop_header());
        }
        if let Refusal::UseNonce { nonce } = refusal
            && let Ok(nonce) = HeaderValue::try_from(nonce)
        {
            headers.insert(NONCE_HEADER, nonce);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use doorward_types::{
        ClientId, Issuer, Permission,
        jose::{AccessTokenClaims, Confirmation, KeySet, SigningKey, Thumbprint},
    };

    use super::*;

    const R1: &str = "https://gw.example/mcp";
    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    #[derive(Default)]
    struct Place {
        away: AtomicBool,
        ended: AtomicBool,
        told: Mutex<Vec<(String, Refusal)>>,
    }

    impl Revocations for Place {
        fn is_revoked(&self, grant: &str) -> bool {
            grant == "revoked" || self.ended.load(Ordering::Relaxed)
        }
        fn are_known(&self, _: Timestamp) -> bool {
            !self.away.load(Ordering::Relaxed)
        }
    }

    impl Denials for Place {
        fn denied(&self, principal: &Principal, refusal: &Refusal) {
            self.told.lock().unwrap().push((principal.grant.clone(), refusal.clone()));
        }
    }

    struct World {
        key: SigningKey,
        place: Arc<Place>,
        guard: Guard,
        /// The key that its tokens are bound to.
        bound_to: Option<Confirmation>,
    }

    impl World {
        fn new() -> Self {
            let (key, place) = (SigningKey::generate(), Arc::new(Place::default()));
            let verifier = Verifier::new(issuer(), KeySet::new(vec![key.verifying_key()]));
            let resource = ResourceId::parse(R1).unwrap();
            let guard = Guard::new(resource, verifier, place.clone(), Permission::all_scopes()).telling(place.clone());
            Self { key, place, guard, bound_to: None }
        }

        fn call(&self, grant: &str, audience: &str, needed: Permission) -> Result<Authorized, Refusal> {
            let claims = AccessTokenClaims {
                iss: issuer(),
                sub: "ann".into(),
                aud: ResourceId::parse(audience).unwrap(),
                client_id: ClientId::parse("dwcl_test").unwrap(),
                scope: Permission::Read.set(),
                iat: NOW,
                exp: NOW.plus(std::time::Duration::from_secs(600)),
                jti: "j".into(),
                gid: grant.into(),
                cnf: self.bound_to.clone(),
                act: None,
            };
            let token = self.key.sign(AccessTokenClaims::TYP, &claims);
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
            let verified = self.guard.verify(&headers, &Method::POST, &self.guard.resource().url(), NOW)?;
            self.guard.admit(verified, Request::new(()), &needed.set(), NOW).map(|admitted| admitted.into_parts().0)
        }
    }

    fn issuer() -> Issuer {
        Issuer::parse("https://gw.example").unwrap()
    }

    #[test]
    fn no_token_is_believed_while_revocations_are_unknown() {
        // proves: FLT-06, FLT-20
        let world = World::new();
        let authorized = world.call("good", R1, Permission::Read).unwrap();
        assert_eq!(world.guard.withdrawn(&authorized, NOW), None);
        world.place.away.store(true, Ordering::Relaxed);
        let refusal = world.call("good", R1, Permission::Read).unwrap_err();
        assert_eq!(refusal, Refusal::RevocationsUnknown);
        assert_eq!(world.guard.withdrawn(&authorized, NOW), Some(Refusal::RevocationsUnknown));
        assert_eq!(world.call("revoked", R1, Permission::Read).unwrap_err(), Refusal::Revoked, "that much is known");
        let answer = world.guard.refuse(&refusal);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
        // A challenge would make a client throw its token away and ask a person.
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
        world.place.away.store(false, Ordering::Relaxed);
        assert!(world.call("good", R1, Permission::Read).is_ok());
    }

    #[test]
    fn other_keys_of_the_issuer_count_at_once_and_the_old_ones_no_more() {
        // proves: FLT-11
        let mut world = World::new();
        assert!(world.call("good", R1, Permission::Read).is_ok());
        let old = std::mem::replace(&mut world.key, SigningKey::generate());
        world.guard.replace_verifier(Verifier::new(issuer(), KeySet::new(vec![world.key.verifying_key()])));
        let authorized = world.call("good", R1, Permission::Read).unwrap();
        assert!(!world.guard.is_revoked(&authorized));
        world.place.ended.store(true, Ordering::Relaxed);
        assert!(world.guard.is_revoked(&authorized));
        world.key = old;
        assert!(world.call("good", R1, Permission::Read).is_err());
    }

    #[test]
    fn a_challenge_names_the_scope_that_is_lacking() {
        // proves: R6750-03
        let world = World::new();
        let challenge = |needed| {
            let answer = world.guard.refuse(&world.call("good", R1, needed).unwrap_err());
            answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned()
        };
        assert!(challenge(Permission::Danger).contains(r#"scope="mcp:danger""#), "{}", challenge(Permission::Danger));
        assert!(challenge(Permission::Write).contains(r#"scope="mcp:write""#), "{}", challenge(Permission::Write));
    }

    #[test]
    fn a_refusal_of_a_token_of_ours_is_told() {
        let mut world = World::new();
        assert!(world.call("good", R1, Permission::Danger).is_err());
        assert!(world.call("revoked", R1, Permission::Read).is_err());
        assert!(world.call("other", "https://gw.example/other", Permission::Read).is_err());
        assert!(world.call("good", R1, Permission::Read).is_ok());
        let told = std::mem::take(&mut *world.place.told.lock().unwrap());
        let needed = Permission::Danger.set();
        let expected = [
            ("good", Refusal::InsufficientScope { needed }),
            ("revoked", Refusal::Revoked),
            ("other", Refusal::Audience),
        ];
        assert_eq!(told, expected.map(|(grant, refusal)| (grant.to_owned(), refusal)));
        world.place.away.store(true, Ordering::Relaxed);
        assert!(world.call("good", R1, Permission::Read).is_err());
        assert!(world.place.told.lock().unwrap().is_empty(), "that is not the caller's doing");
        // A copied token, without the key that it is bound to.
        world.bound_to = Some(Confirmation { jkt: Thumbprint::parse(world.key.kid()).unwrap() });
        assert_eq!(world.call("good", R1, Permission::Read).unwrap_err(), Refusal::Bound);
        assert_eq!(*world.place.told.lock().unwrap(), [("good".to_owned(), Refusal::Bound)]);
    }
}

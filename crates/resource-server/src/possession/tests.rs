use std::sync::Arc;

use doorward_types::{
    ClientId, Issuer, Permission, ResourceId,
    jose::{Confirmation, KeySet, SigningKey, Thumbprint},
};
use http::{HeaderValue, Request, Response, header};
use serde_json::{Value, json};

use super::*;
use crate::{Guard, Revocations, Verifier};

const R1: &str = "https://gw.example/mcp";
const NOW: i64 = 1_000_000;

struct Nothing;

impl Revocations for Nothing {
    fn is_revoked(&self, _: &str) -> bool {
        false
    }
}

struct World {
    issuer: SigningKey,
    holder: SigningKey,
    guard: Guard,
}

fn nonces() -> Nonces {
    Nonces::new(b"key", "resource")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

impl World {
    fn new(possession: Option<bool>) -> Self {
        let issuer = SigningKey::generate();
        let verifier =
            Verifier::new(Issuer::parse("https://gw.example").unwrap(), KeySet::new(vec![issuer.verifying_key()]));
        let resource = ResourceId::parse(R1).unwrap();
        let guard = Guard::new(resource, verifier, Arc::new(Nothing), Permission::all_scopes());
        let guard = possession.into_iter().fold(guard, |guard, only| guard.proving(nonces(), only));
        Self { issuer, holder: SigningKey::generate(), guard }
    }

    /// A token, bound to this key.
    fn token(&self, bound_to: Option<&SigningKey>, audience: &str) -> String {
        let claims = AccessTokenClaims {
            iss: Issuer::parse("https://gw.example").unwrap(),
            sub: "ann".into(),
            aud: ResourceId::parse(audience).unwrap(),
            client_id: ClientId::parse("dwcl_test").unwrap(),
            scope: Permission::Read.set(),
            iat: at(0),
            exp: at(600),
            jti: "j".into(),
            gid: "g".into(),
            cnf: bound_to.map(|key| Confirmation { jkt: Thumbprint::parse(key.kid()).unwrap() }),
            act: None,
        };
        self.issuer.sign(AccessTokenClaims::TYP, &claims)
    }

    fn call(&self, authorization: &str, proof: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(authorization).unwrap());
        if let Some(proof) = proof {
            headers.append(dpop::HEADER, HeaderValue::try_from(proof).unwrap());
        }
        let verified = self.guard.verify(&headers, &Method::POST, &self.guard.resource().url(), now)?;
        self.guard.admit(verified, Request::new(()), &Permission::Read.set(), now).map(|_| ())
    }
}

/// A proof for a POST with this token, after a change of its claims.
fn proof(key: &SigningKey, token: &str, now: Timestamp, change: impl Fn(&mut Value)) -> String {
    let jwk = key.public_jwk();
    let header = json!({
        "typ": "dpop+jwt", "alg": "ES256",
        "jwk": {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y},
    });
    let mut claims = json!({
        "jti": "one", "htm": "POST", "htu": R1, "iat": now, "nonce": nonces().current(now), "ath": ath(token),
    });
    change(&mut claims);
    key.sign_under(&header, &claims)
}

fn ath(token: &str) -> String {
    // The digest of a secret is the SHA-256 that the proof must hold, in the same encoding.
    Secret::<AccessToken>::parse(token).unwrap().digest().to_text()
}

fn challenges(response: &Response<bytes::Bytes>) -> Vec<String> {
    let all = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
    all.map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_bound_token_is_taken_with_its_proof_and_in_no_other_way() {
    // proves: EXT-05, R9449-06, R9449-07, EXT-DRAFT-001
    let world = World::new(Some(false));
    let (bound, free) = (world.token(Some(&world.holder), R1), world.token(None, R1));
    let good = |token: &str, jti: &str| proof(&world.holder, token, at(0), |claims| claims["jti"] = json!(jti));
    assert_eq!(world.call(&format!("DPoP {bound}"), Some(&good(&bound, "a")), at(0)), Ok(()));
    assert_eq!(world.call(&format!("Bearer {free}"), None, at(0)), Ok(()));
    // Downgraded, with a proof and without.
    assert_eq!(world.call(&format!("Bearer {bound}"), None, at(0)), Err(Refusal::Bound));
    assert_eq!(world.call(&format!("Bearer {bound}"), Some(&good(&bound, "b")), at(0)), Err(Refusal::Bound));
    // Not bound at all, or to another key.
    assert_eq!(world.call(&format!("DPoP {free}"), Some(&good(&free, "c")), at(0)), Err(Refusal::OtherKey));
    let thief = proof(&SigningKey::generate(), &bound, at(0), |_| {});
    assert_eq!(world.call(&format!("DPoP {bound}"), Some(&thief), at(0)), Err(Refusal::OtherKey));
    assert_eq!(world.call(&format!("DPoP {bound}"), None, at(0)), Err(Refusal::NoProof));
    // The proof of another token.
    let refusal = world.call(&format!("DPoP {bound}"), Some(&good(&free, "d")), at(0)).unwrap_err();
    assert_eq!(refusal, Refusal::Proof(ProofRefusal::Token));
    let without = proof(&world.holder, &bound, at(0), |claims| drop(claims.as_object_mut().unwrap().remove("ath")));
    let refusal = world.call(&format!("DPoP {bound}"), Some(&without), at(0)).unwrap_err();
    assert_eq!((refusal.error(), refusal.status().as_u16()), (Some("invalid_dpop_proof"), 401));
}

#[test]
fn the_audience_counts_for_bound_tokens_too() {
    // proves: EXT-DRAFT-006, AUD-01
    let world = World::new(Some(false));
    let elsewhere = world.token(Some(&world.holder), "https://gw.example/other");
    let proof = proof(&world.holder, &elsewhere, at(0), |_| {});
    assert_eq!(world.call(&format!("DPoP {elsewhere}"), Some(&proof), at(0)), Err(Refusal::Audience));
}

#[test]
fn a_proof_is_taken_once() {
    // proves: EXT-05, R9449-12, AUD-18, EXT-DRAFT-004
    let world = World::new(Some(false));
    let token = world.token(Some(&world.holder), R1);
    let authorization = format!("DPoP {token}");
    let once = proof(&world.holder, &token, at(0), |_| {});
    assert_eq!(world.call(&authorization, Some(&once), at(0)), Ok(()));
    for later in [0, 1, 100] {
        let refusal = world.call(&authorization, Some(&once), at(later)).unwrap_err();
        assert_eq!(refusal, Refusal::Proof(ProofRefusal::Used), "{later}");
    }
    // Then its nonce is too old, so it need not be remembered any more.
    let refusal = world.call(&authorization, Some(&once), at(250)).unwrap_err();
    assert!(matches!(refusal, Refusal::UseNonce { .. }));
    let mut seen = Seen::default();
    let named = |text: &str| Secret::<UsedOnce>::parse(text).unwrap().digest();
    assert_eq!(seen.take(named("a"), at(10), at(0)), Ok(()));
    assert_eq!(seen.take(named("b"), at(500), at(11)), Ok(()));
    assert_eq!((seen.count, seen.by_end.len()), (1, 1));
    // What cannot be remembered is not taken.
    seen.count = MOST_PROOFS;
    assert_eq!(seen.take(named("c"), at(500), at(11)), Err(Refusal::TooManyProofs));
    assert_eq!(seen.take(named("b"), at(500), at(11)), Err(Refusal::Proof(ProofRefusal::Used)));
}

#[test]
fn a_proof_without_our_nonce_is_told_it() {
    // proves: R9449-09, EXT-05, EXT-DRAFT-002
    let world = World::new(Some(false));
    let token = world.token(Some(&world.holder), R1);
    for nonce in [json!(null), json!("x"), json!(Nonces::new(b"key", "token").current(at(0)))] {
        let proof = proof(&world.holder, &token, at(0), |claims| claims["nonce"] = nonce.clone());
        let refusal = world.call(&format!("DPoP {token}"), Some(&proof), at(0)).unwrap_err();
        let answer = world.guard.refuse(&refusal);
        assert_eq!(answer.status().as_u16(), 401);
        assert_eq!(answer.headers()[dpop::NONCE_HEADER], nonces().current(at(0)).as_str());
        let challenges = challenges(&answer);
        assert!(challenges[1].starts_with("DPoP error=\"use_dpop_nonce\""), "{challenges:?}");
        assert!(challenges[0].starts_with("Bearer ") && !challenges[0].contains("error"), "{challenges:?}");
    }
    assert_eq!(world.guard.nonce(at(0)), Some(nonces().current(at(0))));
}

#[test]
fn each_scheme_that_is_taken_has_its_challenge() {
    // proves: R9449-06, R9449-13, R6750-02
    let refusal = Refusal::Expired;
    for (possession, expected) in [(None, &["Bearer"][..]), (Some(false), &["Bearer", "DPoP"]), (Some(true), &["DPoP"])]
    {
        let challenges = challenges(&World::new(possession).guard.refuse(&refusal));
        let schemes: Vec<_> = challenges.iter().map(|text| text.split_once(' ').unwrap().0).collect();
        assert_eq!(schemes, expected);
        for challenge in &challenges {
            assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("resource_metadata="));
            assert_eq!(challenge.contains("algs=\"ES256 EdDSA"), challenge.starts_with("DPoP"), "{challenge}");
            assert!(!challenge.contains("HS256") && !challenge.contains("none"));
        }
    }
}

#[test]
fn what_is_not_switched_on_is_not_taken() {
    // proves: R9449-07, EXT-05
    let world = World::new(None);
    let (bound, free) = (world.token(Some(&world.holder), R1), world.token(None, R1));
    let proof = proof(&world.holder, &bound, at(0), |_| {});
    assert_eq!(world.call(&format!("DPoP {bound}"), Some(&proof), at(0)), Err(Refusal::OtherScheme));
    assert_eq!(world.call(&format!("Bearer {bound}"), None, at(0)), Err(Refusal::Bound));
    assert_eq!(world.call(&format!("Bearer {free}"), None, at(0)), Ok(()));
    // And where only bound tokens are taken, no other is.
    let world = World::new(Some(true));
    let free = world.token(None, R1);
    assert_eq!(world.call(&format!("Bearer {free}"), None, at(0)), Err(Refusal::Unbound));
}

#[test]
fn a_challenge_says_what_is_wrong_once_and_plainly() {
    // proves: OA21-45, OA21-46, OA21-47, R6750-02, R9449-06, R6750-03, R6750-04, R6750-05
    let needed = Permission::Danger.set();
    let none = None;
    for (refusal, status, error) in [
        (Refusal::NoCredentials, 401, none),
        (Refusal::OtherScheme, 401, none),
        (Refusal::Malformed("x"), 401, Some("invalid_token")),
        (Refusal::Claims, 401, Some("invalid_token")),
        (Refusal::Expired, 401, Some("invalid_token")),
        (Refusal::Revoked, 401, Some("invalid_token")),
        (Refusal::Bound, 401, Some("invalid_token")),
        (Refusal::InsufficientScope { needed }, 403, Some("insufficient_scope")),
        (Refusal::NoProof, 401, Some("invalid_dpop_proof")),
        (Refusal::Proof(ProofRefusal::Used), 401, Some("invalid_dpop_proof")),
        (Refusal::UseNonce { nonce: "x".into() }, 401, Some("use_dpop_nonce")),
    ] {
        let answer = World::new(Some(false)).guard.refuse(&refusal);
        assert_eq!(answer.status().as_u16(), status, "{refusal:?}");
        let read = doorward_types::challenge::parse_all(answer.headers());
        assert_eq!(read.len(), 2);
        for (challenge, text) in read.iter().zip(challenges(&answer)) {
            let proofs_only = refusal.is_about_a_proof() && challenge.scheme == "bearer";
            assert_eq!(challenge.get("error"), error.filter(|_| !proofs_only), "{text}");
            assert!(text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{text}");
            for (name, _) in &challenge.parameters {
                assert_eq!(text.matches(&format!(" {name}=")).count(), 1, "{text}");
            }
        }
    }
}

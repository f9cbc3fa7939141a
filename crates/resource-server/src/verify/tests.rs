use doorward_types::{Permission, ResourceId, ScopeSet, jose::SigningKey};
use serde_json::json;

use super::*;
use crate::Revocations;

const ISSUER: &str = "https://gw.example";
const R1: &str = "https://gw.example/s1/mcp";
const NOW: i64 = 1_000_000;

struct Nothing;

impl Revocations for Nothing {
    fn is_revoked(&self, _: &str) -> bool {
        false
    }
}

fn good() -> Value {
    json!({
        "iss": ISSUER, "sub": "ann", "aud": R1, "client_id": "dwcl_test", "scope": "mcp:read", "iat": NOW,
        "exp": NOW + 600, "jti": "j", "gid": "g",
    })
}

fn with(claim: &str, value: Value) -> Value {
    let mut claims = good();
    claims[claim] = value;
    claims
}

/// What becomes of a call that reads with a token of these claims, well signed by the issuer.
fn call_with(typ: &str, claims: &Value, needed: &ScopeSet) -> Result<(), Refusal> {
    let key = SigningKey::generate();
    let verifier = Verifier::new(Issuer::parse(ISSUER).unwrap(), KeySet::new(vec![key.verifying_key()]));
    let token = Secret::parse(key.sign(typ, claims)).unwrap();
    let now = Timestamp::from_unix(NOW);
    let verified = verifier.verify(&token, now)?;
    verified.admit(&ResourceId::parse(R1).unwrap(), needed, &Nothing, now).map(|_| ())
}

fn call(claims: &Value) -> Result<(), Refusal> {
    call_with("at+jwt", claims, &Permission::Read.set())
}

#[test]
fn a_claim_of_the_wrong_type_is_no_claim() {
    // proves: JWT-07, JWT-17, AUD-06, R9068-02, R9068-05, R9068-06
    assert_eq!(call(&good()), Ok(()));
    for claim in ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "gid"] {
        let mut without = good();
        without.as_object_mut().unwrap().remove(claim);
        let refusal = call(&without).unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.error()), (401, Some("invalid_token")), "{claim}");
        for value in [json!(null), json!(true), json!([]), json!({}), json!([R1]), json!([R1, "https://evil.example"])]
        {
            assert!(call(&with(claim, value.clone())).is_err(), "{claim} {value}");
        }
        // Another case is another name.
        let mut renamed = without;
        renamed[claim.to_uppercase()] = good()[claim].clone();
        assert!(call(&renamed).is_err(), "{claim}");
    }
    for claim in ["iat", "exp"] {
        for value in [json!("9999999999"), json!(1.5e9), json!(1e308), json!(u64::MAX), json!("now")] {
            assert_eq!(call(&with(claim, value.clone())), Err(Refusal::Claims), "{claim} {value}");
        }
    }
    for (claim, value) in [("sub", ""), ("jti", ""), ("aud", ""), ("client_id", ""), ("scope", "a  b")] {
        assert!(call(&with(claim, json!(value))).is_err(), "{claim}");
    }
    assert_eq!(call(&with("cnf", json!({"jkt": "x"}))), Err(Refusal::Claims));
    assert_eq!(call(&with("cnf", json!({"x5t#S256": "x"}))), Err(Refusal::Claims));
}

#[test]
fn a_token_has_its_time() {
    // proves: JWT-16, OA21-44, R9068-05
    for (exp, good) in [(1, true), (0, false), (-1, false), (-31, false)] {
        assert_eq!(call(&with("exp", json!(NOW + exp))), if good { Ok(()) } else { Err(Refusal::Expired) }, "{exp}");
    }
    for (iat, good) in [(0, true), (30, true), (31, false), (86_400, false)] {
        let expected = if good { Ok(()) } else { Err(Refusal::NotYetValid) };
        assert_eq!(call(&with("iat", json!(NOW + iat))), expected, "{iat}");
    }
    for extreme in [i64::MIN, -1, 0] {
        assert_eq!(call(&with("exp", json!(extreme))), Err(Refusal::Expired));
    }
    assert_eq!(call(&with("iat", json!(i64::MAX))), Err(Refusal::NotYetValid));
}

#[test]
fn a_token_is_good_at_one_resource_spelled_one_way() {
    // proves: AUD-01, OA21-44, R9068-05
    for audience in [
        "https://gw.example",
        "https://gw.example/s1",
        "https://gw.example/s1/mcp/",
        "https://gw.example/s1/mcp?x",
        "https://gw.example/s1/MCP",
        "https://gw.example/s1/mcp-v2",
        "https://gw.example.evil/s1/mcp",
        "https://gw.example:8443/s1/mcp",
        "http://localhost/s1/mcp",
    ] {
        assert_eq!(call(&with("aud", json!(audience))), Err(Refusal::Audience), "{audience}");
    }
    for audience in ["https://gw.example:443/s1/mcp", "http://gw.example/s1/mcp", "https://gw.example/s1/mcp#", "x"] {
        assert_eq!(call(&with("aud", json!(audience))), Err(Refusal::Claims), "{audience}");
    }
}

#[test]
fn a_token_of_another_kind_or_issuer_opens_nothing() {
    // proves: AUD-07, AUD-08, JWT-06, JWT-23, R9068-05, R9068-07
    for typ in ["JWT", "dpop+jwt", "oauth-id-jag+jwt", "client-authentication+jwt", "logout+jwt"] {
        let refusal = call_with(typ, &good(), &Permission::Read.set()).unwrap_err();
        assert_eq!(refusal, Refusal::Signature(jose::JwsRefusal::Type), "{typ}");
    }
    for issuer in ["https://accounts.google.com", "https://gw.example/", "https://gw.example.evil"] {
        assert_eq!(call(&with("iss", json!(issuer))), Err(Refusal::Issuer), "{issuer}");
    }
}

#[test]
fn a_scope_that_is_lacking_is_named() {
    // proves: OA21-44, OA21-46
    let needed = Permission::Danger.set();
    let refusal = call_with("at+jwt", &good(), &needed).unwrap_err();
    assert_eq!((refusal.status().as_u16(), refusal.error()), (403, Some("insufficient_scope")));
    assert_eq!(refusal, Refusal::InsufficientScope { needed });
    assert_eq!(call_with("at+jwt", &with("scope", json!("mcp:danger")), &Permission::Read.set()), Ok(()));
}

#[test]
fn what_is_remembered_is_bounded_and_the_expired_go_first() {
    let key = SigningKey::generate();
    let verifier = Verifier::new(Issuer::parse(ISSUER).unwrap(), KeySet::new(vec![key.verifying_key()]));
    let now = Timestamp::from_unix(NOW);
    let verify = |jti: &str| {
        let token = Secret::parse(key.sign("at+jwt", &with("jti", json!(jti)))).unwrap();
        verifier.verify(&token, now).unwrap();
        verifier.seen.lock().unwrap().len()
    };
    let fill = |count: usize, expires: i64| {
        let claims: AccessTokenClaims = serde_json::from_value(with("exp", json!(expires))).unwrap();
        let claims = Arc::new(claims);
        let mut seen = verifier.seen.lock().unwrap();
        for n in 0..count {
            seen.insert(Secret::<AccessToken>::parse(format!("{expires} {n}")).unwrap().digest(), claims.clone());
        }
    };
    assert_eq!(verify("one"), 1);
    fill(MOST_SEEN - 2, NOW);
    assert_eq!(verify("two"), MOST_SEEN);
    assert_eq!(verify("three"), 3);
    fill(MOST_SEEN - 3, NOW + 1);
    assert_eq!(verify("four"), 1);
}

#[test]
fn what_was_verified_once_is_still_judged_each_time() {
    // proves: JWT-24
    let key = SigningKey::generate();
    let verifier = Verifier::new(Issuer::parse(ISSUER).unwrap(), KeySet::new(vec![key.verifying_key()]));
    let token = Secret::parse(key.sign("at+jwt", &good())).unwrap();
    let at = |seconds: i64, revocations: &dyn Revocations| {
        let now = Timestamp::from_unix(NOW + seconds);
        let resource = ResourceId::parse(R1).unwrap();
        let verified = verifier.verify(&token, now).unwrap();
        verified.admit(&resource, &Permission::Read.set(), revocations, now).map(|_| ())
    };
    struct All;
    impl Revocations for All {
        fn is_revoked(&self, _: &str) -> bool {
            true
        }
    }
    assert_eq!(at(0, &Nothing), Ok(()));
    assert_eq!(at(1, &All), Err(Refusal::Revoked));
    assert_eq!(at(599, &Nothing), Ok(()));
    assert_eq!(at(600, &Nothing), Err(Refusal::Expired));
}

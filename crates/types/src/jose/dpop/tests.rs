use serde_json::json;

use super::*;
use crate::jose::SigningKey;

const NOW: i64 = 1_000_000;
const TOKEN: &str = "at.of.ann";

fn url() -> Url {
    Url::parse("https://as.example/oauth/token").unwrap()
}

fn nonces() -> Nonces {
    Nonces::new(b"a key that all nodes share", "token")
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

/// The header and claims of a good proof for a POST to the token endpoint, about [`TOKEN`] too.
fn good(key: &SigningKey) -> (Value, Value) {
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": bare(key)});
    let ath = Base64UrlUnpadded::encode_string(digest::digest(&digest::SHA256, TOKEN.as_bytes()).as_ref());
    let claims = json!({
        "jti": "one", "htm": "POST", "htu": url().as_str(), "iat": NOW, "ath": ath,
        "nonce": nonces().current(now()),
    });
    (header, claims)
}

fn bare(key: &SigningKey) -> Value {
    let jwk = key.public_jwk();
    json!({"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y})
}

fn judge(proof: &str) -> Result<ProvenKey, ProofRefusal> {
    let token = Secret::parse(TOKEN).unwrap();
    check(proof, "POST", &url(), Some(&token), &nonces(), now())
}

/// What becomes of a good proof after a change of its header and claims.
fn changed(change: impl Fn(&mut Value, &mut Value)) -> Result<ProvenKey, ProofRefusal> {
    let key = SigningKey::generate();
    let (mut header, mut claims) = good(&key);
    change(&mut header, &mut claims);
    judge(&key.sign_under(&header, &claims))
}

fn refused(change: impl Fn(&mut Value, &mut Value)) -> ProofRefusal {
    changed(change).unwrap_err()
}

#[test]
fn a_good_proof_shows_its_key() {
    // proves: R9449-02, EXT-DRAFT-003
    let key = SigningKey::generate();
    let (header, claims) = good(&key);
    let proven = judge(&key.sign_under(&header, &claims)).unwrap();
    assert_eq!(proven.thumbprint().as_str(), key.kid());
    // It must be remembered as long as it would be taken, by its nonce or by its time.
    assert!(proven.until() > now() && proven.until() <= now().plus(3 * Nonces::SLICE));
    // Without a token the claim about it does not matter.
    let proof = key.sign_under(&header, &claims);
    assert!(check(&proof, "POST", &url(), None, &nonces(), now()).is_ok());
}

#[test]
fn the_thumbprint_is_the_one_of_the_specification() {
    // proves: R9449-03
    // RFC 7638 section 3.1 and RFC 8037 appendix A.3.
    let rsa = json!({
        "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    for (jwk, expected) in
        [(rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"), (okp, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    {
        let jwk: Jwk = serde_json::from_value(jwk).unwrap();
        assert_eq!(jwk.thumbprint().unwrap().as_str(), expected);
    }
}

#[test]
fn a_proof_of_another_kind_or_key_is_none() {
    // proves: R9449-02, R9449-13, EXT-DRAFT-005
    for typ in ["JWT", "at+jwt", "dpop", "oauth-id-jag+jwt", ""] {
        assert_eq!(refused(|header, _| header["typ"] = json!(typ)), JwsRefusal::Type.into(), "{typ}");
    }
    assert!(changed(|header, _| header["typ"] = json!("application/dpop+jwt")).is_ok());
    for alg in ["none", "HS256", "HS512", "ES384", "RS1", "", "es256"] {
        assert_eq!(refused(|header, _| header["alg"] = json!(alg)), JwsRefusal::Algorithm.into(), "{alg}");
    }
    for member in ["d", "k", "p", "q", "dp", "dq", "qi", "oth"] {
        assert_eq!(refused(|header, _| header["jwk"][member] = json!("x")), ProofRefusal::Key, "{member}");
    }
    for jwk in [
        json!(null),
        json!("x"),
        json!({}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
    ] {
        assert_eq!(refused(|header, _| header["jwk"] = jwk.clone()), ProofRefusal::Key, "{jwk}");
    }
    // The key of the header is another one than the one that signed, or is for another algorithm.
    let other = bare(&SigningKey::generate());
    assert_eq!(refused(|header, _| header["jwk"] = other.clone()), JwsRefusal::Signature.into());
    assert_eq!(refused(|header, _| header["alg"] = json!("PS256")), ProofRefusal::Key);
    assert_eq!(refused(|header, _| header["jwk"]["use"] = json!("enc")), ProofRefusal::Key);
    assert_eq!(refused(|header, _| header["crit"] = json!(["x"])), JwsRefusal::Critical.into());
    for garbage in ["", "x", "a.b", "a.b.c.d", "..", &"a".repeat(10_000)] {
        assert_eq!(judge(garbage).unwrap_err(), JwsRefusal::Malformed.into());
    }
}

#[test]
fn a_proof_is_for_one_method_and_one_url() {
    // proves: R9449-02
    for htm in ["GET", "post", "POST ", ""] {
        assert_eq!(refused(|_, claims| claims["htm"] = json!(htm)), ProofRefusal::Method, "{htm}");
    }
    for htu in [
        "https://as.example/oauth/token?x=1#y",
        "HTTPS://AS.EXAMPLE:443/oauth/token",
        "https://as.example/x/../oauth/token",
        "https://as.example/%6fauth/token",
    ] {
        assert!(changed(|_, claims| claims["htu"] = json!(htu)).is_ok(), "{htu}");
    }
    for htu in [
        "https://as.example/oauth/token/",
        "https://as.example/oauth/Token",
        "http://as.example/oauth/token",
        "https://as.example:444/oauth/token",
        "https://evil.example/oauth/token",
        "https://u@as.example/oauth/token",
        "https://as.example/oauth%2Ftoken",
        "https:\\\\as.example\\oauth\\token",
        " https://as.example/oauth/token",
        "https://as.example/oauth/to\tken",
        "/oauth/token",
        "",
    ] {
        assert_eq!(refused(|_, claims| claims["htu"] = json!(htu)), ProofRefusal::Url, "{htu}");
    }
}

#[test]
fn a_proof_is_fresh_and_about_the_token_it_came_with() {
    // proves: R9449-02, R9449-12, EXT-05, EXT-DRAFT-003
    for (iat, good) in [(0, true), (-10, true), (10, true), (-300, true), (300, true), (-301, false), (301, false)] {
        let judged = changed(|_, claims| claims["iat"] = json!(NOW + iat));
        assert_eq!(judged.is_ok(), good, "{iat}");
        assert!(good || judged.unwrap_err() == ProofRefusal::Time);
    }
    for claim in ["jti", "htm", "htu", "iat"] {
        for value in [json!(null), json!([]), json!({}), json!(true), json!(1.5)] {
            assert_eq!(refused(|_, claims| claims[claim] = value.clone()), ProofRefusal::Claims, "{claim} {value}");
        }
        let without = |_: &mut Value, claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(claim));
        assert_eq!(refused(without), ProofRefusal::Claims, "{claim}");
    }
    for iat in [json!(i64::MAX), json!(i64::MIN), json!(-1), json!(0)] {
        assert_eq!(refused(|_, claims| claims["iat"] = iat.clone()), ProofRefusal::Time, "{iat}");
    }
    for jti in ["", &"x".repeat(513), "caf\u{e9}"] {
        assert_eq!(refused(|_, claims| claims["jti"] = json!(jti)), ProofRefusal::Claims);
    }
    for ath in [json!(null), json!(""), json!("AAAA")] {
        assert_eq!(refused(|_, claims| claims["ath"] = ath.clone()), ProofRefusal::Token, "{ath}");
    }
}

#[test]
fn a_nonce_is_good_for_two_slices_of_time_and_at_one_place() {
    // proves: R9449-08, R9449-09, EXT-05
    let slice = i64::try_from(Nonces::SLICE.as_secs()).unwrap();
    let given = |moment: i64| nonces().current(Timestamp::from_unix(moment));
    for (made, good) in [(NOW, true), (NOW - slice, true), (NOW + slice, true), (NOW - 2 * slice, false)] {
        let judged = changed(|_, claims| claims["nonce"] = json!(given(made)));
        assert_eq!(judged.is_ok(), good, "{made}");
    }
    let elsewhere = Nonces::new(b"a key that all nodes share", "resource").current(now());
    let foreign = Nonces::new(b"another key", "token").current(now());
    for nonce in [json!(null), json!(""), json!("x"), json!(elsewhere), json!(foreign)] {
        let refusal = refused(|_, claims| claims["nonce"] = nonce.clone());
        assert_eq!((refusal, refusal.error()), (ProofRefusal::Nonce, "use_dpop_nonce"), "{nonce}");
    }
    // A proof that is wrong in another way gets no nonce for it.
    let refusal = refused(|_, claims| {
        claims["nonce"] = json!("x");
        claims["htm"] = json!("GET");
    });
    assert_eq!(refusal.error(), "invalid_dpop_proof");
}

#[test]
fn each_proof_has_a_name_of_its_own() {
    // proves: R9449-12
    let key = SigningKey::generate();
    let (header, claims) = good(&key);
    let named = |claims: &Value| judge(&key.sign_under(&header, claims)).unwrap().proof();
    let mut other = claims.clone();
    other["jti"] = json!("two");
    // Signed twice it is still the same proof.
    assert_eq!(named(&claims), named(&claims));
    assert_ne!(named(&claims), named(&other));
}

#[test]
fn there_is_one_proof_or_none() {
    // proves: R9449-02
    let mut headers = HeaderMap::new();
    assert_eq!(presented(&headers), Ok(None));
    headers.append("DPoP", "a.b.c".parse().unwrap());
    assert_eq!(presented(&headers), Ok(Some("a.b.c")));
    headers.append("DPoP", "a.b.c".parse().unwrap());
    assert_eq!(presented(&headers), Err(ProofRefusal::Several));
}

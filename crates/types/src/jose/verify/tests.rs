use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair},
};
use serde_json::json;

use super::*;
use crate::jose::{Jwk, SigningKey};

fn part(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::new(vec![key.verifying_key()])
}

/// What becomes of a token with this header and these claims, well signed with the one known key.
fn judge(header: &Value, claims: &Value) -> Result<Verified, JwsRefusal> {
    let key = SigningKey::generate();
    let mut header = header.clone();
    if header["kid"] == json!("right") {
        header["kid"] = json!(key.kid());
    }
    verify(&key.sign_under(&header, claims), &keys(&key), "at+jwt")
}

fn refused(header: Value) -> JwsRefusal {
    judge(&header, &json!({})).unwrap_err()
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_headers() {
    // proves: JWT-01, JWT-02, JWT-03, R9068-01, R9068-05, R7523-09
    assert!(judge(&json!({"alg": "ES256", "kid": "right", "typ": "at+jwt"}), &json!({})).is_ok());
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(0),
        json!(["ES256"]),
        json!({"a": "ES256"}),
        json!("HS256"),
        json!("ES384"),
        json!("ES256K"),
        json!("RS256"),
        json!("EdDSA"),
        json!("es256"),
        json!(" ES256"),
    ] {
        let header = json!({"alg": alg, "kid": "right", "typ": "at+jwt"});
        assert_eq!(refused(header), JwsRefusal::Algorithm, "{alg}");
    }
    assert_eq!(refused(json!({"kid": "right", "typ": "at+jwt"})), JwsRefusal::Algorithm);
    // Unsigned, and signed with the public key in the place of a shared one, in each form in which it is published.
    let key = SigningKey::generate();
    let public = key.public_jwk();
    let payload = part("{}");
    for alg in ["none", "ES256", "HS256"] {
        let header = part(json!({"alg": alg, "typ": "at+jwt"}).to_string());
        for signature in ["", "AA", &part([0; 64])] {
            let token = format!("{header}.{payload}.{signature}");
            assert!(verify(&token, &keys(&key), "at+jwt").is_err(), "{token}");
        }
        let (x, y) = (public.x.as_deref().unwrap(), public.y.as_deref().unwrap());
        let jwk = serde_json::to_string(public).unwrap();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{x}{y}\n-----END PUBLIC KEY-----\n");
        for secret in ["", x, &format!("{x}{y}"), &jwk, &pem, &format!(" {pem}"), &format!("\u{feff}{pem}")] {
            let message = format!("{header}.{payload}");
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
            let token = format!("{message}.{}", part(tag.as_ref()));
            assert!(verify(&token, &keys(&key), "at+jwt").is_err(), "{alg} {secret}");
        }
    }
}

#[test]
fn each_kind_of_key_verifies_its_own_algorithm_alone() {
    // proves: JWT-03, JWT-12, JWT-13
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // PKCS#1 of a 2048-bit key: nine bytes of headings, the modulus, five more, the exponent 65537.
    let (n, e) = (part(&rsa.public_key().as_ref()[9..265]), part([1, 0, 1]));
    let ed = Ed25519KeyPair::generate().unwrap();
    let published = |kty: &str, alg: Option<&str>| -> Jwk {
        let mut jwk = json!({"kty": kty, "n": n, "e": e});
        if kty == "OKP" {
            jwk = json!({"kty": kty, "crv": "Ed25519", "x": part(ed.public_key().as_ref())});
        }
        if let Some(alg) = alg {
            jwk["alg"] = json!(alg);
        }
        serde_json::from_value(jwk).unwrap()
    };
    let signed = |alg: &str, how: &str| {
        let message = format!("{}.{}", part(json!({"alg": alg, "typ": "at+jwt"}).to_string()), part("{}"));
        let signature = match how {
            "EdDSA" => ed.sign(message.as_bytes()).as_ref().to_vec(),
            _ => {
                let padding: &'static dyn signature::RsaEncoding =
                    if how == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut bytes = vec![0; rsa.public_modulus_len()];
                rsa.sign(padding, &random, message.as_bytes(), &mut bytes).unwrap();
                bytes
            }
        };
        format!("{message}.{}", part(signature))
    };
    let all = ["RS256", "PS256", "EdDSA"];
    for (jwk, own) in [
        (published("RSA", None), "RS256"),
        (published("RSA", Some("RS256")), "RS256"),
        (published("RSA", Some("PS256")), "PS256"),
        (published("OKP", None), "EdDSA"),
    ] {
        let keys = KeySet::new(vec![VerifyingKey::from_jwk(&jwk).unwrap()]);
        for said in all {
            for how in all {
                let good = verify(&signed(said, how), &keys, "at+jwt").is_ok();
                assert_eq!(good, said == own && how == own, "{own} {said} {how}");
            }
        }
    }
    assert!(VerifyingKey::from_jwk(&published("RSA", Some("HS256"))).is_none());
    assert!(VerifyingKey::from_jwk(&published("OKP", Some("ES256"))).is_none());
}

#[test]
fn weak_and_foreign_keys_are_not_taken() {
    // proves: JWT-03, JWT-11, JWT-12, JWT-18
    let modulus = |bytes: usize, last: u8| {
        let mut n = vec![0xff; bytes];
        n[bytes - 1] = last;
        part(n)
    };
    let rsa = |n: String, e: &[u8]| json!({"kty": "RSA", "n": n, "e": part(e)});
    let right = SigningKey::generate();
    let (x, y) = (right.public_jwk().x.clone().unwrap(), right.public_jwk().y.clone().unwrap());
    let ec = |crv: &str, x: &str, y: &str| json!({"kty": "EC", "crv": crv, "x": x, "y": y});
    let zero = part([0; 32]);
    for bad in [
        rsa(modulus(64, 0xff), &[1, 0, 1]),
        rsa(modulus(128, 0xff), &[1, 0, 1]),
        rsa(modulus(256, 0xfe), &[1, 0, 1]),
        rsa(modulus(256, 0xff), &[1]),
        rsa(modulus(256, 0xff), &[3]),
        rsa(modulus(256, 0xff), &[1, 0, 2]),
        rsa(modulus(2048, 0xff), &[1, 0, 1]),
        ec("P-256", &zero, &zero),
        ec("P-256", &y, &x),
        ec("P-256", &x, &zero),
        ec("P-384", &x, &y),
        ec("secp256k1", &x, &y),
        ec("P-256", &format!("{x}="), &y),
        ec("P-256", &x[1..], &y),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "oct", "k": "AAAA", "alg": "ES256"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": zero}),
        json!({"kty": "OKP", "crv": "X25519", "x": zero}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "enc"}),
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES384"}),
        json!({}),
    ] {
        let jwk = serde_json::from_value::<Jwk>(bad.clone());
        assert!(jwk.is_err() || VerifyingKey::from_jwk(&jwk.unwrap()).is_none(), "{bad}");
        // One of them does not spoil the set.
        let set = json!({"keys": [bad, ec("P-256", &x, &y)]}).to_string();
        assert!(KeySet::parse(set.as_bytes()).unwrap().select(None).is_some());
    }
}

#[test]
fn a_key_is_found_by_its_exact_name() {
    // proves: JWT-04, JWT-05
    let long = "k".repeat(1 << 20);
    for kid in [
        json!("../../dev/null"),
        json!("' OR 1=1--"),
        json!("${jndi:ldap://x}"),
        json!("key\0"),
        json!(long),
        json!("\u{e9}"),
        json!(["right"]),
        json!({"a": 1}),
        json!(null),
        json!(""),
    ] {
        let refusal = refused(json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}));
        assert!(matches!(refusal, JwsRefusal::UnknownKey | JwsRefusal::Malformed), "{refusal:?}");
    }
    // What a header says of keys elsewhere is not looked at, and what would change the reading is refused.
    let thief = SigningKey::generate();
    let key = SigningKey::generate();
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("http://169.254.169.254/")),
        ("jwk", json!(thief.public_jwk())),
        ("x5c", json!(["AAAA"])),
        ("cty", json!("JWT")),
    ] {
        let mut header = json!({"alg": "ES256", "kid": key.kid(), "typ": "at+jwt"});
        header[name] = value;
        assert_eq!(
            verify(&thief.sign_under(&header, &json!({})), &keys(&key), "at+jwt").unwrap_err(),
            JwsRefusal::Signature
        );
    }
    for (name, value) in [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false)), ("b64", json!(true))] {
        let mut header = json!({"alg": "ES256", "kid": "right", "typ": "at+jwt"});
        header[name] = value;
        assert_eq!(refused(header), JwsRefusal::Critical, "{name}");
    }
}

#[test]
fn a_token_of_another_kind_is_none() {
    // proves: JWT-06, JWT-23, R9068-05, R9068-07
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert!(judge(&json!({"alg": "ES256", "kid": "right", "typ": typ}), &json!({})).is_ok(), "{typ}");
    }
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("oauth-id-jag+jwt"),
        json!("client-authentication+jwt"),
        json!("application/application/at+jwt"),
        json!("at+jwt "),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        assert_eq!(refused(json!({"alg": "ES256", "kid": "right", "typ": typ})), JwsRefusal::Type, "{typ}");
    }
    assert_eq!(refused(json!({"alg": "ES256", "kid": "right"})), JwsRefusal::Type);
}

#[test]
fn only_the_strict_compact_form_is_read() {
    // proves: JWT-08, JWT-09, JWT-10, JWT-14, JWT-15
    let key = SigningKey::generate();
    let header = json!({"alg": "ES256", "typ": "at+jwt"});
    for claims in [json!([]), json!("x"), json!(1), json!(null), json!("eyJhbGciOiJub25lIn0.e30.")] {
        assert_eq!(
            verify(&key.sign_under(&header, &claims), &keys(&key), "at+jwt").unwrap_err(),
            JwsRefusal::Malformed
        );
    }
    // A member twice, however it is written.
    let sign_text = |header: &str, claims: &str| {
        let claims: Box<serde_json::value::RawValue> = serde_json::value::RawValue::from_string(claims.into()).unwrap();
        let header = serde_json::value::RawValue::from_string(header.into()).unwrap();
        verify(&key.sign_under(&header, &claims), &keys(&key), "at+jwt").map(|_| ())
    };
    let right = r#"{"alg":"ES256","typ":"at+jwt"}"#;
    assert_eq!(sign_text(right, r#"{"aud":"us"}"#), Ok(()));
    assert!(sign_text(right, r#"{"aud":"evil","aud":"us"}"#).is_err());
    assert!(sign_text(right, r#"{"aud":"evil","\u0061ud":"us"}"#).is_err());
    assert!(sign_text(r#"{"alg":"none","alg":"ES256","typ":"at+jwt"}"#, "{}").is_err());
    assert!(sign_text(right, &format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000))).is_err());
    // Other encodings of a good token.
    let good = key.sign_under(&header, &json!({"a": "\u{3ff}\u{3ff}?>"}));
    assert!(verify(&good, &keys(&key), "at+jwt").is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let tail = |text: &str, last: char| format!("{}{last}", &text[..text.len() - 1]);
    let mut changed = vec![
        format!("{good}="),
        format!("{good}=="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}."),
        format!("{good}.x"),
        good.replace('.', ".."),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}..{}", parts[0], parts[2]),
        format!(".{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}.x.y", parts[0], parts[1], parts[2]),
        good.replace('-', "+").replace('_', "/") + "+",
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string(),
        "a".repeat(1 << 20),
        String::new(),
    ];
    // The last character of 64 bytes carries four bits that mean nothing: only one spelling counts.
    changed.extend("BCDEFGH".chars().map(|last| tail(&good, last)));
    for token in changed {
        assert!(token == good || verify(&token, &keys(&key), "at+jwt").is_err(), "{token}");
    }
}

#[test]
fn a_signature_counts_only_as_it_was_made() {
    // proves: JWT-11, R9068-05
    let key = SigningKey::generate();
    let good = key.sign("at+jwt", &json!({"sub": "ann"}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = Base64UrlUnpadded::decode_vec(signature).unwrap();
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (r, s) = bytes.split_at(32);
    let der = [&[0x30, 0x44, 2, 0x20][..], r, &[2, 0x20], s].concat();
    for bad in [
        vec![],
        vec![0; 64],
        [r, &[0; 32]].concat(),
        [&[0; 32], s].concat(),
        [&order[..], s].concat(),
        [r, &order[..]].concat(),
        [s, r].concat(),
        bytes[..63].to_vec(),
        [&bytes[..], &[0]].concat(),
        der,
    ] {
        let token = format!("{message}.{}", part(&bad));
        assert_eq!(verify(&token, &keys(&key), "at+jwt").unwrap_err(), JwsRefusal::Signature, "{bad:?}");
    }
    // Any other bit of it.
    for at in 0..64 {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(verify(&format!("{message}.{}", part(&flipped)), &keys(&key), "at+jwt").is_err());
    }
    assert!(verify(&good, &keys(&SigningKey::generate()), "at+jwt").is_err());
}

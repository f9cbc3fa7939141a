use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::{BadClientKey, ClientKey};
use crate::jose::{Jwk, KeySet, SigningKey, VerifyingKey, verify_typed};

/// RFC 7515 appendix A.2.1.
const RSA: &str = r#"{"kty":"RSA",
 "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
 "e":"AQAB",
 "d":"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
 "p":"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
 "q":"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
 "dp":"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
 "dq":"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
 "qi":"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"}"#;
/// RFC 7515 appendix A.3.1.
const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
 "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
/// RFC 8037 appendix A.1.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
 "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn changed(jwk: &str, changes: &Value) -> String {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    jwk.to_string()
}

/// What verifies the key's signatures.
fn public(jwk: &str, alg: &str) -> KeySet {
    let jwk: Jwk = serde_json::from_str(&changed(jwk, &json!({ "alg": alg }))).unwrap();
    KeySet::new(vec![VerifyingKey::from_jwk(&jwk).unwrap()])
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", Base64::encode_string(der))
}

fn signs(key: &ClientKey, keys: &KeySet) {
    let token = key.sign("x+jwt", &json!({ "a": 1 }));
    let verified = verify_typed(&token, keys, |typ| typ == Some("x+jwt")).unwrap();
    assert_eq!(verified.claims()["a"], 1);
}

#[test]
fn keys_of_every_kind_are_read_and_sign() {
    for (jwk, alg) in [(RSA, "RS256"), (RSA, "PS256"), (P256, "ES256"), (ED25519, "EdDSA")] {
        let key = ClientKey::parse(&changed(jwk, &json!({ "alg": alg }))).unwrap();
        assert_eq!(key.algorithm().as_str(), alg);
        signs(&key, &public(jwk, alg));
        signs(&ClientKey::parse(jwk).unwrap().signing(alg).unwrap(), &public(jwk, alg));
        let back = ClientKey::from_stored(key.to_stored()).unwrap();
        signs(&back, &public(jwk, alg));
    }
    let pair = SigningKey::generate();
    let keys = KeySet::new(vec![pair.verifying_key()]);
    let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8());
    signs(&ClientKey::parse(&pkcs8).unwrap(), &keys);
    // What openssl ecparam writes before the key, and what people leave around it.
    let noisy = format!("bag attributes\n{}{pkcs8}\n", pem("EC PARAMETERS", &[6, 8, 42, 134, 72, 206, 61, 3, 1, 7]));
    signs(&ClientKey::parse(&noisy.replace('\n', "\r\n")).unwrap(), &keys);
}

#[test]
fn a_key_is_named_as_its_owner_says() {
    let kid = |key: &ClientKey| {
        let header = key.sign("t", &json!({})).split('.').next().map(Base64UrlUnpadded::decode_vec).unwrap().unwrap();
        serde_json::from_slice::<Value>(&header).unwrap().get("kid").cloned()
    };
    assert_eq!(kid(&ClientKey::parse(P256).unwrap()), None);
    let named = ClientKey::parse(&changed(P256, &json!({ "kid": "k1" }))).unwrap();
    assert_eq!(kid(&named), Some(json!("k1")));
    assert_eq!(kid(&ClientKey::from_stored(named.named("k2").to_stored()).unwrap()), Some(json!("k2")));
}

#[test]
fn what_is_no_private_key_for_these_algorithms_is_named() {
    let public = changed(P256, &json!({ "d": null }));
    let cases: [(&str, BadClientKey); 11] = [
        ("", BadClientKey::Form),
        ("{", BadClientKey::Form),
        ("hello", BadClientKey::Form),
        (&public, BadClientKey::Public),
        (&pem("PUBLIC KEY", b"x"), BadClientKey::Public),
        (&pem("CERTIFICATE", b"x"), BadClientKey::Public),
        (&pem("ENCRYPTED PRIVATE KEY", b"x"), BadClientKey::Sealed),
        (&pem("PRIVATE KEY", b"x"), BadClientKey::Kind),
        (r#"{"kty":"oct","k":"AAAA","d":"AAAA"}"#, BadClientKey::Kind),
        (&changed(P256, &json!({ "crv": "P-384" })), BadClientKey::Kind),
        (&changed(P256, &json!({ "alg": "HS256" })), BadClientKey::Algorithm),
    ];
    for (text, refusal) in cases {
        assert_eq!(ClientKey::parse(text).unwrap_err(), refusal, "{text}");
    }
    assert_eq!(ClientKey::parse(P256).unwrap().signing("RS256").unwrap_err(), BadClientKey::Algorithm);
    let shown = format!("{:?}", ClientKey::parse(P256).unwrap());
    assert_eq!(shown, "<client key for ES256>");
}

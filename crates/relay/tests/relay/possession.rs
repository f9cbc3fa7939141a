//! Tokens that are bound to a key of their holder.

use doorward_types::{
    Secret,
    jose::{
        SigningKey,
        dpop::{HEADER, NONCE_HEADER, Nonces},
    },
    secret::AccessToken,
};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::support::*;

fn nonces() -> Nonces {
    Nonces::new(b"key", "resource")
}

fn proof(holder: &SigningKey, token: &str, jti: &str, nonce: &str) -> String {
    let jwk = holder.public_jwk();
    let header = json!({
        "typ": "dpop+jwt", "alg": "ES256",
        "jwk": {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y},
    });
    // The digest of a secret is the SHA-256 that the proof must hold, in the same encoding.
    let ath = Secret::<AccessToken>::parse(token).unwrap().digest().to_text();
    let claims = json!({"jti": jti, "htm": "POST", "htu": RESOURCE, "iat": now(), "nonce": nonce, "ath": ath});
    holder.sign_under(&header, &claims)
}

async fn send(caller: &Caller<'_>, body: &Value, proof: &str) -> Response<doorward_relay::RelayBody> {
    let mut request = caller.mirrored(body);
    let headers = request.headers_mut().unwrap();
    headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("DPoP {}", caller.token)).unwrap());
    headers.insert(HEADER, HeaderValue::try_from(proof).unwrap());
    caller.send(request, body.to_string()).await
}

#[tokio::test]
async fn a_call_with_a_bound_token_needs_a_proof_of_its_own() {
    // proves: EXT-05, R9449-06, R9449-07, R9449-09, R9449-12
    let world = World::guarded(settings(&["legacy"]), |guard| guard.proving(nonces(), false));
    let holder = SigningKey::generate();
    let caller = Caller { token: world.bound_token("ann", &holder), ..world.caller("ann") };
    let call = modern(1, "tools/call", tool("echo", json!({"text": "hello"})));
    // Told the nonce first; then one call, whose several checks use the proof up once.
    let told = send(&caller, &call, &proof(&holder, &caller.token, "a", "")).await;
    assert_eq!(told.status(), 401);
    let nonce = told.headers()[NONCE_HEADER].to_str().unwrap().to_owned();
    let good = proof(&holder, &caller.token, "a", &nonce);
    let answer = send(&caller, &call, &good).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[NONCE_HEADER].to_str().unwrap(), nonce);
    let again = send(&caller, &call, &good).await;
    assert_eq!(again.status(), 401);
    let challenges = again.headers().get_all(header::WWW_AUTHENTICATE).iter();
    assert!(challenges.map(|value| value.to_str().unwrap()).any(|text| text.contains("invalid_dpop_proof")));
    // As a bearer token it is worth nothing.
    assert_eq!(caller.post(&call).await.0, 401);
    assert_eq!(world.caller("ann").post(&call).await.0, 200, "a token that is not bound is a bearer token still");
}

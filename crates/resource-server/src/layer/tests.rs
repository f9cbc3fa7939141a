use doorward_types::{
    ClientId, Issuer, Permission, ResourceId, Secret,
    jose::{
        AccessTokenClaims, Confirmation, KeySet, SigningKey, Thumbprint,
        dpop::{self, Nonces},
    },
    secret::AccessToken,
};
use futures_util::FutureExt;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::*;
use crate::{Revocations, Verifier};

const R1: &str = "https://gw.example/mcp";
const NOW: Timestamp = Timestamp::from_unix(1_000_000);

struct Nothing;

impl Revocations for Nothing {
    fn is_revoked(&self, _: &str) -> bool {
        false
    }
}

fn nonces() -> Nonces {
    Nonces::new(b"key", "resource")
}

/// Calls a service behind the layer, and gives its status: 200 only from the service itself.
fn call(issuer: &SigningKey, request: Request<()>) -> StatusCode {
    let verifier =
        Verifier::new(Issuer::parse("https://gw.example").unwrap(), KeySet::new(vec![issuer.verifying_key()]));
    let resource = ResourceId::parse(R1).unwrap();
    let guard = Guard::new(resource, verifier, Arc::new(Nothing), Permission::all_scopes()).proving(nonces(), false);
    let layer = RequireBearerLayer::new(Arc::new(guard), Permission::Read.set(), || NOW);
    let mut service = layer.layer(tower::service_fn(|request: AuthorizedRequest<()>| async move {
        assert!(!request.headers().contains_key(header::AUTHORIZATION));
        Ok::<_, std::convert::Infallible>(Response::new(Bytes::new()))
    }));
    service.call(request).now_or_never().expect("it waits for nothing").unwrap().status()
}

fn token(issuer: &SigningKey, bound_to: Option<&SigningKey>) -> String {
    let claims = AccessTokenClaims {
        iss: Issuer::parse("https://gw.example").unwrap(),
        sub: "ann".into(),
        aud: ResourceId::parse(R1).unwrap(),
        client_id: ClientId::parse("dwcl_test").unwrap(),
        scope: Permission::Read.set(),
        iat: NOW,
        exp: NOW.plus(std::time::Duration::from_secs(600)),
        jti: "j".into(),
        gid: "g".into(),
        cnf: bound_to.map(|key| Confirmation { jkt: Thumbprint::parse(key.kid()).unwrap() }),
        act: None,
    };
    issuer.sign(AccessTokenClaims::TYP, &claims)
}

#[test]
fn a_service_is_reached_with_a_token_for_it_and_not_without() {
    // proves: R6750-01
    let issuer = SigningKey::generate();
    assert_eq!(call(&issuer, Request::new(())), StatusCode::UNAUTHORIZED);
    let with = |token: &str| {
        let mut request = Request::new(());
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        call(&issuer, request)
    };
    assert_eq!(with(&token(&issuer, None)), StatusCode::OK);
    assert_eq!(with(&token(&SigningKey::generate(), None)), StatusCode::UNAUTHORIZED);
}

#[test]
fn a_proof_is_for_the_path_that_is_called() {
    let (issuer, holder) = (SigningKey::generate(), SigningKey::generate());
    let token = token(&issuer, Some(&holder));
    let jwk = holder.public_jwk();
    let header = json!({
        "typ": "dpop+jwt", "alg": "ES256",
        "jwk": {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y},
    });
    let called = |proved: &str, path: &str| {
        let ath = Secret::<AccessToken>::parse(&token).unwrap().digest().to_text();
        let nonce = nonces().current(NOW);
        let claims = json!({"jti": "one", "htm": "POST", "htu": proved, "iat": NOW, "nonce": nonce, "ath": ath});
        let mut request = Request::post(path).body(()).unwrap();
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("DPoP {token}")).unwrap());
        headers.insert(dpop::HEADER, HeaderValue::try_from(holder.sign_under(&header, &claims)).unwrap());
        call(&issuer, request)
    };
    assert_eq!(called("https://gw.example/mcp/a", "/mcp/a"), StatusCode::OK);
    assert_eq!(called("https://gw.example/mcp/a", "/mcp/b"), StatusCode::UNAUTHORIZED);
    assert_eq!(called(R1, "/mcp/b"), StatusCode::UNAUTHORIZED);
}

//! Tokens that are bound to a key, at a server that judges their proofs.

use doorward_types::{
    Secret, Timestamp,
    jose::dpop::{self, Nonces},
};
use url::Url;

use super::*;

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap())
}

#[tokio::test]
async fn each_request_has_a_proof_of_its_own_with_the_newest_nonce() {
    // proves: R9449-01, R9449-09, EXT-05, EXT-DRAFT-001, EXT-DRAFT-002
    let server = Server::start(|got, mut caller| async move {
        let nonces = Nonces::new(b"key", "resource");
        let url = Url::parse(&format!("http://{}{}", got.header("host").unwrap(), got.path())).unwrap();
        let token = got.header("authorization").unwrap().strip_prefix("DPoP ").expect("the scheme of bound tokens");
        let token = Secret::parse(token).unwrap();
        let proof = got.header(dpop::HEADER).expect("a proof");
        match dpop::check(proof, "POST", &url, Some(&token), &nonces, now()) {
            Ok(_) => caller.json(&got.result(&json!({}))).await,
            Err(refused) => {
                let challenge = format!("DPoP error=\"{}\"", refused.error());
                let headers = [("www-authenticate", challenge.as_str()), ("dpop-nonce", &nonces.current(now()))];
                caller.status("401 Unauthorized", &headers, "").await;
            }
        }
    })
    .await;
    let tokens = Tokens::bound(&server.url());
    let mut host = Host::start(&server, &tokens);
    for id in 0..3 {
        assert!(host.ask(&modern(id, "tools/call", "x")).await["result"].is_object());
    }
    host.end().await.0.unwrap();
    assert!(tokens.asked().is_empty(), "the token itself was never refused: {:?}", tokens.asked());
    let got = server.got();
    assert_eq!(got.len(), 4, "only the first request lacked the nonce");
    let mut proofs: Vec<_> = got.iter().map(|got| got.header(dpop::HEADER).unwrap().to_owned()).collect();
    proofs.sort();
    proofs.dedup();
    assert_eq!(proofs.len(), 4);
}

#[tokio::test]
async fn a_server_that_wants_one_nonce_after_the_other_is_not_asked_for_ever() {
    // proves: R9449-09
    let server = Server::start(|_, mut caller| async move {
        let headers = [("www-authenticate", "DPoP error=\"use_dpop_nonce\""), ("dpop-nonce", "another")];
        caller.status("401 Unauthorized", &headers, "").await;
    })
    .await;
    let mut host = Host::start(&server, &Tokens::bound(&server.url()));
    let answer = host.ask(&modern(1, "tools/call", "x")).await;
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert_eq!(server.got().len(), 6, "twice for each of three tokens");
    let _ = host.end().await;
}

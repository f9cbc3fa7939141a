//! Tokens that are bound to a key, against the judge of proofs that the servers have.

use std::{cell::RefCell, rc::Rc};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use doorward_types::{
    jose::dpop::{self, Nonces, ProofRefusal},
    outbound::{Inbound, Outbound},
};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::{
    Code, Refresh, Refreshed, StoredTokens,
    scripted::{Counting, ISSUER, MCP, NOW, Sent, World, answer, parameter, resource, server, with},
    target::Dpop,
};

const TOKEN: &str = "https://as.example/token";

/// What the server found in the proofs that it was shown: the key, or why not.
type Seen = Rc<RefCell<Vec<Result<String, ProofRefusal>>>>;

fn judge(headers: &HeaderMap, nonces: &Nonces) -> Result<String, ProofRefusal> {
    let mut all = headers.get_all(dpop::HEADER).iter();
    let proof = all.next().expect("there is a proof");
    assert!(proof.is_sensitive() && all.next().is_none());
    let url = Url::parse(TOKEN).unwrap();
    let proven = dpop::check(proof.to_str().unwrap(), "POST", &url, None, nonces, NOW)?;
    Ok(proven.thumbprint().as_str().to_owned())
}

/// What the proof of a request says.
pub(super) fn claims(sent: &Sent) -> Value {
    let proof = sent.headers[dpop::HEADER].to_str().unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(proof.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn nonce_wanted(nonces: &Nonces) -> Inbound {
    let mut refused = answer(400, &json!({ "error": "use_dpop_nonce" }));
    refused.headers.insert(dpop::NONCE_HEADER, HeaderValue::from_str(&nonces.current(NOW)).unwrap());
    refused
}

/// A server that wants a nonce in each proof and gives tokens of this type.
fn world(token_type: &'static str) -> (World, Seen) {
    let (mut world, seen) = (World::usual(), Seen::default());
    let listed = json!({ "dpop_signing_alg_values_supported": ["RS256", "ES256"] });
    world.document("https://as.example/.well-known/oauth-authorization-server", with(server(ISSUER), listed));
    let (nonces, noted) = (Nonces::new(b"key", "authorization server"), Rc::clone(&seen));
    world.route(&format!("POST {TOKEN}"), move |sent: &Sent| {
        let judged = judge(&sent.headers, &nonces);
        noted.borrow_mut().push(judged.clone());
        Ok(match judged {
            Ok(_) => answer(200, &json!({ "access_token": "at", "token_type": token_type, "refresh_token": "rt" })),
            Err(_) => nonce_wanted(&nonces),
        })
    });
    (world, seen)
}

fn asking(world: &mut World) {
    world.challenge("DPoP algs=\"ES256\", scope=\"a\"");
}

#[test]
fn a_login_is_bound_to_one_key_from_the_page_to_the_tokens() {
    // proves: R9449-01, R9449-08, R9449-10, EXT-DRAFT-002
    let (mut world, seen) = world("DPoP");
    asking(&mut world);
    let tokens = world.run().unwrap().tokens;
    let key = tokens.proof_key.as_ref().expect("bound tokens").thumbprint();
    assert_eq!(*seen.borrow(), [Err(ProofRefusal::Nonce), Ok(key.as_str().to_owned())]);
    assert_eq!(parameter(&world.opened[0], "dpop_jkt").as_deref(), Some(key.as_str()));
    let sent = world.sent_to(TOKEN);
    assert_eq!(sent[0].form().get("code"), sent[1].form().get("code"));
    assert_ne!(sent[0].headers[dpop::HEADER], sent[1].headers[dpop::HEADER]);
    assert_eq!((tokens.token_type(), tokens.bearer().is_bound()), ("DPoP", true));
    // Another login has another key.
    let (mut other, _) = self::world("DPoP");
    asking(&mut other);
    assert_ne!(other.run().unwrap().tokens.proof_key.unwrap().thumbprint(), key);
}

#[test]
fn a_server_that_wants_one_nonce_after_the_other_is_given_up() {
    // proves: R9449-08
    let (mut world, _) = world("DPoP");
    asking(&mut world);
    world.route(&format!("POST {TOKEN}"), |_| Ok(nonce_wanted(&Nonces::new(b"key", "x"))));
    assert_eq!(world.run().unwrap_err().code(), Code::TokenRefused);
    assert_eq!(world.sent_to(TOKEN).len(), 2);
}

#[test]
fn nothing_but_the_wish_for_a_nonce_has_a_request_made_again() {
    // proves: R9449-08
    for (bound, error) in [(true, "invalid_grant"), (true, "invalid_dpop_proof"), (false, "use_dpop_nonce")] {
        let (mut world, _) = world("DPoP");
        if bound {
            asking(&mut world);
        }
        world.route(&format!("POST {TOKEN}"), move |_| {
            let body = serde_json::to_vec(&json!({ "error": error })).unwrap();
            Ok(Inbound { body, ..nonce_wanted(&Nonces::new(b"key", "x")) })
        });
        assert_eq!(world.run().unwrap_err().code(), Code::TokenRefused, "{error}");
        assert_eq!(world.sent_to(TOKEN).len(), 1, "{error}");
    }
}

#[test]
fn a_key_is_used_where_the_server_asks_for_it_or_the_user_wants_it_and_the_server_can() {
    // proves: MCP-EXT-002
    // wish, does the authorization server list ES256, does the MCP server ask, what comes of it
    for (wish, can, asks, used) in [
        (Dpop::WhenAsked, true, false, Ok(false)),
        (Dpop::WhenAsked, false, true, Ok(false)),
        (Dpop::WhenAsked, true, true, Ok(true)),
        (Dpop::Never, true, true, Ok(false)),
        (Dpop::Always, true, false, Ok(true)),
        (Dpop::Always, false, true, Err(Code::NotBound)),
    ] {
        let (mut world, _) = world("Bearer");
        world.target.dpop = wish;
        let listed = json!({ "dpop_signing_alg_values_supported": if can { ["ES256"] } else { ["RS256"] } });
        world.document("https://as.example/.well-known/oauth-authorization-server", with(server(ISSUER), listed));
        let required = with(resource(MCP, &[ISSUER]), json!({ "dpop_bound_access_tokens_required": asks }));
        world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", required);
        world.challenge("Bearer scope=\"a\"");
        world.tokens(json!({ "access_token": "at", "token_type": "DPoP" }));
        let outcome = world.run();
        let shown = world.sent_to(TOKEN).first().is_some_and(|sent| sent.headers.contains_key(dpop::HEADER));
        match used {
            Ok(used) => assert_eq!((shown, outcome.is_ok()), (used, used), "{wish:?} {can} {asks}"),
            Err(code) => {
                assert_eq!(outcome.unwrap_err().code(), code, "{wish:?} {can} {asks}");
                assert!(world.opened.is_empty());
            }
        }
    }
}

#[test]
fn a_token_that_is_not_bound_is_refused_where_it_was_to_be() {
    // proves: EXT-05
    let (mut world, _) = world("Bearer");
    world.target.dpop = Dpop::Always;
    assert_eq!(world.run().unwrap_err().code(), Code::NotBound);
    // Where only the server wanted it, the server decides.
    let (mut world, _) = self::world("Bearer");
    asking(&mut world);
    let tokens = world.run().unwrap().tokens;
    assert!(tokens.proof_key.is_none() && !tokens.bearer().is_bound());
}

fn bound() -> StoredTokens {
    let (mut world, _) = world("DPoP");
    asking(&mut world);
    world.run().unwrap().tokens
}

fn start(tokens: StoredTokens) -> (Refresh, Outbound) {
    Refresh::start(tokens, None, doorward_types::outbound::Reach::Public, NOW, &mut Counting(3)).unwrap()
}

#[test]
fn a_refresh_proves_the_same_key_and_stays_bound() {
    // proves: R9449-03, R9449-08
    let tokens = bound();
    let key = tokens.proof_key.as_ref().unwrap().thumbprint();
    let nonces = Nonces::new(b"key", "x");
    let (refresh, request) = start(tokens.clone());
    assert_eq!(judge(&request.headers, &nonces), Err(ProofRefusal::Nonce));
    let Refreshed::Again(refresh, request) = refresh.on(Ok(nonce_wanted(&nonces)), NOW, &mut Counting(4)) else {
        panic!("the nonce is used")
    };
    assert_eq!(judge(&request.headers, &nonces).as_deref(), Ok(key.as_str()));
    let new = json!({ "access_token": "at-2", "token_type": "DPoP" });
    let Refreshed::New(new) = refresh.on(Ok(answer(200, &new)), NOW, &mut Counting(5)) else { panic!() };
    assert_eq!(new.proof_key.unwrap().thumbprint(), key);

    let again = start(tokens.clone()).0.on(Ok(nonce_wanted(&nonces)), NOW, &mut Counting(4));
    let Refreshed::Again(refresh, _) = again else { panic!() };
    assert!(matches!(refresh.on(Ok(nonce_wanted(&nonces)), NOW, &mut Counting(6)), Refreshed::Later(_)));
    let unbound = json!({ "access_token": "at-2", "token_type": "Bearer" });
    let Refreshed::Later(failed) = start(tokens).0.on(Ok(answer(200, &unbound)), NOW, &mut Counting(7)) else {
        panic!("a bound login never becomes one that anybody could use")
    };
    assert_eq!(failed.code(), Code::NotBound);
}

#[test]
fn a_stored_token_keeps_its_key_and_is_nothing_without_it() {
    // proves: EXT-05
    let tokens = bound();
    let stored = serde_json::to_value(tokens.to_stored()).unwrap();
    let read = |value: Value| StoredTokens::from_stored(serde_json::from_value(value).unwrap());
    let back = read(stored.clone()).unwrap();
    assert_eq!(back.proof_key.unwrap().thumbprint(), tokens.proof_key.as_ref().unwrap().thumbprint());
    for (name, value) in [("proof_key", Value::Null), ("token_type", json!("Bearer")), ("proof_key", json!("AAAA"))] {
        assert!(read(with(stored.clone(), json!({ name: value }))).is_err(), "{name}");
    }
    let older = serde_json::to_value(World::usual().run().unwrap().tokens.to_stored()).unwrap();
    let older = with(older, json!({ "token_type": null, "got": null }));
    assert_eq!(read(older).unwrap().token_type(), "Bearer");
}

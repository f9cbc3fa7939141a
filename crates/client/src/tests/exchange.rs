use doorward_types::{
    Timestamp,
    outbound::{FetchFailed, Redirects},
};
use serde_json::json;

use crate::{
    Code, Refresh, Revoke, StoredTokens,
    scripted::{Counting, ISSUER, MCP, NOW, World, answer, shown},
};

const TOKEN: &str = "https://as.example/token";

#[test]
fn a_login_ends_with_tokens_for_this_server() {
    // proves: MCP-AUTH-122, MCP-AUTH-126
    let mut world = World::usual();
    world.challenge("Bearer scope=\"a b\"");
    world.target.account = Some("work".into());
    let tokens = world.run().unwrap().tokens;
    let key = tokens.key();
    assert_eq!((key.issuer.as_str(), key.resource.as_str(), key.client_id.as_str()), (ISSUER, MCP, "dyn-1"));
    assert_eq!(key.account.as_deref(), Some("work"));
    assert_eq!(shown(&tokens), "Bearer at-1");
    assert_eq!(tokens.expires_at, Some(Timestamp::from_unix(NOW.as_unix() + 600)));
    assert_eq!(tokens.refresh_token.as_ref().unwrap().expose(), "rt-1");
    assert_eq!(tokens.granted.as_ref().unwrap().to_string(), "a b");
    assert_eq!(tokens.generation, 0);

    world.tokens(json!({ "access_token": "at", "token_type": "bEARER", "scope": "a" }));
    let tokens = world.run().unwrap().tokens;
    assert!(tokens.expires_at.is_none() && tokens.refresh_token.is_none());
    assert_eq!(tokens.granted.unwrap().to_string(), "a");
    assert_eq!(tokens.requested.unwrap().to_string(), "a b");
}

#[test]
fn an_answer_that_is_no_bearer_token_is_refused() {
    for (status, body, code) in [
        (200, json!({ "access_token": "t", "token_type": "DPoP" }), Code::BadTokenAnswer),
        (200, json!({ "access_token": "t", "token_type": "mac" }), Code::BadTokenAnswer),
        (200, json!({ "access_token": "t" }), Code::BadTokenAnswer),
        (200, json!({ "access_token": "", "token_type": "Bearer" }), Code::BadTokenAnswer),
        (200, json!({ "access_token": "a\r\nb", "token_type": "Bearer" }), Code::BadTokenAnswer),
        (200, json!([]), Code::BadTokenAnswer),
        (201, json!({ "access_token": "t", "token_type": "Bearer" }), Code::BadTokenAnswer),
        (302, json!({}), Code::BadTokenAnswer),
        (404, json!({}), Code::BadTokenAnswer),
        (400, json!({ "error": "invalid_grant" }), Code::TokenRefused),
        (200, json!({ "error": "bad_verification_code" }), Code::TokenRefused),
        (401, json!({ "error": "invalid_client" }), Code::ClientUnknown),
        (500, json!({ "error": "invalid_grant" }), Code::ServerFault),
        (429, json!({}), Code::ServerFault),
    ] {
        let mut world = World::usual();
        let text = body.to_string();
        world.route(&format!("POST {TOKEN}"), move |_| Ok(answer(status, &body)));
        assert_eq!(world.run().unwrap_err().code(), code, "{status} {text}");
        assert_eq!(world.sent_to(TOKEN).len(), 1);
    }
    let mut world = World::usual();
    world.route(&format!("POST {TOKEN}"), |_| Err(FetchFailed::Connect("reset".into())));
    assert_eq!(world.run().unwrap_err().exit() as u8, 4);
}

#[test]
fn no_request_with_a_secret_follows_a_redirect() {
    // proves: DISC-04, INV-10
    let mut world = World::usual();
    let tokens = world.run().unwrap().tokens;
    assert!(world.sent.iter().all(|sent| (sent.redirects == Redirects::Refuse) == (sent.method == "POST")));
    let (_, request) = Refresh::start(tokens.clone(), None, world.target.reach, NOW, &mut Counting(1)).unwrap();
    assert_eq!(request.redirects, Redirects::Refuse);
    let revoke = Revoke::start(&tokens, world.target.reach, NOW, &mut Counting(1)).unwrap().unwrap();
    assert!(revoke.requests.iter().all(|request| request.redirects == Redirects::Refuse));
}

#[test]
fn tokens_survive_their_stored_form_and_are_judged_again() {
    // proves: MCP-AUTH-118, MCP-AUTH-119
    let mut world = World::usual();
    world.challenge("Bearer scope=\"a b\"");
    let tokens = world.run().unwrap().tokens;
    assert!(!format!("{tokens:?}").contains("at-1") && !format!("{tokens:?}").contains("rt-1"));
    let stored = serde_json::to_value(tokens.to_stored()).unwrap();
    let read = |value: serde_json::Value| StoredTokens::from_stored(serde_json::from_value(value).unwrap());
    let back = read(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(back.to_stored()).unwrap(), stored);
    assert_eq!((back.key(), back.audience.as_str()), (tokens.key(), MCP));
    for (pointer, value) in [
        ("/server/issuer", json!("https://evil.example")),
        ("/server/token_endpoint", json!("http://evil.example/token")),
        ("/server/code_challenge_methods_supported", json!(["plain"])),
        ("/client/issuer", json!("https://evil.example")),
        ("/access_token", json!("")),
    ] {
        let mut changed = stored.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(read(changed).is_err(), "{pointer}");
    }
}

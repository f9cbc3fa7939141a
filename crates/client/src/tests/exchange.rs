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
    // proves: MCP-AUTH-122, MCP-AUTH-126, OA21-25
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

    let unknown = json!({ "access_token": "at", "token_type": "bEARER", "scope": "a", "example": { "deep": [1] } });
    world.tokens(unknown);
    let tokens = world.run().unwrap().tokens;
    assert!(tokens.expires_at.is_none() && tokens.refresh_token.is_none());
    assert_eq!(tokens.granted.unwrap().to_string(), "a");
    assert_eq!(tokens.requested.unwrap().to_string(), "a b");
}

#[test]
fn a_panic_with_tokens_in_hand_prints_none_of_them() {
    // proves: LEAK-03
    let tokens = World::usual().run().unwrap().tokens;
    assert_eq!(shown(&tokens), "Bearer at-1");
    let panic = std::panic::catch_unwind(move || panic!("{tokens:?}")).unwrap_err();
    let printed = panic.downcast_ref::<String>().unwrap();
    assert!(printed.contains("StoredTokens") && !printed.contains("at-1") && !printed.contains("rt-1"), "{printed}");
}

#[test]
fn no_announced_life_makes_a_token_end_at_once_or_the_program_stop() {
    // proves: KEY-13
    for (said, end) in [
        (json!(null), None),
        (json!(0), None),
        (json!(-1), None),
        (json!("soon"), None),
        (json!({}), None),
        (json!("60"), Some(60)),
        (json!(1e30), Some(i64::MAX)),
        (json!(u64::MAX), Some(i64::MAX)),
    ] {
        let mut world = World::usual();
        let answer = json!({ "access_token": "at", "token_type": "Bearer", "refresh_token": "rt", "expires_in": said });
        world.tokens(answer);
        let tokens = world.run().unwrap().tokens;
        let expected = end.map(|end| Timestamp::from_unix(NOW.as_unix().saturating_add(end)));
        assert_eq!(tokens.expires_at, expected, "{said}");
        assert!(!tokens.is_ending(255, NOW), "{said}: it is sent before it is renewed");
        // A clock that is set back, or far ahead, changes only when that is.
        let (past, future) = (Timestamp::from_unix(0), Timestamp::from_unix(i64::MAX));
        assert!(!tokens.is_ending(255, past) && tokens.is_ending(255, future) == end.is_some(), "{said}");
        assert!(tokens.can_be_renewed());
    }
}

#[test]
fn what_an_earlier_version_stored_is_read_and_a_later_ones_additions_do_no_harm() {
    // proves: FCL-13
    // As it was stored before tokens had a type, a way in which they were got, or an account.
    let earliest = json!({
        "resource": MCP, "audience": MCP, "access_token": "at-0", "refresh_token": "rt-0", "issued_at": 1, "generation": 3,
        "server": {
            "issuer": ISSUER, "code_challenge_methods_supported": ["S256"],
            "authorization_endpoint": format!("{ISSUER}/authorize"), "token_endpoint": TOKEN,
        },
        "client": {
            "issuer": ISSUER, "client_id": "c", "auth_method": "none", "registration": "dynamic",
            "redirect_uri": "http://127.0.0.1/callback",
        },
    });
    let mut later = earliest.clone();
    for place in ["", "/server", "/client"] {
        let object = later.pointer_mut(place).unwrap().as_object_mut().unwrap();
        object.insert("of_tomorrow".into(), json!({ "deep": [1] }));
    }
    for record in [earliest, later] {
        let tokens = StoredTokens::from_stored(serde_json::from_value(record).unwrap()).unwrap();
        assert_eq!((shown(&tokens), tokens.generation), ("Bearer at-0".parse().unwrap(), 3));
        assert!(tokens.can_be_renewed());
        let (_, request) = Refresh::start(tokens, None, World::usual().target.reach, NOW, &mut Counting(1)).unwrap();
        assert_eq!(doorward_types::form::Form::parse(&request.body).unwrap().get("refresh_token"), Some("rt-0"));
    }
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
        (429, json!({}), Code::TooOften),
    ] {
        let mut world = World::usual();
        let text = body.to_string();
        world.route(&format!("POST {TOKEN}"), move |_| Ok(answer(status, &body)));
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code(), code, "{status} {text}");
        assert_eq!(failed.hint().contains("client identifier"), code == Code::ClientUnknown, "{failed}");
        assert_eq!(world.sent_to(TOKEN).len(), 1);
    }
    let mut world = World::usual();
    world.route(&format!("POST {TOKEN}"), |_| Err(FetchFailed::Connect("reset".into())));
    assert_eq!(world.run().unwrap_err().exit() as u8, 4);
}

#[test]
fn a_web_page_where_json_should_be_is_called_one() {
    const REGISTER: &str = "https://as.example/register";
    for endpoint in [REGISTER, TOKEN] {
        let mut world = World::usual();
        world.route(&format!("POST {endpoint}"), |_| {
            Ok(doorward_types::outbound::Inbound { body: b"<!doctype html>".to_vec(), ..answer(200, &json!({})) })
        });
        let failed = world.run().unwrap_err();
        assert!(failed.why().ends_with("it answered with a web page instead of JSON"), "{failed}");
    }
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

use std::time::Duration;

use serde_json::json;
use url::Url;

use crate::{
    Code, Input, Step,
    scripted::{Counting, ISSUER, MCP, NOW, World, allow, answer, parameter, query, resource, server, with},
    step::NotTaken,
};

const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const TOKEN: &str = "https://as.example/token";

fn state(url: &Url) -> String {
    parameter(url, "state").unwrap()
}

#[test]
fn the_issuer_of_the_answer_is_judged_by_the_table() {
    // proves: MCP-AUTH-089, MCP-AUTH-090, MCP-AUTH-091, MCP-AUTH-092, MCP-AUTH-093, MCP-AUTH-094, MIX-01
    // proves: MCP-SBP-040, R9207-03, R9207-04, R9207-05, R9700-03
    for (promised, iss, taken) in [
        (json!(true), Some(ISSUER), true),
        (json!(true), None, false),
        (json!(true), Some("https://evil.example"), false),
        (json!(true), Some(""), false),
        (json!(null), Some(ISSUER), true),
        (json!(null), None, true),
        (json!(null), Some("https://evil.example"), false),
        (json!(null), Some(""), false),
        (json!(false), Some("https://evil.example"), false),
        (json!(false), None, true),
    ] {
        let mut world = World::usual();
        let flag = json!({ "authorization_response_iss_parameter_supported": promised });
        world.document(SERVER, with(server(ISSUER), flag));
        world.browser(move |url| {
            let state = state(url);
            let mut parameters = vec![("code", "c0de"), ("state", state.as_str())];
            parameters.extend(iss.map(|iss| ("iss", iss)));
            vec![query(&parameters)]
        });
        let result = world.run();
        assert_eq!(world.sent_to(TOKEN).len(), usize::from(taken), "{promised} {iss:?}");
        if let Err(failed) = &result {
            assert_eq!(
                (failed.code(), world.not_taken.as_slice()),
                (Code::CallbackIssuer, &[NotTaken::WrongIssuer][..])
            );
        }
        assert_eq!(result.is_ok(), taken, "{promised} {iss:?}");
    }
}

#[test]
fn issuers_are_compared_as_texts() {
    // proves: MCP-AUTH-095, MIX-02, R9207-03
    let issuer = "https://as.example/t1";
    for (raw, taken) in [
        ("https%3A%2F%2Fas.example%2Ft1", true),
        ("https://as.example/t1", true),
        ("https://as.example/t1/", false),
        ("HTTPS://AS.example/t1", false),
        ("https://as.example:443/t1", false),
        ("https://as.example/%2574%2531", false),
        ("https://as.example/t1?", false),
        ("https%253A%252F%252Fas.example%252Ft1", false),
        ("https://as.example/./t1", false),
        ("https://as.example/t1%20", false),
    ] {
        let mut world = World::usual();
        world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", resource(MCP, &[issuer]));
        world.document("https://as.example/.well-known/oauth-authorization-server/t1", server(issuer));
        world.route("POST https://as.example/t1/register", |_| Ok(answer(201, &json!({ "client_id": "c" }))));
        world.route("POST https://as.example/t1/token", |_| {
            Ok(answer(200, &json!({ "access_token": "t", "token_type": "Bearer" })))
        });
        world.browser(move |url| vec![format!("code=c0de&state={}&iss={raw}", state(url))]);
        assert_eq!(world.run().is_ok(), taken, "{raw}");
        assert_eq!(world.sent_to("https://as.example/t1/token").len(), usize::from(taken), "{raw}");
    }
}

#[test]
fn an_error_from_the_wrong_issuer_is_neither_acted_on_nor_shown() {
    // proves: MCP-AUTH-096, MIX-03
    let mut world = World::usual();
    world.browser(|url| {
        let state = state(url);
        vec![query(&[
            ("error", "access_denied"),
            ("error_description", "call +1-555-EVIL"),
            ("error_uri", "https://evil.example/help"),
            ("state", &state),
            ("iss", "https://evil.example"),
        ])]
    });
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::CallbackIssuer);
    let text = format!("{failed} {failed:?}").to_lowercase();
    assert!(!text.contains("evil") && !text.contains("denied"), "{text}");
}

#[test]
fn a_wrong_answer_does_not_spend_the_state() {
    // proves: MIX-04, BRW-07, BCP-08, MCP-AUTH-080, OA21-08, R9207-07
    let mut world = World::usual();
    world.browser(|url| {
        let state = state(url);
        let (ours, long) = (("state", state.as_str()), "x".repeat(100_000));
        vec![
            String::new(),
            "code=c0de".into(),
            query(&[("code", "c0de"), ("state", "guess"), ("iss", ISSUER)]),
            query(&[("code", "c0de"), ("state", &state[..state.len() - 1]), ("iss", ISSUER)]),
            query(&[("code", "c0de"), ours, ours, ("iss", ISSUER)]),
            query(&[("code", "a"), ("code", "b"), ours, ("iss", ISSUER)]),
            query(&[("code", "a"), ours, ("iss", ISSUER), ("iss", "https://evil.example")]),
            query(&[("code", "c0de"), ("error", "access_denied"), ours, ("iss", ISSUER)]),
            query(&[ours, ("iss", ISSUER)]),
            query(&[("code", ""), ours, ("iss", ISSUER)]),
            query(&[("code", "a\r\nb"), ours, ("iss", ISSUER)]),
            query(&[("code", &long), ours, ("iss", ISSUER)]),
            format!("code=%ff&state={state}"),
            query(&[("code", "c0de"), ours, ("iss", "https://evil.example")]),
            allow(url),
        ]
    });
    world.run().unwrap();
    use NotTaken::{ForeignState, Malformed, NoAnswer, WrongIssuer};
    assert_eq!(
        world.not_taken,
        [
            ForeignState,
            ForeignState,
            ForeignState,
            ForeignState,
            Malformed,
            Malformed,
            Malformed,
            NoAnswer,
            NoAnswer,
            NoAnswer,
            Malformed,
            Malformed,
            Malformed,
            WrongIssuer,
        ]
    );
    assert_eq!((world.sent_to(TOKEN).len(), world.opened.len()), (1, 1));
    assert_eq!(world.sent_to(TOKEN)[0].form().get("code"), Some("c0de"));
}

#[test]
fn after_an_answer_from_the_wrong_server_waiting_soon_ends() {
    // proves: MIX-01, MIX-04
    let mut entropy = Counting(1);
    let (mut connect, page) = World::usual().run_to_browser(&mut entropy);
    let mut step;
    let wrong = query(&[("code", "c"), ("state", &state(&page.url)), ("iss", "https://evil.example")]);
    let at_most = |step: &Step| match step {
        Step::KeepWaiting { at_most, .. } => *at_most,
        other => panic!("{other:?}"),
    };
    let foreign = Input::Callback { query: "state=x".into() };
    (connect, step) = connect.on(foreign, NOW, &mut entropy).unwrap();
    assert_eq!(at_most(&step), None);
    (connect, step) = connect.on(Input::Callback { query: wrong.clone() }, NOW, &mut entropy).unwrap();
    assert_eq!(at_most(&step), Some(Duration::from_secs(5)));
    // More of them do not make it longer.
    (connect, step) =
        connect.on(Input::Callback { query: wrong }, NOW.plus(Duration::from_secs(3)), &mut entropy).unwrap();
    assert_eq!(at_most(&step), Some(Duration::from_secs(2)));
    assert_eq!(connect.on(Input::TimeUp, NOW, &mut entropy).unwrap_err().code(), Code::CallbackIssuer);
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    // proves: BRW-13
    for (error, code) in [
        ("access_denied", Code::Denied),
        ("server_error", Code::AuthorizationRefused),
        ("invalid_target", Code::AuthorizationRefused),
        ("invalid_scope", Code::AuthorizationRefused),
    ] {
        let mut world = World::usual();
        world.browser(move |url| {
            let state = state(url);
            vec![query(&[
                ("error", error),
                ("error_description", "no \u{1b}[2Jthanks"),
                ("state", &state),
                ("iss", ISSUER),
            ])]
        });
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code(), code);
        assert!(failed.why().contains(error) && failed.why().contains("no [2Jthanks"), "{failed}");
        assert!(world.sent_to(TOKEN).is_empty());
    }
}

#[test]
fn a_refusal_that_says_nothing_of_the_client_has_nobody_registered_again() {
    // proves: MCP-AUTH-066
    for (error, code) in [
        ("access_denied", Code::Denied),
        ("server_error", Code::AuthorizationRefused),
        ("temporarily_unavailable", Code::AuthorizationRefused),
        ("invalid_request", Code::AuthorizationRefused),
    ] {
        let mut world = World::usual();
        world.stored = Some(super::registration::stored(ISSUER, "known"));
        world.browser(move |url| vec![query(&[("error", error), ("state", &state(url)), ("iss", ISSUER)])]);
        assert_eq!(world.run().unwrap_err().code(), code, "{error}");
        assert!(world.opened.len() == 1 && world.saved.is_empty(), "{error}");
    }
}

#[test]
fn nobody_coming_back_is_a_login_that_is_still_needed() {
    // proves: BRW-13
    let mut world = World::usual();
    world.browser(|_| Vec::new());
    let failed = world.run().unwrap_err();
    assert_eq!((failed.code(), failed.exit() as u8), (Code::LoginTimedOut, 3));
}

#[test]
fn the_answer_of_one_login_is_nothing_to_another() {
    // proves: MIX-10
    let mut first = World::usual();
    first.run().unwrap();
    let theirs = allow(&first.opened[0]);
    let mut second = World::usual();
    second.stored = Some(first.saved[0].clone());
    second.browser(move |_| vec![theirs.clone()]);
    assert_eq!(second.run().unwrap_err().code(), Code::LoginTimedOut);
    assert_eq!(second.not_taken, [NotTaken::ForeignState]);
}

#[test]
fn an_input_never_prints_the_code_in_it() {
    // proves: LEAK-05
    let query = "code=s3cret&state=s3cret".to_owned();
    assert!(!format!("{:?}", Input::Callback { query }).contains("s3cret"));
    let answer = Input::Answer(Ok(answer(200, &json!({ "access_token": "s3cret" }))));
    assert!(!format!("{answer:?}").contains("s3cret"));
}

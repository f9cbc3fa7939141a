use std::time::Duration;

use doorward_types::outbound::FetchFailed;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::{
    Code, Got,
    scripted::{ISSUER, MCP, NOW, World, answer, resource, server, with},
    target::{Dpop, Grant},
};

const DEVICE: &str = "POST https://as.example/device";
const TOKEN: &str = "https://as.example/token";
const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server";

fn code() -> Value {
    json!({
        "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device",
        "verification_uri_complete": "https://as.example/device?user_code=WDJB-MJHT",
        "expires_in": 900,
        "interval": 3,
    })
}

/// Nothing of a code's own is needed: neither PKCE nor a page.
fn metadata(issuer: &str) -> Value {
    let changes = json!({
        "device_authorization_endpoint": format!("{issuer}/device"),
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code"],
        "authorization_endpoint": null,
        "code_challenge_methods_supported": null,
    });
    with(server(issuer), changes)
}

/// A world whose authorization server lets devices in, and says this to one question after the other.
fn world(said: Vec<Result<(u16, Value), FetchFailed>>) -> World {
    let mut world = World::usual();
    world.target.grant = Grant::Device;
    world.document(METADATA, metadata(ISSUER));
    world.route(DEVICE, |_| Ok(answer(200, &code())));
    let mut said = said.into_iter();
    world.route(&format!("POST {TOKEN}"), move |_| {
        said.next().expect("no question is asked in vain").map(|(status, body)| answer(status, &body))
    });
    world
}

fn no(error: &str) -> Result<(u16, Value), FetchFailed> {
    Ok((400, json!({ "error": error })))
}

fn yes() -> Result<(u16, Value), FetchFailed> {
    Ok((200, json!({ "access_token": "at", "token_type": "Bearer", "refresh_token": "rt" })))
}

fn seconds(all: &[u64]) -> Vec<Duration> {
    all.iter().copied().map(Duration::from_secs).collect()
}

#[test]
fn no_pause_is_missing_or_longer_than_any_code_lives_and_no_code_lives_for_ever() {
    // proves: R8628-02, R8628-03
    // what the server says, the first pause, how long the code is good
    for (said, pause, life) in [
        (json!({ "interval": 1e19 }), 3600, 900),
        (json!({ "interval": 1e18 }), 3600, 900),
        (json!({ "interval": 86400 }), 3600, 900),
        (json!({ "interval": 0 }), 5, 900),
        (json!({ "interval": -1 }), 5, 900),
        (json!({ "interval": null }), 5, 900),
        (json!({ "expires_in": 1e12 }), 3, 3600),
    ] {
        let mut world = world(vec![yes()]);
        let (body, text) = (with(code(), said.clone()), said.to_string());
        world.route(DEVICE, move |_| Ok(answer(200, &body)));
        let _ = world.run();
        assert_eq!(world.waits.first(), Some(&Duration::from_secs(pause)), "{text}");
        assert_eq!(world.shown[0].expires, NOW.plus(Duration::from_secs(life)), "{text}");
    }
}

#[test]
fn a_person_is_shown_a_code_and_the_server_is_asked_no_faster_than_it_wants() {
    // proves: R8628-02, R8628-03
    let mut world = world(vec![no("authorization_pending"), no("slow_down"), no("authorization_pending"), yes()]);
    world.challenge("Bearer scope=\"a b\"");
    let tokens = world.run().unwrap().tokens;
    assert_eq!(world.waits, seconds(&[3, 3, 8, 8]));
    assert!(!world.order.contains(&"hold") && !world.order.contains(&"browser"), "{:?}", world.order);
    let shown = &world.shown[0];
    assert_eq!((shown.user_code.as_str(), shown.verification_uri.as_str()), ("WDJB-MJHT", "https://as.example/device"));
    assert!(shown.complete.as_ref().is_some_and(|url| url.as_str().ends_with("?user_code=WDJB-MJHT")));
    assert_eq!(shown.expires, NOW.plus(Duration::from_secs(900)));
    let asked = world.sent_to("https://as.example/device")[0].form();
    assert_eq!(
        (asked.get("resource"), asked.get("scope"), asked.get("client_id")),
        (Some(MCP), Some("a b"), Some("dyn-1"))
    );
    let questions = world.sent_to(TOKEN);
    assert_eq!(questions.len(), 4);
    let form = questions[3].form();
    assert_eq!(form.names().collect::<Vec<_>>(), ["grant_type", "device_code", "resource", "client_id"]);
    assert_eq!((tokens.got, tokens.refresh_token.is_some()), (Got::Device, true));
    let registered = world.sent_to("https://as.example/register")[0].json();
    let grants = json!(["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]);
    assert_eq!(registered["grant_types"], grants);
}

#[test]
fn after_the_last_word_nothing_is_asked() {
    // proves: R8628-04
    for (error, code) in [
        ("access_denied", Code::Denied),
        ("expired_token", Code::LoginTimedOut),
        ("invalid_grant", Code::TokenRefused),
        ("invalid_request", Code::TokenRefused),
        ("invalid_client", Code::ClientUnknown),
        ("what_is_this", Code::TokenRefused),
    ] {
        let mut world = world(vec![no("authorization_pending"), no(error)]);
        assert_eq!(world.run().unwrap_err().code(), code, "{error}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_asked_more_and_more_rarely() {
    // proves: R8628-02
    let lost = || Err(FetchFailed::Timeout(Duration::from_secs(30)));
    let away = |status| Ok((status, json!({ "error": "access_denied" })));
    let mut world = world(vec![lost(), away(503), away(429), lost(), lost(), no("authorization_pending"), yes()]);
    assert!(world.run().is_ok());
    assert_eq!(world.waits, seconds(&[3, 6, 12, 24, 48, 60, 3]));
    // No sooner than it wants at the best of times.
    let mut slow = self::world(vec![lost(), yes()]);
    slow.route(DEVICE, |_| Ok(answer(200, &with(code(), json!({ "interval": 120 })))));
    assert!(slow.run().is_ok());
    assert_eq!(slow.waits, seconds(&[120, 120]));
}

#[test]
fn a_token_endpoint_that_may_not_be_asked_is_not_waited_for() {
    // proves: R8628-02
    let mut world = world(vec![no("authorization_pending"), Err(FetchFailed::Forbidden("10.0.0.1".into()))]);
    assert_eq!(world.run().unwrap_err().code(), Code::Forbidden);
    assert_eq!(world.sent_to(TOKEN).len(), 2);
}

#[test]
fn a_code_is_waited_for_until_it_expires_and_no_longer_than_the_person_may_take() {
    let mut short = world((0..6).map(|_| no("authorization_pending")).collect());
    short.route(DEVICE, |_| Ok(answer(200, &with(code(), json!({ "expires_in": 20 })))));
    let failed = short.run().unwrap_err();
    assert!(failed.code() == Code::LoginTimedOut && failed.why().contains("has expired"), "{failed}");
    assert_eq!(short.sent_to(TOKEN).len(), 6);
    let mut impatient = world(vec![no("authorization_pending")]);
    impatient.patience = 2;
    let failed = impatient.run().unwrap_err();
    assert!(failed.code() == Code::LoginTimedOut && !failed.why().contains("expired"), "{failed}");
}

#[test]
fn what_a_person_is_shown_is_a_page_and_a_code_that_can_be_typed() {
    // proves: BRW-02
    for (changes, good) in [
        (json!({}), true),
        (json!({ "interval": null, "verification_uri_complete": null }), true),
        (json!({ "expires_in": 0 }), false),
        (json!({ "expires_in": -1 }), false),
        (json!({ "device_code": null }), false),
        (json!({ "user_code": "" }), false),
        (json!({ "user_code": "\u{1b}[2J" }), false),
        (json!({ "user_code": "x".repeat(41) }), false),
        (json!({ "verification_uri": "javascript:alert(1)" }), false),
        (json!({ "verification_uri": "http://as.example/device" }), false),
        (json!({ "verification_uri": "http://127.0.0.1/device" }), false),
        (json!({ "verification_uri": "file:///etc/passwd" }), false),
    ] {
        let mut world = world(if good { vec![yes()] } else { Vec::new() });
        let body = with(code(), changes.clone());
        world.route(DEVICE, move |_| Ok(answer(200, &body)));
        match world.run() {
            Ok(_) => assert!(good, "{changes}"),
            Err(failed) => assert!(!good && failed.code() == Code::BadTokenAnswer, "{changes}: {failed}"),
        }
    }
    let mut world = world(vec![yes()]);
    let elsewhere = with(code(), json!({ "verification_uri_complete": "https://evil.example/?user_code=WDJB-MJHT" }));
    world.route(DEVICE, move |_| Ok(answer(200, &elsewhere)));
    world.run().unwrap();
    assert_eq!(world.shown[0].complete, None);
}

#[test]
fn a_server_without_this_way_is_named() {
    let mut world = World::usual();
    world.target.grant = Grant::Device;
    let failed = world.run().unwrap_err();
    assert_eq!(failed.code(), Code::NoDeviceFlow);
    assert_eq!(world.shown.len(), 0);
}

#[test]
fn a_page_on_this_computer_is_shown_where_the_authorization_server_is_here_too() {
    let (mcp, issuer) = ("http://localhost:8420/mcp", "http://localhost:8420");
    let mut world = World::empty(mcp);
    world.target.grant = Grant::Device;
    world.document("http://localhost:8420/.well-known/oauth-protected-resource/mcp", resource(mcp, &[issuer]));
    world.document("http://localhost:8420/.well-known/oauth-authorization-server", metadata(issuer));
    world.target.clients = vec![super::registration::given(None, "mine")];
    let here = json!({ "verification_uri": format!("{issuer}/device"), "verification_uri_complete": null });
    world.route("POST http://localhost:8420/device", move |_| Ok(answer(200, &with(code(), here.clone()))));
    world.patience = 1;
    assert_eq!(world.run().unwrap_err().code(), Code::LoginTimedOut);
    assert_eq!(world.shown[0].verification_uri.as_str(), "http://localhost:8420/device");
}

#[test]
fn a_client_that_gets_no_code_because_it_is_forgotten_is_registered_again_exactly_once() {
    // proves: MCP-AUTH-066
    // known from an earlier login, how it is refused, whether the new one is refused too, registrations, what comes of it
    for (known, error, always, registrations, refused) in [
        (true, "invalid_client", false, 1, None),
        (true, "unauthorized_client", false, 1, None),
        (true, "invalid_client", true, 1, Some(Code::ClientUnknown)),
        (true, "unauthorized_client", true, 1, Some(Code::AuthorizationRefused)),
        (true, "invalid_request", false, 0, Some(Code::AuthorizationRefused)),
        (false, "invalid_client", true, 1, Some(Code::ClientUnknown)),
    ] {
        let mut world = world(vec![yes()]);
        world.stored = known.then(|| super::registration::stored(ISSUER, "gone"));
        world.route(DEVICE, move |sent| {
            let taken = !always && sent.form().get("client_id") == Some("dyn-1");
            Ok(if taken { answer(200, &code()) } else { answer(400, &json!({ "error": error })) })
        });
        assert_eq!(world.run().err().map(|failed| failed.code()), refused, "{known} {error} {always}");
        assert_eq!(world.sent_to("https://as.example/register").len(), registrations, "{known} {error} {always}");
    }
}

#[test]
fn each_question_carries_the_servers_newest_nonce_and_is_made_again_once_for_the_sake_of_it() {
    // proves: R9449-08
    let run = |said: Vec<(&'static str, Option<&'static str>)>| {
        let mut world = world(Vec::new());
        world.target.dpop = Dpop::Always;
        let can = json!({ "dpop_signing_alg_values_supported": ["ES256"] });
        world.document(METADATA, with(metadata(ISSUER), can));
        let mut said = said.into_iter();
        world.route(&format!("POST {TOKEN}"), move |_| {
            let (error, nonce) = said.next().expect("no question is asked in vain");
            let mut answer = match error {
                "" => answer(200, &json!({ "access_token": "at", "token_type": "DPoP" })),
                error => answer(400, &json!({ "error": error })),
            };
            answer
                .headers
                .extend(nonce.map(|nonce| (HeaderName::from_static("dpop-nonce"), HeaderValue::from_static(nonce))));
            Ok(answer)
        });
        let outcome = world.run().map(|connected| connected.tokens.proof_key.is_some()).map_err(|failed| failed.code());
        let shown = world.sent_to(TOKEN).into_iter().map(|sent| super::dpop::claims(sent)["nonce"].clone());
        (outcome, shown.collect::<Vec<_>>())
    };
    let (wants, waits) = ("use_dpop_nonce", "authorization_pending");
    assert_eq!(
        run(vec![(wants, Some("n1")), (waits, None), (waits, Some("n2")), (wants, Some("n3")), ("", None)]),
        (Ok(true), vec![json!(null), json!("n1"), json!("n1"), json!("n2"), json!("n3")])
    );
    assert_eq!(
        run(vec![(wants, Some("n1")), (wants, Some("n2"))]),
        (Err(Code::TokenRefused), vec![json!(null), json!("n1")])
    );
}

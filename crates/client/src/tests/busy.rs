use std::{cell::RefCell, rc::Rc, time::Duration};

use doorward_types::{form::Form, outbound::Inbound};
use http::{HeaderValue, header::RETRY_AFTER};
use serde_json::{Value, json};

use crate::{
    Code, Refresh, Refreshed,
    scripted::{Counting, ISSUER, MCP, NOW, World, answer, parameter, query, resource, server, with},
    target::{Dpop, Grant},
};

const RESOURCE: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const REGISTER: &str = "https://as.example/register";
const TOKEN: &str = "https://as.example/token";
const PAR: &str = "https://as.example/par";
const DEVICE: &str = "https://as.example/device";

fn busy(status: u16, after: &str) -> Inbound {
    let mut answer = answer(status, &json!({ "error": "slow_down" }));
    answer.headers.insert(RETRY_AFTER, HeaderValue::from_str(after).unwrap());
    answer
}

/// A world in which this place has no time for so many requests, and then says this.
fn world(place: &str, times: usize, after: &'static str, said: Value) -> World {
    let mut world = World::usual();
    world.target.dpop = Dpop::Always;
    let mut document = with(server(ISSUER), json!({ "dpop_signing_alg_values_supported": ["ES256"] }));
    if place.ends_with(PAR) {
        let changes =
            json!({ "require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": PAR });
        document = with(document, changes);
    }
    if place.ends_with(DEVICE) {
        world.target.grant = Grant::Device;
        document = with(document, json!({ "device_authorization_endpoint": DEVICE }));
    }
    world.document(SERVER, document);
    let mut left = times;
    let good = if place.ends_with(REGISTER) || place.ends_with(PAR) { 201 } else { 200 };
    let pushed = Rc::new(RefCell::new(None));
    let keeps = Rc::clone(&pushed);
    world.route(place, move |sent| {
        let form = Form::parse(&sent.body).ok();
        keeps.replace(form.and_then(|form| form.get("state").map(str::to_owned)));
        let is_busy = left > 0;
        left = left.saturating_sub(1);
        Ok(if is_busy { busy(if left.is_multiple_of(2) { 429 } else { 503 }, after) } else { answer(good, &said) })
    });
    world.browser(move |url| {
        let state = parameter(url, "state").or_else(|| pushed.borrow().clone()).unwrap();
        vec![query(&[("code", "c0de"), ("state", &state), ("iss", ISSUER)])]
    });
    if !place.ends_with(TOKEN) {
        world.tokens(json!({ "access_token": "at-1", "token_type": "DPoP" }));
    }
    world
}

fn places() -> Vec<(String, Value)> {
    let device = json!({
        "device_code": "d", "user_code": "WDJB", "verification_uri": "https://as.example/d", "expires_in": 900,
    });
    vec![
        (format!("GET {RESOURCE}"), resource(MCP, &[ISSUER])),
        (format!("GET {SERVER}"), with(server(ISSUER), json!({ "dpop_signing_alg_values_supported": ["ES256"] }))),
        (format!("POST {REGISTER}"), json!({ "client_id": "dyn-1", "token_endpoint_auth_method": "none" })),
        (format!("POST {PAR}"), json!({ "request_uri": "urn:example:1", "expires_in": 60 })),
        (format!("POST {DEVICE}"), device),
        (format!("POST {TOKEN}"), json!({ "access_token": "at-1", "token_type": "DPoP" })),
    ]
}

#[test]
fn a_server_that_names_a_short_time_is_asked_again_after_it() {
    // proves: DISC-16
    for (place, said) in places() {
        let mut world = world(&place, 2, "7", said);
        let connected = world.run();
        assert!(connected.is_ok(), "{place}: {connected:?}");
        let waits: Vec<_> = world.waits.iter().filter(|wait| **wait == Duration::from_secs(7)).collect();
        assert_eq!(waits.len(), 2, "{place}: {:?}", world.waits);
        assert_eq!(world.order.iter().filter(|did| **did == "again").count(), 2, "{place}");
        let url = place.split_once(' ').unwrap().1;
        assert_eq!(world.sent_to(url).len(), 3, "{place}");
    }
}

#[test]
fn a_proof_is_made_anew_each_time() {
    let (place, said) = places().pop().unwrap();
    let mut world = world(&place, 1, "1", said);
    world.run().unwrap();
    let proofs: Vec<_> = world.sent_to(TOKEN).iter().map(|sent| sent.headers["dpop"].clone()).collect();
    assert!(proofs.len() == 2 && proofs[0] != proofs[1], "{proofs:?}");
}

#[test]
fn nobody_waits_for_long_or_where_there_is_no_time() {
    // proves: DISC-16
    for (place, said) in places() {
        let url = place.split_once(' ').unwrap().1;
        for (times, after, patience, asked) in [(99, "3600", 1000, 1), (99, "12", 1000, 3), (99, "5", 1, 1)] {
            let mut world = world(&place, times, after, said.clone());
            world.patience = patience;
            let failed = world.run().unwrap_err();
            assert!(matches!(failed.code(), Code::TooOften | Code::ServerFault), "{place}: {failed}");
            assert_eq!(world.sent_to(url).len(), asked, "{place} {after}");
            assert!(world.waits.iter().sum::<Duration>() <= Duration::from_secs(30), "{place} {:?}", world.waits);
        }
    }
}

#[test]
fn too_many_registrations_are_told_with_a_way_out() {
    // proves: MCP-AUTH-060
    let mut world = World::usual();
    world.target.account = Some("work & home".into());
    world.route(&format!("POST {REGISTER}"), |_| Ok(busy(429, "3600")));
    let failed = world.run().unwrap_err();
    assert_eq!((failed.code(), failed.exit() as u8), (Code::TooOften, 4));
    assert!(failed.what().contains("too many") && failed.why().contains("429"), "{failed}");
    assert_eq!(
        failed.hint(),
        "try again in 60 min; a client identifier from its operator needs no registration: doorward login --client-id \
         ID --account 'work & home' https://mcp.example/mcp"
    );
}

#[test]
fn a_login_is_not_over_because_the_server_is_asked_too_often() {
    // proves: FCL-03
    let mut world = World::usual();
    let tokens = world.run().unwrap().tokens;
    let (refresh, _) = Refresh::start(tokens, None, world.target.reach, NOW, &mut Counting(1)).unwrap();
    match refresh.on(Ok(busy(429, "90")), NOW, &mut Counting(2)) {
        Refreshed::Later(failed) => {
            assert_eq!((failed.code(), failed.hint()), (Code::TooOften, "try again in 90 s"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_is_let_in_no_faster_than_the_server_wishes() {
    // proves: R8628-02
    let (place, said) = places().swap_remove(4);
    let mut world = world(&place, 0, "1", said);
    let mut asked = 0;
    world.route(&format!("POST {TOKEN}"), move |_| {
        asked += 1;
        let tokens = json!({ "access_token": "at-1", "token_type": "DPoP" });
        Ok(if asked == 1 { busy(429, "45") } else { answer(200, &tokens) })
    });
    world.run().unwrap();
    assert_eq!(world.waits, [5, 45].map(Duration::from_secs));
}

#[test]
fn the_state_of_a_pushed_request_is_the_same_when_it_is_pushed_again() {
    let (place, said) = places().swap_remove(3);
    let mut world = world(&place, 1, "1", said);
    world.run().unwrap();
    let states: Vec<_> = world.sent_to(PAR).iter().map(|sent| sent.form().get("state").map(str::to_owned)).collect();
    assert!(states.len() == 2 && states[0].is_some() && states[0] == states[1], "{states:?}");
}

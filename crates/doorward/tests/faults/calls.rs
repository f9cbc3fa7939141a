//! `doorward connect` over a bad network.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use doorward_testkit::process::{Fault, Stdio};
use serde_json::{Value, json};

use crate::world::{PATIENCE, Person, World};

/// What the bridge is told to wait for an answer: long where all answers come, and shorter where some never do, but not so
/// short that a busy machine could be taken for one of those.
const LONG: &str = "60";
const SHORT: &str = "10";
/// What that may take with all that a busy machine adds.
const DEADLINE: Duration = Duration::from_secs(90);

/// Faults that end by themselves, long before the time for an answer is over.
fn faults(world: &World) -> Vec<Fault> {
    vec![
        Fault::NeverArrives,
        Fault::CutBeforeHeaders,
        Fault::CutInHeaders,
        Fault::CutAfterHeaders,
        Fault::CutInBody,
        Fault::CutBetweenEvents,
        Fault::Delay(Duration::from_secs(1)),
        Fault::Garbage,
        Fault::LengthTooShort,
        Fault::LengthTooLong,
        Fault::WrongType,
        Fault::EndlessHeaders,
        Fault::HugeBody(80 << 20),
        Fault::Compressed,
        Fault::Redirect(world.stranger.clone()),
        Fault::Unavailable,
    ]
}

/// Faults that end with the time for an answer.
fn silences() -> Vec<Fault> {
    let drip = Duration::from_secs(1);
    vec![Fault::Stall, Fault::StallInBody, Fault::Drip(drip), Fault::DripBody(drip)]
}

fn connected(world: &World, person: &Person, seconds: &str) -> Stdio {
    Stdio::start(&mut person.doorward(&["connect", "--request-timeout", seconds, &world.mcp_url()]))
}

/// Goes through the faults that end by themselves one after the other, and at the same time through each of the others, in a
/// world of its own: ten seconds.
fn through_all(each: impl Fn(&World, &mut Stdio, &[Fault]) + Sync) {
    let run = |seconds, some: &dyn Fn(&World) -> Vec<Fault>| {
        let (world, person) = logged_in(3600);
        let mut bridge = connected(&world, &person, seconds);
        each(&world, &mut bridge, &some(&world));
        let errors = bridge.process().errors();
        assert!(!errors.contains("panicked") && !errors.contains("at-1"), "{errors}");
    };
    thread::scope(|scope| {
        scope.spawn(|| run(LONG, &faults));
        for silence in silences() {
            scope.spawn(move || run(SHORT, &|_| vec![silence.clone()]));
        }
    });
}

fn logged_in(life: u32) -> (World, Person) {
    let (world, person) = (World::new(life), Person::new());
    let (code, errors) = person.run(&["login", &world.mcp_url()], PATIENCE);
    assert_eq!(code, Some(0), "{errors}");
    (world, person)
}

fn call(bridge: &mut Stdio, name: &str) -> Value {
    let before = Instant::now();
    let answer = bridge.request("tools/call", json!({"name": name, "arguments": {}}), DEADLINE);
    assert!(before.elapsed() < DEADLINE, "{name} took {:?}", before.elapsed());
    assert!(answer["result"].is_object() != answer["error"].is_object(), "{answer}");
    answer
}

#[test]
fn a_call_ends_in_its_result_or_in_words_and_is_made_once() {
    // proves: FCL-01, FCL-10, DISC-04, LEAK-08
    through_all(|world, bridge, faults| {
        bridge.initialize(PATIENCE);
        for fault in faults {
            let name = format!("spoiled by {fault:?}");
            world.proxy.spoil("/mcp", "tools/call", usize::MAX, fault.clone());
            let answer = call(bridge, &name);
            assert!(world.proxy.mend(), "{fault:?} did not happen");
            // The end of a stream is not waited for once the answer is there.
            let harmless = matches!(fault, Fault::Delay(_) | Fault::LengthTooLong);
            assert_eq!(answer["result"].is_object(), harmless, "{fault:?}: {answer}");
            let words = answer["error"]["message"].as_str().unwrap_or("http://localhost");
            assert!(words.contains("http://localhost"), "{fault:?} is told without the server: {words}");
            // Where it may have run, the host is told so.
            let answered = matches!(
                fault,
                Fault::WrongType | Fault::Redirect(_) | Fault::Unavailable | Fault::LengthTooShort | Fault::Compressed
            );
            let is_told = words.contains("may or may not have run");
            assert!(harmless || answered || is_told, "{fault:?}: {words}");
            // The session goes on as if nothing had been.
            let next = call(bridge, &format!("after {fault:?}"));
            assert!(next["result"].is_object(), "after {fault:?}: {next}");
        }
        let seen = world.seen.lock().unwrap();
        for name in &seen.calls {
            assert_eq!(seen.calls.iter().filter(|other| *other == name).count(), 1, "{name} was made twice");
        }
        assert!(seen.strangers.is_empty(), "a token went to a stranger: {:?}", seen.strangers);
    });
}

#[test]
fn a_session_that_cannot_begin_is_answered_and_begins_when_it_can() {
    // proves: FCL-01
    through_all(|world, bridge, faults| {
        let client = json!({"name": "host", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        for fault in faults {
            world.proxy.spoil("/mcp", "\"initialize\"", usize::MAX, fault.clone());
            let answer = bridge.request("initialize", params.clone(), DEADLINE);
            assert!(world.proxy.mend(), "{fault:?} did not happen");
            assert!(answer["result"].is_object() || answer["error"]["message"].is_string(), "{fault:?}: {answer}");
        }
        assert!(bridge.request("initialize", params, DEADLINE)["result"].is_object());
    });
}

#[test]
fn a_refresh_that_fails_is_told_to_the_host_and_the_next_one_counts() {
    // proves: KEY-03, FCL-03
    let (world, person) = logged_in(1);
    let mut bridge = connected(&world, &person, LONG);
    bridge.initialize(PATIENCE);
    for fault in [Fault::CutBeforeHeaders, Fault::WrongType, Fault::Unavailable, Fault::CutInBody] {
        // At the least: whenever it goes on, the token has ended.
        thread::sleep(Duration::from_millis(1100));
        world.proxy.spoil("/token", "refresh_token", usize::MAX, fault.clone());
        let answer = call(&mut bridge, &format!("without {fault:?}"));
        world.proxy.mend();
        assert!(answer["error"]["message"].is_string(), "{fault:?}: {answer}");
        let next = call(&mut bridge, &format!("again after {fault:?}"));
        assert!(next["result"].is_object(), "{fault:?}: {next}");
    }
}

#[test]
fn a_flood_of_calls_while_the_token_has_ended_makes_one_refresh_and_each_has_one_answer() {
    // proves: FCL-09, KEY-14
    let (world, person) = logged_in(1);
    let mut bridge = Stdio::start(&mut person.doorward(&["connect", &world.mcp_url()]));
    bridge.initialize(PATIENCE);
    thread::sleep(Duration::from_millis(1100));
    world.give_for(3600);
    let params = json!({"name": "flood", "arguments": {}});
    for id in 1000..2000 {
        bridge.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
    }
    let mut answers = BTreeMap::new();
    while answers.len() < 1000 {
        let message = bridge.receive(PATIENCE);
        if let Some(id) = message["id"].as_u64() {
            let refused = message["error"]["message"].as_str().is_some_and(|words| words.contains("too many"));
            assert!(refused || message["result"].is_object(), "{message}");
            assert_eq!(answers.insert(id, refused), None, "{id} was answered twice");
        }
    }
    assert!(answers.keys().copied().eq(1000..2000));
    let made = answers.values().filter(|refused| !**refused).count();
    assert!(made >= 256, "as many as may be open at one time are made: {made}");
    assert_eq!(world.seen.lock().unwrap().calls.len(), made, "none is made twice");
    assert_eq!(world.tokens_lately(), 1, "one refresh");
}

#[test]
fn a_server_that_takes_no_token_is_given_up_after_one_window() {
    // proves: DISC-15
    let (world, person) = logged_in(3600);
    let mut bridge = Stdio::start(&mut person.doorward(&["connect", &world.mcp_url()]));
    bridge.initialize(PATIENCE);
    world.refuse();
    let before = world.tokens();
    bridge.send(&json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "x"}}));
    assert!(person.follow(PATIENCE), "a login is offered once");
    let answer = bridge.receive(PATIENCE);
    assert!(answer["id"] == "a" && answer["result"]["isError"] == true, "{answer}");
    for id in 0..3 {
        bridge.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "x"}}));
        let answer = bridge.receive(PATIENCE);
        assert!(answer["id"] == id && answer["result"]["isError"] == true, "{answer}");
    }
    assert!(!person.follow(Duration::ZERO), "a second window was opened");
    let tokens = world.tokens() - before;
    assert!(tokens <= 6, "{tokens} tokens were asked for");
    assert!(world.seen.lock().unwrap().calls.is_empty());
}

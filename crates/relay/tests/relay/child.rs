//! What children do, and what the gateway survives.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt, time::Duration};

use doorward_relay::{InvalidCommand, Settings};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::*;

async fn failed(caller: &Caller<'_>, name: &str, arguments: Value) -> String {
    let (status, answer) = caller.post(&modern(1, "tools/call", tool(name, arguments))).await;
    // That a server fails is an answer, in either era.
    assert_eq!(
        (status, &answer["id"], &answer["error"]["code"]),
        (StatusCode::OK, &json!(1), &json!(-32603)),
        "{answer}"
    );
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_child_gets_its_own_environment_and_three_descriptors() {
    // proves: STDIO-01, STDIO-03, STDIO-04, MCP-AUTH-003
    let odd = ["-x", "two words", ";id", "$(id)", "`id`", "|", "a\nb", "'\"", "*", "%PATH%"];
    let mut settings = settings(&["legacy"]);
    let mut command = command(&["legacy"]);
    command.extend(odd.iter().map(OsString::from));
    let env = BTreeMap::from([
        (OsString::from("PATH"), std::env::var_os("PATH").unwrap()),
        (OsString::from("GIVEN"), OsString::from("$HOME;x")),
    ]);
    let (hosts, directory) = (settings.allowed_hosts.clone(), tempfile::tempdir().unwrap());
    settings = Settings::new(command, env).unwrap();
    settings.allowed_hosts = hosts;
    settings.cwd = Some(directory.path().to_owned());
    // The gateway itself has more: variables, and descriptors of files and sockets.
    assert!(std::env::vars_os().count() > 3);
    let _file = std::fs::File::open("/dev/null").unwrap();
    let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::with(settings);
    let dump = parsed(&world.caller("ann").tool("env", json!({})).await);
    let mut names: Vec<&String> = dump["env"].as_object().unwrap().keys().collect();
    // Python adds this one for itself.
    names.retain(|name| *name != "LC_CTYPE");
    assert_eq!(names, ["GIVEN", "PATH"]);
    assert_eq!(dump["env"]["GIVEN"], "$HOME;x");
    let fds: Vec<u64> = dump["fds"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert_eq!(fds.into_iter().filter(|fd| !is_inherited(*fd)).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(dump["argv"].as_array().unwrap()[2..], odd.map(Value::from));
    assert_eq!(dump["cwd"], json!(directory.path().canonicalize().unwrap()));
}

/// Whether whoever started this test left a descriptor open for all that comes after.
fn is_inherited(fd: u64) -> bool {
    let target = |process: &str| std::fs::read_link(format!("/proc/{process}/fd/{fd}")).ok();
    let parent = std::os::unix::process::parent_id().to_string();
    fd > 2 && target("self").is_some() && target("self") == target(&parent)
}

#[test]
fn a_command_that_would_be_cut_is_refused() {
    // proves: STDIO-04
    let nul = || OsString::from_vec(b"a\0b".to_vec());
    let none = BTreeMap::new;
    let refusal = |command: Vec<OsString>, env| Settings::new(command, env).unwrap_err();
    assert_eq!(refusal(vec!["true".into(), nul()], none()), InvalidCommand::Nul);
    assert_eq!(refusal(vec![nul()], none()), InvalidCommand::Nul);
    assert_eq!(refusal(vec!["true".into()], BTreeMap::from([("A".into(), nul())])), InvalidCommand::Nul);
    assert_eq!(refusal(vec!["true".into()], BTreeMap::from([(nul(), "a".into())])), InvalidCommand::Nul);
    assert_eq!(refusal(Vec::new(), none()), InvalidCommand::Empty);
    assert_eq!(refusal(vec!["".into()], none()), InvalidCommand::Empty);
}

#[tokio::test]
async fn a_crash_fails_each_open_call_once_and_the_next_call_starts_a_new_child() {
    // proves: STDIO-06
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let first = caller.tool("who", json!({})).await;
    for (name, status) in [("crash", "exit status: 7"), ("exit", "exit status: 0")] {
        let pid = caller.tool("who", json!({})).await;
        let silent = modern("s", "tools/call", tool("silent", json!({})));
        let mut session = world.caller("ann");
        session.initialize("2025-11-25").await;
        let legacy_silent = legacy("l", "tools/call", tool("silent", json!({})));
        let (open, legacy_open, why) = tokio::join!(caller.post(&silent), session.post(&legacy_silent), async {
            until("both calls have arrived", || async { caller.called("silent").await == 2 }).await;
            failed(&caller, name, json!({})).await
        });
        assert!(why.contains(status), "{why}");
        for (status, answer) in [open, legacy_open] {
            assert_eq!((status, &answer["error"]["code"]), (StatusCode::OK, &json!(-32603)), "{answer}");
            assert_eq!(answer["error"]["message"], why);
        }
        assert!(!is_alive(&pid));
        // The session goes on with the new child.
        assert_ne!(session.tool("who", json!({})).await, pid);
    }
    assert_ne!(caller.tool("who", json!({})).await, first);
    // What was said before the end still counts.
    assert_eq!(caller.tool("last_words", json!({})).await, "last words");
}

#[tokio::test]
async fn a_child_that_does_not_last_is_not_started_for_ever() {
    // proves: STDIO-06
    let world = World::limited(&["legacy", "--crash-first"], |limits| limits.max_restarts_per_minute = 3);
    let caller = world.caller("ann");
    let why = failed(&caller, "echo", json!({})).await;
    assert!(why.contains("exit status: 9"), "{why}");
    failed(&caller, "echo", json!({})).await;
    for _ in 0..3 {
        let why = failed(&caller, "echo", json!({})).await;
        assert!(why.contains("3 times within a minute"), "{why}");
    }
    let nothing = Settings::new(vec!["/nonexistent/server".into()], BTreeMap::new()).unwrap();
    let error = World::with(nothing).gateway.tools("ann").await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[tokio::test]
async fn a_huge_line_ends_its_child_and_touches_nobody_else() {
    // proves: STDIO-05
    let world = World::new(&["legacy"]);
    let (ann, bob) = (world.caller("ann"), world.caller("bob"));
    let (anns, bobs) = (ann.tool("who", json!({})).await, bob.tool("who", json!({})).await);
    let slow = bob.tool("echo", json!({ "delay": 0.5 }));
    let (why, slow) = tokio::join!(failed(&ann, "long_line", json!({})), slow);
    assert!(why.contains("10485760 bytes"), "{why}");
    assert_eq!(slow, r#"{"delay": 0.5}"#);
    assert!(!is_alive(&anns));
    assert_eq!(bob.tool("who", json!({})).await, bobs);
    assert_ne!(ann.tool("who", json!({})).await, anns);
}

#[tokio::test]
async fn noise_and_strays_are_passed_over() {
    // proves: STDIO-05, MCPP-09
    let world = World::limited(&["legacy", "--noise-first"], |limits| limits.request_timeout = Duration::from_secs(1));
    let caller = world.caller("ann");
    let why = failed(&caller, "noise", json!({})).await;
    assert!(why.contains("did not answer within 1 s"), "nothing of the noise is an answer: {why}");
    let world = World::new(&["legacy", "--noise-first"]);
    let caller = world.caller("ann");
    assert_eq!(caller.tool("duplicate", json!({})).await, "answer 0");
    assert_eq!(caller.tool("echo", json!({ "n": 1 })).await, r#"{"n": 1}"#);
    assert_eq!(caller.tool("flood", json!({ "lines": 100_000 })).await, "flooded");
    assert_eq!(caller.tool("stderr", json!({ "lines": 20_000 })).await, "written");
    assert_eq!(caller.tool("echo", json!({ "n": 2 })).await, r#"{"n": 2}"#);
}

#[tokio::test]
async fn silence_ends_with_a_time_out_and_a_cancellation() {
    // proves: STDIO-05, STDIO-06
    let world = World::limited(&["legacy"], |limits| limits.request_timeout = Duration::from_millis(500));
    let caller = world.caller("ann");
    // On a busy machine any other call may be too slow as well.
    let at_last = async |caller: &Caller<'_>, name: &str, enough: &dyn Fn(&str) -> bool| {
        let mut said = None;
        until("it answers in time", async || {
            said = caller.try_tool(name).await.filter(|said| enough(said));
            said.is_some()
        })
        .await;
        said.unwrap()
    };
    let pid = at_last(&caller, "who", &|_| true).await;
    let why = failed(&caller, "silent", json!({})).await;
    assert!(why.contains("did not answer within 0.5 s"), "{why}");
    at_last(&caller, "seen", &|seen| !parsed(seen)["cancelled"].as_array().unwrap().is_empty()).await;
    // A line that is begun and never ended, and a stopped process, are silence too.
    failed(&caller, "partial", json!({})).await;
    let bob = world.caller("bob");
    let bobs = at_last(&bob, "who", &|_| true).await;
    failed(&bob, "stop", json!({})).await;
    failed(&bob, "echo", json!({})).await;
    assert!(is_alive(&pid) && is_alive(&bobs));
    world.gateway.shutdown().await;
    assert!(!is_alive(&pid) && !is_alive(&bobs), "also a stopped process can be ended");
}

#[tokio::test]
async fn a_child_that_says_nothing_at_all_is_given_up() {
    // proves: STDIO-05, STDIO-06
    let mut settings = settings(&[]);
    settings = Settings::new(vec!["sleep".into(), "3600".into()], settings.env).unwrap();
    settings.allowed_hosts = vec!["localhost:8420".into()];
    settings.limits.start_timeout = Duration::from_millis(500);
    settings.limits.probe_timeout = Duration::from_millis(100);
    settings.limits.stop_grace = Duration::from_millis(100);
    let world = World::with(settings);
    let why = failed(&world.caller("ann"), "echo", json!({})).await;
    assert!(why.contains("did not answer its first request within 0.5 s"), "{why}");
}

#[tokio::test]
async fn a_child_that_does_not_read_holds_up_nobody_else() {
    // proves: STDIO-07
    for (patience, told) in [(2 * WAIT, false), (Duration::from_millis(500), true)] {
        let world = World::limited(&["legacy"], |limits| limits.write_timeout = patience);
        let (ann, bob) = (world.caller("ann"), world.caller("bob"));
        ann.tool("unreading", json!({})).await;
        bob.tool("echo", json!({})).await;
        let held_up = failed(&ann, "echo", json!({ "big": "x".repeat(1 << 20) }));
        if told {
            let why = held_up.await;
            assert!(why.contains("did not read its input for 0.5 s"), "{why}");
            assert_eq!(ann.tool("echo", json!({})).await, "{}");
        } else {
            tokio::select! {
                biased;
                why = held_up => panic!("{why}"),
                quick = bob.tool("echo", json!({})) => assert_eq!(quick, "{}"),
            }
        }
    }
}

#[tokio::test]
async fn what_a_child_leaves_behind_goes_with_it() {
    // proves: STDIO-06
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let first = caller.tool("who", json!({})).await;
    let sleeper = caller.tool("daemon", json!({ "leave": true })).await;
    // It holds the output open; the child's end is noticed all the same.
    until("both are gone", || async { !is_alive(&first) && !is_alive(&sleeper) }).await;
    let pid = caller.tool("who", json!({})).await;
    let sleeper = caller.tool("daemon", json!({})).await;
    assert!(is_alive(&sleeper) && is_alive(&pid));
    failed(&caller, "crash", json!({})).await;
    until("both are gone", || async { !is_alive(&sleeper) && !is_alive(&pid) }).await;
    // One that closes its output can answer nothing any more.
    let pid = caller.tool("who", json!({})).await;
    let closing = failed(&caller, "close", json!({})).await;
    assert!(closing.contains("closed its output") && !is_alive(&pid), "{closing}");
}

#[tokio::test]
async fn shutdown_is_orderly_and_has_an_end() {
    // proves: STDIO-09
    for flags in [&[][..], &["--ignore-eof"], &["--ignore-eof", "--ignore-sigterm"]] {
        let world = World::limited(&[&["legacy"], flags].concat(), |limits| {
            limits.stop_grace = Duration::from_millis(300);
        });
        let mut pids = Vec::new();
        for subject in ["ann", "bob", "eve"] {
            pids.push(world.caller(subject).tool("who", json!({})).await);
        }
        let ann = world.caller("ann");
        let (open, ()) = tokio::join!(failed(&ann, "silent", json!({})), async {
            until("the call is open", || async { ann.called("silent").await == 1 }).await;
            tokio::time::timeout(WAIT, world.gateway.shutdown()).await.expect("it has an end");
        });
        assert!(open.contains("stopped by the gateway"), "{open}");
        assert!(pids.iter().all(|pid| !is_alive(pid)));
        let (status, answer) = world.caller("ann").post(&modern(1, "tools/list", json!({}))).await;
        assert_eq!((status.as_u16(), &answer["error"]["code"]), (503, &json!(-32603)));
    }
}

#[tokio::test]
async fn children_calls_and_sessions_are_counted() {
    // proves: HTTP-05, STDIO-02
    let world = World::limited(&["legacy"], |limits| {
        limits.max_children = 2;
        limits.max_in_flight = 3;
        limits.max_sessions = 2;
    });
    let (ann, bob, eve) = (world.caller("ann"), world.caller("bob"), world.caller("eve"));
    ann.tool("who", json!({})).await;
    bob.tool("who", json!({})).await;
    let (status, answer) = eve.post(&modern(1, "tools/list", json!({}))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    let echo = |id: i64| modern(id, "tools/call", tool("echo", json!({ "delay": 1 })));
    let bodies: Vec<_> = (0..5).map(echo).collect();
    let mut statuses: Vec<u16> = join_all(bodies.iter().map(|body| ann.post(body)))
        .await
        .into_iter()
        .map(|(status, _)| status.as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    for expected in [200, 200, 503] {
        let body = legacy(0, "initialize", json!({ "protocolVersion": "2025-11-25" })).to_string();
        assert_eq!(ann.send(ann.request("POST"), body).await.status().as_u16(), expected);
    }
}

#[tokio::test]
async fn a_child_that_nobody_needs_is_stopped_and_makes_room() {
    // proves: HTTP-05, STDIO-02
    let world = World::limited(&["legacy"], |limits| {
        limits.max_children = 1;
        limits.idle_child = Duration::from_millis(300);
    });
    let (ann, eve) = (world.caller("ann"), world.caller("eve"));
    let pid = ann.tool("who", json!({})).await;
    until("the child is stopped", || async { !is_alive(&pid) }).await;
    until("there is room", || async { eve.post(&modern(1, "tools/list", json!({}))).await.0 == StatusCode::OK }).await;
}

#[tokio::test]
async fn a_call_that_meets_the_end_of_an_idle_child_gets_a_new_one() {
    // proves: STDIO-06
    let world = World::limited(&["legacy"], |limits| {
        limits.idle_child = Duration::from_millis(20);
    });
    let caller = world.caller("ann");
    let mut pids = std::collections::BTreeSet::new();
    for round in 0..30 {
        pids.insert(caller.tool("who", json!({})).await);
        tokio::time::sleep(Duration::from_millis(10 + 2 * round)).await;
    }
    assert!(pids.len() > 1, "{pids:?}");
}

#[tokio::test]
async fn the_start_goes_on_when_the_first_caller_has_gone() {
    // proves: STDIO-06
    let world =
        World::limited(&["legacy", "--silent-probe"], |limits| limits.probe_timeout = Duration::from_millis(800));
    let caller = world.caller("ann");
    let list = modern(1, "tools/list", json!({}));
    assert!(tokio::time::timeout(Duration::from_millis(300), caller.post(&list)).await.is_err());
    let seen = caller.seen().await["seen"].clone();
    assert_eq!(seen.to_string().matches("server/discover").count(), 1, "{seen}");
    assert_eq!(seen[0], "server/discover");
}

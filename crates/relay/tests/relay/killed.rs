//! A gateway that is killed leaves nothing behind.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::*;

fn this_test(name: &str) -> Vec<std::ffi::OsString> {
    let program = std::env::current_exe().unwrap().into_os_string();
    let mut command = vec![program];
    command.extend(["--ignored", "--exact", "--nocapture", name].map(Into::into));
    command
}

#[test]
#[ignore = "not a test: the watcher that the gateways of other tests start"]
fn as_watcher() {
    doorward_relay::watch_children(std::io::stdin().lock());
}

#[tokio::test]
#[ignore = "not a test: the gateway that another test kills"]
#[expect(clippy::print_stdout, reason = "the other test reads it")]
async fn as_gateway() {
    let mut settings = settings(&["legacy", "--ignore-eof"]);
    settings.watcher = Some(this_test("killed::as_watcher"));
    let world = World::with(settings);
    let caller = world.caller("ann");
    let (child, sleeper) = (caller.tool("who", json!({})).await, caller.tool("daemon", json!({})).await);
    let gone = world.caller("bob").tool("who", json!({})).await;
    let _ = caller.post(&modern(1, "tools/call", tool("exit", json!({})))).await;
    let child_now = caller.tool("who", json!({})).await;
    println!("\npids {child} {child_now} {sleeper} {gone}");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_child_outlives_a_killed_gateway() {
    // proves: STDIO-06
    let command = this_test("killed::as_gateway");
    let mut gateway =
        Command::new(&command[0]).args(&command[1..]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(gateway.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("pids ").map(ToOwned::to_owned)).unwrap();
    let pids: Vec<&str> = said.split(' ').collect();
    let [first, child, _, bobs] = pids[..] else { panic!("{said}") };
    assert!(!is_alive(first) && is_alive(child) && is_alive(bobs));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    until("all are gone", || async { pids.iter().all(|pid| !is_alive(pid)) }).await;
}

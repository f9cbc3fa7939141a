//! A child that misbehaves.

use std::time::{Duration, Instant};

use doorward_testkit::process::Gateway;
use serde_json::json;

use crate::world::{Answer, App, CALLBACK, gateway_for, message, visitor};

/// Longer than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn call(app: &App, token: &str, tool: &str) -> Answer {
    message(&app.resource, token, "tools/call", json!({"name": tool, "arguments": {}}), &[]).await
}

/// That the gateway is well: a call to a well-behaved tool succeeds.
async fn is_well(app: &App, token: &str) {
    let answer = call(app, token, "well").await;
    assert_eq!(answer.body["result"]["content"][0]["text"], "done", "{answer:?}");
}

/// The most memory the gateway has used so far, in MiB.
fn most_memory(gateway: &mut Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process().id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high-water mark");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn noise_and_floods_do_not_take_the_gateway_down() {
    // proves: STDIO-05
    let mut gateway = gateway_for("chaos.mjs", &["--request-timeout", "8"]);
    let app = App::register(&gateway, &[CALLBACK]).await;
    let token = app.tokens(&mut visitor(&gateway)).await;
    let token = token.access();
    is_well(&app, token).await;

    let noisy = call(&app, token, "noise").await;
    assert_eq!(noisy.body["result"]["content"][0]["text"], "done", "{noisy:?}");
    let before = most_memory(&mut gateway);
    for tool in ["flood", "silence", "endless"] {
        let start = Instant::now();
        let answer = call(&app, token, tool).await;
        // The line may cost the child its life, or only itself; the other two can have no answer.
        let failed = answer.body["error"]["message"].is_string();
        assert!(failed || tool == "flood" && answer.status == 200, "{tool}: {answer:?}");
        assert!(start.elapsed() < PATIENCE, "{tool} took {:?}", start.elapsed());
        if tool == "endless" {
            // What the child writes next belongs to the line it never ended.
            call(&app, token, "well").await;
        }
        is_well(&app, token).await;
    }
    let after = most_memory(&mut gateway);
    assert!(after < before + 64, "a line of 100 MB cost {} MiB", after - before);
}

#[tokio::test]
async fn a_child_that_ends_fails_its_calls_and_is_started_again() {
    // proves: STDIO-06
    let gateway = gateway_for("chaos.mjs", &[]);
    let app = App::register(&gateway, &[CALLBACK]).await;
    let token = app.tokens(&mut visitor(&gateway)).await;
    for tool in ["exit", "crash", "half"] {
        let start = Instant::now();
        let failed = call(&app, token.access(), tool).await;
        let message = failed.body["error"]["message"].as_str();
        assert!(message.is_some_and(|message| !message.is_empty()), "{tool}: {failed:?}");
        assert!(start.elapsed() < PATIENCE, "{tool} took {:?}", start.elapsed());
        is_well(&app, token.access()).await;
    }
}

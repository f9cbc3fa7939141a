//! `cargo xtask bench bridge`: `doorward connect` beside mcp-remote, in one run and in turns, against the same gateway.
//!
//! Measured are, with a stored token: the time from the start of the process to the answer to `tools/list`, the memory at
//! that moment (VmHWM, of the process and its children), and what a further call takes beside the same call over plain
//! HTTP. Figures differ from machine to machine; the ratios say more.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    collections::HashSet,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use doorward_testkit::process::{Gateway, GatewayOptions, Opener, Running, Stdio, Visitor, foreign, http, repository};
use serde_json::json;
use tempfile::TempDir;

const DOORWARD: &str = env!("CARGO_BIN_EXE_doorward");
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "ada";
const PASSWORD: &str = "correct horse battery staple";
const CALLS: usize = 300;

struct Contender {
    name: &'static str,
    start: Box<dyn Fn() -> Command>,
    start_ms: Vec<f64>,
    memory_mib: Vec<f64>,
    call_ms: Vec<f64>,
}

#[tokio::main]
async fn main() {
    // `cargo bench` says so; a test run that happens to start this program does nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runs: usize = std::env::var("DOORWARD_BENCH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let spy = repository().join("tests/servers/spy.mjs");
    let gateway = Gateway::start(GatewayOptions::new(DOORWARD, &["node", spy.to_str().unwrap()]));
    gateway.add_user(NAME, PASSWORD);
    let home = TempDir::new().unwrap();
    let token = log_in(&gateway, home.path()).await;

    let (url, folder) = (gateway.mcp_url().to_owned(), home.path().to_owned());
    let ours = move || {
        let mut command = Command::new(DOORWARD);
        command.env("HOME", &folder).env("DOORWARD_CLIENT_DIR", folder.join("client"));
        command.env("DOORWARD_PLAIN_CREDENTIALS", "1").args(["connect", &url]);
        command
    };
    let (url, folder) = (gateway.mcp_url().to_owned(), home.path().to_owned());
    let theirs = move || {
        let mut command = Command::new(foreign("npm/node_modules/.bin/mcp-remote"));
        command.env("HOME", &folder).args([url.as_str(), "--transport", "http-only"]);
        command
    };
    let mut contenders =
        [Contender::new("doorward connect", Box::new(ours)), Contender::new("mcp-remote", Box::new(theirs))];
    log_in_other(&mut (contenders[1].start)()).await;

    // One client, whose connection is kept as the bridges keep theirs.
    let (client, mut direct) = (http(), Vec::new());
    for run in 0..=runs {
        for contender in &mut contenders {
            contender.run(run > 0);
        }
        for _ in 0..if run > 0 { CALLS / runs.max(1) + 1 } else { 10 } {
            let begun = Instant::now();
            call(&client, gateway.mcp_url(), &token).await;
            direct.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }

    println!("{runs} starts of each, in turns, with a stored token; the first of each is not counted\n");
    println!("{:<18} {:>28} {:>22} {:>26}", "", "start to tools/list, ms", "memory, MiB", "a further call, ms");
    println!("{:<18} {:>28} {:>22} {:>26}", "", "min / median / max", "median", "median (over direct HTTP)");
    let direct = Figures::of(&direct);
    let rows =
        contenders.map(|c| (c.name, Figures::of(&c.start_ms), Figures::of(&c.memory_mib), Figures::of(&c.call_ms)));
    for (name, start, memory, call) in &rows {
        println!(
            "{name:<18} {:>28} {:>22.1} {:>26}",
            format!("{:.1} / {:.1} / {:.1}", start.least, start.median, start.most),
            memory.median,
            format!("{:.2} (+{:.2})", call.median, call.median - direct.median),
        );
    }
    println!("{:<18} {:>28} {:>22} {:>26.2}", "direct HTTP", "", "", direct.median);
    let [(_, start, memory, _), (_, other_start, other_memory, _)] = &rows;
    println!(
        "\nratio, doorward connect to mcp-remote: start 1 / {:.1}, memory 1 / {:.1}",
        other_start.median / start.median,
        other_memory.median / memory.median
    );
}

impl Contender {
    fn new(name: &'static str, start: Box<dyn Fn() -> Command>) -> Self {
        Self { name, start, start_ms: Vec::new(), memory_mib: Vec::new(), call_ms: Vec::new() }
    }

    fn run(&mut self, counted: bool) {
        let begun = Instant::now();
        let mut bridge = Stdio::start(&mut (self.start)());
        bridge.initialize(PATIENCE);
        let listed = bridge.request("tools/list", json!({}), PATIENCE);
        let took = begun.elapsed();
        assert!(listed["result"]["tools"].is_array(), "{listed}");
        let memory = memory(bridge.process().id());
        let mut calls = Vec::new();
        for _ in 0..20 {
            let begun = Instant::now();
            bridge.request("tools/list", json!({}), PATIENCE);
            calls.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        bridge.process().close_input();
        bridge.process().terminate(PATIENCE);
        if counted {
            self.start_ms.push(took.as_secs_f64() * 1000.0);
            self.memory_mib.push(memory);
            // The first calls warm up what later ones use.
            self.call_ms.extend(&calls[5..]);
        }
    }
}

struct Figures {
    least: f64,
    median: f64,
    most: f64,
}

impl Figures {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { least: sorted[0], median: sorted[sorted.len() / 2], most: sorted[sorted.len() - 1] }
    }
}

async fn call(client: &reqwest::Client, url: &str, token: &str) {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let request = client.post(url).header("accept", "application/json, text/event-stream");
    let request = request.header("content-type", "application/json").header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "tools/list").header("authorization", format!("Bearer {token}"));
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
}

/// Logs in with `doorward login`; gives the access token.
async fn log_in(gateway: &Gateway, home: &Path) -> String {
    let opener = Opener::new();
    let doorward = |arguments: &[&str]| {
        let mut command = Command::new(DOORWARD);
        command.env("HOME", home).env("DOORWARD_CLIENT_DIR", home.join("client"));
        command.env("DOORWARD_PLAIN_CREDENTIALS", "1").args(arguments);
        command
    };
    let mut login = doorward(&["login", gateway.mcp_url()]);
    let mut login = Running::start(login.env("BROWSER", opener.program()));
    allow(&opener.opened_by(&mut login, PATIENCE)).await;
    let status = login.wait(PATIENCE);
    assert!(status.success(), "{}", login.errors());
    let token = doorward(&["token", gateway.mcp_url()]).output().unwrap();
    String::from_utf8(token.stdout).unwrap().trim().to_owned()
}

/// Lets the other bridge log in once, so that it too has a stored token.
async fn log_in_other(command: &mut Command) {
    // Its PATH holds node and nothing that opens a browser; it also writes the address to standard error.
    let path = TempDir::new().unwrap();
    let node = Command::new("sh").args(["-c", "command -v node"]).output().unwrap();
    std::os::unix::fs::symlink(String::from_utf8(node.stdout).unwrap().trim(), path.path().join("node")).unwrap();
    let mut bridge = Stdio::start(command.env("PATH", path.path()));
    let asked = "Please authorize this client by visiting:";
    let said = bridge.process().errors_until(PATIENCE, |errors| {
        errors.split_once(asked).is_some_and(|(_, after)| after.trim_start().contains('\n'))
    });
    let address = said.split_once(asked).and_then(|(_, after)| after.trim_start().lines().next()).unwrap();
    allow(address.trim()).await;
    bridge.initialize(PATIENCE);
    bridge.process().close_input();
    bridge.process().terminate(PATIENCE);
}

/// Signs in at the page and allows; then does what the browser does with the last address.
async fn allow(address: &str) {
    let site = origin(address);
    let back = Visitor::new(&site).authorize(address, NAME, PASSWORD, "allow").await;
    http().get(&back).send().await.unwrap();
}

fn origin(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap();
    format!("{scheme}://{}", rest.split('/').next().unwrap())
}

/// The most memory that a process and its children have had, in MiB.
fn memory(process: u32) -> f64 {
    let mut known = HashSet::from([process]);
    loop {
        let before = known.len();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
            if parent.is_some_and(|parent: u32| known.contains(&parent)) {
                known.insert(id);
            }
        }
        if known.len() == before {
            break;
        }
    }
    let kib = known.into_iter().map(|id| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
    });
    kib.sum::<f64>() / 1024.0
}

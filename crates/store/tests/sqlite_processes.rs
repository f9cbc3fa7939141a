//! Many processes on one file, and processes that are killed. A child is this test program again, with a role.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

#[path = "contract/facts.rs"]
mod facts;

use std::{
    env,
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use doorward_authorization_server::{
    Write,
    facts::{Code, Grant},
    store::{Committed, Store as _},
};
use doorward_store::SqliteStore;
use doorward_types::Digest;
use facts::Draw;

const ROLE: &str = "DOORWARD_TEST_ROLE";
const FILE: &str = "DOORWARD_TEST_FILE";
const SEED: &str = "DOORWARD_TEST_SEED";

/// A child process and what it prints.
struct Actor {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Actor {
    fn start(role: &str, file: &Path, seed: u64) -> Self {
        Self::run(Command::new(env::current_exe().unwrap()).args(arguments()), role, file, seed)
    }

    fn run(command: &mut Command, role: &str, file: &Path, seed: u64) -> Self {
        let mut child = command
            .env(ROLE, role)
            .env(FILE, file)
            .env(SEED, seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the next line that starts with `word`.
    fn hear(&mut self, word: &str) -> String {
        self.next(word).unwrap_or_else(|| panic!("the child ended before it said `{word}`"))
    }

    fn next(&mut self, word: &str) -> Option<String> {
        self.lines.find_map(|line| line.unwrap().strip_prefix(word).map(|rest| rest.trim().to_owned()))
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn arguments() -> [&'static str; 4] {
    ["--exact", "child", "--ignored", "--nocapture"]
}

/// What a child does. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the other tests"]
async fn child() {
    let file = PathBuf::from(env::var_os(FILE).unwrap());
    let seed = env::var(SEED).unwrap().parse().unwrap();
    match env::var(ROLE).unwrap().as_str() {
        "open" => open_at_once(&file).await,
        "redeem" => redeem(&file, seed).await,
        "write" => write_until_it_ends(&file, seed).await,
        role => panic!("no role {role}"),
    }
}

/// Says that it is ready, then waits for `go`.
fn ready() {
    println!("\nready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

async fn open_at_once(file: &Path) {
    ready();
    match SqliteStore::open(file).await {
        Ok(store) => {
            println!("\nopened {}", store.setup().await.is_ok());
            store.close().await;
        }
        Err(error) => println!("\nopened {error}"),
    }
}

fn grant_and_code(draw: &mut Draw) -> (Grant, Code) {
    let grant = draw.grant();
    let code = draw.code(&grant);
    (grant, code)
}

async fn redeem(file: &Path, seed: u64) {
    let store = Arc::new(SqliteStore::open(file).await.unwrap());
    for round in 0..ROUNDS {
        let (grant, code) = grant_and_code(&mut Draw::new(seed + round));
        ready();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let store = store.clone();
            let write = Write::RedeemCode { code: code.digest, at: grant.created_at };
            tasks.spawn(async move { store.commit(vec![write]).await.unwrap() });
        }
        let won = tasks.join_all().await.into_iter().filter(|end| *end == Committed::Done).count();
        println!("\nwon {won}");
    }
}

const ROUNDS: u64 = 10;
const WRITERS: u64 = 6;

/// Writers that go on until the process or the disk ends. Each says what was acknowledged.
async fn write_until_it_ends(file: &Path, seed: u64) {
    let store = Arc::new(SqliteStore::open(file).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut draw = Draw::new(seed + writer);
            for n in 0_u64.. {
                let (grant, code) = grant_and_code(&mut draw);
                match store.commit(vec![Write::InsertGrant(grant), Write::InsertCode(code)]).await {
                    Ok(Committed::Done) => println!("\nacknowledged {writer} {n}"),
                    Ok(Committed::Conflict) => panic!("nobody else writes these"),
                    Err(error) => {
                        println!("\nfault {error}");
                        break;
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    // Reading goes on.
    assert!(!store.has_accounts().await.unwrap());
    println!("\nreads");
}

/// How many of each writer's commits were acknowledged, from the lines that are left.
fn acknowledged(lines: impl Iterator<Item = String>) -> [u64; WRITERS as usize] {
    let mut counts = [0; WRITERS as usize];
    for line in lines {
        let (writer, n) = line.split_once(' ').unwrap();
        let count = &mut counts[writer.parse::<usize>().unwrap()];
        assert_eq!(n.parse::<u64>().unwrap(), *count);
        *count += 1;
    }
    counts
}

/// All that was acknowledged is there; at most one commit of each writer is there without that; none is there in part.
async fn is_whole(file: &Path, seed: u64, counts: [u64; WRITERS as usize]) {
    let store = SqliteStore::open(file).await.unwrap();
    for (writer, count) in (0..).zip(counts) {
        let mut draw = Draw::new(seed + writer);
        for n in 0..count + 5 {
            let (grant, code) = grant_and_code(&mut draw);
            let there = store.grant(&grant.id).await.unwrap();
            assert_eq!(store.code(&code.digest).await.unwrap().is_some(), there.is_some(), "half a commit");
            if n < count {
                assert_eq!(there, Some(grant), "commit {n} of {count} of writer {writer} was acknowledged");
            } else if n > count {
                assert_eq!(there, None);
            }
        }
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    // proves: FLT-01
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("doorward.db");
    for (seed, lines) in [(100, 1), (200, 40), (300, 300), (400, 7), (500, 1500)] {
        let mut actor = Actor::start("write", &file, seed);
        let mut heard: Vec<_> = (0..lines).map(|_| actor.hear("acknowledged ")).collect();
        actor.child.kill().unwrap();
        actor.child.wait().unwrap();
        // What it said before it died but nobody had read yet counts as well.
        while let Some(line) = actor.next("acknowledged ") {
            heard.push(line);
        }
        is_whole(&file, seed, acknowledged(heard.into_iter())).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_a_fault_and_nothing_is_lost() {
    // proves: FLT-01
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("doorward.db");
    SqliteStore::open(&file).await.unwrap().close().await;
    // No file may grow beyond 512 KiB: for the process that is a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 512; exec \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).arg(env::current_exe().unwrap()).args(arguments());
    let mut actor = Actor::run(&mut command, "write", &file, 600);
    let (mut heard, mut faults, mut reads) = (Vec::new(), 0, false);
    for line in actor.lines.by_ref() {
        let line = line.unwrap();
        if let Some(one) = line.strip_prefix("acknowledged ") {
            heard.push(one.to_owned());
        } else if line.starts_with("fault ") {
            faults += 1;
        }
        reads |= line == "reads";
    }
    actor.end();
    assert!(faults == WRITERS && reads && heard.len() > 10, "{faults} faults, {} commits", heard.len());
    is_whole(&file, 600, acknowledged(heard.into_iter())).await;
}

#[tokio::test]
async fn of_64_redemptions_in_4_processes_one_succeeds() {
    // proves: CODE-01
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("doorward.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let mut actors: Vec<_> = (0..4).map(|_| Actor::start("redeem", &file, 700)).collect();
    for round in 0..ROUNDS {
        let (grant, code) = grant_and_code(&mut Draw::new(700 + round));
        let digest: Digest<_> = code.digest;
        let inserted = store.commit(vec![Write::InsertGrant(grant), Write::InsertCode(code)]).await.unwrap();
        assert_eq!(inserted, Committed::Done);
        actors.iter_mut().for_each(|actor| drop(actor.hear("ready")));
        actors.iter_mut().for_each(Actor::go);
        let won: u32 = actors.iter_mut().map(|actor| actor.hear("won ").parse::<u32>().unwrap()).sum();
        assert_eq!(won, 1);
        assert!(store.code(&digest).await.unwrap().unwrap().code.redeemed_at.is_some());
    }
    actors.into_iter().for_each(Actor::end);
}

#[tokio::test]
async fn processes_that_make_the_file_at_the_same_time_take_turns() {
    for _ in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("new/doorward.db");
        let mut actors: Vec<_> = (0..8).map(|_| Actor::start("open", &file, 0)).collect();
        actors.iter_mut().for_each(|actor| drop(actor.hear("ready")));
        actors.iter_mut().for_each(Actor::go);
        for mut actor in actors {
            assert_eq!(actor.hear("opened "), "true");
            actor.end();
        }
    }
}

//! Many processes on one file, and processes that are killed. A child is this test program again, with a role.

#![allow(clippy::print_stdout, reason = "children speak through it")]
#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod actor;
#[path = "contract/facts.rs"]
mod facts;

use std::{path::Path, sync::Arc};

use actor::{Actor, ready};
use doorward_authorization_server::{
    Write,
    facts::{Code, Grant},
    store::{Committed, Store as _},
};
use doorward_store::{Engine as _, SqliteStore};
use doorward_types::Digest;
use facts::Draw;

/// What a child does. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: started by the others"]
async fn child() {
    let (role, file, seed) = actor::part();
    match role.as_str() {
        "open" => open_at_once(&file).await,
        "redeem" => redeem(&file, seed).await,
        "write" => write_until_it_ends(&file, seed).await,
        role => panic!("no role {role}"),
    }
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
            let write = Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at: grant.created_at };
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
        actor.kill();
        // What it said before it died but nobody had read yet counts as well.
        while let Some(line) = actor.next("acknowledged ") {
            heard.push(line);
        }
        is_whole(&file, seed, acknowledged(heard.into_iter())).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_a_fault_and_nothing_is_lost() {
    // proves: FLT-01, FLT-03
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("doorward.db");
    SqliteStore::open(&file).await.unwrap().close().await;
    let mut actor = Actor::start_on_a_small_disk(512, "write", &file, 600);
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
    // proves: CODE-01, FLT-04, FLT-08
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
    // proves: FLT-10
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

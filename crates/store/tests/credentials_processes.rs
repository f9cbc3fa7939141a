//! Many processes with one credential store, and processes that are killed or suspended.

#![allow(clippy::print_stdout, reason = "children speak through it")]
#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod actor;
mod logins;

use std::{path::Path, process::Command, time::Duration};

use actor::{Actor, ready};
use doorward_client::{CredentialStore as _, SaveFailed};
use doorward_store::{Attempt, Custody, NamedLock, SealedFile};
use logins::Login;

/// What a child does. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: started by the others"]
async fn child() {
    let (role, place, seed) = actor::part();
    match role.as_str() {
        "save" => save_until_it_ends(&place).await,
        "count" => count(&place, seed).await,
        "refresh" => refresh_once(&place).await,
        "lock" => hold(&place, seed).await,
        role => panic!("no role {role}"),
    }
}

async fn save_until_it_ends(place: &Path) {
    let store = SealedFile::open(place, Custody::Plain).await.unwrap();
    let mut login = Login::new("x");
    let mut generation = store.load(&login.key()).await.unwrap().map_or(0, |tokens| tokens.generation);
    loop {
        // Longer each time, so that a disk that is full shows.
        login.access_token.push_str("0123456789");
        match store.save(&login.tokens(), generation).await {
            Ok(new) => generation = new,
            Err(SaveFailed::Conflict) => panic!("nobody else saves here"),
            Err(SaveFailed::Fault(fault)) => return println!("\nfault {fault}"),
        }
        println!("\nsaved {generation}");
    }
}

#[tokio::test]
async fn kill_9_leaves_the_old_or_the_new() {
    // proves: KEY-04
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    let key = Login::new("x").key();
    for round in 0..25 {
        let mut actor = Actor::start("save", &place, 0);
        let mut saved = actor.hear("saved ");
        for _ in 0..round {
            saved = actor.hear("saved ");
        }
        actor.kill();
        while let Some(later) = actor.next("saved ") {
            saved = later;
        }
        let saved: u64 = saved.parse().unwrap();
        let store = SealedFile::open(&place, Custody::Plain).await.unwrap();
        let generation = store.load(&key).await.unwrap().unwrap().generation;
        assert!(generation == saved || generation == saved + 1, "{generation} after {saved}");
        assert!(store.take_warnings().is_empty());
    }
}

#[tokio::test]
async fn a_full_disk_leaves_the_old() {
    // proves: KEY-05
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    let mut actor = Actor::start_on_a_small_disk(4, "save", &place, 0);
    let (mut saved, mut fault) = (0, None);
    for line in actor.lines.by_ref() {
        let line = line.unwrap();
        if let Some(generation) = line.strip_prefix("saved ") {
            saved = generation.parse().unwrap();
        } else if let Some(text) = line.strip_prefix("fault ") {
            fault = Some(text.to_owned());
        }
    }
    actor.end();
    let fault = fault.unwrap();
    assert!(saved > 10 && fault.contains("credentials.sealed"), "{saved}: {fault}");
    let store = SealedFile::open(&place, Custody::Plain).await.unwrap();
    let key = Login::new("x").key();
    assert_eq!(store.load(&key).await.unwrap().unwrap().generation, saved);
    assert!(!place.join("credentials.sealed.new").exists() && store.take_warnings().is_empty());
}

const COUNTERS: u64 = 6;
const EACH: u64 = 20;

/// Adds to one row and to a row of its own, over and over; after a conflict it reads again.
async fn count(place: &Path, seed: u64) {
    let store = SealedFile::open(place, Custody::Plain).await.unwrap();
    ready();
    let own = Login { account: Some(format!("account {seed}")), ..Login::new("own") };
    for login in [Login::new("shared"), own] {
        for _ in 0..EACH {
            loop {
                let generation = store.load(&login.key()).await.unwrap().map_or(0, |tokens| tokens.generation);
                match store.save(&login.tokens(), generation).await {
                    Ok(_) => break,
                    Err(SaveFailed::Conflict) => {}
                    Err(SaveFailed::Fault(fault)) => panic!("{fault}"),
                }
            }
        }
    }
    assert!(store.take_warnings().is_empty());
    println!("\ncounted");
}

#[tokio::test]
async fn no_process_loses_what_another_wrote() {
    // proves: KEY-01, KEY-02
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    let mut actors: Vec<_> = (0..COUNTERS).map(|n| Actor::start("count", &place, n)).collect();
    actors.iter_mut().for_each(|actor| drop(actor.hear("ready")));
    actors.iter_mut().for_each(Actor::go);
    for mut actor in actors {
        actor.hear("counted");
        actor.end();
    }
    let store = SealedFile::open(&place, Custody::Plain).await.unwrap();
    let shared = store.load(&Login::new("shared").key()).await.unwrap().unwrap();
    assert_eq!(shared.generation, COUNTERS * EACH);
    let all = store.list().await.unwrap();
    assert_eq!(all.len() as u64, COUNTERS + 1);
    assert!(all.iter().filter(|tokens| tokens.account.is_some()).all(|tokens| tokens.generation == EACH));
}

const MINUTE: Duration = Duration::from_secs(60);

/// What a bridge does when its token has expired: lock, read again, refresh only if nobody else did.
async fn refresh_once(place: &Path) {
    let store = SealedFile::open(place, Custody::Plain).await.unwrap();
    let login = Login::new("x");
    let seen = store.load(&login.key()).await.unwrap().unwrap().generation;
    ready();
    let Attempt::Held(held) = store.refresh_lock(&login.key()).acquire(MINUTE, MINUTE).await.unwrap() else {
        panic!("the lock is never given up")
    };
    if store.load(&login.key()).await.unwrap().unwrap().generation == seen {
        store.save(&login.tokens(), seen).await.unwrap();
        println!("\nended refreshed");
    } else {
        println!("\nended reused");
    }
    drop(held);
}

#[tokio::test]
async fn of_8_processes_one_refreshes() {
    // proves: KEY-01
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    let store = SealedFile::open(&place, Custody::Plain).await.unwrap();
    store.save(&Login::new("x").tokens(), 0).await.unwrap();
    for round in 1..4 {
        let mut actors: Vec<_> = (0..8).map(|_| Actor::start("refresh", &place, 0)).collect();
        actors.iter_mut().for_each(|actor| drop(actor.hear("ready")));
        actors.iter_mut().for_each(Actor::go);
        let ends: Vec<_> = actors.iter_mut().map(|actor| actor.hear("ended ")).collect();
        assert_eq!(ends.iter().filter(|end| *end == "refreshed").count(), 1);
        actors.into_iter().for_each(Actor::end);
        assert_eq!(store.load(&Login::new("x").key()).await.unwrap().unwrap().generation, round + 1);
    }
}

/// Holds a lock for so many seconds at the most, until told to go on.
async fn hold(place: &Path, seconds: u64) {
    let attempt = NamedLock::new(place, "x").try_acquire(Duration::from_secs(seconds)).await.unwrap();
    let Attempt::Held(held) = attempt else { panic!("it is free") };
    println!("\npid {}", std::process::id());
    ready();
    println!("\nours {}", held.is_ours().unwrap());
    println!("\nrenewed {}", held.renew(MINUTE).await.unwrap());
}

async fn is_free(place: &Path, name: &str) -> bool {
    matches!(NamedLock::new(place, name).try_acquire(MINUTE).await.unwrap(), Attempt::Held(_))
}

#[tokio::test]
async fn a_lock_is_free_when_its_holder_is_done_or_killed() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    for kill in [false, true] {
        let mut actor = Actor::start("lock", &place, 60);
        let pid: u32 = actor.hear("pid ").parse().unwrap();
        let Attempt::Busy(holder) = NamedLock::new(&place, "x").try_acquire(MINUTE).await.unwrap() else {
            panic!("it is held")
        };
        assert_eq!(holder.pid, pid);
        assert!(is_free(&place, "y").await);
        if kill {
            actor.kill();
        } else {
            actor.go();
            assert_eq!((actor.hear("ours ").as_str(), actor.hear("renewed ").as_str()), ("true", "true"));
            actor.end();
        }
        assert!(is_free(&place, "x").await);
    }
    // What is left are two small files, one for each name.
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 2);
}

#[tokio::test]
async fn a_suspended_holder_loses_the_lock_when_its_lease_ends() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    let mut actor = Actor::start("lock", &place, 8);
    let pid = actor.hear("pid ");
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    assert!(!is_free(&place, "x").await);
    let Attempt::Held(held) = NamedLock::new(&place, "x").acquire(MINUTE, MINUTE).await.unwrap() else {
        panic!("the lease ended")
    };
    // The one that wakes up sees that it is no longer the one.
    signal("-CONT");
    actor.go();
    assert_eq!((actor.hear("ours ").as_str(), actor.hear("renewed ").as_str()), ("false", "false"));
    actor.end();
    assert!(held.is_ours().unwrap() && held.renew(MINUTE).await.unwrap());
    assert!(!is_free(&place, "x").await);
    drop(held);
    assert!(is_free(&place, "x").await);
}

#[tokio::test]
async fn a_lock_whose_file_is_garbage_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("doorward");
    assert!(is_free(&place, "x").await);
    let file = std::fs::read_dir(&place).unwrap().next().unwrap().unwrap().path();
    for garbage in [
        "",
        "{",
        "{\"token\":\"../../x\",\"pid\":1,\"until\":99999999999}",
        "{\"token\":\"00\",\"pid\":1,\"until\":-1}",
    ] {
        std::fs::write(&file, garbage).unwrap();
        assert!(is_free(&place, "x").await, "{garbage}");
    }
}

#[test]
fn a_lock_that_is_let_go_while_another_looks_is_no_fault() {
    // proves: KEY-01
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("client");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let lock = NamedLock::new(&place, "x");
                for _ in 0..300 {
                    drop(runtime.block_on(lock.try_acquire(MINUTE)).unwrap());
                }
            });
        }
    });
}

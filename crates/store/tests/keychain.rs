//! Where the key of the stored logins lies: in a real Secret Service, in nothing (it comes from a passphrase), or beside them.

#![allow(clippy::print_stdout, reason = "children speak through it")]
#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod actor;
mod logins;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use actor::{Actor, ready};
use doorward_client::CredentialStore as _;
use doorward_store::{Custody, SealedFile};
use doorward_testkit::keychain::{Keychain, lies_in};
use logins::Login;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// For those that are not expected to answer.
const SHORT: Duration = Duration::from_secs(3);

/// What a child does, with the bus that its environment names. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: started by the others"]
async fn child() {
    let (role, place, seed) = actor::part();
    let patience = if role == "briefly" { SHORT } else { PATIENCE };
    let custody = match role.as_str() {
        "plain" => Custody::Plain,
        "passphrase" => Custody::Passphrase(b"open sesame".to_vec().into()),
        _ => Custody::Keychain { patience },
    };
    let login = Login { account: Some(format!("a{seed}")), ..Login::new("canary") };
    let act = async {
        let store = SealedFile::open(&place, custody).await?;
        for warning in store.take_warnings() {
            println!("\nwarning {warning}");
        }
        store.prepare().await?;
        if role == "in turns" {
            ready();
        }
        if store.load(&login.key()).await?.is_none() {
            store.save(&login.tokens(), 0).await.map_err(|error| doorward_client::StoreFault(error.to_string()))?;
        }
        println!("\nholds {}", store.list().await?.len());
        if role == "in turns" {
            ready();
            println!("\nstill holds {}", store.list().await?.len());
        }
        Ok::<_, doorward_client::StoreFault>(())
    };
    if let Err(fault) = act.await {
        println!("\nfault {fault}");
    }
}

struct World {
    keychain: Keychain,
    folder: TempDir,
}

impl World {
    fn new(keychain: Keychain) -> Self {
        Self { keychain, folder: tempfile::tempdir().unwrap() }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("doorward")
    }

    fn start(&self, role: &str, seed: u64) -> Actor {
        Actor::start_with(&self.keychain.environment(), role, &self.place(), seed)
    }

    /// What a process that ends by itself said.
    fn run(&self, role: &str, seed: u64) -> String {
        let mut actor = self.start(role, seed);
        let lines: Vec<String> = actor.lines.by_ref().map(Result::unwrap).collect();
        actor.end();
        let ours = ["holds ", "fault ", "warning "];
        lines.into_iter().filter(|line| ours.iter().any(|word| line.starts_with(word))).collect::<Vec<_>>().join("\n")
    }

    fn header(&self) -> String {
        let bytes = fs::read(self.place().join("credentials.sealed")).unwrap();
        String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned()
    }

    fn key_lies_beside(&self) -> bool {
        self.place().join("credentials.key").exists()
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn the_key_lies_in_the_keychain_and_nowhere_else() {
    // proves: KEY-07
    let world = World::new(Keychain::unlocked());
    assert_eq!(world.run("keychain", 1), "holds 1");
    assert_eq!(world.run("keychain", 2), "holds 2", "another process finds the key");
    assert!(world.header().starts_with("doorward credentials v2\nkeychain "), "{}", world.header());
    assert!(!world.key_lies_beside());
    for secret in ["canary", "client-secret"] {
        assert!(!lies_in(&world.place(), secret) && !lies_in(&world.keychain.files(), secret));
    }
    // A copy of the folder is of no use to whoever has no keychain, or another one.
    let mut thief = World::new(Keychain::unlocked());
    copy(&world.place(), &thief.place());
    let told = thief.run("keychain", 1);
    assert!(told.contains("this one does not hold it") && told.contains("mv "), "{told}");
    thief.keychain = Keychain::absent();
    assert!(thief.run("keychain", 1).contains("offers no keychain"), "{}", thief.run("keychain", 1));
    for role in ["plain", "passphrase"] {
        assert!(thief.run(role, 1).starts_with("fault the logins in "), "{role}");
    }
}

#[test]
fn without_a_keychain_nothing_is_kept_and_the_other_ways_are_named() {
    // proves: KEY-07
    for keychain in [Keychain::absent(), Keychain::empty()] {
        let world = World::new(keychain);
        let started = Instant::now();
        let told = world.run("keychain", 1);
        assert!(told.starts_with("fault there is no safe place for logins"), "{told}");
        for way in ["--passphrase-file", "DOORWARD_PASSPHRASE_FILE", "--plain-credentials"] {
            assert!(told.contains(way), "{told}");
        }
        assert!(started.elapsed() < PATIENCE, "it did not wait in vain");
        assert!(!world.place().join("credentials.sealed").exists() && !world.key_lies_beside());
    }
}

#[test]
fn a_locked_or_silent_keychain_is_an_error_in_time_and_costs_nothing() {
    // proves: KEY-07
    let mut world = World::new(Keychain::unlocked());
    assert_eq!(world.run("keychain", 1), "holds 1");
    let before = fs::read(world.place().join("credentials.sealed")).unwrap();
    world.keychain.lock();
    let told = world.run("briefly", 1);
    assert!(told.contains("locked, or did not let us in") || told.contains("did not answer within"), "{told}");
    world.keychain.unlock();
    assert_eq!(world.run("keychain", 1), "holds 1");
    world.keychain.freeze(true);
    let told = world.run("briefly", 1);
    assert!(told.contains("did not answer within 3 s"), "{told}");
    let cold = tempfile::tempdir().unwrap();
    let mut actor = Actor::start_with(&world.keychain.environment(), "briefly", &cold.path().join("doorward"), 1);
    assert!(actor.hear("fault ").contains("did not answer within 3 s"));
    actor.end();
    world.keychain.freeze(false);
    assert_eq!(fs::read(world.place().join("credentials.sealed")).unwrap(), before);
    assert_eq!(world.run("keychain", 1), "holds 1");
}

#[test]
fn a_keychain_that_dies_is_not_missed_by_whoever_has_the_key() {
    // proves: KEY-07
    let mut world = World::new(Keychain::unlocked());
    let mut actor = world.start("in turns", 1);
    actor.hear("ready");
    world.keychain.end();
    actor.go();
    assert_eq!(actor.hear("holds "), "1");
    assert!(world.run("keychain", 1).contains("offers no keychain"));
    world.keychain.unlock();
    actor.hear("ready");
    actor.go();
    assert_eq!(actor.hear("still holds "), "1");
    actor.end();
    assert_eq!(world.run("keychain", 1), "holds 1");
}

#[test]
fn many_processes_at_once_make_one_key() {
    // proves: KEY-01, KEY-07
    let world = World::new(Keychain::unlocked());
    let actors: Vec<_> = (0..6).map(|seed| world.start("keychain", seed)).collect();
    for mut actor in actors {
        actor.hear("holds ");
        actor.end();
    }
    assert_eq!(world.run("keychain", 0), "holds 6");
    assert!(
        !fs::read_dir(world.place())
            .unwrap()
            .any(|file| { file.unwrap().file_name().to_string_lossy().contains("corrupt") })
    );
}

#[test]
fn a_store_with_its_key_beside_it_moves_into_the_keychain_and_loses_nothing() {
    // proves: KEY-06, KEY-07
    let mut world = World::new(Keychain::absent());
    assert_eq!(world.run("plain", 1), "holds 1");
    assert!(world.key_lies_beside());
    // Where there is no keychain it goes on as it was, and says so each time.
    for _ in 0..2 {
        let told = world.run("keychain", 1);
        assert!(told.starts_with("warning the logins in") && told.ends_with("holds 1"), "{told}");
        assert!(told.contains("plain files") && told.contains("--passphrase-file"), "{told}");
    }
    world.keychain = Keychain::unlocked();
    assert_eq!(world.run("keychain", 2), "holds 2");
    assert!(!world.key_lies_beside() && world.header().contains("\nkeychain "));
    assert_eq!(world.run("passphrase", 2), "holds 2");
    assert!(world.header().contains("\nargon2id ") && !world.key_lies_beside());
    assert!(world.run("keychain", 2).contains("DOORWARD_PASSPHRASE_FILE"), "it does not undo what was asked for");
    assert_eq!(world.run("passphrase", 3), "holds 3");
}

#[test]
fn a_kill_while_the_key_moves_loses_nothing() {
    // proves: KEY-04
    let world = World::new(Keychain::unlocked());
    assert_eq!(world.run("plain", 1), "holds 1");
    // What it leaves behind when it dies after the file and before the old key was removed.
    let key = fs::read(world.place().join("credentials.key")).unwrap();
    for _ in 0..8 {
        let mut actor = world.start("keychain", 1);
        std::thread::sleep(Duration::from_millis(u64::from(std::process::id() % 7) * 3 + 5));
        actor.kill();
        let beside = world.header().starts_with("doorward credentials v1");
        assert!(!beside || world.key_lies_beside(), "the key is there as long as it is needed");
    }
    assert_eq!(world.run("keychain", 1), "holds 1");
    let left_behind = world.place().join("credentials.key");
    fs::write(&left_behind, key).unwrap();
    fs::set_permissions(&left_behind, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(world.run("keychain", 1), "holds 1");
    assert!(!world.key_lies_beside(), "a key that opens nothing is removed");
}

#[tokio::test]
async fn a_passphrase_opens_what_it_sealed_and_no_other_does() {
    // proves: KEY-05, KEY-07
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("doorward");
    let with = |passphrase: &str| Custody::Passphrase(passphrase.as_bytes().to_vec().into());
    let login = Login::new("canary");
    let store = SealedFile::open(&place, with("one")).await.unwrap();
    store.save(&login.tokens(), 0).await.unwrap();
    assert!(!place.join("credentials.key").exists() && !lies_in(&place, "canary"));
    let again = SealedFile::open(&place, with("one")).await.unwrap();
    assert_eq!(again.save(&login.tokens(), 1).await, Ok(2));
    let sealed = fs::read(place.join("credentials.sealed")).unwrap();
    for wrong in [with("two"), Custody::Plain] {
        let error = SealedFile::open(&place, wrong).await.unwrap_err().to_string();
        assert!(error.contains("passphrase"), "{error}");
    }
    // A wrong passphrase is no damage: nothing is put aside.
    assert_eq!(fs::read(place.join("credentials.sealed")).unwrap(), sealed);
    assert!(store.load(&login.key()).await.unwrap().is_some());
}

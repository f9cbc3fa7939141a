//! Where the logins lie, by the flags of the commands.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command, time::Instant};

use doorward_testkit::{
    keychain::{Keychain, lies_in},
    process::{Gateway, Running, Visitor, http},
};

use crate::world::{NAME, PASSWORD, PATIENCE, Person, spied};

/// `doorward` as this person runs it, who asks for no plain files.
fn doorward(person: &Person, arguments: &[&str]) -> Command {
    let mut command = person.doorward(arguments);
    command.env_remove("DOORWARD_PLAIN_CREDENTIALS");
    command
}

/// Its exit code, output and errors.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let mut running = Running::start(command);
    running.close_input();
    let output: Vec<String> = std::iter::from_fn(|| running.maybe_line(PATIENCE)).collect();
    let status = running.wait(PATIENCE);
    (status.code(), output.join("\n"), running.errors())
}

async fn log_in(person: &Person, gateway: &Gateway, command: &mut Command) {
    let mut login = Running::start(command);
    let address = person.opener.opened_by(&mut login, PATIENCE);
    let back = Visitor::new(gateway.public_url()).authorize(&address, NAME, PASSWORD, "allow").await;
    http().get(&back).send().await.unwrap();
    let status = login.wait(PATIENCE);
    assert!(status.success(), "login ended with {status}\n{}", login.errors());
}

fn file(person: &Person, name: &str, content: &[u8], mode: u32) -> PathBuf {
    let path = person.client_dir().with_file_name(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keychain_nobody_signs_in_for_nothing() {
    // proves: KEY-07
    let gateway = spied(&[], &[]);
    let person = Person::new();
    let started = Instant::now();
    let (code, _, errors) = run(&mut doorward(&person, &["login", gateway.mcp_url()]));
    assert_eq!(code, Some(1), "{errors}");
    for word in ["CL-003", "no safe place for logins", "--passphrase-file", "--plain-credentials"] {
        assert!(errors.contains(word), "{word}: {errors}");
    }
    let tried = errors.lines().find(|line| line.trim_start().starts_with("try:")).expect("what to try");
    assert!(tried.contains("--passphrase-file") && tried.contains("--plain-credentials"), "{errors}");
    assert!(started.elapsed() < PATIENCE && person.opener.opened(std::time::Duration::ZERO).is_none());
    assert!(!person.client_dir().join("credentials.sealed").exists());
    // What needs no place for logins works.
    let (code, _, errors) = run(&mut doorward(&person, &["list"]));
    assert_eq!(code, Some(0), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_files_warn_each_time_and_move_into_the_keychain() {
    // proves: KEY-06, KEY-07
    let gateway = spied(&[], &[]);
    gateway.add_user(NAME, PASSWORD);
    let person = Person::new();
    let url = gateway.mcp_url();
    log_in(&person, &gateway, doorward(&person, &["login", url]).arg("--plain-credentials")).await;
    for _ in 0..2 {
        let (code, _, errors) = run(doorward(&person, &["list"]).env("DOORWARD_PLAIN_CREDENTIALS", "true"));
        assert!(code == Some(0) && errors.contains("WARN") && errors.contains("plain files"), "{errors}");
    }
    // Not asked for, and there is no keychain: what there is works, and it is told.
    let (code, token, errors) = run(&mut doorward(&person, &["token", url]));
    assert!(code == Some(0) && errors.contains("plain files") && errors.contains("--passphrase-file"), "{errors}");
    let keychain = Keychain::unlocked();
    let (_, told, _) = run(doorward(&person, &["status", "--offline", url]).env("DOORWARD_PLAIN_CREDENTIALS", "true"));
    assert!(told.contains("in plain files"), "{told}");
    let (code, same, errors) = run(doorward(&person, &["token", url]).envs(keychain.environment()));
    assert_eq!((code, &same, errors.as_str()), (Some(0), &token, ""));
    let (_, told, _) = run(doorward(&person, &["status", "--offline", url]).envs(keychain.environment()));
    assert!(told.contains("sealed, with the key in the system's keychain"), "{told}");
    assert!(!person.client_dir().join("credentials.key").exists());
    assert!(!lies_in(&person.client_dir(), &token) && !lies_in(&keychain.files(), &token));
    let (code, _, errors) = run(&mut doorward(&person, &["token", url]));
    assert!(code == Some(1) && errors.contains("offers no keychain"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_file_is_private_and_opens_what_it_sealed() {
    // proves: KEY-06, KEY-07
    let gateway = spied(&[], &[]);
    gateway.add_user(NAME, PASSWORD);
    let person = Person::new();
    let url = gateway.mcp_url();
    let with = |path: &PathBuf| {
        let mut command = doorward(&person, &["token", url]);
        command.env("DOORWARD_PASSPHRASE_FILE", path);
        command
    };
    let good = file(&person, "good", b"open sesame\n", 0o600);
    for (bad, why) in [
        (file(&person, "wide", b"open sesame", 0o644), "others can read it"),
        (file(&person, "empty", b"\n", 0o600), "it is empty"),
        (file(&person, "long", &[b'x'; 5000], 0o600), "more than"),
        (person.client_dir().with_file_name("missing"), "No such file"),
    ] {
        let (code, _, errors) = run(&mut with(&bad));
        assert!(code == Some(6) && errors.contains("CFG-12") && errors.contains(why), "{errors}");
    }
    log_in(&person, &gateway, doorward(&person, &["login", url]).arg("--passphrase-file").arg(&good)).await;
    let same = file(&person, "same", b"open sesame", 0o400);
    let (code, token, errors) = run(&mut with(&same));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(!lies_in(&person.client_dir(), &token));
    let (_, told, _) = run(doorward(&person, &["list", "--json"]).env("DOORWARD_PASSPHRASE_FILE", &same));
    assert!(told.contains("\"kept\":\"passphrase\""), "{told}");
    let wrong = file(&person, "wrong", b"open barley", 0o600);
    for mut command in [with(&wrong), doorward(&person, &["token", url])] {
        let (code, _, errors) = run(&mut command);
        assert!(code == Some(1) && errors.contains("passphrase"), "{errors}");
    }
    // Both at once contradict each other.
    let (code, _, errors) = run(with(&good).env("DOORWARD_PLAIN_CREDENTIALS", "1"));
    assert!(code == Some(2) && errors.contains("cannot be used with"), "{errors}");
    assert_eq!(run(&mut with(&good)).1, token);
}

//! The credential store: what it keeps, who may change it, and what it refuses.

#![allow(unreachable_pub, reason = "a test is a crate of its own")]

mod logins;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use doorward_client::{CredentialStore, SaveFailed};
use doorward_store::{Custody, SealedFile};
use logins::{Login, content};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorward");
    (directory, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The files whose name says that they were put aside.
fn aside(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_string_lossy().contains(".corrupt-")).collect()
}

#[tokio::test]
async fn a_login_comes_back_as_it_was_saved() {
    let (_keep, path) = place();
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    let login = Login { account: Some("work".into()), ..Login::new("one") };
    let (tokens, key) = (login.tokens(), login.key());
    assert!(store.load(&key).await.unwrap().is_none() && store.list().await.unwrap().is_empty());
    assert_eq!(store.save(&tokens, 0).await.unwrap(), 1);
    for store in [&store, &SealedFile::open(&path, Custody::Plain).await.unwrap()] {
        let loaded = store.load(&key).await.unwrap().unwrap();
        assert_eq!((loaded.generation, content(&loaded)), (1, content(&tokens)));
    }
    assert!(store.take_warnings().is_empty());
}

#[tokio::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    // proves: KEY-02
    let (_keep, path) = place();
    let (winner, loser) = (
        SealedFile::open(&path, Custody::Plain).await.unwrap(),
        SealedFile::open(&path, Custody::Plain).await.unwrap(),
    );
    let (old, new) = (Login::new("old").tokens(), Login::new("new").tokens());
    let key = old.key();
    assert_eq!(winner.save(&old, 1).await, Err(SaveFailed::Conflict));
    assert_eq!(winner.save(&old, 0).await, Ok(1));
    assert_eq!(loser.save(&old, 0).await, Err(SaveFailed::Conflict));
    assert_eq!(winner.save(&new, 1).await, Ok(2));
    // Whoever still holds the first generation can neither replace nor remove the second.
    assert_eq!(loser.save(&old, 1).await, Err(SaveFailed::Conflict));
    assert!(!loser.remove(&key, 1).await.unwrap());
    assert_eq!(content(&loser.load(&key).await.unwrap().unwrap()), content(&new));
    assert!(loser.remove(&key, 2).await.unwrap() && !loser.remove(&key, 2).await.unwrap());
    assert!(winner.load(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_removed_login_stays_removed() {
    // proves: KEY-11
    let (_keep, path) = place();
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    let (old, refreshed, again) = (Login::new("old"), Login::new("refreshed").tokens(), Login::new("again").tokens());
    assert_eq!(store.save(&old.tokens(), 0).await, Ok(1));
    assert!(store.remove(&old.key(), 1).await.unwrap());
    // A refresh that was under way does not bring it back, nor does it replace the next login.
    assert_eq!(store.save(&refreshed, 1).await, Err(SaveFailed::Conflict));
    let generation = store.save(&again, 0).await.unwrap();
    assert!(generation > 1);
    assert_eq!(store.save(&refreshed, 1).await, Err(SaveFailed::Conflict));
    assert!(!store.remove(&old.key(), 1).await.unwrap());
    assert_eq!(content(&store.load(&old.key()).await.unwrap().unwrap()), content(&again));
    assert_eq!(store.save(&refreshed, generation).await, Ok(generation + 1));
}

#[tokio::test]
async fn each_issuer_resource_client_and_account_has_its_own_entry() {
    // proves: KEY-08
    let (_keep, path) = place();
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    let logins = [
        Login::new("base"),
        Login { issuer: "https://other.example".into(), issued_at: 1_795_000_009, ..Login::new("issuer") },
        Login { resource: "https://mcp.example/other".into(), ..Login::new("resource") },
        Login { client_id: "client-2".into(), issued_at: 1_795_000_005, ..Login::new("client") },
        Login { account: Some("work".into()), issued_at: 1_794_000_000, ..Login::new("account") },
    ];
    for login in &logins {
        assert_eq!(store.save(&login.tokens(), 0).await, Ok(1));
    }
    for login in &logins {
        let loaded = store.load(&login.key()).await.unwrap().unwrap();
        assert_eq!(content(&loaded), content(&login.tokens()));
    }
    let all = store.list().await.unwrap();
    assert!(all.len() == 5 && all.is_sorted_by_key(doorward_client::StoredTokens::key));
    let here = store.for_resource(&logins[0].tokens().resource).await.unwrap();
    let names: Vec<_> =
        here.iter().map(|tokens| tokens.access_token.expose().trim_start_matches("access-token-")).collect();
    assert_eq!(names, ["issuer", "client", "base", "account"]);
    assert!(store.remove(&logins[0].key(), 1).await.unwrap());
    assert_eq!(store.list().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_client_is_kept_for_its_issuer() {
    let (_keep, path) = place();
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    let first = Login::new("x").client();
    let second = Login { client_id: "client-2".into(), ..Login::new("x") }.client();
    let elsewhere = Login { issuer: "https://other.example".into(), ..Login::new("x") }.client();
    let issuer = first.issuer().clone();
    assert!(store.load_client(&issuer).await.unwrap().is_none());
    for client in [&first, &elsewhere, &second] {
        store.save_client(client).await.unwrap();
    }
    let same = |a: &doorward_client::RegisteredClient, b: &doorward_client::RegisteredClient| {
        serde_json::to_value(a.to_stored()).unwrap() == serde_json::to_value(b.to_stored()).unwrap()
    };
    assert!(same(&store.load_client(&issuer).await.unwrap().unwrap(), &second));
    // Only the client that is there can be forgotten.
    assert!(!store.remove_client(&issuer, first.client_id()).await.unwrap());
    assert!(store.remove_client(&issuer, second.client_id()).await.unwrap());
    assert!(store.load_client(&issuer).await.unwrap().is_none());
    assert!(same(&store.load_client(elsewhere.issuer()).await.unwrap().unwrap(), &elsewhere));
}

#[tokio::test]
async fn the_files_are_private_and_sealed() {
    // proves: KEY-06
    let (keep, _) = place();
    let path = keep.path().join("a/doorward");
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    let login = Login::new("canary");
    store.save(&login.tokens(), 0).await.unwrap();
    store.save_client(&login.client()).await.unwrap();
    let _held =
        store.login_lock(&login.tokens().resource).try_acquire(std::time::Duration::from_secs(60)).await.unwrap();
    assert_eq!((mode(&keep.path().join("a")), mode(&path)), (0o700, 0o700));
    let mut files = 0;
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let bytes = fs::read(&file).unwrap();
        for secret in ["canary", "access", "client-secret", "client-1", "example"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
        }
        files += 1;
    }
    assert_eq!(files, 5);
}

#[tokio::test]
async fn what_others_could_read_or_change_is_refused_with_the_way_out() {
    // proves: KEY-06
    let (keep, path) = place();
    let login = Login::new("one");
    SealedFile::open(&path, Custody::Plain).await.unwrap().save(&login.tokens(), 0).await.unwrap();
    let names = ["credentials.sealed", "credentials.key", "credentials.lock"];
    let refused = async |help: &str| {
        let saved = match SealedFile::open(&path, Custody::Plain).await {
            Ok(store) => store.save(&login.tokens(), 1).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let error = saved.unwrap_err();
        assert!(error.contains(help) && error.contains("doorward"), "{error}");
    };
    for wide in [0o701, 0o750, 0o777] {
        set_mode(&path, wide);
        refused(&format!("chmod 700 {}", path.display())).await;
        assert_eq!(mode(&path), wide);
    }
    set_mode(&path, 0o700);
    for file in names.map(|name| path.join(name)) {
        for wide in [0o604, 0o640, 0o666] {
            set_mode(&file, wide);
            refused(&format!("chmod 600 {}", file.display())).await;
        }
        set_mode(&file, 0o600);

        let elsewhere = keep.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        refused("symbolic link").await;
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        refused("is not a regular file").await;
        fs::remove_dir(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        refused("is not a regular file").await;
        fs::remove_file(&file).unwrap();
        fs::rename(&elsewhere, &file).unwrap();

        fs::hard_link(&file, &elsewhere).unwrap();
        refused("hard link").await;
        fs::remove_file(&elsewhere).unwrap();

        // Only the administrator can give a file away.
        if std::os::unix::fs::chown(&file, Some(65534), None).is_ok() {
            refused("belongs to another user").await;
            std::os::unix::fs::chown(&file, Some(0), None).unwrap();
        }
    }
    // None of it touched what was there.
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    assert_eq!(store.save(&login.tokens(), 1).await, Ok(2));
    assert!(aside(&path).is_empty() && store.take_warnings().is_empty());

    let link = keep.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(SealedFile::open(&link, Custody::Plain).await.unwrap_err().to_string().contains("symbolic link"));
    let file = keep.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(SealedFile::open(&file, Custody::Plain).await.is_err() && fs::read(&file).unwrap() == b"x");
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_and_logging_in_works_again() {
    // proves: KEY-05
    let (_keep, path) = place();
    let sealed = path.join("credentials.sealed");
    let login = Login::new("one");
    SealedFile::open(&path, Custody::Plain).await.unwrap().save(&login.tokens(), 0).await.unwrap();
    let sound = fs::read(&sealed).unwrap();
    let mut flipped = sound.clone();
    flipped[60] ^= 1;
    let bomb = format!("{{\"tokens\":{}", "[".repeat(1_000_000));
    let damages = [
        vec![],
        sound[..40].to_vec(),
        flipped,
        b"doorward credentials v1\n".to_vec(),
        bomb.into_bytes(),
        vec![0; 4096],
    ];
    for (n, damaged) in damages.iter().enumerate() {
        let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
        fs::write(&sealed, damaged).unwrap();
        assert!(store.load(&login.key()).await.unwrap().is_none());
        let warnings = store.take_warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(".corrupt-") && warnings[0].contains("log in again"));
        assert_eq!(aside(&path).len(), n + 1);
        assert!(store.save(&login.tokens(), 0).await.is_ok());
        assert!(store.load(&login.key()).await.unwrap().is_some() && store.take_warnings().is_empty());
    }
    // Nothing that was put aside is lost.
    let mut kept: Vec<_> = aside(&path).iter().map(|path| fs::read(path).unwrap()).collect();
    let mut wanted = damages.to_vec();
    kept.sort();
    wanted.sort();
    assert_eq!(kept, wanted);
}

#[tokio::test]
async fn a_file_of_a_gigabyte_is_not_read() {
    // proves: KEY-05
    let (_keep, path) = place();
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    for name in ["credentials.sealed", "credentials.key"] {
        let file = fs::File::create(path.join(name)).unwrap();
        file.set_len(1 << 30).unwrap();
        set_mode(&path.join(name), 0o600);
        assert!(store.list().await.unwrap().is_empty());
    }
    assert_eq!(store.save(&Login::new("one").tokens(), 0).await, Ok(1));
    assert_eq!(aside(&path).len(), 2);
}

#[tokio::test]
async fn another_or_a_lost_key_is_noticed() {
    // proves: KEY-05
    for key in [None, Some(vec![7; 32]), Some(vec![7; 31]), Some(vec![])] {
        let (_keep, path) = place();
        let login = Login::new("one");
        let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
        store.save(&login.tokens(), 0).await.unwrap();
        match key {
            None => fs::remove_file(path.join("credentials.key")).unwrap(),
            Some(key) => fs::write(path.join("credentials.key"), key).unwrap(),
        }
        assert!(store.load(&login.key()).await.unwrap().is_none());
        assert_eq!(store.take_warnings().len(), 1);
        assert_eq!(store.save(&login.tokens(), 0).await, Ok(1));
        let again = SealedFile::open(&path, Custody::Plain).await.unwrap();
        assert!(again.load(&login.key()).await.unwrap().is_some() && again.take_warnings().is_empty());
    }
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    // proves: KEY-05, FCL-13
    let (_keep, path) = place();
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    let sealed = path.join("credentials.sealed");
    fs::write(&sealed, "doorward credentials v3\nxyz").unwrap();
    set_mode(&sealed, 0o600);
    let login = Login::new("one");
    let saved = store.save(&login.tokens(), 0).await.unwrap_err().to_string();
    let read = store.load(&login.key()).await.unwrap_err().to_string();
    for error in [saved, read] {
        assert!(error.contains("newer version"), "{error}");
        assert_eq!(fs::read(&sealed).unwrap(), b"doorward credentials v3\nxyz");
    }
    assert!(aside(&path).is_empty(), "nothing is put aside as if it were damaged");
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_ignored() {
    // proves: KEY-04
    let (_keep, path) = place();
    let login = Login::new("one");
    let store = SealedFile::open(&path, Custody::Plain).await.unwrap();
    store.save(&login.tokens(), 0).await.unwrap();
    for name in ["credentials.sealed.new", "credentials.key.new"] {
        fs::write(path.join(name), "half").unwrap();
    }
    assert!(store.load(&login.key()).await.unwrap().is_some());
    assert_eq!(store.save(&login.tokens(), 1).await, Ok(2));
    assert!(!path.join("credentials.sealed.new").exists());
}

//! What may be opened, and what is refused with an error that helps.

use std::{
    fs,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use doorward_authorization_server::store::Store as _;
use doorward_store::{Engine as _, OpenError, SqliteStore};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorward.db");
    (directory, path)
}

async fn refused(path: &Path) -> OpenError {
    let error = SqliteStore::open(path).await.unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

async fn make(path: &Path) {
    SqliteStore::open(path).await.unwrap().close().await;
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_store_is_for_its_user_alone() {
    let (directory, _) = place();
    let path = directory.path().join("a/b/doorward.db");
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(!store.has_accounts().await.unwrap());
    for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm", "doorward.db.lock"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&directory.path().join("a")), mode(&directory.path().join("a/b"))), (0o700, 0o700));
}

#[tokio::test]
async fn access_of_others_is_taken_away() {
    let (_directory, path) = place();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    make(&path).await;
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn a_directory_is_no_store() {
    let (directory, path) = place();
    assert!(matches!(refused(directory.path()).await, OpenError::Directory(_)));
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(&path).await, OpenError::Directory(_)));
    // Nor can a file hold one.
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(SqliteStore::open(&file.join("doorward.db")).await.is_err());
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[tokio::test]
async fn another_kind_of_file_is_left_alone() {
    let (_directory, path) = place();
    for content in ["x", "SQLite format 3", "{\"tokens\":[]}", "SQLite format 2\0 and more of it"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(refused(&path).await, OpenError::NotADatabase(_)));
        assert_eq!(fs::read(&path).unwrap(), content.as_bytes());
    }
    let garbage = [&b"SQLite format 3\0"[..], &[0xa5; 5000]].concat();
    fs::write(&path, &garbage).unwrap();
    assert!(matches!(refused(&path).await, OpenError::NotADatabase(_)));
    assert_eq!(fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let (_directory, path) = place();
    let mut connection = raw(&path).await;
    connection.execute("CREATE TABLE bookmarks (url TEXT)").await.unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(refused(&path).await, OpenError::Foreign(_)));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_store_of_a_newer_version_is_refused() {
    let (_directory, path) = place();
    make(&path).await;
    let mut connection = raw(&path).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'x', 1, x'00', 0)";
    connection.execute(newer).await.unwrap();
    connection.close().await.unwrap();
    assert!(matches!(refused(&path).await, OpenError::Newer { found: 99, .. }));
}

#[tokio::test]
async fn a_read_only_file_is_named_as_such() {
    // proves: FLT-03
    let (_directory, path) = place();
    make(&path).await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(matches!(refused(&path).await, OpenError::ReadOnly(_)));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    make(&path).await;
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_kept() {
    let (_directory, path) = place();
    make(&path).await;
    let sound = fs::read(&path).unwrap();
    let mut connection = raw(&path).await;
    let page: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = 'setup'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let truncated = &sound[..sound.len() / 2];
    // A page that nothing but the check looks at when the store is opened.
    let mut overwritten = sound.clone();
    let start = usize::try_from(page - 1).unwrap() * 4096;
    overwritten[start..start + 4096].fill(0x5a);
    for damaged in [truncated, &overwritten] {
        fs::write(&path, damaged).unwrap();
        let error = refused(&path).await;
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(fs::metadata(&path).is_ok());
    }
    fs::write(&path, &sound).unwrap();
    make(&path).await;
}

#[tokio::test]
async fn a_change_under_the_open_store_is_a_fault_not_a_panic() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path).await.unwrap();
    let mut connection = raw(&path).await;
    connection
        .execute(
            "INSERT INTO grants (id, client, kind, resource, scope, refreshes, created_at) \
             VALUES ('g', 'c', 'device_code', 'no resource', 'mcp:read', 0, 0)",
        )
        .await
        .unwrap();
    let grant = doorward_authorization_server::facts::GrantId("g".into());
    let error = store.grant(&grant).await.unwrap_err().to_string();
    assert!(error.contains("g_resource"), "{error}");
    connection.execute("DROP TABLE setup").await.unwrap();
    assert!(store.setup().await.is_err());
    assert!(!store.has_accounts().await.unwrap());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path).await.unwrap();
    store.close().await;
    store.close().await;
    assert!(store.commit(vec![]).await.unwrap_err().to_string().contains("closed"));
    assert!(store.has_accounts().await.is_err());
    // All of it is in the one file now.
    assert!(!path.with_file_name("doorward.db-wal").exists());
    let header = fs::File::open(&path).unwrap();
    let mut id = [0; 4];
    header.read_exact_at(&mut id, 68).unwrap();
    assert_eq!(&id, b"dwar");
}

#[tokio::test]
async fn a_store_can_be_opened_by_any_task() {
    let (_directory, path) = place();
    let place = doorward_store::Place::Sqlite(path);
    let store = tokio::spawn(async move { doorward_store::open(&place).await.unwrap() }).await.unwrap();
    assert!(store.ready().await.is_ok());
}

//! A file that an earlier version wrote keeps what is in it.

#![allow(clippy::print_stdout, reason = "children speak through it")]
#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod actor;
#[path = "contract/facts.rs"]
mod facts;

use std::{path::Path, time::Duration};

use actor::{Actor, ready};
use doorward_authorization_server::{
    Write,
    facts::{AccountId, ClientAuthentication, ClientOrigin, GrantId, GrantKind},
    store::{Committed, Store as _},
};
use doorward_store::{Engine as _, SqliteStore};
use doorward_types::{ClientId, Digest, Timestamp, secret::RefreshToken};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::SqliteConnectOptions,
};

const FIRST: &str = include_str!("../migrations/sqlite/0001_first.sql");

/// Rows as the first version wrote them: a client with and one without a secret, two grants with codes and a family of tokens.
const ROWS: &str = "
    INSERT INTO clients VALUES
        ('public', 'dynamic', 'Désk', '[\"http://127.0.0.1/cb\"]', 'none', NULL,
         '[\"authorization_code\",\"refresh_token\"]', 'native', 1795000000),
        ('secret', 'administrator', NULL, '[\"https://app.example/cb\"]', 'client_secret_basic',
         x'0101010101010101010101010101010101010101010101010101010101010101', '[\"authorization_code\"]', NULL, 1795000001);
    INSERT INTO accounts VALUES ('a', 'Ana', 'ana', '$argon2id$x', 1, 0, 1795000000);
    INSERT INTO sessions VALUES (x'0202020202020202020202020202020202020202020202020202020202020202', 'a', 1, 1896000000);
    INSERT INTO grants VALUES
        ('g', 'a', 'public', 'http://127.0.0.1:5/cb', 'https://files.example/mcp', 'mcp:read', 1795000000, 1896000000,
         1795000009, NULL, NULL),
        ('h', 'a', 'secret', 'https://app.example/cb', 'https://files.example/mcp', 'mcp:write', 1795000000, NULL,
         NULL, 1795000005, 'person');
    INSERT INTO codes VALUES (x'0303030303030303030303030303030303030303030303030303030303030303', 'g', 'public',
        'http://127.0.0.1:5/cb', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 1795000060, 1, 1795000010);
    INSERT INTO refresh_tokens VALUES
        (x'0404040404040404040404040404040404040404040404040404040404040404', 'g', 1795000010, 1896000000, 1795000700,
         x'0505050505050505050505050505050505050505050505050505050505050505', x'09', 2),
        (x'0505050505050505050505050505050505050505050505050505050505050505', 'g', 1795000700, 1896000000, NULL, NULL,
         NULL, 0);
    INSERT INTO setup VALUES (1, x'0606060606060606060606060606060606060606060606060606060606060606', 1);
";

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

/// A file of the first version.
async fn write_first(path: &Path, more: u64) {
    let mut connection = connect(path).await;
    let step = Migration::new(1, "first".into(), MigrationType::Simple, FIRST.into_sql_str(), false);
    Migrator::with_migrations(vec![step]).run(&mut connection).await.unwrap();
    connection.execute(ROWS).await.unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
                INSERT INTO grants SELECT 'many' || i, 'a', 'public', 'http://127.0.0.1:5/cb', 'https://files.example/mcp', \
                'mcp:read', 1795000000, 1896000000, NULL, NULL, NULL FROM n WHERE $1 > 0";
    sqlx::query(many).bind(i64::try_from(more).unwrap()).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn digest(byte: u8) -> Digest<RefreshToken> {
    Digest::from_bytes(&[byte; 32]).unwrap()
}

/// All that the first version wrote is there and can be used.
async fn is_kept(store: &SqliteStore) {
    let public = store.client(&ClientId::parse("public").unwrap()).await.unwrap().unwrap();
    assert_eq!((public.origin, public.name.as_deref()), (ClientOrigin::Dynamic, Some("Désk")));
    assert!(!public.dpop_bound && !public.pushed_only && public.expires_at.is_none() && public.scope.is_none());
    let secret = store.client(&ClientId::parse("secret").unwrap()).await.unwrap().unwrap();
    assert_eq!(secret.authentication, ClientAuthentication::SecretBasic(Digest::from_bytes(&[1; 32]).unwrap()));
    let account = store.account_by_name("ANA").await.unwrap().unwrap();
    assert_eq!((account.id, account.external), (AccountId("a".into()), None));
    assert!(store.session(&Digest::from_bytes(&[2; 32]).unwrap()).await.unwrap().is_some());
    let living = store.grant(&GrantId("g".into())).await.unwrap().unwrap();
    assert_eq!(
        (living.kind, living.refreshes, living.account),
        (GrantKind::AuthorizationCode, true, Some(AccountId("a".into())))
    );
    assert_eq!(living.redirect_uri.as_deref(), Some("http://127.0.0.1:5/cb"));
    let ended = store.grant(&GrantId("h".into())).await.unwrap().unwrap();
    assert_eq!((ended.refreshes, ended.revoked_at), (false, Some(Timestamp::from_unix(1_795_000_005))));
    assert!(store.revocations().is_revoked("h") && !store.revocations().is_revoked("g"));
    let code = store.code(&Digest::from_bytes(&[3; 32]).unwrap()).await.unwrap().unwrap();
    assert_eq!((code.code.wrong_verifiers, code.code.dpop), (1, None));
    let used = store.refresh(&digest(4)).await.unwrap().unwrap();
    assert_eq!(used.token.rotated.map(|rotated| (rotated.successor, rotated.replays)), Some((digest(5), 2)));
    assert!(store.refresh(&digest(5)).await.unwrap().unwrap().token.rotated.is_none());
    assert_eq!(store.setup().await.unwrap(), None);
    assert_eq!(store.record_head().await.unwrap().0, 0);
}

#[tokio::test]
async fn a_file_of_the_first_version_keeps_its_rows() {
    // proves: FLT-15
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorward.db");
    write_first(&path, 0).await;
    let store = SqliteStore::open(&path).await.unwrap();
    is_kept(&store).await;
    // What points to the tables that were made anew still does.
    let mut draw = facts::Draw::new(400);
    let grant = draw.grant();
    let orphan = draw.code(&grant);
    assert_eq!(store.commit(vec![Write::InsertCode(orphan)]).await.unwrap(), Committed::Conflict);
    let rotate = Write::RotateRefresh {
        token: digest(5),
        grant: GrantId("g".into()),
        successor: digest(7),
        at: Timestamp::from_unix(1_795_001_000),
        answer: doorward_authorization_server::seal::Sealed::from_bytes(vec![1]),
    };
    assert_eq!(store.commit(vec![rotate]).await.unwrap(), Committed::Done);
    store.close().await;
    SqliteStore::open(&path).await.unwrap().close().await;
    let mut connection = connect(&path).await;
    connection.execute("PRAGMA foreign_keys = ON; DELETE FROM grants WHERE id = 'g'").await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM codes) + (SELECT count(*) FROM refresh_tokens)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

/// What a child does. It is no test by itself.
#[tokio::test]
#[ignore = "not a test: started by the others"]
async fn child() {
    let (_, file, _) = actor::part();
    ready();
    SqliteStore::open(&file).await.unwrap();
    println!("\nopened");
}

#[tokio::test]
async fn a_migration_that_is_killed_is_done_whole_the_next_time() {
    // proves: FLT-15, FLT-01
    let directory = tempfile::tempdir().unwrap();
    let (first, path) = (directory.path().join("first.db"), directory.path().join("doorward.db"));
    write_first(&first, 20_000).await;
    for milliseconds in [1, 5, 10, 20, 30, 50, 80, 120] {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        std::fs::copy(&first, &path).unwrap();
        let mut actor = Actor::start("open", &path, 0);
        actor.hear("ready");
        actor.go();
        std::thread::sleep(Duration::from_millis(milliseconds));
        actor.kill();
        let store = SqliteStore::open(&path).await.unwrap();
        is_kept(&store).await;
        let account = AccountId("a".into());
        assert_eq!(store.grants_of(&account).await.unwrap().len(), 20_001);
        store.close().await;
    }
}

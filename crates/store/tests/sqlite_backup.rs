//! A copy of the file is of one moment, private, and can be opened in its place.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod contract;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contract::{conflict, done, facts::Draw, record::read_all};
use doorward_authorization_server::{
    Write, audit,
    store::{Committed, Store as _},
};
use doorward_store::{BackupError, Engine as _, Place, SqliteStore};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_made_while_writes_go_on_is_of_one_moment() {
    // proves: FLT-04
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&directory.path().join("doorward.db")).await.unwrap());
    let end = Arc::new(AtomicBool::new(false));
    let mut draw = Draw::new(500);
    for _ in 0..500 {
        done(&*store, vec![Write::InsertInteraction(draw.interaction())]).await;
    }
    let writer = {
        let (store, end) = (store.clone(), end.clone());
        tokio::spawn(async move {
            let mut draw = Draw::new(501);
            let mut written = Vec::new();
            while !end.load(Ordering::SeqCst) {
                let grant = draw.grant();
                let code = draw.code(&grant);
                let writes = vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())];
                assert_eq!(store.commit(writes).await.unwrap(), Committed::Done);
                written.push((grant, code));
            }
            written
        })
    };
    let mut copies = Vec::new();
    for n in 0..5 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let copy = directory.path().join(format!("copy{n}.db"));
        store.backup(&copy).await.unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        copies.push(copy);
    }
    end.store(true, Ordering::SeqCst);
    let written = writer.await.unwrap();
    let mut before = 0;
    for copy in copies {
        let copy = SqliteStore::open(&copy).await.unwrap();
        let record = read_all(&copy).await;
        let mut there = 0;
        for (grant, code) in &written {
            let found = copy.grant(&grant.id).await.unwrap().is_some();
            assert_eq!(copy.code(&code.digest).await.unwrap().is_some(), found, "half a commit");
            there += usize::from(found);
        }
        // One writer: what is there is all there was up to a moment.
        assert_eq!(record.len(), there);
        assert!(there >= before && there <= written.len());
        before = there;
        done(&copy, vec![Write::InsertGrant(draw.grant())]).await;
        copy.close().await;
    }
    assert!(before > 5, "{before}");
}

#[tokio::test]
async fn a_copy_overwrites_nothing_and_leaves_nothing_half_done() {
    let directory = tempfile::tempdir().unwrap();
    let store = doorward_store::open(&Place::Sqlite(directory.path().join("doorward.db"))).await.unwrap();
    let there = directory.path().join("there");
    fs::write(&there, "").unwrap();
    assert!(matches!(store.backup(&there).await, Err(BackupError::Exists(path)) if path == there));
    assert_eq!(fs::read(&there).unwrap(), b"");
    std::os::unix::fs::symlink("nowhere", directory.path().join("link")).unwrap();
    assert!(matches!(store.backup(&directory.path().join("link")).await, Err(BackupError::Exists(_))));
    let error = store.backup(&directory.path().join("no/such/directory")).await.unwrap_err();
    assert!(matches!(error, BackupError::Io { .. }), "{error}");
    assert!(store.backup(&directory.path().join("doorward.db")).await.is_err());
    assert!(store.ready().await.is_ok());
}

/// Whoever can write the file can change the record, but not so that nobody sees it.
#[tokio::test]
async fn a_record_that_somebody_changed_shows_it() {
    // proves: INV-12
    for sabotage in [
        "UPDATE audit SET detail = 'x' WHERE number = 4",
        "UPDATE audit SET at = at + 1 WHERE number = 1",
        "UPDATE audit SET account = 'somebody' WHERE number = 5",
        "DELETE FROM audit WHERE number = 3",
        "DELETE FROM audit WHERE number >= 9",
        "UPDATE audit SET number = 100 WHERE number = 5; UPDATE audit SET number = 5 WHERE number = 6; \
         UPDATE audit SET number = 6 WHERE number = 100",
        "INSERT INTO audit SELECT 11, at, kind, account, client, grant_id, resource, detail, digest FROM audit WHERE number = 10",
        "UPDATE audit_head SET number = 9",
        "DELETE FROM audit",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("doorward.db");
        let store = SqliteStore::open(&path).await.unwrap();
        let mut draw = Draw::new(502);
        for _ in 0..10 {
            done(&store, vec![Write::InsertGrant(draw.grant())]).await;
        }
        let mut connection = raw(&path).await;
        connection.execute(sabotage).await.unwrap();
        connection.close().await.unwrap();
        let rows = store.recorded(0, 100).await.unwrap();
        let end = rows.iter().try_fold((0, audit::START), |(number, digest), row| {
            audit::check(number, &digest, row).map(|()| (row.number, row.digest))
        });
        assert_ne!(end.ok(), Some(store.record_head().await.unwrap()), "{sabotage}");
    }
}

/// A reader that stays for long and another process that holds the lock for a while hinder nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_for_a_while_is_waited_for() {
    // proves: FLT-04
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorward.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut draw = Draw::new(503);
    let (mut reader, mut holder) = (raw(&path).await, raw(&path).await);
    reader.execute("BEGIN; SELECT count(*) FROM grants").await.unwrap();
    holder.execute("BEGIN IMMEDIATE").await.unwrap();
    let grant = draw.grant();
    let writing = done(&store, vec![Write::InsertGrant(grant.clone())]);
    let letting_go = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(store.grant(&grant.id).await.unwrap(), None, "reading goes on meanwhile");
        holder.execute("COMMIT").await.unwrap();
    };
    tokio::join!(writing, letting_go);
    assert_eq!(store.grant(&grant.id).await.unwrap(), Some(grant.clone()));
    conflict(&store, vec![Write::InsertGrant(grant)]).await;
}

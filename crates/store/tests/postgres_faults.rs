//! PostgreSQL that goes away, comes back, hangs, or breaks off at COMMIT.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod contract;
mod proxy;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use contract::{conflict, done, facts::Draw, record::read_all};
use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Code, Grant},
    store::{Committed, Store as _, StoreFault},
};
use doorward_store::{Engine as _, OpenError, Place, PostgresStore};
use doorward_testkit::postgres::Postgres;
use doorward_types::Timestamp;
use proxy::{Cut, Proxy};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// A caller hears within this time that the database is away: five seconds, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(25);
/// Only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&url.parse().unwrap()).await.unwrap()
}

fn grant_and_code(draw: &mut Draw) -> (Grant, Code) {
    let grant = draw.grant();
    let code = draw.code(&grant);
    (grant, code)
}

fn through(proxy: &Proxy, database: &Postgres) -> String {
    database.url().replace(&format!(":{}/", database.port()), &format!(":{}/", proxy.port))
}

/// Fails, and does so soon.
async fn fault<T: std::fmt::Debug>(work: impl Future<Output = Result<T, StoreFault>>) {
    let start = Instant::now();
    work.await.unwrap_err();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_ready(store: &PostgresStore) {
    until("it recovers by itself", async || store.ready().await.is_ok()).await;
}

/// What a future comes to that waits for nothing.
fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_breaks_off_is_looked_up_not_guessed() {
    // proves: FLT-05, FLT-01, INV-1
    let database = Postgres::fresh();
    let proxy = Proxy::to(database.port());
    let store = open(&through(&proxy, &database)).await;
    let mut draw = Draw::new(200);
    for cut in [Cut::BeforeCommit, Cut::AfterCommit, Cut::BeforeCommit, Cut::AfterCommit] {
        let (grant, code) = grant_and_code(&mut draw);
        let token = draw.refresh(&grant);
        done(&store, vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
        let events = read_all(&store).await.len();
        let redeem = Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at: grant.created_at };
        proxy.set(cut);
        done(&store, vec![redeem.clone(), Write::InsertRefresh(token.clone())]).await;
        assert!(proxy.is_done(), "{cut:?} came to pass");
        assert!(store.refresh(&token.digest).await.unwrap().is_some());
        assert_eq!(read_all(&store).await.len(), events + 1);
        conflict(&store, vec![redeem]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_end_cannot_be_read_is_a_fault() {
    // proves: FLT-05
    let database = Postgres::fresh();
    let proxy = Proxy::to(database.port());
    let store = open(&through(&proxy, &database)).await;
    let (grant, code) = grant_and_code(&mut Draw::new(201));
    proxy.set(Cut::AfterCommitForGood);
    let writes = vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())];
    fault(store.commit(writes.clone())).await;
    proxy.set(Cut::Never);
    until_ready(&store).await;
    // It happened, whole, and whoever tries again hears so.
    assert_eq!(store.grant(&grant.id).await.unwrap(), Some(grant));
    assert!(store.code(&code.digest).await.unwrap().is_some());
    conflict(&store, writes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_a_fault_soon_and_no_more_when_it_is_back() {
    // proves: FLT-06
    let database = Postgres::alone();
    let store = Arc::new(open(&database.url()).await);
    let (grant, code) = grant_and_code(&mut Draw::new(202));
    done(&*store, vec![Write::InsertGrant(grant.clone())]).await;
    let end =
        vec![Write::RevokeGrant { grant: grant.id.clone(), at: grant.created_at, reason: RevocationReason::Person }];
    done(&*store, end).await;
    for kill in [false, true] {
        if kill {
            database.kill()
        } else {
            database.stop()
        }
        let gone = now();
        fault(store.ready()).await;
        fault(store.grant(&grant.id)).await;
        fault(store.commit(vec![Write::CountWrongVerifier(code.digest)])).await;
        fault(store.sweep(grant.created_at)).await;
        // What is known is known, and how old that is can be told.
        assert!(store.revocations().is_revoked(&grant.id.0));
        assert!(store.revocations_known_at() <= gone);
        // Once that is known nobody waits to hear it.
        until("it is known", async || at_once(store.grant(&grant.id)).is_some_and(|found| found.is_err())).await;
        database.start();
        until_ready(&store).await;
        assert!(store.grant(&grant.id).await.unwrap().is_some());
    }
    let back = now();
    until("it looks for revocations again", async || store.revocations_known_at() >= back).await;
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_silent_is_a_fault_soon() {
    // proves: FLT-06
    let database = Postgres::fresh();
    let proxy = Proxy::to(database.port());
    let store = open(&through(&proxy, &database)).await;
    let (grant, _) = grant_and_code(&mut Draw::new(203));
    proxy.set(Cut::Silence);
    fault(store.grant(&grant.id)).await;
    fault(store.commit(vec![Write::InsertGrant(grant.clone())])).await;
    proxy.set(Cut::Never);
    until_ready(&store).await;
    assert_eq!(store.grant(&grant.id).await.unwrap(), None);
    done(&store, vec![Write::InsertGrant(grant)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_for_long_is_a_fault_and_nothing_happens() {
    // proves: FLT-05
    let database = Postgres::fresh();
    let store = open(&database.url()).await;
    let (grant, _) = grant_and_code(&mut Draw::new(204));
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE grants").await.unwrap();
    fault(store.commit(vec![Write::InsertGrant(grant.clone())])).await;
    holder.execute("COMMIT").await.unwrap();
    assert_eq!(store.grant(&grant.id).await.unwrap(), None);
    done(&store, vec![Write::InsertGrant(grant)]).await;
}

/// Writers go on while the server is killed again and again: what was acknowledged is there, nothing is there in part, and the
/// record is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_nothing_that_was_acknowledged() {
    // proves: FLT-05, FLT-01, INV-7, INV-12
    let database = Postgres::alone();
    let store = Arc::new(open(&database.url()).await);
    let mut writers = tokio::task::JoinSet::new();
    let (end, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for writer in 0..6 {
        let (store, end, done) = (store.clone(), end.clone(), done.clone());
        writers.spawn(async move {
            let mut draw = Draw::new(1000 + writer);
            let mut ends = Vec::new();
            while !end.load(SeqCst) {
                let (grant, code) = grant_and_code(&mut draw);
                let result =
                    store.commit(vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
                assert_ne!(result.as_ref().ok(), Some(&Committed::Conflict), "nobody else writes these");
                if result.is_err() {
                    // As a client does that is told to come back: known to be away, the store answers without waiting.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                done.fetch_add(usize::from(result.is_ok()), SeqCst);
                ends.push((grant, code, result.is_ok()));
            }
            ends
        });
    }
    // In the midst of it, each time.
    let more = async || {
        let enough = done.load(SeqCst) + 30;
        until("they go on", async || done.load(SeqCst) >= enough).await;
    };
    for _ in 0..3 {
        more().await;
        let database = database.clone();
        tokio::task::spawn_blocking(move || {
            database.kill();
            database.start();
        })
        .await
        .unwrap();
    }
    more().await;
    end.store(true, SeqCst);
    let ends: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    let mut there = 0;
    for (grant, code, acknowledged) in &ends {
        let found = store.grant(&grant.id).await.unwrap().is_some();
        assert_eq!(store.code(&code.digest).await.unwrap().is_some(), found, "half a commit");
        assert!(found || !acknowledged, "an acknowledged commit is lost");
        there += usize::from(found);
    }
    assert!(there >= 120, "{there}");
    assert_eq!(read_all(&*store).await.len(), there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_on_an_empty_database_take_turns() {
    // proves: FLT-10
    let database = Postgres::fresh();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let url = database.url();
        tasks.spawn(async move { open(&url).await.has_accounts().await.unwrap() });
    }
    assert_eq!(tasks.join_all().await, [false; 10]);
    assert_eq!(database.sql("SELECT count(*) FROM _sqlx_migrations"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_arrives_although_nobody_was_notified() {
    // proves: FLT-20, INV-9
    let database = Postgres::fresh();
    let (here, there) = (open(&database.url()).await, open(&database.url()).await);
    let mut draw = Draw::new(205);
    let silent = "CREATE OR REPLACE FUNCTION grant_was_revoked() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN NEW.revoked_by := pg_current_xact_id()::text::bigint; RETURN NEW; END $$";
    let deaf = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    for sabotage in [deaf, silent] {
        let grant = draw.grant();
        done(&there, vec![Write::InsertGrant(grant.clone())]).await;
        database.sql(sabotage);
        let end =
            Write::RevokeGrant { grant: grant.id.clone(), at: grant.created_at, reason: RevocationReason::Person };
        done(&there, vec![end]).await;
        until(sabotage, async || here.revocations().is_revoked(&grant.id.0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_break_revocations_are_found_whatever_their_transactions_are_numbered() {
    // proves: INV-9
    let database = Postgres::fresh();
    let store = open(&database.url()).await;
    let (grant, _) = grant_and_code(&mut Draw::new(208));
    done(&store, vec![Write::InsertGrant(grant.clone())]).await;
    // A standby that took over without the last transactions, or a backup put in place, numbers from further back.
    database.sql(&format!(
        "ALTER TABLE grants DISABLE TRIGGER USER; \
         UPDATE grants SET revoked_at = 1, revoked_reason = 'person', revoked_by = 1 WHERE id = '{}'",
        grant.id.0
    ));
    database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doorward' \
         AND datname = current_database()",
    );
    until("it is heard of", async || store.revocations().is_revoked(&grant.id.0)).await;
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_refused_with_what_helps() {
    let database = Postgres::fresh();
    let refused = async |url: String| {
        let place = Place::Postgres(url.parse().unwrap());
        match doorward_store::open(&place).await {
            Ok(_) => panic!("{place} was opened"),
            Err(error) => error,
        }
    };
    let text = refused(format!("{}x", database.url())).await.to_string();
    assert!(text.contains("does not exist; make it with: createdb"), "{text}");
    let text = refused(database.url().replace(&format!(":{}/", database.port()), ":1/")).await.to_string();
    assert!(text.contains("see that PostgreSQL runs there"), "{text}");
    let text = refused(database.url().replace("doorward@", "nobody:s3cret@")).await.to_string();
    assert!(text.contains("check the user") && !text.contains("s3cret"), "{text}");

    let ascii = Postgres::fresh();
    ascii.sql("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
    let text = refused(ascii.url().rsplit_once('/').unwrap().0.to_owned() + "/ascii").await.to_string();
    assert!(text.contains("its encoding is SQL_ASCII"), "{text}");

    let foreign = Postgres::fresh();
    foreign.sql("CREATE TABLE grants (money INT)");
    let text = refused(foreign.url()).await.to_string();
    assert!(text.contains("another program has tables"), "{text}");

    open(&database.url()).await.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'x', true, '', 0)";
    database.sql(newer);
    assert!(matches!(refused(database.url()).await, OpenError::NewerDatabase { found: 99, .. }));
}

#[tokio::test]
async fn a_copy_is_made_with_pg_dump() {
    let database = Postgres::fresh();
    let store = open(&database.url()).await;
    let text = store.backup("/tmp/copy".as_ref()).await.unwrap_err().to_string();
    assert!(text.contains("pg_dump --format=custom --file=/tmp/copy 'postgres://doorward@127.0.0.1"), "{text}");
    store.close().await;
    assert!(store.ready().await.is_err());
}

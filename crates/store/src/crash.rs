//! The process is killed before and after each step that changes the database; then all is there or absent, and goes on.

#[allow(unreachable_pub, dead_code, reason = "shared with the contract, which uses all of it")]
#[path = "../tests/contract/facts.rs"]
mod facts;

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::{Arc, atomic::Ordering},
};

use doorward_authorization_server::{
    RevocationReason, Write, audit,
    facts::{Account, Client, Code, Device, DeviceAnswer, Grant, Interaction, PushedRequest, Refresh, Session},
    store::Committed,
};
use doorward_testkit::postgres::Postgres;
use doorward_types::{
    Digest, Timestamp,
    secret::{RefreshToken, SetupToken, UsedOnce},
};
use facts::Draw;

use crate::{Engine, Place, failpoint};

const PLACE: &str = "DOORWARD_TEST_PLACE";
const DIE_AT: &str = "DOORWARD_TEST_DIE_AT";

/// All that the story is about.
struct Cast {
    setup: Digest<SetupToken>,
    used: Digest<UsedOnce>,
    client: Client,
    account: Account,
    session: Session,
    pushed: PushedRequest,
    interaction: Interaction,
    grant: Grant,
    code: Code,
    tokens: [Refresh; 3],
    device: Device,
    let_in: Grant,
}

enum Step {
    Commit(Vec<Write>),
    Sweep(Timestamp),
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_000_000 + second)
}

/// A life of a gateway: set up, used by a client and by a device, revoked, swept.
fn story() -> (Cast, Vec<Step>) {
    let mut draw = Draw::new(300);
    let client = Client { expires_at: None, ..draw.client() };
    let account = draw.account_without_password();
    let grant = Grant {
        client: client.id.clone(),
        account: Some(account.id.clone()),
        created_at: at(0),
        expires_at: None,
        ..draw.grant()
    };
    let let_in = Grant { id: draw.grant().id, ..grant.clone() };
    let mut refresh = |grant: &Grant| Refresh { expires_at: at(50 * 24 * 3600), ..draw.refresh(grant) };
    let tokens = [refresh(&grant), refresh(&grant), refresh(&let_in)];
    let cast = Cast {
        setup: draw.secret().digest(),
        used: draw.secret().digest(),
        session: draw.session(&account),
        pushed: draw.pushed_request(),
        interaction: draw.interaction(),
        code: draw.code(&grant),
        device: draw.device(),
        client,
        account,
        grant,
        tokens,
        let_in,
    };
    let (one, two, three) = (&cast.tokens[0], &cast.tokens[1], &cast.tokens[2]);
    let renamed = Client { name: Some("renamed".into()), last_used_at: Some(at(3)), ..cast.client.clone() };
    let used = Client { last_used_at: Some(at(3)), ..cast.client.clone() };
    let grant = cast.grant.id.clone();
    let commits = vec![
        vec![Write::ReplaceSetup(cast.setup), Write::InsertClient(cast.client.clone())],
        vec![
            Write::SpendSetup(cast.setup),
            Write::InsertAccount(cast.account.clone()),
            Write::InsertSession(cast.session.clone()),
        ],
        vec![Write::InsertPushedRequest(cast.pushed.clone())],
        vec![Write::SpendPushedRequest(cast.pushed.digest), Write::InsertInteraction(cast.interaction.clone())],
        vec![
            Write::SpendInteraction(cast.interaction.digest),
            Write::InsertGrant(cast.grant.clone()),
            Write::InsertCode(cast.code.clone()),
        ],
        vec![
            Write::RedeemCode { code: cast.code.digest, grant: grant.clone(), at: at(3) },
            Write::InsertRefresh(one.clone()),
            Write::UseOnce { id: cast.used, until: at(100) },
            Write::TouchGrant(grant.clone(), at(3)),
            Write::TouchClient { client: cast.client.id.clone(), at: at(3), expires_at: None },
        ],
        vec![
            Write::RotateRefresh {
                token: one.digest,
                grant: grant.clone(),
                successor: two.digest,
                at: at(4),
                answer: draw.sealed(&draw_secret()),
            },
            Write::InsertRefresh(two.clone()),
        ],
        vec![Write::CountReplay { token: one.digest, seen: 0 }],
        vec![Write::InsertKey { key: draw.key(), seen: 0 }],
        vec![Write::InsertDevice(cast.device.clone())],
        vec![
            Write::AnswerDevice {
                device: cast.device.digest,
                answer: DeviceAnswer::Allowed(cast.let_in.id.clone()),
                at: at(5),
            },
            Write::InsertGrant(cast.let_in.clone()),
        ],
        vec![
            Write::RedeemDevice { device: cast.device.digest, grant: cast.let_in.id.clone(), at: at(6) },
            Write::InsertRefresh(three.clone()),
        ],
        vec![Write::ReplaceClient { before: Box::new(used), after: Box::new(renamed), at: at(7) }],
        vec![Write::RevokeGrant { grant, at: at(8), reason: RevocationReason::RefreshReuse }],
        vec![Write::DeleteClient { client: cast.client.id.clone(), at: at(9) }],
    ];
    let mut steps: Vec<_> = commits.into_iter().map(Step::Commit).collect();
    steps.push(Step::Sweep(at(20)));
    steps.push(Step::Sweep(at(2 * 24 * 3600)));
    (cast, steps)
}

fn draw_secret() -> doorward_types::Secret<RefreshToken> {
    doorward_types::Secret::generate(&mut doorward_testkit::SeededEntropy::new(301))
}

async fn take(store: &dyn Engine, step: &Step) {
    match step {
        Step::Commit(writes) => assert_eq!(store.commit(writes.clone()).await.unwrap(), Committed::Done, "{writes:?}"),
        Step::Sweep(now) => drop(store.sweep(*now).await.unwrap()),
    }
}

/// All that can be read of the story. The record is checked up to its head.
async fn read(store: &dyn Engine, cast: &Cast) -> String {
    let record = store.recorded(0, 1000).await.unwrap();
    let end = record.iter().try_fold((0, audit::START), |(number, digest), row| {
        audit::check(number, &digest, row).map(|()| (row.number, row.digest))
    });
    assert_eq!(end.unwrap(), store.record_head().await.unwrap());
    let mut tokens = Vec::new();
    for token in &cast.tokens {
        tokens.push(store.refresh(&token.digest).await.unwrap());
    }
    let heads = |grant: &Grant| {
        let rows = tokens.iter().flatten().filter(|facts| facts.token.grant == grant.id);
        rows.filter(|facts| facts.token.rotated.is_none()).count()
    };
    assert!(heads(&cast.grant) <= 1 && heads(&cast.let_in) <= 1, "two live heads");
    let mut revoked = store.revoked_grants().await.unwrap();
    revoked.sort();
    for grant in &revoked {
        assert!(store.revocations().is_revoked(&grant.0));
    }
    let first = (
        store.setup().await.unwrap(),
        store.is_used(&cast.used).await.unwrap(),
        store.client(&cast.client.id).await.unwrap(),
        store.account(&cast.account.id).await.unwrap(),
        store.session(&cast.session.digest).await.unwrap(),
        store.pushed_request(&cast.pushed.digest).await.unwrap(),
        store.interaction(&cast.interaction.digest).await.unwrap(),
    );
    let second = (
        store.grant(&cast.grant.id).await.unwrap(),
        store.grant(&cast.let_in.id).await.unwrap(),
        store.code(&cast.code.digest).await.unwrap(),
        store.device(&cast.device.digest).await.unwrap(),
        store.keys().await.unwrap(),
    );
    format!("{first:?} {second:?} {tokens:?} {revoked:?} {record:?}")
}

fn place_of(text: &str) -> Place {
    match text.parse() {
        Ok(url) => Place::Postgres(url),
        Err(_) => Place::Sqlite(text.into()),
    }
}

/// What the child does. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: started by the others"]
#[allow(clippy::print_stdout, reason = "it speaks through it")]
async fn child() {
    let var = |name| std::env::var(name).unwrap();
    let store = crate::open(&place_of(&var(PLACE))).await.unwrap();
    failpoint::COUNT.store(0, Ordering::SeqCst);
    failpoint::DIE_AT.store(var(DIE_AT).parse().unwrap(), Ordering::SeqCst);
    for step in story().1 {
        take(&*store, &step).await;
        println!("\nacknowledged");
    }
    println!("\npoints {}", failpoint::COUNT.load(Ordering::SeqCst));
}

/// Runs the child until it dies at this moment, or to the end. Gives how many steps were acknowledged and how many moments there were.
fn run_child(place: &str, die_at: u64) -> (usize, Option<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture", "--quiet"])
        .env(PLACE, place)
        .env(DIE_AT, die_at.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    let ended = child.wait().unwrap().success();
    let points = lines.iter().find_map(|line| line.strip_prefix("points ")).map(|count| count.parse().unwrap());
    assert_eq!(ended, points.is_some(), "{lines:?}");
    (lines.iter().filter(|line| *line == "acknowledged").count(), points)
}

/// A database of the engine that holds nothing yet, as often as one is wanted.
trait Fresh: Send + Sync + 'static {
    type Kept: Send;
    fn fresh(&self) -> (String, Self::Kept);
    /// Waits until the dead process is gone from the database as well.
    fn settle(&self, _kept: &Self::Kept) {}
    /// It is not needed any more.
    fn discard(&self, _kept: Self::Kept) {}
}

async fn at_every_moment<F: Fresh>(engine: F) {
    let (cast, steps) = story();
    // What can be read after each step.
    let (place, kept) = engine.fresh();
    let store = crate::open(&place_of(&place)).await.unwrap();
    let mut states = vec![read(&*store, &cast).await];
    for step in &steps {
        take(&*store, step).await;
        states.push(read(&*store, &cast).await);
    }
    store.close().await;
    drop(kept);
    let (place, kept) = engine.fresh();
    let (acknowledged, points) = run_child(&place, u64::MAX);
    drop(kept);
    assert_eq!(acknowledged, steps.len());
    let points = points.unwrap();
    assert!(points > 150, "{points}");

    let shared = Arc::new((engine, cast, steps, states));
    let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (shared, next) = (shared.clone(), next.clone());
        tasks.spawn(async move {
            let (engine, cast, steps, states) = &*shared;
            let (mut whole, mut absent) = (0, 0);
            loop {
                let die_at = next.fetch_add(1, Ordering::SeqCst);
                if die_at >= points {
                    return (whole, absent);
                }
                let (place, kept) = engine.fresh();
                let (acknowledged, _) = tokio::task::block_in_place(|| run_child(&place, die_at));
                tokio::task::block_in_place(|| engine.settle(&kept));
                let store = crate::open(&place_of(&place)).await.unwrap();
                let state = read(&*store, cast).await;
                let known = [acknowledged, acknowledged + 1].into_iter().find(|n| states.get(*n) == Some(&state));
                let done = known.unwrap_or_else(|| panic!("killed at {die_at}, after {acknowledged} steps: {state}"));
                if done > acknowledged {
                    whole += 1
                } else {
                    absent += 1
                }
                for step in &steps[done..] {
                    take(&*store, step).await;
                }
                assert_eq!(Some(&read(&*store, cast).await), states.last());
                store.close().await;
                tokio::task::block_in_place(|| engine.discard(kept));
            }
        });
    }
    let counts = tasks.join_all().await;
    let (whole, absent) = counts.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    // Both happen: what is killed after COMMIT is there although nobody was told.
    assert!(whole >= 10 && absent >= 100, "{whole} whole, {absent} absent");
}

struct Files(tempfile::TempDir);

impl Fresh for Files {
    type Kept = tempfile::TempDir;
    fn fresh(&self) -> (String, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("doorward.db");
        std::fs::copy(self.0.path().join("doorward.db"), &path).unwrap();
        (path.to_str().unwrap().to_owned(), directory)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_every_moment_on_sqlite() {
    // proves: FLT-01, INV-1, INV-2, INV-7, INV-12
    let directory = tempfile::tempdir().unwrap();
    crate::SqliteStore::open(&directory.path().join("doorward.db")).await.unwrap().close().await;
    at_every_moment(Files(directory)).await;
}

struct Databases(Postgres);

impl Fresh for Databases {
    type Kept = Postgres;
    fn fresh(&self) -> (String, Postgres) {
        let copy = self.0.copy();
        (copy.url(), copy)
    }
    fn settle(&self, kept: &Postgres) {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND application_name = 'doorward'";
        while kept.sql(others) != "0" {}
    }
    fn discard(&self, kept: Postgres) {
        kept.remove();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_every_moment_on_postgresql() {
    // proves: FLT-01, INV-1, INV-2, INV-7, INV-12
    let database = Postgres::fresh();
    crate::PostgresStore::open(&database.url().parse().unwrap()).await.unwrap().close().await;
    let databases = Databases(database);
    databases.settle(&databases.0);
    at_every_moment(databases).await;
}

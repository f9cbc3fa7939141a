//! What lies in the file, for how long, and who hears of it.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

#[path = "contract/facts.rs"]
mod facts;

use std::{fs, path::Path, time::Duration};

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Account, Client, ClientAuthentication, Grant, GrantId, Refresh},
    seal::Sealed,
    store::{Committed, Store as _},
};
use doorward_store::{Engine as _, SqliteStore};
use doorward_types::{
    Timestamp,
    secret::{ClientSecret, RefreshToken, SetupToken},
};
use facts::Draw;

async fn done(store: &SqliteStore, writes: Vec<Write>) {
    assert_eq!(store.commit(writes).await.unwrap(), Committed::Done);
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn files_of(directory: &Path) -> Vec<u8> {
    let files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn no_secret_lies_in_the_file_or_its_log() {
    // proves: R68-01
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("doorward.db")).await.unwrap();
    let mut draw = Draw::new(40);
    let account = draw.account();
    let grant = Grant { account: Some(account.id.clone()), ..draw.grant() };
    let client = Client {
        authentication: ClientAuthentication::SecretBasic(draw.secret::<ClientSecret>().digest()),
        ..draw.client()
    };
    let presented = draw.secret::<RefreshToken>();
    let head = Refresh { digest: presented.digest(), ..draw.refresh(&grant) };
    let next = draw.refresh(&grant);
    let rotate = Write::RotateRefresh {
        token: head.digest,
        grant: grant.id.clone(),
        successor: next.digest,
        at: grant.created_at,
        answer: draw.sealed(&presented),
    };
    let writes = vec![
        Write::ReplaceSetup(draw.secret::<SetupToken>().digest()),
        Write::InsertClient(client),
        Write::InsertAccount(account.clone()),
        Write::InsertSession(draw.session(&account)),
        Write::InsertInteraction(draw.interaction()),
        Write::InsertPushedRequest(draw.pushed_request()),
        Write::InsertDevice(draw.device()),
        Write::InsertKey { key: draw.key(), seen: 0 },
        Write::InsertGrant(grant.clone()),
        Write::InsertCode(draw.code(&grant)),
        Write::InsertRefresh(head),
        rotate,
        Write::InsertRefresh(next),
    ];
    done(&store, writes).await;
    assert_eq!(draw.plain.len(), 21);

    for closed in [false, true] {
        if closed {
            store.close().await;
        }
        let bytes = files_of(directory.path());
        // The search finds what is there.
        assert!(contains(&bytes, &grant.id.0) && contains(&bytes, &account.name));
        for secret in &draw.plain {
            assert!(!contains(&bytes, secret), "{secret}");
            assert!(!contains(&bytes, &secret[secret.len() - 16..]), "a part of {secret}");
        }
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_000_000 + second)
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn sweeping_takes_what_is_over_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("doorward.db")).await.unwrap();
    let mut draw = Draw::new(41);
    let account = draw.account();
    let living = Grant { expires_at: None, created_at: at(0), ..draw.grant() };
    let expired = Grant { expires_at: Some(at(0)), created_at: at(0), ..draw.grant() };
    let revoked = Grant { expires_at: None, created_at: at(0), ..draw.grant() };

    let mut interaction = draw.interaction();
    interaction.expires_at = at(0);
    let mut session = draw.session(&account);
    session.expires_at = at(10);
    let mut code = draw.code(&living);
    code.expires_at = at(0);
    let (mut one, mut two, mut three) = (draw.refresh(&living), draw.refresh(&living), draw.refresh(&living));
    (one.expires_at, two.expires_at, three.expires_at) = (at(2 * HOUR), at(3 * HOUR), at(90 * DAY));
    let mut dead = draw.refresh(&revoked);
    dead.expires_at = at(90 * DAY);
    let rotate = |token: &Refresh, successor: &Refresh, second| Write::RotateRefresh {
        token: token.digest,
        grant: token.grant.clone(),
        successor: successor.digest,
        at: at(second),
        answer: Sealed::from_bytes(vec![1; 100]),
    };
    done(
        &store,
        vec![
            Write::InsertAccount(account),
            Write::InsertSession(session.clone()),
            Write::InsertInteraction(interaction.clone()),
            Write::InsertGrant(living.clone()),
            Write::InsertGrant(expired.clone()),
            Write::InsertGrant(revoked.clone()),
            Write::InsertCode(code.clone()),
            Write::InsertRefresh(one.clone()),
            rotate(&one, &two, 0),
            Write::InsertRefresh(two.clone()),
            rotate(&two, &three, HOUR),
            Write::InsertRefresh(three.clone()),
            Write::InsertRefresh(dead),
            Write::RevokeGrant { grant: revoked.id.clone(), at: at(0), reason: RevocationReason::Client },
        ],
    )
    .await;
    let revocations = store.revocations();
    let answer_of = async |token: &Refresh| {
        store.refresh(&token.digest).await.unwrap().map(|facts| facts.token.rotated.map(|r| r.answer.as_bytes().len()))
    };

    assert_eq!(store.sweep(at(-1)).await.unwrap(), 0);
    assert_eq!(store.sweep(at(9)).await.unwrap(), 1);
    assert_eq!(store.interaction(&interaction.digest).await.unwrap(), None);
    assert!(store.session(&session.digest).await.unwrap().is_some());
    assert_eq!(answer_of(&one).await, Some(Some(100)));

    // Past any grace the answer goes; the token stays, so that its reuse is recognised.
    store.sweep(at(HOUR)).await.unwrap();
    assert_eq!(store.session(&session.digest).await.unwrap(), None);
    assert_eq!((answer_of(&one).await, answer_of(&two).await), (Some(Some(0)), Some(Some(100))));
    assert!(store.refresh(&one.digest).await.unwrap().unwrap().successor_used);

    store.sweep(at(2 * HOUR)).await.unwrap();
    assert_eq!((answer_of(&one).await, answer_of(&two).await), (None, Some(Some(0))));
    assert!(store.code(&code.digest).await.unwrap().is_some());
    assert!(revocations.is_revoked(&revoked.id.0));

    store.sweep(at(DAY)).await.unwrap();
    assert!(store.code(&code.digest).await.unwrap().is_none());
    assert_eq!((answer_of(&two).await, answer_of(&three).await), (None, Some(None)));
    assert_eq!(store.grant(&revoked.id).await.unwrap(), None);
    assert_eq!(store.grant(&expired.id).await.unwrap(), None);
    assert_eq!(store.grant(&living.id).await.unwrap(), Some(living));
    assert!(!revocations.is_revoked(&revoked.id.0));
    assert_eq!(store.sweep(at(DAY)).await.unwrap(), 0);
}

#[tokio::test]
async fn sweeping_takes_many_rows_in_small_steps() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("doorward.db")).await.unwrap();
    let mut draw = Draw::new(42);
    let mut writes = Vec::new();
    for _ in 0..1234 {
        writes.push(Write::InsertInteraction(draw.interaction()));
    }
    done(&store, writes).await;
    assert_eq!(store.sweep(at(100 * DAY)).await.unwrap(), 1234);
}

fn revoke(grant: &GrantId) -> Vec<Write> {
    vec![Write::RevokeGrant { grant: grant.clone(), at: at(0), reason: RevocationReason::Person }]
}

#[tokio::test]
async fn a_revocation_is_known_when_its_commit_is_answered_and_after_a_restart() {
    // proves: R7009-04
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorward.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let revocations = store.revocations();
    let mut draw = Draw::new(43);
    let (one, two) = (draw.grant(), draw.grant());
    done(&store, vec![Write::InsertGrant(one.clone()), Write::InsertGrant(two.clone())]).await;
    assert!(!revocations.is_revoked(&one.id.0));
    // A commit that does not happen revokes nothing.
    let mut writes = revoke(&two.id);
    writes.push(Write::InsertGrant(one.clone()));
    assert_eq!(store.commit(writes).await.unwrap(), Committed::Conflict);
    assert!(!revocations.is_revoked(&two.id.0));
    done(&store, revoke(&one.id)).await;
    assert!(revocations.is_revoked(&one.id.0) && !revocations.is_revoked(&two.id.0));
    store.close().await;

    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.revocations().is_revoked(&one.id.0) && !store.revocations().is_revoked(&two.id.0));
}

#[tokio::test]
async fn a_revocation_through_another_opening_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorward.db");
    let (here, there) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    let grant = Draw::new(44).grant();
    done(&here, vec![Write::InsertGrant(grant.clone())]).await;
    done(&there, revoke(&grant.id)).await;
    let arrives = async {
        while !here.revocations().is_revoked(&grant.id.0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrives).await.expect("the revocation arrives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fails_does_not_hurt_the_others_of_its_group() {
    let directory = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(SqliteStore::open(&directory.path().join("doorward.db")).await.unwrap());
    let mut draw = Draw::new(45);
    let mut tasks = tokio::task::JoinSet::new();
    let mut accounts = Vec::new();
    for n in 0..60 {
        let account = Account { name: format!("account {n}"), ..draw.account_without_password() };
        let mut writes = vec![Write::InsertAccount(account.clone())];
        if n % 3 == 0 {
            writes.push(Write::InsertAccount(account.clone()));
        }
        accounts.push(account);
        let store = store.clone();
        tasks.spawn(async move { (n, store.commit(writes).await.unwrap()) });
    }
    for (n, end) in tasks.join_all().await {
        assert_eq!(end == Committed::Conflict, n % 3 == 0);
    }
    for (n, account) in accounts.iter().enumerate() {
        assert_eq!(store.account(&account.id).await.unwrap().is_some(), n % 3 != 0);
    }
}

//! What lies in the file, for how long, and who hears of it.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

#[path = "contract/facts.rs"]
mod facts;

use std::{fs, path::Path};

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Account, Client, ClientAuthentication, Grant, GrantId, Refresh},
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

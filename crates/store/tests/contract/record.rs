//! The audit record: each event once, in a chain that ends at its head.

use std::sync::Arc;

use doorward_authorization_server::{
    RevocationReason, Write,
    audit::{self, Event, EventKind, Recorded},
    facts::Grant,
    store::Store,
};
use doorward_store::Engine as _;
use doorward_types::Timestamp;

use super::{Engine, conflict, done, facts::Draw};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_000_000 + second)
}

/// Reads all of it, in pages, and checks the chain up to the head.
pub async fn read_all(store: &impl doorward_store::Engine) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    let (mut number, mut digest) = (0, audit::START);
    loop {
        let page = store.recorded(number, 3).await.unwrap();
        if page.is_empty() {
            assert_eq!(store.record_head().await.unwrap(), (number, digest));
            return all;
        }
        for row in page {
            audit::check(number, &digest, &row).unwrap();
            (number, digest) = (row.number, row.digest);
            all.push(row);
        }
    }
}

fn kinds(record: &[Recorded]) -> Vec<EventKind> {
    record.iter().map(|row| row.event.kind).collect()
}

pub async fn each_change_is_recorded_once(engine: &impl Engine) {
    // proves: INV-12
    let store = engine.open().await;
    let mut draw = Draw::new(70);
    let (client, account) = (draw.client(), draw.account_without_password());
    let grant = Grant { client: client.id.clone(), account: Some(account.id.clone()), ..draw.grant() };
    let code = draw.code(&grant);
    done(&store, vec![Write::InsertClient(client.clone()), Write::InsertAccount(account.clone())]).await;
    done(&store, vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
    done(&store, vec![Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at: at(1) }]).await;
    let told = Event { client: Some(client.id.clone()), ..Event::new(at(2), EventKind::CallDenied) }.with_detail("x");
    done(&store, vec![Write::Record(told.clone())]).await;
    let other = Grant { client: client.id.clone(), ..draw.grant() };
    done(&store, vec![Write::InsertGrant(other.clone())]).await;
    let revoke = |reason| Write::RevokeGrant { grant: grant.id.clone(), at: at(3), reason };
    done(&store, vec![revoke(RevocationReason::CodeReplay)]).await;
    // What is so already is no event.
    done(&store, vec![revoke(RevocationReason::Person)]).await;
    done(&store, vec![Write::DeleteClient { client: client.id.clone(), at: at(4) }]).await;
    done(&store, vec![Write::DeleteClient { client: client.id.clone(), at: at(5) }]).await;
    let record = read_all(&store).await;
    use EventKind::{AccountAdded, CallDenied, ClientAdded, ClientRemoved, Granted, Issued, ReuseDetected, Revoked};
    assert_eq!(
        kinds(&record),
        [ClientAdded, AccountAdded, Granted, Issued, CallDenied, Granted, ReuseDetected, ClientRemoved, Revoked]
    );
    assert_eq!(record[4].event, told);
    let granted = &record[2].event;
    assert_eq!((granted.account.as_ref(), granted.grant.as_ref()), (Some(&account.id), Some(&grant.id)));
    assert_eq!((granted.client.as_ref(), granted.resource.as_ref()), (Some(&client.id), Some(&grant.resource)));
    let ended = &record[8].event;
    assert_eq!((ended.grant.as_ref(), ended.detail.as_str()), (Some(&other.id), "client_removed"));
}

pub async fn what_did_not_happen_is_not_recorded(engine: &impl Engine) {
    // proves: INV-12
    let store = engine.open().await;
    let mut draw = Draw::new(71);
    let (client, grant) = (draw.client(), draw.grant());
    done(&store, vec![Write::InsertClient(client.clone())]).await;
    let before = read_all(&store).await;
    let told = Write::Record(Event::new(at(1), EventKind::SignInFailed));
    conflict(&store, vec![told, Write::InsertGrant(grant), Write::InsertClient(client.clone())]).await;
    done(&store, vec![Write::DeleteKey { kid: "none".into(), at: at(2) }]).await;
    let same = Box::new(client.clone());
    done(&store, vec![Write::ReplaceClient { before: same.clone(), after: same, at: at(3) }]).await;
    assert_eq!(read_all(&store).await, before);
}

pub async fn the_record_is_a_chain_to_its_head(engine: &impl Engine) {
    // proves: INV-12
    let store = engine.open().await;
    assert_eq!(store.record_head().await.unwrap(), (0, audit::START));
    assert_eq!(read_all(&store).await, []);
    let told = |n: i64| Write::Record(Event::new(at(n), EventKind::SignInFailed).with_detail(n.to_string()));
    done(&store, (0..10).map(told).collect()).await;
    let all = read_all(&store).await;
    assert_eq!(all.len(), 10);
    assert_eq!(store.recorded(7, 100).await.unwrap(), all[7..]);
    assert_eq!(store.recorded(u64::MAX, 100).await.unwrap(), []);
}

pub async fn many_at_once_make_one_chain(engine: &impl Engine) {
    // proves: INV-12
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40_u32 {
        let store = stores[n as usize % 2].clone();
        let told = Write::Record(Event::new(at(0), EventKind::SignedOut).with_detail(n.to_string()));
        tasks.spawn(async move { store.commit(vec![told.clone(), told]).await.unwrap() });
    }
    tasks.join_all().await;
    let mut told: Vec<u32> = read_all(&*stores[0]).await.iter().map(|row| row.event.detail.parse().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, (0..40).flat_map(|n| [n, n]).collect::<Vec<_>>());
}

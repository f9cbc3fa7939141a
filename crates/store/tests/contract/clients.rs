//! Clients: what they are, how they change, and how they go.

use doorward_authorization_server::{
    Policy, Write, client_document,
    facts::{Account, Client, ClientAuthentication, ClientKeys, ClientOrigin, ExternalIdentity, Grant},
    store::Store as _,
    waiting::Waiting,
};
use doorward_store::Engine as _;
use doorward_types::{Issuer, Timestamp};

use super::{Engine, conflict, done, facts::Draw};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_000_000 + second)
}

pub async fn every_field_of_a_client_comes_back(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(50);
    let inline = ClientAuthentication::PrivateKeyJwt(ClientKeys::Inline(r#"{"keys":[]}"#.into()));
    let elsewhere = ClientAuthentication::PrivateKeyJwt(ClientKeys::At("https://app.example/jwks".into()));
    let bare = Client {
        origin: ClientOrigin::Document,
        scope: None,
        client_uri: None,
        software_id: None,
        dpop_bound: false,
        pushed_only: true,
        protects: None,
        exchanges_for: Vec::new(),
        management: None,
        fingerprint: None,
        last_used_at: None,
        expires_at: None,
        fresh_until: None,
        ..draw.client()
    };
    let signing = Client { authentication: inline, ..draw.client() };
    let published = Client { authentication: elsewhere, ..draw.client() };
    for client in [draw.client(), bare, signing, published] {
        done(&store, vec![Write::InsertClient(client.clone())]).await;
        assert_eq!(store.client(&client.id).await.unwrap(), Some(client));
    }
}

pub async fn a_client_is_replaced_as_it_was_seen(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(51);
    let before = Client { expires_at: Some(at(0)), ..draw.client() };
    let bare = Client { scope: None, management: None, fresh_until: None, ..before.clone() };
    let other = draw.client();
    done(&store, vec![Write::InsertClient(before.clone()), Write::InsertClient(other.clone())]).await;
    let replace = |before: &Client, after: &Client| {
        let (before, after) = (Box::new(before.clone()), Box::new(after.clone()));
        vec![Write::ReplaceClient { before, after, at: at(5) }]
    };
    done(&store, replace(&before, &bare)).await;
    assert_eq!(store.client(&bare.id).await.unwrap().as_ref(), Some(&bare));
    // Whoever saw it as it was before is too late, whatever the difference.
    conflict(&store, replace(&before, &other)).await;
    let seen = [
        Client { name: None, ..bare.clone() },
        Client { last_used_at: None, ..bare.clone() },
        Client { scope: other.scope.clone(), ..bare.clone() },
        Client { pushed_only: true, ..bare.clone() },
        Client { fresh_until: Some(at(1)), ..bare.clone() },
    ];
    for seen in seen {
        conflict(&store, replace(&seen, &before)).await;
    }
    done(&store, vec![Write::TouchClient { client: bare.id.clone(), at: at(9), expires_at: Some(at(20)) }]).await;
    conflict(&store, replace(&bare, &before)).await;
    assert_eq!(store.client(&other.id).await.unwrap(), Some(other));
}

pub async fn a_client_is_touched_forward(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(52);
    let ends = Client { last_used_at: None, expires_at: Some(at(100)), ..draw.client() };
    let lasts = Client { last_used_at: Some(at(5)), expires_at: None, ..draw.client() };
    done(&store, vec![Write::InsertClient(ends.clone()), Write::InsertClient(lasts.clone())]).await;
    let touch = |client: &Client, second, end: Option<i64>| Write::TouchClient {
        client: client.id.clone(),
        at: at(second),
        expires_at: end.map(at),
    };
    done(&store, vec![touch(&ends, 10, Some(200)), touch(&lasts, 10, Some(200))]).await;
    done(&store, vec![touch(&ends, 7, Some(150)), touch(&lasts, 7, None), touch(&ends, 9, None)]).await;
    let state = async |client: &Client| {
        let row = store.client(&client.id).await.unwrap().unwrap();
        (row.last_used_at, row.expires_at)
    };
    assert_eq!(state(&ends).await, (Some(at(10)), Some(at(200))));
    assert_eq!(state(&lasts).await, (Some(at(10)), None));
    // One that is gone is no conflict.
    done(&store, vec![touch(&draw.client(), 10, None)]).await;
}

pub async fn a_client_that_goes_takes_its_grants_along(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(53);
    let (client, other) = (draw.client(), draw.client());
    let of = |client: &Client, draw: &mut Draw| Grant { client: client.id.clone(), ..draw.grant() };
    let (one, two, foreign) = (of(&client, &mut draw), of(&client, &mut draw), of(&other, &mut draw));
    let mut writes: Vec<_> = [&client, &other].map(|client| Write::InsertClient(client.clone())).into();
    writes.extend([&one, &two, &foreign].map(|grant| Write::InsertGrant(grant.clone())));
    done(&store, writes).await;
    let revocations = store.revocations();
    done(&store, vec![Write::DeleteClient { client: client.id.clone(), at: at(3) }]).await;
    assert_eq!(store.client(&client.id).await.unwrap(), None);
    for grant in [&one, &two] {
        assert_eq!(store.grant(&grant.id).await.unwrap().unwrap().revoked_at, Some(at(3)));
        assert!(revocations.is_revoked(&grant.id.0));
    }
    assert_eq!(store.grant(&foreign.id).await.unwrap(), Some(foreign.clone()));
    assert!(!revocations.is_revoked(&foreign.id.0));
    done(&store, vec![Write::DeleteClient { client: client.id, at: at(4) }]).await;
}

pub async fn the_same_registration_is_recognised(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(54);
    let same = draw.client();
    let fingerprint = same.fingerprint.unwrap();
    let age = |created: i64, end: Option<i64>, draw: &mut Draw| Client {
        fingerprint: Some(fingerprint),
        created_at: at(created),
        expires_at: end.map(at),
        ..draw.client()
    };
    let (old, new, newest) = (age(1, None, &mut draw), age(2, Some(100), &mut draw), age(3, Some(50), &mut draw));
    for client in [&new, &newest, &old, &draw.client()] {
        done(&store, vec![Write::InsertClient(client.clone())]).await;
    }
    let like = async |second| store.client_like(&fingerprint, at(second)).await.unwrap().map(|client| client.id);
    assert_eq!(like(49).await, Some(newest.id));
    assert_eq!(like(50).await, Some(new.id));
    assert_eq!(like(100).await, Some(old.id));
    assert_eq!(store.client_like(&draw.secret().digest(), at(0)).await.unwrap(), None);
}

pub async fn clients_are_listed_in_pages(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(55);
    let mut all: Vec<_> = (0..7).map(|n| Client { created_at: at(n / 3), ..draw.client() }).collect();
    for client in &all {
        done(&store, vec![Write::InsertClient(client.clone())]).await;
    }
    all.sort_by_key(|client| (client.created_at, client.id.clone()));
    assert_eq!(store.clients(None, 100).await.unwrap(), all);
    let mut listed: Vec<Client> = Vec::new();
    loop {
        let page = store.clients(listed.last().map(|client| (client.created_at, &client.id)), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        // That it goes meanwhile ends nothing early.
        done(&store, vec![Write::DeleteClient { client: last.id.clone(), at: at(9) }]).await;
        listed.extend(page);
    }
    assert_eq!(listed, all);
}

pub async fn a_client_that_loses_its_keys_begins_anew_once(engine: &impl Engine) {
    // proves: INV-9
    let (here, there) = (engine.open().await, engine.open().await);
    let mut draw = Draw::new(59);
    let policy = Policy::new(Issuer::parse("https://gw.example").unwrap());
    let keyed = ClientAuthentication::PrivateKeyJwt(ClientKeys::Inline(r#"{"keys":[]}"#.into()));
    let before = Client { origin: ClientOrigin::Document, authentication: keyed, ..draw.client() };
    let bare = Client { authentication: ClientAuthentication::None, ..before.clone() };
    done(&here, vec![Write::InsertClient(before.clone())]).await;
    let old = Grant { client: before.id.clone(), account: None, ..draw.grant() };
    done(&here, vec![Write::InsertGrant(old.clone())]).await;
    // Both nodes have read the new document and saw the old client.
    let (_, writes) = client_document::refreshed(&policy, Some(&before), bare.clone(), 1, at(5)).unwrap();
    done(&here, writes.clone()).await;
    assert!(here.grant(&old.id).await.unwrap().unwrap().revoked_at.is_some());
    let new = Grant { client: before.id.clone(), account: None, ..draw.grant() };
    done(&here, vec![Write::InsertGrant(new.clone())]).await;
    conflict(&there, writes).await;
    assert_eq!(there.grant(&new.id).await.unwrap().unwrap().revoked_at, None);
    assert_eq!(there.client(&before.id).await.unwrap(), Some(bare));
}

pub async fn strangers_are_counted(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(56);
    for origin in [ClientOrigin::Dynamic, ClientOrigin::Document, ClientOrigin::Administrator, ClientOrigin::Dynamic] {
        done(&store, vec![Write::InsertClient(Client { origin, ..draw.client() })]).await;
    }
    assert_eq!(store.count_strangers().await.unwrap(), 3);
}

pub async fn what_waits_is_counted_by_kind(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(58);
    for (kind, rows) in [(Waiting::Answer, 3), (Waiting::Browser, 2), (Waiting::Code, 4)] {
        assert_eq!(store.count_waiting(kind, 10).await.unwrap(), 0);
        for _ in 0..rows {
            let write = match kind {
                Waiting::Answer => Write::InsertInteraction(draw.interaction()),
                Waiting::Browser => Write::InsertPushedRequest(draw.pushed_request()),
                Waiting::Code => Write::InsertDevice(draw.device()),
            };
            done(&store, vec![write]).await;
        }
        assert_eq!(store.count_waiting(kind, 10).await.unwrap(), rows);
        assert_eq!(store.count_waiting(kind, 2).await.unwrap(), 2);
    }
}

pub async fn people_are_known_by_their_provider(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(57);
    let identity = |issuer: &str, subject: &str| ExternalIdentity { issuer: issuer.into(), subject: subject.into() };
    let known = |external: ExternalIdentity, draw: &mut Draw| Account {
        external: Some(external),
        ..draw.account_without_password()
    };
    let ana = known(identity("https://idp.example", "ana"), &mut draw);
    let other = known(identity("https://other.example", "ana"), &mut draw);
    done(&store, vec![Write::InsertAccount(ana.clone()), Write::InsertAccount(other.clone())]).await;
    for account in [&ana, &other] {
        let found = store.account_by_identity(account.external.as_ref().unwrap()).await.unwrap();
        assert_eq!(found.as_ref(), Some(account));
    }
    for unknown in [identity("https://idp.example", "ANA"), identity("https://idp.example/", "ana")] {
        assert_eq!(store.account_by_identity(&unknown).await.unwrap(), None);
    }
    conflict(&store, vec![Write::InsertAccount(known(identity("https://idp.example", "ana"), &mut draw))]).await;
}

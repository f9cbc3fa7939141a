//! How things end: revoked, expired, swept away.

use std::time::{Duration, Instant};

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Account, Client, Device, DeviceAnswer, Grant, GrantKind, PushedRequest, Refresh},
    seal::Sealed,
    store::Store as _,
};
use doorward_store::Engine as _;
use doorward_types::Timestamp;

use super::{Engine, conflict, done, facts::Draw, record::read_all};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_000_000 + second)
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How long a revocation may take to reach another node.
const BOUND: Duration = Duration::from_secs(1);
/// Only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn a_revocation_is_known_at_once_and_elsewhere_soon(engine: &impl Engine) {
    // proves: R7009-04, INV-9, FLT-20
    let (here, there) = (engine.open().await, engine.open().await);
    let mut draw = Draw::new(80);
    let mut times = Vec::new();
    for _ in 0..5 {
        let grant = draw.grant();
        done(&there, vec![Write::InsertGrant(grant.clone())]).await;
        assert!(!here.revocations().is_revoked(&grant.id.0) && !there.revocations().is_revoked(&grant.id.0));
        // Whatever the clock of the revoking node says.
        let revoke =
            Write::RevokeGrant { grant: grant.id.clone(), at: at(-30 * DAY), reason: RevocationReason::Person };
        done(&there, vec![revoke]).await;
        assert!(there.revocations().is_revoked(&grant.id.0));
        let start = Instant::now();
        while !here.revocations().is_revoked(&grant.id.0) {
            assert!(start.elapsed() < PATIENCE, "it never arrives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.push(start.elapsed());
    }
    // A machine that stands still for a moment does not do so each time.
    times.sort_unstable();
    assert!(times[2] < BOUND, "it takes longer than {BOUND:?}: {times:?}");
    assert!(here.revocations_known_at() > at(0) && there.revocations_known_at() > at(0));
    let late = engine.open().await;
    assert_eq!(late.revoked_grants().await.unwrap().len(), 5);
    for grant in late.revoked_grants().await.unwrap() {
        assert!(late.revocations().is_revoked(&grant.0));
    }
}

pub async fn sweeping_takes_what_is_over_and_nothing_else(engine: &impl Engine) {
    // proves: FLT-14
    let store = engine.open().await;
    let mut draw = Draw::new(81);
    let account = draw.account();
    let living = Grant { expires_at: None, created_at: at(0), ..draw.grant() };
    let expired = Grant { expires_at: Some(at(0)), created_at: at(0), ..draw.grant() };
    let revoked = Grant { expires_at: None, created_at: at(0), ..draw.grant() };
    let machine = Grant {
        expires_at: None,
        created_at: at(0),
        last_used_at: Some(at(HOUR)),
        kind: GrantKind::ClientCredentials,
        account: None,
        redirect_uri: None,
        ..draw.grant()
    };

    let mut interaction = draw.interaction();
    interaction.expires_at = at(0);
    let pushed = PushedRequest { expires_at: at(0), ..draw.pushed_request() };
    let used = draw.secret().digest();
    let device = Device { expires_at: at(0), ..draw.device() };
    let waiting =
        Device { expires_at: at(40 * DAY), answer: DeviceAnswer::Allowed(living.id.clone()), ..draw.device() };
    let mut session = draw.session(&account);
    session.expires_at = at(10);
    let mut code = draw.code(&living);
    code.expires_at = at(0);
    let (mut one, mut two, mut three) = (draw.refresh(&living), draw.refresh(&living), draw.refresh(&living));
    (one.expires_at, two.expires_at, three.expires_at) = (at(2 * HOUR), at(3 * HOUR), at(30 * DAY));
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
            Write::InsertPushedRequest(pushed.clone()),
            Write::UseOnce { id: used, until: at(0) },
            Write::InsertDevice(device.clone()),
            Write::InsertDevice(waiting.clone()),
            Write::InsertGrant(living.clone()),
            Write::InsertGrant(expired.clone()),
            Write::InsertGrant(revoked.clone()),
            Write::InsertGrant(machine.clone()),
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
    assert_eq!(store.sweep(at(9)).await.unwrap(), 2);
    assert_eq!(store.interaction(&interaction.digest).await.unwrap(), None);
    assert_eq!(store.pushed_request(&pushed.digest).await.unwrap(), None);
    assert!(store.session(&session.digest).await.unwrap().is_some());
    assert!(store.device(&device.digest).await.unwrap().is_some(), "its next poll hears that it expired");
    assert_eq!(answer_of(&one).await, Some(Some(100)));

    // proves: R7523-02, R9449-12
    // The clock of the node that would take it again may be behind the clock of the one that sweeps.
    store.sweep(at(299)).await.unwrap();
    assert!(store.is_used(&used).await.unwrap());
    store.sweep(at(300)).await.unwrap();
    assert!(!store.is_used(&used).await.unwrap());

    // Past any grace the answer goes; the token stays, so that its reuse is recognised.
    store.sweep(at(HOUR)).await.unwrap();
    assert_eq!(store.session(&session.digest).await.unwrap(), None);
    assert!(store.device(&device.digest).await.unwrap().is_none());
    assert_eq!((answer_of(&one).await, answer_of(&two).await), (Some(Some(0)), Some(Some(100))));
    assert!(store.refresh(&one.digest).await.unwrap().unwrap().successor_used);

    store.sweep(at(2 * HOUR)).await.unwrap();
    assert_eq!((answer_of(&one).await, answer_of(&two).await), (None, Some(Some(0))));
    assert!(store.code(&code.digest).await.unwrap().is_some());
    assert!(revocations.is_revoked(&revoked.id.0));

    store.sweep(at(DAY)).await.unwrap();
    assert!(store.code(&code.digest).await.unwrap().is_none());
    assert_eq!((answer_of(&two).await, answer_of(&three).await), (None, Some(None)));
    assert!(revocations.is_revoked(&revoked.id.0), "a token of a day may be running by another node's clock");
    assert!(store.grant(&revoked.id).await.unwrap().is_some());

    let later = at(DAY + HOUR / 2);
    store.sweep(later).await.unwrap();
    assert_eq!(store.grant(&revoked.id).await.unwrap(), None);
    assert_eq!(store.grant(&expired.id).await.unwrap(), None);
    assert_eq!(store.grant(&living.id).await.unwrap(), Some(living.clone()));
    assert_eq!(store.grant(&machine.id).await.unwrap(), Some(machine.clone()), "its last token may still be running");
    assert!(!revocations.is_revoked(&revoked.id.0));
    assert_eq!(store.sweep(later).await.unwrap(), 0);

    // A grant stays while anything leads to it.
    store.sweep(at(2 * DAY)).await.unwrap();
    assert_eq!(store.grant(&machine.id).await.unwrap(), None);
    store.sweep(at(30 * DAY)).await.unwrap();
    assert_eq!(store.grant(&living.id).await.unwrap(), Some(living.clone()));
    store.sweep(at(41 * DAY)).await.unwrap();
    assert_eq!(store.grant(&living.id).await.unwrap(), None);
}

pub async fn a_client_that_expired_ends_its_grants(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(82);
    let gone = Client { expires_at: Some(at(0)), ..draw.client() };
    let stays = Client { expires_at: Some(at(1)), ..draw.client() };
    let for_ever = Client { expires_at: None, ..draw.client() };
    let of = |client: &Client, draw: &mut Draw| Grant {
        client: client.id.clone(),
        created_at: at(0),
        expires_at: None,
        ..draw.grant()
    };
    let (ended, living) = (of(&gone, &mut draw), of(&stays, &mut draw));
    let mut writes: Vec<_> = [&gone, &stays, &for_ever].map(|client| Write::InsertClient(client.clone())).into();
    writes.extend([&ended, &living].map(|grant| Write::InsertGrant(grant.clone())));
    done(&store, writes).await;
    let events = read_all(&store).await.len();
    assert_eq!(store.sweep(at(0)).await.unwrap(), 1);
    assert_eq!(store.client(&gone.id).await.unwrap(), None);
    assert_eq!(store.grant(&ended.id).await.unwrap().unwrap().revoked_at, Some(at(0)));
    assert!(store.revocations().is_revoked(&ended.id.0));
    assert!(store.client(&stays.id).await.unwrap().is_some() && store.client(&for_ever.id).await.unwrap().is_some());
    assert_eq!(store.grant(&living.id).await.unwrap(), Some(living));
    // The client went and its grant ended: two events.
    assert_eq!(read_all(&store).await.len(), events + 2);
}

pub async fn sweeping_takes_many_rows_in_small_steps(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(83);
    let mut writes = Vec::new();
    for _ in 0..1234 {
        writes.push(Write::InsertInteraction(draw.interaction()));
    }
    done(&store, writes).await;
    assert_eq!(store.sweep(at(100 * DAY)).await.unwrap(), 1234);
}

pub async fn a_disabled_account_loses_all_it_has(engine: &impl Engine) {
    // proves: INV-9
    let store = engine.open().await;
    let mut draw = Draw::new(88);
    let (account, other) = (draw.account_without_password(), draw.account_without_password());
    let (session, others) = (draw.session(&account), draw.session(&other));
    let grant = Grant { account: Some(account.id.clone()), ..draw.grant() };
    let of_other = Grant { account: Some(other.id.clone()), ..draw.grant() };
    let (inserts, accounts) = (Write::InsertGrant, [account.clone(), other.clone()].map(Write::InsertAccount));
    done(&store, accounts.into()).await;
    done(&store, vec![Write::InsertSession(session.clone()), Write::InsertSession(others.clone())]).await;
    done(&store, vec![inserts(grant.clone()), inserts(of_other.clone())]).await;
    for second in 1..3 {
        done(&store, vec![Write::DisableAccount { account: account.id.clone(), at: at(second) }]).await;
    }
    assert!(store.account(&account.id).await.unwrap().unwrap().disabled);
    assert!(!store.account(&other.id).await.unwrap().unwrap().disabled);
    assert!(store.session(&session.digest).await.unwrap().is_none());
    assert!(store.session(&others.digest).await.unwrap().is_some());
    assert_eq!(store.grant(&grant.id).await.unwrap().unwrap().revoked_at, Some(at(1)));
    assert!(store.revocations().is_revoked(&grant.id.0) && !store.revocations().is_revoked(&of_other.id.0));
    for second in 3..5 {
        done(&store, vec![Write::EnableAccount { account: account.id.clone(), at: at(second) }]).await;
    }
    assert!(!store.account(&account.id).await.unwrap().unwrap().disabled);
    assert!(store.revocations().is_revoked(&grant.id.0), "what ended stays ended");
    let kinds: Vec<_> = read_all(&store).await.iter().map(|row| row.event.kind.as_str()).collect();
    assert_eq!(kinds[6..], ["account_disabled", "revoked", "account_enabled"], "{kinds:?}");
}

pub async fn who_is_gone_is_let_in_no_more(engine: &impl Engine) {
    // proves: INV-9
    let store = engine.open().await;
    let mut draw = Draw::new(89);
    let (client, account) = (draw.client(), draw.account_without_password());
    let hold = |client: &Client, account: &Account| {
        vec![Write::HoldClient(client.id.clone()), Write::HoldAccount(account.id.clone())]
    };
    conflict(&store, vec![Write::HoldClient(client.id.clone())]).await;
    conflict(&store, vec![Write::HoldAccount(account.id.clone())]).await;
    done(&store, vec![Write::InsertClient(client.clone()), Write::InsertAccount(account.clone())]).await;
    done(&store, hold(&client, &account)).await;
    assert_eq!(store.client(&client.id).await.unwrap().as_ref(), Some(&client));
    done(&store, vec![Write::DisableAccount { account: account.id.clone(), at: at(1) }]).await;
    conflict(&store, vec![Write::HoldAccount(account.id.clone())]).await;
    done(&store, vec![Write::HoldClient(client.id.clone())]).await;
    done(&store, vec![Write::DeleteClient { client: client.id.clone(), at: at(2) }]).await;
    conflict(&store, vec![Write::HoldClient(client.id.clone())]).await;
}

//! What may happen once happens once.

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Device, DeviceAnswer, KeyRow, PushedRequest},
    store::Store as _,
};
use doorward_types::{Timestamp, secret::UsedOnce};

use super::{Engine, conflict, done, facts::Draw};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_795_000_000 + second)
}

pub async fn a_pushed_request_is_used_once(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(60);
    let request = draw.pushed_request();
    conflict(&store, vec![Write::SpendPushedRequest(request.digest)]).await;
    assert_eq!(store.pushed_request(&request.digest).await.unwrap(), None);
    done(&store, vec![Write::InsertPushedRequest(request.clone())]).await;
    assert_eq!(store.pushed_request(&request.digest).await.unwrap(), Some(request.clone()));
    done(&store, vec![Write::SpendPushedRequest(request.digest)]).await;
    conflict(&store, vec![Write::SpendPushedRequest(request.digest)]).await;
    let spent = PushedRequest { spent: true, ..request };
    assert_eq!(store.pushed_request(&spent.digest).await.unwrap(), Some(spent));
}

pub async fn a_device_is_answered_once(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(61);
    for allowed in [true, false] {
        let (device, grant) = (draw.device(), draw.grant());
        done(&store, vec![Write::InsertDevice(device.clone())]).await;
        let facts = store.device(&device.digest).await.unwrap().unwrap();
        assert_eq!((&facts.device, facts.grant, facts.account), (&device, None, None));
        let answer = if allowed { DeviceAnswer::Allowed(grant.id.clone()) } else { DeviceAnswer::Denied };
        let say =
            |answer: &DeviceAnswer| Write::AnswerDevice { device: device.digest, answer: answer.clone(), at: at(0) };
        // In either order: the row of the grant may come later in the same commit.
        done(&store, vec![say(&answer), Write::InsertGrant(grant.clone())]).await;
        for again in [DeviceAnswer::Denied, DeviceAnswer::Allowed(grant.id.clone())] {
            conflict(&store, vec![say(&again)]).await;
        }
        let facts = store.device_by_user_code(&device.user_code).await.unwrap().unwrap();
        assert_eq!(facts.device, Device { answer, ..device });
        assert_eq!(facts.grant, allowed.then_some(grant));
    }
    let nobody = Write::AnswerDevice { device: draw.device().digest, answer: DeviceAnswer::Denied, at: at(0) };
    conflict(&store, vec![nobody]).await;
}

pub async fn a_device_polls_at_the_pace_that_was_seen(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(62);
    let device = draw.device();
    done(&store, vec![Write::InsertDevice(device.clone())]).await;
    let poll = |seen: Option<i64>, second, interval| {
        vec![Write::PollDevice { device: device.digest, seen: seen.map(at), at: at(second), interval }]
    };
    conflict(&store, poll(Some(1), 2, 5)).await;
    done(&store, poll(None, 2, 5)).await;
    conflict(&store, poll(None, 3, 5)).await;
    done(&store, poll(Some(2), 3, 10)).await;
    let facts = store.device(&device.digest).await.unwrap().unwrap();
    assert_eq!((facts.device.polled_at, facts.device.interval), (Some(at(3)), 10));
}

pub async fn a_device_gets_its_tokens_once(engine: &impl Engine) {
    // proves: FLT-08
    let store = engine.open().await;
    let mut draw = Draw::new(63);
    let (device, grant, other) = (draw.device(), draw.grant(), draw.grant());
    let redeem = |grant: &doorward_authorization_server::facts::GrantId| {
        vec![Write::RedeemDevice { device: device.digest, grant: grant.clone(), at: at(7) }]
    };
    done(&store, vec![Write::InsertDevice(device.clone()), Write::InsertGrant(grant.clone())]).await;
    done(&store, vec![Write::InsertGrant(other.clone())]).await;
    conflict(&store, redeem(&grant.id)).await;
    let allow = DeviceAnswer::Allowed(grant.id.clone());
    done(&store, vec![Write::AnswerDevice { device: device.digest, answer: allow, at: at(5) }]).await;
    conflict(&store, redeem(&other.id)).await;
    done(&store, redeem(&grant.id)).await;
    conflict(&store, redeem(&grant.id)).await;
    assert_eq!(store.device(&device.digest).await.unwrap().unwrap().device.redeemed_at, Some(at(7)));

    // Nor does one whose grant ended.
    let late = Device { answer: DeviceAnswer::Allowed(other.id.clone()), ..draw.device() };
    let end = Write::RevokeGrant { grant: other.id.clone(), at: at(6), reason: RevocationReason::Person };
    done(&store, vec![Write::InsertDevice(late.clone()), end]).await;
    conflict(&store, vec![Write::RedeemDevice { device: late.digest, grant: other.id, at: at(7) }]).await;
}

pub async fn a_user_code_names_one_device(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(64);
    let device = draw.device();
    let same = Device { user_code: device.user_code, ..draw.device() };
    done(&store, vec![Write::InsertDevice(device.clone())]).await;
    conflict(&store, vec![Write::InsertDevice(same.clone())]).await;
    assert!(store.device(&same.digest).await.unwrap().is_none());
}

pub async fn what_may_be_used_once_is_used_once(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(65);
    let id = draw.secret::<UsedOnce>().digest();
    assert!(!store.is_used(&id).await.unwrap());
    done(&store, vec![Write::UseOnce { id, until: at(10) }]).await;
    conflict(&store, vec![Write::UseOnce { id, until: at(20) }]).await;
    assert!(store.is_used(&id).await.unwrap());
}

pub async fn a_key_is_made_by_whoever_saw_all_others(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(66);
    let one = KeyRow { created_at: at(1), ..draw.key() };
    let two = KeyRow { created_at: at(2), ..draw.key() };
    let make = |key: &KeyRow, seen| vec![Write::InsertKey { key: key.clone(), seen }];
    conflict(&store, make(&two, 1)).await;
    done(&store, make(&two, 0)).await;
    conflict(&store, make(&one, 0)).await;
    conflict(&store, make(&two, 1)).await;
    done(&store, make(&one, 1)).await;
    assert_eq!(store.keys().await.unwrap(), [one.clone(), two.clone()]);
    done(&store, vec![Write::DeleteKey { kid: one.kid.clone(), at: at(3) }]).await;
    done(&store, vec![Write::DeleteKey { kid: one.kid, at: at(4) }]).await;
    assert_eq!(store.keys().await.unwrap(), [two]);
}

pub async fn a_grant_is_bound_to_one_key(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(67);
    let (grant, key, other) = (draw.grant(), draw.thumbprint(), draw.thumbprint());
    let bind =
        |key: &doorward_types::jose::Thumbprint| vec![Write::BindGrant { grant: grant.id.clone(), key: key.clone() }];
    conflict(&store, bind(&key)).await;
    done(&store, vec![Write::InsertGrant(grant.clone())]).await;
    done(&store, bind(&key)).await;
    done(&store, bind(&key)).await;
    conflict(&store, bind(&other)).await;
    assert_eq!(store.grant(&grant.id).await.unwrap().unwrap().dpop, Some(key));
}

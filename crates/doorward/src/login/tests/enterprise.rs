//! Logins that rest on a sign-in at an identity provider, which is this same server.

use super::*;
use crate::login::{browser::Way, identity::Sitting, present};
use doorward_client::target::{Enterprise, Grant};

/// A world with a login that rests on a sign-in.
async fn signed_in() -> (World, doorward_client::StoredIdentity) {
    let world = World::new().await;
    let headers = challenge("Bearer scope=\"read\"");
    let manager = world.manager(world.curl()).await;
    manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    let identity = world.sign_in().await;
    (world, identity)
}

#[tokio::test]
async fn a_sign_in_is_saved_again_when_the_store_fails_for_a_moment() {
    let (world, identity) = signed_in().await;
    let place = world.place().await;
    let mut sitting = Sitting::default();
    sitting.load(&place, &identity.key(), PATIENCE).await.unwrap().expect("it is kept");
    // From here on the time is one of the test: it goes on once the store has failed and nothing else is to be done.
    tokio::time::pause();
    world.break_store();
    let saving = tokio::spawn(async move { sitting.save(&place, &identity).await.map(|()| identity) });
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.mend_store();
    let identity = saving.await.unwrap().unwrap();
    let kept = world.place().await.store.load_identity(&identity.key()).await.unwrap().unwrap();
    assert_eq!(kept.generation, identity.generation + 1);
}

#[tokio::test]
async fn a_client_that_the_provider_does_not_know_any_more_does_not_keep_a_login_from_being_made() {
    let (world, _) = signed_in().await;
    world.age(3600).await;
    world.seen().exchanges = "invalid_client";
    let (place, target) = (world.place().await, doorward_client::Target::new(&world.url(), "tests").unwrap());
    assert!(present(&place, &target).await.unwrap().is_none());
    assert_eq!(world.count("exchange"), 1);
    // Another refusal is told.
    world.seen().exchanges = "invalid_target";
    assert_eq!(present(&place, &target).await.unwrap_err().code(), Code::ProviderRefused);
}

#[tokio::test]
async fn once_the_provider_has_ended_a_sign_in_its_page_is_offered_at_once() {
    // proves: EXT-EMA-017
    let (world, identity) = signed_in().await;
    {
        let mut seen = world.seen();
        (seen.exchanges, seen.refreshes, seen.device) = ("invalid_grant", Refreshes::InvalidGrant, true);
    }
    let manager = world.manager(Way::Nobody).await;
    let first = manager.bearer(Why::ToSend).await.unwrap().unwrap();
    let headers = challenge("Bearer error=\"invalid_token\"");
    let rejected = Why::Rejected { serial: Some(first.serial), headers: &headers };
    assert_eq!(manager.bearer(rejected).await.map(|_| ()).unwrap_err().code(), Code::LoginNeeded);
    let page = manager.login_page().await.expect("a page is offered");
    assert!(page.url.path() == "/type" && page.message.contains("WDJB-MJHT"), "{}", page.message);
    assert_eq!(world.count("refresh idp-1"), 1);
    let kept = world.place().await.store.load_identity(&identity.key()).await.unwrap().unwrap();
    assert!(!kept.can_be_renewed());
}

#[tokio::test]
async fn what_is_good_is_used_though_another_process_is_at_the_provider_but_it_is_not_renewed_by_two() {
    // proves: KEY-01
    let (world, identity) = signed_in().await;
    let place = world.place().await;
    let lock = place.store.identity_lock(&identity.key()).try_acquire(10 * PATIENCE).await.unwrap();
    world.age(3600).await;
    for (error, code) in [("invalid_target", Code::ProviderRefused), ("invalid_grant", Code::Store)] {
        world.seen().exchanges = error;
        let manager = world.manager(Way::Nobody).await;
        let got = tokio::time::timeout(PATIENCE, manager.bearer(Why::ToSend)).await.expect("nobody is waited for");
        assert_eq!(got.map(|_| ()).unwrap_err().code(), code);
    }
    assert_eq!((world.count("exchange"), world.count("refresh")), (2, 0));
    // Once it is alone, it renews.
    drop(lock);
    world.seen().refreshes = Refreshes::Unavailable;
    let manager = world.manager(Way::Nobody).await;
    assert_eq!(manager.bearer(Why::ToSend).await.map(|_| ()).unwrap_err().code(), Code::ServerFault);
    assert_eq!(world.count("refresh idp-1"), 1);
}

#[tokio::test]
async fn whoever_waited_for_another_process_at_the_provider_has_as_much_time_as_anybody() {
    // proves: BRW-13
    const PATIENCE: Duration = Duration::from_secs(2);
    let (world, identity) = signed_in().await;
    let place = world.place().await;
    assert!(place.store.remove_identity(&identity.key()).await.unwrap());
    let lock = place.store.identity_lock(&identity.key()).try_acquire(super::PATIENCE).await.unwrap();
    let mut target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    target.clients = vec![identity.own_client()];
    target.grant =
        Grant::Enterprise(Box::new(Enterprise::new(identity.provider.issuer().clone(), identity.own_client())));
    let manner = crate::login::Manner::with(Way::Command(vec!["true".into()]), PATIENCE);
    let login = tokio::spawn(async move {
        let outcome = crate::login::flow::log_in(&place, target, Some(&challenge("Bearer")), &manner).await;
        outcome.map(|_| ()).unwrap_err()
    });
    tokio::time::sleep(PATIENCE).await;
    let free = std::time::Instant::now();
    drop(lock);
    assert_eq!(login.await.unwrap().code(), Code::LoginTimedOut);
    assert!(free.elapsed() > PATIENCE * 3 / 4, "{:?}", free.elapsed());
}

#[tokio::test]
async fn a_new_secret_at_the_provider_is_read_for_the_next_renewal() {
    // proves: KEY-12
    let world = World::new().await;
    let headers = challenge("Bearer scope=\"read\"");
    let rejected = Why::Rejected { serial: None, headers: &headers };
    world.manager(world.curl()).await.bearer(rejected).await.unwrap();
    world.own_client("old").await;
    let identity = world.sign_in().await;
    world.age(3600).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "one").unwrap();
    let flags = crate::cli::Grants {
        enterprise_idp: Some(identity.key().issuer.to_string()),
        enterprise_client_id: Some(identity.key().client_id.as_str().to_owned()),
        enterprise_client_secret_file: Some(file.clone()),
        ..Default::default()
    };
    let mut target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    target.grant = crate::login::wishes::grant(&flags).unwrap();
    let manner = crate::login::Manner::with(Way::Nobody, PATIENCE);
    let manager = crate::login::TokenManager::new(world.place().await, target, manner).reading(flags);
    for (secret, before) in [("one", "old"), ("two", "one")] {
        std::fs::write(&file, secret).unwrap();
        let failed = manager.bearer(Why::ToSend).await.map(|_| ()).unwrap_err();
        assert_eq!(failed.code(), Code::ProviderRefused, "{failed}");
        assert_eq!(world.count(&format!("secret {secret}")), 1, "instead of {before}: {:?}", world.seen().requests);
    }
    // It is kept for the commands that say nothing of the provider.
    let other = world.manager(Way::Nobody).await;
    assert!(other.bearer(Why::ToSend).await.is_err());
    assert_eq!((world.count("secret two"), world.count("secret old")), (2, 0));
}

//! What becomes of tokens that a server does not take, and what takes their place.

use super::*;
use crate::login::browser::Way;

/// A world with a login for the scope `read`, and the process that made it.
async fn logged_in() -> (World, crate::login::TokenManager, u64) {
    let world = World::new().await;
    let manager = world.manager(world.curl()).await;
    let headers = challenge("Bearer scope=\"read\"");
    let serial = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap().serial;
    (world, manager, serial)
}

#[tokio::test]
async fn what_another_process_has_put_in_its_place_is_taken_before_anybody_is_asked() {
    // proves: KEY-01
    let (world, manager, serial) = logged_in().await;
    let headers = challenge("Bearer error=\"invalid_token\"");
    let other = world.manager(Way::Nobody).await;
    let theirs = other.bearer(Why::ToSend).await.unwrap().unwrap().serial;
    let rejected = |serial| Why::Rejected { serial: Some(serial), headers: &headers };
    let renewed = other.bearer(rejected(theirs)).await.unwrap().unwrap();
    let taken = manager.bearer(rejected(serial)).await.unwrap().unwrap();
    assert_eq!((token(&renewed, &world).as_str(), token(&taken, &world).as_str()), ("a2", "a2"));
    assert_eq!((world.count("refresh"), world.count("authorize")), (1, 1));
}

#[tokio::test]
async fn a_login_in_place_of_one_that_the_server_has_ended_loses_nothing_of_it() {
    // proves: MCP-AUTH-112, MCP-AUTH-018
    for noticed_before_it_is_sent in [false, true] {
        let (world, manager, serial) = logged_in().await;
        world.seen().refreshes = Refreshes::InvalidGrant;
        let headers = challenge("Bearer scope=\"write\"");
        if noticed_before_it_is_sent {
            world.age(3600).await;
            let fresh = world.manager(world.curl()).await;
            // Two messages are on their way without a token.
            for _ in 0..2 {
                assert!(fresh.bearer(Why::ToSend).await.unwrap().is_none());
            }
            fresh.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
        } else {
            manager.bearer(Why::Rejected { serial: Some(serial), headers: &headers }).await.unwrap();
        }
        let scopes = world.seen().scopes.clone();
        assert_eq!(scopes, ["read", "read write"], "{noticed_before_it_is_sent}");
    }
    // What somebody has ended here is begun anew.
    let (world, manager, serial) = logged_in().await;
    let place = world.place().await;
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    crate::login::logout::end(&place, &target, &world.stored().await.unwrap()).await.unwrap();
    let fresh = world.manager(world.curl()).await;
    assert!(fresh.bearer(Why::ToSend).await.unwrap().is_none());
    let headers = challenge("Bearer scope=\"write\"");
    fresh.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    assert_eq!(world.seen().scopes.last().map(String::as_str), Some("write"));
    // The process that still had it in hand takes the new one.
    let taken = manager.bearer(Why::Rejected { serial: Some(serial), headers: &headers }).await.unwrap().unwrap();
    assert_eq!((token(&taken, &world).as_str(), world.count("authorize")), ("a2", 2));
}

#[tokio::test]
async fn what_cannot_be_renewed_ends_in_a_login_and_not_in_an_error() {
    let (world, _, _) = logged_in().await;
    let mut tokens = world.stored().await.unwrap();
    tokens.refresh_token = None;
    world.place().await.store.save(&tokens, tokens.generation).await.unwrap();
    world.age(3600).await;
    let (manager, headers) = (world.manager(world.curl()).await, challenge("Bearer"));
    // It is shown, so that the server says how to log in.
    let shown = manager.bearer(Why::ToSend).await.unwrap().unwrap();
    assert_eq!(token(&shown, &world), "a1");
    let rejected = Why::Rejected { serial: Some(shown.serial), headers: &headers };
    assert_eq!(token(&manager.bearer(rejected).await.unwrap().unwrap(), &world), "a2");
    assert_eq!((world.count("refresh"), world.count("code")), (0, 2));
}

#[tokio::test]
async fn more_scopes_are_added_to_those_that_the_server_chose() {
    // proves: MCP-AUTH-112
    let world = World::new().await;
    let manager = world.manager(world.curl()).await;
    let headers = challenge("Bearer");
    let serial = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap().serial;
    let headers = challenge("Bearer error=\"insufficient_scope\", scope=\"write\"");
    manager.bearer(Why::InsufficientScope { serial: Some(serial), headers: &headers }).await.unwrap();
    let scopes = world.seen().scopes.clone();
    assert_eq!(scopes, ["", "read write"]);
}

#[tokio::test]
async fn tokens_that_could_not_be_saved_are_saved_by_themselves_as_soon_as_they_can_be() {
    // proves: KEY-03, FCL-04
    let (world, _, _) = logged_in().await;
    world.age(3600).await;
    let gate = world.hold_refreshes();
    let manager = world.manager(Way::Nobody).await;
    let asking = manager.clone();
    let request = tokio::spawn(async move { asking.bearer(Why::ToSend).await });
    renewing::wait_for(&world, "refresh r1").await;
    world.break_store();
    gate.add_permits(2);
    assert_eq!(token(&request.await.unwrap().unwrap().unwrap(), &world), "a2");
    world.mend_store();
    let saved = async {
        while world.stored().await.is_none_or(|tokens| tokens.access_token.expose() != "a2") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, saved).await.expect("nobody has to ask for it");
}

#[tokio::test]
async fn a_login_of_another_account_or_that_is_not_bound_as_wanted_is_not_the_one_that_is_used() {
    // proves: EXT-05
    let (world, _, _) = logged_in().await;
    let place = world.place().await;
    let usual = || doorward_client::Target::new(&world.url(), "tests").unwrap();
    let (mut of_another_account, mut bound) = (usual(), usual());
    of_another_account.account = Some("work".into());
    bound.dpop = doorward_client::target::Dpop::Always;
    for (target, there) in [(usual(), true), (of_another_account, false), (bound, false)] {
        assert_eq!(place.newest(&target).await.unwrap().is_some(), there, "{:?} {:?}", target.account, target.dpop);
    }
}

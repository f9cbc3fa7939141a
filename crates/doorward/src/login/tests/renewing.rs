use super::*;
use crate::login::{browser::Way, logout, refresh};
use doorward_client::target::{Grant, PreRegistered, TakenOver};
use doorward_types::{ClientId, Secret};

/// A world with a login whose access token has ended.
async fn ended() -> World {
    let world = World::new().await;
    let headers = challenge("Bearer scope=\"read\"");
    let manager = world.manager(world.curl()).await;
    manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    world.age(3600).await;
    world
}

#[tokio::test]
async fn many_processes_refresh_once() {
    // proves: KEY-01
    let world = Arc::new(ended().await);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let world = Arc::clone(&world);
        all.spawn(async move {
            let manager = world.manager(Way::Nobody).await;
            let twice = [manager.bearer(Why::ToSend), manager.bearer(Why::ToSend)];
            let both = futures_util::future::join_all(twice).await;
            both.into_iter().map(|got| token(&got.unwrap().unwrap(), &world)).collect::<Vec<_>>()
        });
    }
    let tokens = tokio::time::timeout(PATIENCE, all.join_all()).await.unwrap();
    assert!(tokens.iter().flatten().all(|token| token == "a2"), "{tokens:?}");
    assert_eq!(world.count("refresh"), 1);
    assert_eq!(world.count("refresh r1"), 1);
}

#[tokio::test]
async fn looking_for_a_login_renews_nothing() {
    // proves: FCL-02
    let world = ended().await;
    let manager = world.manager(Way::Nobody).await;
    let before = manager.stored().await;
    assert!(before.is_some());
    assert_eq!(manager.stored().await, before, "it is the same one");
    assert_eq!(world.count("refresh"), 0);
    // Another process renews it.
    world.manager(Way::Nobody).await.bearer(Why::ToSend).await.unwrap().unwrap();
    let renewed = manager.stored().await;
    assert!(renewed.is_some() && renewed != before);
    assert_eq!(World::new().await.manager(Way::Nobody).await.stored().await, None);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end() {
    // proves: KEY-13
    let world = World::new().await;
    let headers = challenge("Bearer");
    let manager = world.manager(world.curl()).await;
    manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    for (age, refreshes) in [(500, 0), (80, 1)] {
        world.age(age).await;
        let other = world.manager(Way::Nobody).await;
        other.bearer(Why::ToSend).await.unwrap().unwrap();
        assert_eq!(world.count("refresh"), refreshes, "after {age} s more");
    }
    // One that is good for a very short time is not renewed all the time.
    world.seen().life = 1;
    world.age(3600).await;
    let hasty = world.manager(Way::Nobody).await;
    for _ in 0..3 {
        hasty.bearer(Why::ToSend).await.unwrap().unwrap();
    }
    assert!(world.count("refresh") <= 4, "{:?}", world.seen().requests);
}

#[tokio::test]
async fn trouble_on_the_way_costs_no_login() {
    // proves: KEY-03
    let world = ended().await;
    world.seen().refreshes = Refreshes::Unavailable;
    let manager = world.manager(Way::Nobody).await;
    let failed = manager.bearer(Why::ToSend).await.unwrap_err();
    assert_eq!(failed.exit() as u8, 4, "{failed}");
    assert!(world.stored().await.unwrap().refresh_token.is_some());
    world.seen().refreshes = Refreshes::Good;
    assert_eq!(token(&manager.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a2");
    // A token that has not ended yet is used for as long as it lasts.
    world.age(590).await;
    world.seen().refreshes = Refreshes::Unavailable;
    let other = world.manager(Way::Nobody).await;
    assert_eq!(token(&other.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a2");
}

#[tokio::test]
async fn nobody_waits_for_a_new_token_while_the_one_in_hand_is_good() {
    // proves: KEY-03, KEY-13
    let world = ended().await;
    world.seen().life = 600;
    let manager = world.manager(Way::Nobody).await;
    assert_eq!(token(&manager.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a2");
    world.age(575).await;
    let gate = world.hold_refreshes();
    let hurried = world.manager(Way::Nobody).await.hurried(Duration::from_millis(50));
    for _ in 0..3 {
        let got = tokio::time::timeout(PATIENCE, hurried.bearer(Why::ToSend)).await.expect("nobody waits");
        assert_eq!(token(&got.unwrap().unwrap(), &world), "a2");
    }
    // The refresh goes on, and what it gives is used.
    wait_for(&world, "refresh r2").await;
    assert_eq!(world.count("refresh r2"), 1);
    gate.add_permits(1);
    let end = std::time::Instant::now() + PATIENCE;
    while token(&hurried.bearer(Why::ToSend).await.unwrap().unwrap(), &world) != "a3" {
        assert!(std::time::Instant::now() < end, "{:?}", world.seen().requests);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // One that has ended is waited for.
    world.age(3600).await;
    let late = world.manager(Way::Nobody).await.hurried(Duration::from_millis(50));
    let asking = tokio::spawn(async move { late.bearer(Why::ToSend).await.map(|got| got.is_some()) });
    wait_for(&world, "refresh r3").await;
    gate.add_permits(1);
    assert!(asking.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_token_that_ends_while_it_could_not_be_renewed_is_not_sent() {
    // proves: KEY-13
    let world = ended().await;
    world.seen().life = 600;
    world.manager(Way::Nobody).await.bearer(Why::ToSend).await.unwrap();
    world.age(597).await;
    world.seen().refreshes = Refreshes::Unavailable;
    let gate = world.hold_refreshes();
    let manager = world.manager(Way::Nobody).await;
    let asking = tokio::spawn(async move { manager.bearer(Why::ToSend).await.map(|got| got.is_some()) });
    wait_for(&world, "refresh r2").await;
    let end = world.stored().await.unwrap().expires_at.unwrap();
    while now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gate.add_permits(1);
    assert_eq!(asking.await.unwrap().unwrap_err().exit() as u8, 4);
}

#[tokio::test]
async fn a_server_that_renews_nothing_is_not_asked_for_each_message() {
    // proves: KEY-13
    let world = ended().await;
    world.seen().life = 600;
    world.manager(Way::Nobody).await.bearer(Why::ToSend).await.unwrap();
    world.age(575).await;
    world.seen().refreshes = Refreshes::Unavailable;
    let manager = world.manager(Way::Nobody).await;
    for _ in 0..5 {
        assert_eq!(token(&manager.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a2");
    }
    assert_eq!(world.count("refresh r2"), 1, "{:?}", world.seen().requests);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more() {
    // proves: KEY-03
    let world = ended().await;
    world.seen().refreshes = Refreshes::LostOnce;
    let manager = world.manager(Way::Nobody).await;
    assert_eq!(token(&manager.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a2");
    assert_eq!((world.count("refresh r1"), world.count("refresh")), (2, 2), "the same token both times");
    assert_eq!(world.stored().await.unwrap().access_token.expose(), "a2");
}

#[tokio::test]
async fn a_logout_during_a_refresh_is_final() {
    // proves: KEY-11
    let world = ended().await;
    let gate = world.hold_refreshes();
    let manager = world.manager(Way::Nobody).await;
    let asking = manager.clone();
    let refresh = tokio::spawn(async move { asking.bearer(Why::ToSend).await.map(|got| got.map(|c| c.serial)) });
    wait_for(&world, "refresh r1").await;
    let (place, tokens) = (world.place().await, world.stored().await.unwrap());
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    let logout = tokio::spawn(async move { logout::end(&place, &target, &tokens).await.map(|told| told.is_some()) });
    gate.add_permits(1);
    let serial = refresh.await.unwrap().unwrap().expect("a token");
    assert!(logout.await.unwrap().unwrap(), "there was something to end");
    // What the refresh brought is told to the server, and gone.
    assert_eq!(world.count("revoke r2"), 1);
    assert!(world.stored().await.is_none());
    let refused = Why::RejectedUnasked { serial: Some(serial) };
    assert_eq!(manager.bearer(refused).await.map(|got| got.is_some()).unwrap_err().code(), Code::LoginNeeded);
    manager.settle(PATIENCE).await;
    assert!(world.stored().await.is_none());
}

#[tokio::test]
async fn only_the_servers_word_ends_a_login() {
    // proves: KEY-02, KEY-12, FCL-02
    for (word, client_kept) in [(Refreshes::InvalidGrant, true), (Refreshes::InvalidClient, false)] {
        let world = ended().await;
        world.seen().refreshes = word;
        let manager = world.manager(Way::Nobody).await;
        let (place, tokens) = (world.place().await, world.stored().await.unwrap());
        assert!(manager.bearer(Why::ToSend).await.unwrap().is_none());
        assert!(world.stored().await.is_none());
        // Whoever asks is told in the server's words.
        place.store.save(&tokens, 0).await.unwrap();
        let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
        let over = refresh::judged(&place, tokens, &target).await.unwrap();
        let over = over.err().flatten().expect("a reason");
        assert!(over.why().contains(if client_kept { "invalid_grant" } else { "invalid_client" }), "{over}");
        let issuer = doorward_types::Issuer::parse(world.url().trim_end_matches("/mcp")).unwrap();
        assert_eq!(world.place().await.store.load_client(&issuer).await.unwrap().is_some(), client_kept);
    }
}

#[tokio::test]
async fn what_another_process_has_saved_is_never_removed() {
    // proves: KEY-02
    let world = ended().await;
    let gate = world.hold_refreshes();
    world.seen().refreshes = Refreshes::InvalidGrant;
    let manager = world.manager(Way::Nobody).await;
    let loser = tokio::spawn(async move { manager.bearer(Why::ToSend).await.map(|got| got.map(|c| c.serial)) });
    wait_for(&world, "refresh r1").await;
    // Somebody logs in while the refresh is on its way.
    let mut newer = world.stored().await.unwrap();
    newer.access_token = doorward_types::Secret::parse("newer").unwrap();
    newer.expires_at = None;
    world.place().await.store.save(&newer, newer.generation).await.unwrap();
    gate.add_permits(1);
    assert!(loser.await.unwrap().unwrap().is_some(), "it goes on with what is there");
    assert_eq!(world.stored().await.unwrap().access_token.expose(), "newer");
}

#[tokio::test]
async fn a_request_that_is_taken_back_loses_no_tokens() {
    // proves: KEY-03, STDIO-10
    let world = ended().await;
    let gate = world.hold_refreshes();
    let manager = world.manager(Way::Nobody).await;
    let asking = manager.clone();
    let request = tokio::spawn(async move { asking.bearer(Why::ToSend).await.map(|_| ()) });
    wait_for(&world, "refresh r1").await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    manager.settle(PATIENCE).await;
    assert_eq!(world.stored().await.unwrap().access_token.expose(), "a2");
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_then_not_again() {
    // proves: MCP-AUTH-113
    let world = World::new().await;
    let headers = challenge("Bearer error=\"invalid_token\"");
    let manager = world.manager(world.curl()).await;
    let first = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap();
    let rejected = |serial| Why::Rejected { serial: Some(serial), headers: &headers };
    let second = manager.bearer(rejected(first.serial)).await.unwrap().unwrap();
    assert_eq!(token(&second, &world), "a2");
    // Whoever was refused with the first one, too, gets the second without another refresh.
    assert_eq!(manager.bearer(rejected(first.serial)).await.unwrap().unwrap().serial, second.serial);
    assert_eq!(world.count("refresh"), 1);
    // Refused as well, it is not refreshed once more: a person is asked.
    let third = manager.bearer(rejected(second.serial)).await.unwrap().unwrap();
    assert_eq!((token(&third, &world).as_str(), world.count("refresh"), world.count("code")), ("a3", 1, 2));
}

#[tokio::test]
async fn tokens_that_cannot_be_saved_are_used_and_saved_later() {
    // proves: KEY-03, FCL-04
    let world = ended().await;
    let gate = world.hold_refreshes();
    let manager = world.manager(Way::Nobody).await;
    let asking = manager.clone();
    let request = tokio::spawn(async move { asking.bearer(Why::ToSend).await });
    wait_for(&world, "refresh r1").await;
    world.break_store();
    gate.add_permits(2);
    let renewed = request.await.unwrap().unwrap().unwrap();
    assert_eq!(token(&renewed, &world), "a2");
    let again = manager.bearer(Why::ToSend).await.unwrap().unwrap();
    assert_eq!((token(&again, &world).as_str(), again.serial), ("a2", renewed.serial));
    world.mend_store();
    manager.settle(PATIENCE).await;
    assert_eq!(world.stored().await.unwrap().access_token.expose(), "a2");
    // What comes next goes on from there.
    let headers = HeaderMap::new();
    world.age(3600).await;
    let rejected = Why::Rejected { serial: Some(again.serial), headers: &headers };
    assert!(manager.bearer(rejected).await.is_ok());
    assert_eq!(world.count("refresh r1"), 1);
}

#[tokio::test]
async fn a_refusal_to_renew_does_not_keep_a_login_from_being_made() {
    // proves: KEY-12
    let target = |world: &World| doorward_client::Target::new(&world.url(), "tests").unwrap();
    for refreshes in [Refreshes::Refused("unauthorized_client"), Refreshes::Refused("x"), Refreshes::Nonsense] {
        let world = ended().await;
        world.seen().refreshes = refreshes;
        let present = crate::login::present(&world.place().await, &target(&world)).await;
        assert!(present.unwrap_or_else(|failed| panic!("{refreshes:?}: {failed}")).is_none());
        assert!(world.stored().await.is_some(), "nothing is lost before there is a new one");
    }
    let world = ended().await;
    world.seen().refreshes = Refreshes::Unavailable;
    let failed = crate::login::present(&world.place().await, &target(&world)).await.unwrap_err();
    assert_eq!(failed.code(), Code::ServerFault, "a new one would fail as well");
}

#[tokio::test]
async fn whoever_waited_for_a_refresh_that_failed_does_not_wait_for_another() {
    // proves: KEY-03
    let world = ended().await;
    world.seen().refreshes = Refreshes::Unavailable;
    let manager = world.manager(Way::Nobody).await;
    let all = futures_util::future::join_all([Why::ToSend; 8].map(|why| manager.bearer(why))).await;
    for got in all {
        assert_eq!(got.map(|_| ()).unwrap_err().code(), Code::ServerFault);
    }
    assert_eq!(world.count("refresh"), 1);
    // A token that has not ended yet is used by all of them.
    world.age(-3600 + 575).await;
    let other = world.manager(Way::Nobody).await;
    for got in futures_util::future::join_all([Why::ToSend; 8].map(|why| other.bearer(why))).await {
        assert_eq!(token(&got.unwrap().unwrap(), &world), "a1");
    }
    assert_eq!(world.count("refresh"), 2);
    // Whoever comes later tries again.
    world.age(3600).await;
    world.seen().refreshes = Refreshes::Good;
    assert_eq!(token(&manager.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a2");
}

#[tokio::test]
async fn a_login_that_is_there_and_was_renewed_is_saved_before_the_command_ends() {
    // proves: FCL-04
    let world = Arc::new(ended().await);
    let gate = world.hold_refreshes();
    let (place, target) = (world.place().await, doorward_client::Target::new(&world.url(), "tests").unwrap());
    let present = tokio::spawn(async move { crate::login::present(&place, &target).await });
    wait_for(&world, "refresh r1").await;
    world.break_store();
    gate.add_permits(1);
    // Longer than it takes to give up saving at once.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.mend_store();
    assert_eq!(present.await.unwrap().unwrap().expect("it is there").access_token.expose(), "a2");
    assert_eq!(world.stored().await.unwrap().access_token.expose(), "a2");
}

#[tokio::test]
async fn a_login_that_was_taken_over_and_renewed_and_is_not_saved_is_no_login() {
    // proves: FCL-04
    let world = Arc::new(ended().await);
    let gate = world.hold_refreshes();
    let (place, mut target) = (world.place().await, doorward_client::Target::new(&world.url(), "tests").unwrap());
    let tokens = world.stored().await.unwrap();
    target.grant = Grant::TakenOver(Box::new(TakenOver {
        issuer: None,
        client: None,
        access_token: tokens.access_token.clone(),
        expires_at: None,
        refresh_token: None,
        requested: None,
        granted: None,
    }));
    let renewed = tokio::spawn(async move { crate::login::import::renew(&place, &target, tokens).await });
    wait_for(&world, "refresh r1").await;
    world.break_store();
    gate.add_permits(1);
    assert_eq!(renewed.await.unwrap().map(|_| ()).unwrap_err().code(), Code::Store);
}

#[tokio::test]
async fn a_client_proves_itself_with_the_secret_that_is_given_now() {
    // proves: KEY-12
    let world = ended().await;
    let tokens = world.own_client("old").await;
    let issuer = tokens.server.issuer();
    let elsewhere = doorward_types::Issuer::parse("https://other.example").unwrap();
    let given = |issuer: Option<&doorward_types::Issuer>, id: &str, secret: Option<&str>| PreRegistered {
        issuer: issuer.cloned(),
        client_id: ClientId::parse(id).unwrap(),
        secret: secret.map(|secret| Secret::parse(secret).unwrap()),
        key: None,
        auth_method: None,
        redirect_uri: None,
    };
    let id = tokens.client.client_id().as_str();
    for (clients, sent) in [
        (vec![given(Some(&elsewhere), id, Some("of another server"))], "old"),
        (vec![given(None, id, None)], "old"),
        (vec![given(Some(&elsewhere), "x", Some("of another server")), given(None, id, Some("new"))], "new"),
        // It is kept for those who are given none.
        (vec![], "new"),
        (vec![given(Some(issuer), id, Some("newer")), given(None, id, Some("new"))], "newer"),
    ] {
        world.age(3600).await;
        world.seen().requests.clear();
        let mut target = doorward_client::Target::new(&world.url(), "tests").unwrap();
        target.clients = clients;
        let manner = crate::login::Manner::with(Way::Nobody, PATIENCE);
        let manager = crate::login::TokenManager::new(world.place().await, target, manner);
        assert!(manager.bearer(Why::ToSend).await.unwrap().is_some());
        assert_eq!((world.count("refresh"), world.count(&format!("secret {sent}"))), (1, 1), "{sent}");
    }
}

#[tokio::test]
async fn an_expired_token_that_cannot_be_renewed_is_not_printed() {
    // proves: BRW-04
    let world = ended().await;
    let mut tokens = world.stored().await.unwrap();
    tokens.refresh_token = None;
    world.place().await.store.save(&tokens, tokens.generation).await.unwrap();
    let failure = crate::login::token(world.token_command(), false).await.unwrap_err();
    assert_eq!(failure.exit, crate::failure::Exit::AuthenticationNeeded, "{failure:?}");
    assert!(failure.next.contains("doorward login"), "{failure:?}");
}

#[tokio::test]
async fn a_server_that_revokes_refresh_tokens_only_confirms_a_logout() {
    // proves: KEY-02
    for (refreshes, confirmed) in [(Refreshes::Good, true), (Refreshes::Unavailable, false)] {
        let world = ended().await;
        world.seen().refreshes = refreshes;
        let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
        let tokens = world.stored().await.unwrap();
        let told = logout::end(&world.place().await, &target, &tokens).await.unwrap().expect("it was there");
        assert_eq!(matches!(told, logout::Told::Confirmed), confirmed);
        assert_eq!((world.count("revoke r1"), world.count("revoke a1")), (1, 1));
        assert!(world.stored().await.is_none());
    }
}

pub(super) async fn wait_for(world: &World, request: &str) {
    let seen = async {
        while world.count(request) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the request is seen");
}

#[tokio::test]
async fn a_refusal_that_ends_no_login_says_the_command_that_makes_this_very_login_anew() {
    let world = ended().await;
    world.seen().refreshes = Refreshes::Refused("unauthorized_client");
    let mut target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    target.also_typed = vec!["--client-dir".into(), "/elsewhere".into()];
    let tokens = world.stored().await.unwrap();
    let failed = refresh::run(&world.place().await, tokens, &target).await.err().unwrap();
    // Without force the command finds the login that there is.
    let command = format!("doorward login --force --client-dir /elsewhere {}", world.url());
    assert_eq!((failed.code(), failed.hint()), (Code::TokenRefused, &*command));
}

#[tokio::test]
async fn each_login_is_judged_by_its_own_token() {
    let world = World::new().await;
    let headers = challenge("Bearer scope=\"read\"");
    world.manager(world.curl()).await.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    let (place, first) = (world.place().await, world.stored().await.unwrap());
    let mut second = first.clone();
    let mut client = serde_json::to_value(first.client.to_stored()).unwrap();
    client["client_id"] = serde_json::json!("another");
    second.client = doorward_client::RegisteredClient::from_stored(serde_json::from_value(client).unwrap()).unwrap();
    second.access_token = doorward_types::Secret::parse("b1").unwrap();
    place.store.save(&second, 0).await.unwrap();
    for tokens in place.store.list().await.unwrap() {
        let expected = format!("mcp Bearer {}", tokens.access_token.expose());
        let before = world.count(&expected);
        let (_, verdict) = crate::login::status::judge(&place, tokens, false).await;
        assert!(matches!(verdict, crate::login::status::Verdict::Taken), "{verdict:?}");
        assert_eq!(world.count(&expected), before + 1, "{expected}");
    }
}

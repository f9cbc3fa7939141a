use super::*;
use crate::login::{Manner, browser::Way, flow};

const FIRST: &str = "Bearer scope=\"read\"";

#[tokio::test]
async fn a_login_is_said_to_be_complete_after_the_first_call() {
    // proves: MCP-AUTH-012, MCP-AUTH-068, MCP-AUTH-070, MCP-AUTH-073, MCP-AUTH-126
    let world = World::new().await;
    let manager = world.manager(world.curl()).await;
    assert!(manager.bearer(Why::ToSend).await.unwrap().is_none(), "nothing yet");
    let headers = challenge(FIRST);
    let credential = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap();
    assert_eq!(token(&credential, &world), "a1");
    assert!(world.shown().await.contains("You are signed in"));
    assert_eq!(world.seen().requests, ["register", "authorize", "code", "mcp Bearer a1"]);
    // Another process starts with what this one has stored.
    let other = world.manager(Way::Nobody).await;
    assert_eq!(token(&other.bearer(Why::ToSend).await.unwrap().unwrap(), &world), "a1");
    assert_eq!(world.seen().requests.len(), 4);
}

#[tokio::test]
async fn a_token_that_the_server_does_not_take_is_no_login() {
    // proves: MCP-AUTH-126
    let world = World::new().await;
    for (status, code, words) in [
        (http::StatusCode::UNAUTHORIZED, Code::TokenRefused, "does not accept this sign-in"),
        (http::StatusCode::FORBIDDEN, Code::TokenRefused, "does not accept this sign-in"),
        (http::StatusCode::SERVICE_UNAVAILABLE, Code::ServerFault, "did not complete"),
    ] {
        world.seen().mcp = status;
        let _ = std::fs::remove_file(world.page());
        world.place().await.window(&world.resource()).done();
        let manager = world.manager(world.curl()).await;
        let headers = challenge(FIRST);
        let failed = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap_err();
        assert_eq!(failed.code(), code, "{failed}");
        assert!(world.shown().await.contains(words), "{}", world.shown().await);
        let kept = world.stored().await.is_some();
        assert_eq!(kept, status != http::StatusCode::UNAUTHORIZED, "only a login that may still do is kept");
        if let Some(tokens) = world.stored().await {
            assert!(world.place().await.store.remove(&tokens.key(), tokens.generation).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_login_is_saved_again_when_the_store_fails_for_a_moment() {
    // proves: FCL-04
    let world = World::new().await;
    let headers = challenge(FIRST);
    world.manager(world.curl()).await.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    let (place, mut tokens) = (world.place().await, world.stored().await.unwrap());
    tokens.access_token = doorward_types::Secret::parse("newer").unwrap();
    let connected = doorward_client::Connected { tokens, notes: Vec::new() };
    tokio::time::pause();
    world.break_store();
    let saving = tokio::spawn(async move { crate::login::made::save(&place, connected).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.mend_store();
    assert_eq!(saving.await.unwrap().unwrap().access_token.expose(), "newer");
    tokio::time::resume();
    assert_eq!(world.stored().await.unwrap().access_token.expose(), "newer");
}

#[tokio::test]
async fn a_server_with_too_many_registrations_is_asked_again_while_there_is_time() {
    // proves: DISC-16
    let world = World::new().await;
    let headers = challenge(FIRST);
    let rejected = Why::Rejected { serial: None, headers: &headers };
    world.seen().too_many = 9;
    let hasty = Manner::with(world.curl(), Duration::from_millis(500));
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    let manager = crate::login::TokenManager::new(world.place().await, target, hasty);
    let failed = manager.bearer(rejected).await.unwrap_err();
    assert_eq!((failed.code(), world.count("register")), (Code::TooOften, 1), "{failed}");
    assert!(failed.hint().starts_with("try again in 1 s; "), "{failed}");
    world.seen().too_many = 2;
    let credential = world.manager(world.curl()).await.bearer(rejected).await.unwrap().unwrap();
    assert_eq!((token(&credential, &world).as_str(), world.count("register")), ("a1", 4));
}

#[tokio::test]
async fn a_first_call_that_needs_more_scopes_is_a_login_all_the_same() {
    // proves: MCP-AUTH-126
    let world = World::new().await;
    world.seen().mcp = http::StatusCode::FORBIDDEN;
    world.seen().mcp_challenge = "Bearer error=\"insufficient_scope\", scope=\"more\"";
    let manager = world.manager(world.curl()).await;
    let headers = challenge(FIRST);
    let credential = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap();
    assert_eq!(token(&credential, &world), "a1");
    assert!(world.stored().await.is_some());
}

#[tokio::test]
async fn whoever_waits_takes_over_from_a_process_that_died_over_its_page() {
    // proves: KEY-10, FCL-06
    let world = World::new().await;
    let place = world.place().await;
    let dying = place.store.login_lock(&world.resource()).try_acquire(PATIENCE).await.unwrap();
    assert!(matches!(dying, doorward_store::Attempt::Held(_)));
    place.window(&world.resource()).opening();
    let manager = world.manager(world.curl()).await;
    let follower = tokio::spawn(async move {
        let headers = challenge(FIRST);
        manager.bearer(Why::Rejected { serial: None, headers: &headers }).await
    });
    // Nothing tells that it has begun to wait.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(dying);
    let credential = tokio::time::timeout(PATIENCE, follower).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(token(&credential, &world), "a1");
}

#[tokio::test]
async fn many_processes_open_one_page_and_register_one_client() {
    // proves: KEY-10
    let world = Arc::new(World::new().await);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let world = Arc::clone(&world);
        all.spawn(async move {
            let manager = world.manager(world.curl()).await;
            let headers = challenge(FIRST);
            let credential = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
            token(&credential.unwrap(), &world)
        });
    }
    let tokens = tokio::time::timeout(PATIENCE, all.join_all()).await.unwrap();
    assert_eq!(tokens, ["a1"; 8]);
    assert_eq!((world.count("register"), world.count("authorize"), world.count("code")), (1, 1, 1));
}

#[tokio::test]
async fn a_page_that_nobody_finished_is_not_followed_by_another() {
    // proves: BRW-13, FCL-08
    let world = World::new().await;
    // A browser that does nothing at all.
    let idle = || Way::Command(vec!["true".into()]);
    let headers = challenge(FIRST);
    let rejected = Why::Rejected { serial: None, headers: &headers };
    let place = world.place().await;
    let hasty = Manner::with(idle(), Duration::from_millis(200));
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    let manager = crate::login::TokenManager::new(place, target, hasty);
    assert_eq!(manager.bearer(rejected).await.unwrap_err().code(), Code::LoginTimedOut);
    let again = world.manager(idle()).await.bearer(rejected).await.unwrap_err();
    assert_eq!(again.code(), Code::LoginNeeded);
    assert!(again.hint().contains(&format!("doorward login {}", world.url())), "{again}");
}

#[tokio::test]
async fn a_no_is_shown_told_and_remembered() {
    // proves: BRW-13, STEP-04, MCP-SBP-043
    let world = World::new().await;
    let manager = world.manager(world.curl()).await;
    let headers = challenge(FIRST);
    let serial = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap().serial;
    // The page of the first login is written after its answer was taken.
    world.shown().await;
    std::fs::remove_file(world.page()).unwrap();
    world.seen().denies = true;
    let headers = challenge("Bearer error=\"insufficient_scope\", scope=\"write\"");
    let more = Why::InsufficientScope { serial: Some(serial), headers: &headers };
    assert_eq!(manager.bearer(more).await.unwrap_err().code(), Code::Denied);
    assert!(world.shown().await.contains("Access was not given"));
    let before = world.count("authorize");
    assert_eq!(manager.bearer(more).await.unwrap_err().code(), Code::LoginNeeded);
    assert_eq!(world.count("authorize"), before, "no second page");
    assert!(manager.bearer(Why::ToSend).await.unwrap().is_some(), "what there was is still there");
}

#[tokio::test]
async fn with_nobody_there_no_page_is_opened() {
    // proves: BRW-04
    let world = World::new().await;
    let headers = challenge(FIRST);
    let manager = world.manager(Way::Nobody).await;
    let failed = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap_err();
    assert_eq!((failed.code(), failed.exit() as u8), (Code::LoginNeeded, 3));
    assert!(failed.hint().contains(&format!("doorward login {}", world.url())), "{failed}");
    assert!(world.seen().requests.is_empty());
}

#[tokio::test]
async fn for_a_request_of_nobody_there_is_a_refresh_and_no_page() {
    // proves: BRW-13
    let world = World::new().await;
    let manager = world.manager(world.curl()).await;
    let failed = manager.bearer(Why::RejectedUnasked { serial: None }).await.unwrap_err();
    assert_eq!(failed.code(), Code::LoginNeeded);
    assert!(world.seen().requests.is_empty());
    let headers = challenge(FIRST);
    let first = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap().serial;
    let second = manager.bearer(Why::RejectedUnasked { serial: Some(first) }).await.unwrap().unwrap();
    assert_eq!(token(&second, &world), "a2");
    let failed = manager.bearer(Why::RejectedUnasked { serial: Some(second.serial) }).await.unwrap_err();
    assert_eq!((failed.code(), world.count("authorize")), (Code::LoginNeeded, 1));
}

#[tokio::test]
async fn a_client_that_the_server_has_forgotten_is_registered_once_more() {
    // proves: KEY-12
    let world = World::new().await;
    let headers = challenge(FIRST);
    let rejected = Why::Rejected { serial: None, headers: &headers };
    world.manager(world.curl()).await.bearer(rejected).await.unwrap();
    let old = world.stored().await.unwrap();
    world.seen().forgotten.push(old.client.client_id().to_string());
    assert!(world.place().await.store.remove(&old.key(), old.generation).await.unwrap());
    // The server tells only the person.
    let target = || doorward_client::Target::new(&world.url(), "tests").unwrap();
    let hasty = Manner::with(world.curl(), Duration::from_secs(1));
    let failed = crate::login::TokenManager::new(world.place().await, target(), hasty).bearer(rejected).await;
    assert_eq!(failed.unwrap_err().code(), Code::LoginTimedOut);
    let manner = Manner::with(world.curl(), PATIENCE);
    crate::login::flow::log_in(&world.place().await, target(), Some(&headers), &manner).await.unwrap();
    assert_eq!(world.count("register"), 2);
    assert_ne!(world.stored().await.unwrap().client.client_id(), old.client.client_id());
}

#[tokio::test]
async fn a_client_that_the_server_has_forgotten_is_found_out_while_a_person_looks_at_an_error() {
    // proves: KEY-12
    let world = World::new().await;
    let headers = challenge(FIRST);
    let rejected = Why::Rejected { serial: None, headers: &headers };
    world.manager(world.curl()).await.bearer(rejected).await.unwrap();
    let old = world.stored().await.unwrap();
    world.seen().forgotten.push(old.client.client_id().to_string());
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    let manner = crate::login::Manner::with(world.curl(), PATIENCE);
    let manner = crate::login::Manner { look_after: Duration::from_millis(200), ..manner };
    crate::login::flow::log_in(&world.place().await, target, Some(&headers), &manner).await.unwrap();
    assert_eq!(world.count("register"), 2);
    // Of the login that nothing would use again nothing is left, at the server neither.
    let left = world.place().await.store.list().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_ne!(left[0].client.client_id(), old.client.client_id());
    assert_eq!(world.count("revoke r1"), 1);
}

#[tokio::test]
async fn a_login_that_is_replaced_while_another_process_renews_it_leaves_nothing() {
    let world = World::new().await;
    let headers = challenge(FIRST);
    world.manager(world.curl()).await.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    let (place, old) = (world.place().await, world.stored().await.unwrap());
    let mut new = old.clone();
    let mut client = serde_json::to_value(old.client.to_stored()).unwrap();
    client["client_id"] = serde_json::json!("another");
    new.client = doorward_client::RegisteredClient::from_stored(serde_json::from_value(client).unwrap()).unwrap();
    place.store.save(&new, 0).await.unwrap();
    let minute = Duration::from_secs(60);
    let lock = place.store.refresh_lock(&old.key()).try_acquire(minute).await.unwrap();
    let refresh = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let refresh_token = Some(doorward_types::Secret::parse("r7").unwrap());
        let renewed = doorward_client::StoredTokens { refresh_token, ..old.clone() };
        place.store.save(&renewed, old.generation).await.unwrap();
        drop(lock);
    };
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    tokio::join!(crate::login::logout::replaced_by(&place, &target, &new), refresh);
    let left = place.store.list().await.unwrap();
    assert_eq!(left.iter().map(|tokens| tokens.client.client_id().as_str()).collect::<Vec<_>>(), ["another"]);
    assert_eq!((world.count("revoke r1"), world.count("revoke r7")), (0, 1));
}

#[tokio::test]
async fn the_page_of_another_server_says_nothing_of_the_client() {
    // proves: KEY-12
    let world = World::new().await;
    let headers = challenge(FIRST);
    world.manager(world.curl()).await.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    let (place, client) = (world.place().await, world.stored().await.unwrap().client);
    let mut page = doorward_client::step::OpenBrowser {
        url: world.refusing_page(client.client_id()),
        issuer: doorward_types::Issuer::parse("https://idp.example").unwrap(),
        resource: world.resource(),
        scope: None,
        notes: Vec::new(),
    };
    let (reach, before) = (doorward_fetch::Reach::Anywhere, crate::login::forgotten::When::BeforeThePage);
    assert!(!crate::login::forgotten::is(&place, &client, &page, reach, before).await.unwrap());
    assert_eq!(world.count("authorize"), 1, "it is not even asked");
    page.issuer = client.issuer().clone();
    assert!(crate::login::forgotten::is(&place, &client, &page, reach, before).await.unwrap());
}

#[tokio::test]
async fn the_page_tells_a_refused_code_from_a_refused_call() {
    // proves: MCP-AUTH-126
    let world = World::new().await;
    world.seen().codes = "invalid_target";
    let manager = world.manager(world.curl()).await;
    let headers = challenge(FIRST);
    let failed = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap_err();
    assert_eq!(failed.code(), Code::TokenRefused, "{failed}");
    let shown = world.shown().await;
    assert!(shown.contains("refused to give a token") && !shown.contains("first call"), "{shown}");
}

#[tokio::test]
async fn a_browser_that_brings_another_issuer_is_told_how_the_login_ends() {
    let world = World::new().await;
    world.seen().iss = "https://other.example";
    let manager = world.manager(world.curl()).await;
    let headers = challenge(FIRST);
    let failed = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap_err();
    assert_eq!(failed.code(), Code::CallbackIssuer, "{failed}");
    let shown = world.shown().await;
    assert!(shown.contains("CL-303") && !shown.contains("still waits"), "{shown}");
    assert_eq!(world.count("code"), 0);
}

#[tokio::test]
async fn more_scopes_are_asked_for_with_those_that_there_are_and_not_for_ever() {
    // proves: MCP-AUTH-112, MCP-AUTH-113, MCP-AUTH-114, STEP-03
    let world = World::new().await;
    let manager = world.manager(world.curl()).await;
    let headers = challenge(FIRST);
    let mut serial = manager.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap().unwrap().serial;
    let headers = challenge("Bearer error=\"insufficient_scope\", scope=\"write\"");
    for _ in 0..2 {
        let more = Why::InsufficientScope { serial: Some(serial), headers: &headers };
        serial = manager.bearer(more).await.unwrap().unwrap().serial;
    }
    let more = Why::InsufficientScope { serial: Some(serial), headers: &headers };
    assert_eq!(manager.bearer(more).await.unwrap_err().code(), Code::TooManyStepUps);
    let scopes = world.seen().scopes.clone();
    assert_eq!((scopes, world.count("code")), (["read", "read write", "read write"].map(str::to_owned).into(), 3));
    let nobody = world.manager(Way::Nobody).await;
    let serial = nobody.bearer(Why::ToSend).await.unwrap().unwrap().serial;
    let more = Why::InsufficientScope { serial: Some(serial), headers: &headers };
    let failed = nobody.bearer(more).await.unwrap_err();
    assert!(failed.hint().contains("--scope \"read write\""), "{failed}");
}

#[tokio::test]
async fn a_scope_of_the_servers_is_no_command_in_the_one_that_is_suggested() {
    // proves: LEAK-05
    let world = World::new().await;
    world.manager(world.curl()).await.bearer(Why::Rejected { serial: None, headers: &challenge(FIRST) }).await.unwrap();
    let nobody = world.manager(Way::Nobody).await;
    let serial = Some(nobody.bearer(Why::ToSend).await.unwrap().unwrap().serial);
    let done = world.page().with_file_name("done");
    let hostile = format!(
        "Bearer error=\"insufficient_scope\", scope=\"$(touch {0}) `touch\t{0}` '$(touch$IFS{0})'\"",
        done.display()
    );
    let headers =
        HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_str(&hostile).unwrap())]);
    let failed = nobody.bearer(Why::InsufficientScope { serial, headers: &headers }).await.unwrap_err();
    let (_, command) = failed.hint().split_once("doorward ").unwrap();
    let shell = format!("printf '%s\\n' {command}");
    let output = tokio::process::Command::new("sh").args(["-c", &shell]).output().await.unwrap();
    assert!(!done.exists(), "{command}");
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = words.lines().collect();
    assert_eq!((&words[..3], words.len()), (&["login", "--force", "--scope"][..], 5), "{words:?}");
    // Those of Windows know no single quotes, so it is told beside the command.
    assert!(words[3] == "SCOPES" && words[4] == world.url(), "{words:?}");
    assert!(failed.why().contains("$(touch"), "{failed}");
}

#[tokio::test]
async fn more_scopes_for_which_nobody_is_here_come_from_a_login_elsewhere_however_often_they_were_asked_for() {
    // proves: MCP-AUTH-112, STEP-04
    let world = World::new().await;
    let (first, more) = (challenge(FIRST), challenge("Bearer error=\"insufficient_scope\", scope=\"write\""));
    let person = world.manager(world.curl()).await;
    person.bearer(Why::Rejected { serial: None, headers: &first }).await.unwrap();
    let nobody = world.manager(Way::Nobody).await;
    let serial = Some(nobody.bearer(Why::ToSend).await.unwrap().unwrap().serial);
    let more = Why::InsufficientScope { serial, headers: &more };
    for _ in 0..5 {
        let failed = nobody.bearer(more).await.unwrap_err();
        assert!(failed.code() == Code::LoginNeeded && failed.hint().contains("--scope \"read write\""), "{failed}");
        // This server gives no codes for other devices, so there is no page to send anybody to.
        assert!(nobody.login_page().await.is_none());
    }
    assert_eq!((world.count("authorize"), world.count("register")), (1, 1));
    let serial = Some(person.bearer(Why::ToSend).await.unwrap().unwrap().serial);
    let Why::InsufficientScope { headers, .. } = more else { unreachable!("it is that") };
    person.bearer(Why::InsufficientScope { serial, headers }).await.unwrap();
    assert_eq!(token(&nobody.bearer(more).await.unwrap().unwrap(), &world), "a2");
    assert_eq!(world.seen().scopes.last().map(String::as_str), Some("read write"));
}

#[tokio::test]
async fn a_login_that_another_program_left_is_renewed_once_when_its_token_is_refused() {
    // proves: MCP-AUTH-126, FCL-03
    let take_over =
        async |world: &World| flow::log_in(&world.place().await, world.left_behind(), None, &Manner::nobody()).await;
    let world = World::new().await;
    world.seen().dead = vec!["old"];
    assert_eq!(take_over(&world).await.unwrap().access_token.expose(), "a1");
    assert_eq!(world.seen().requests, ["mcp Bearer old", "refresh r0", "mcp Bearer a1"]);

    // One that cannot be renewed at the moment is kept, with all that it takes to renew it.
    let world = World::new().await;
    (world.seen().dead, world.seen().refreshes) = (vec!["old"], Refreshes::Unavailable);
    assert_eq!(take_over(&world).await.unwrap_err().code(), Code::ServerFault);
    assert_eq!(world.stored().await.unwrap().refresh_token.unwrap().expose(), "r0");

    // A server that refuses the new one as well is not asked for ever.
    let world = World::new().await;
    world.seen().dead = vec!["old", "a1"];
    assert_eq!(take_over(&world).await.unwrap_err().code(), Code::TokenRefused);
    assert_eq!(world.count("refresh"), 1);
}

#[tokio::test]
async fn the_command_that_a_person_is_told_makes_the_login_that_is_wanted() {
    // proves: BRW-04
    let world = World::new().await;
    let place = world.place().await;
    let mut target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    target.account = Some("at work".into());
    target.also_typed = vec!["--client-dir".into(), "/some/$where".into()];
    let command = format!("doorward login --account \"at work\" --client-dir '/some/$where' {}", world.url());
    let failed = flow::log_in(&place, target.clone(), None, &Manner::nobody()).await.unwrap_err();
    assert_eq!((failed.code(), failed.hint()), (Code::LoginNeeded, &*format!("in a terminal, type: {command}")));
    let manager = crate::login::TokenManager::new(place, target, Manner::nobody());
    assert_eq!(manager.login_command(&world.resource()), command.replacen("login", "login --force", 1));
}

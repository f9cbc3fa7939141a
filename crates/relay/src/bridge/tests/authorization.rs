//! 401, 403, and tokens that are to be had or not.

use doorward_client::{Code, Exit};

use super::*;

const CHALLENGE: &str = "Bearer resource_metadata=\"http://127.0.0.1/x\", scope=\"mcp:read\"";

#[tokio::test]
async fn a_server_that_asks_for_a_token_gets_one_for_all_requests_at_once() {
    // proves: MCP-AUTH-126, MCP-AUTH-127
    let server = Server::start(|got, mut caller| async move {
        match got.token() {
            Some("t1") => caller.json(&got.result(&json!({}))).await,
            _ => caller.status("401 Unauthorized", &[("www-authenticate", CHALLENGE)], "").await,
        }
    })
    .await;
    for tokens in [Tokens::new(&server.url()), Tokens::none_yet(&server.url())] {
        let mut host = Host::start(&server, &tokens);
        for id in 0..8 {
            host.send(&modern(id, "tools/call", "x")).await;
        }
        for _ in 0..8 {
            let answer = host.receive().await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        host.end().await.0.unwrap();
        let asked = tokens.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(asked[0].contains("resource_metadata") && asked[0].contains("mcp:read"), "{asked:?}");
    }
}

#[tokio::test]
async fn more_scopes_are_asked_for_and_the_call_goes_on() {
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"mcp:write\"";
    let server = Server::start(move |got, mut caller| async move {
        match got.token() {
            Some("t1") => caller.json(&got.result(&json!({}))).await,
            _ => caller.status("403 Forbidden", &[("www-authenticate", challenge)], "").await,
        }
    })
    .await;
    let tokens = Tokens::new(&server.url());
    let mut host = Host::start(&server, &tokens);
    assert!(host.ask(&modern(1, "tools/call", "x")).await["result"].is_object());
    host.end().await.0.unwrap();
    assert!(tokens.asked()[0].contains("mcp:write"), "{:?}", tokens.asked());
}

#[tokio::test]
async fn a_server_that_takes_no_token_is_not_asked_for_ever() {
    // proves: MCP-AUTH-113, STEP-03
    for (status, challenge, times) in [
        ("401 Unauthorized", CHALLENGE, 3),
        ("403 Forbidden", "Bearer error=\"insufficient_scope\", scope=\"x\"", 3),
        ("403 Forbidden", "Bearer error=\"invalid_request\"", 1),
    ] {
        let server = Server::start(move |_, mut caller| async move {
            caller.status(status, &[("www-authenticate", challenge)], "").await;
        })
        .await;
        let mut host = Host::start(&server, &Tokens::new(&server.url()));
        let answer = host.ask(&modern(1, "prompts/get", "x")).await;
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert_eq!(server.got().len(), times, "{status} {challenge}");
        let told = answer["error"]["data"]["code"].as_str();
        assert_eq!(told == Some("CL-405"), challenge.contains("insufficient_scope"), "{answer}");
        let _ = host.end().await;
    }
}

#[tokio::test]
async fn a_bridge_that_no_token_was_to_be_had_for_says_so_when_its_host_has_ended() {
    // proves: BRW-05
    let server = Server::start(|_, mut caller| async move {
        caller.status("401 Unauthorized", &[("www-authenticate", CHALLENGE)], "").await;
    })
    .await;
    let mut host = Host::start(&server, &Tokens::never(&server.url()));
    let answer = host.ask(&initialize()).await;
    assert!(answer["result"]["instructions"].as_str().unwrap().contains("doorward login"), "{answer}");
    match host.end().await {
        (Err(BridgeError::NotAuthorized(failed)), rest) => {
            assert_eq!((failed.code(), failed.exit(), rest.len()), (Code::LoginNeeded, Exit::AuthenticationNeeded, 0));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn input_that_ends_early_hides_no_missing_login() {
    // proves: BRW-05
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let server = Server::start(move |_, mut caller| {
        let held = Arc::clone(&held);
        async move {
            held.acquire().await.unwrap().forget();
            caller.status("401 Unauthorized", &[("www-authenticate", CHALLENGE)], "").await;
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::never(&server.url()));
    host.send(&initialize()).await;
    drop(host.input.take());
    // The server answers when the bridge has nothing more to read.
    while server.got().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate.add_permits(1);
    let (ended, rest) = host.ended().await;
    assert!(matches!(ended, Err(BridgeError::NotAuthorized(_))), "{ended:?}");
    assert!(rest[0].contains("doorward login"), "{rest:?}");
}

#[tokio::test]
async fn a_login_that_ends_later_leaves_the_bridge_up() {
    let server = Server::start(|got, mut caller| async move {
        match got.body["params"]["name"].as_str() {
            Some("good") => caller.json(&got.result(&json!({}))).await,
            _ => caller.status("401 Unauthorized", &[("www-authenticate", CHALLENGE)], "").await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::only_one(&server.url()));
    assert!(host.ask(&modern(1, "tools/call", "good")).await["result"].is_object());
    assert_eq!(host.ask(&modern(2, "tools/call", "bad")).await["result"]["isError"], true);
    assert!(host.ask(&modern(3, "tools/call", "good")).await["result"].is_object());
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_token_for_another_server_is_not_sent() {
    // proves: MCP-AUTH-126, MCP-AUTH-130
    let server = Server::start(|got, mut caller| async move { caller.json(&got.result(&json!({}))).await }).await;
    let mut host = Host::start(&server, &Tokens::new("https://other.example/mcp"));
    assert!(host.ask(&modern(1, "tools/call", "x")).await["error"].is_object());
    assert!(matches!(host.ended().await, (Err(BridgeError::NotAuthorized(_)), _)));
    assert!(server.got().is_empty());
}

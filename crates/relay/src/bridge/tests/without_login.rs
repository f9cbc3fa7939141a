//! Hosts whose server wants a login, with nobody to log in from here.

use super::{
    server::{Caller, Got},
    *,
};

const CHALLENGE: &str = "Bearer resource_metadata=\"http://127.0.0.1/x\"";

/// A server of the older era that takes `t1` and no other token.
async fn guarded(got: Got, mut caller: Caller) {
    if got.token() != Some("t1") {
        return caller.status("401 Unauthorized", &[("www-authenticate", CHALLENGE)], "").await;
    }
    if got.method == "GET" {
        return caller.status("405 Method Not Allowed", &[], "").await;
    }
    if super::modern_host::legacy_server(&got, &mut caller).await {
        return;
    }
    match got.rpc() {
        "tools/list" => caller.json(&got.result(&json!({"tools": [{"name": "real"}]}))).await,
        "prompts/list" => {
            let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32601, "message": "no"}});
            caller.json(&error.to_string()).await;
        }
        _ => caller.json(&got.result(&json!({"content": [], "echo": got.body["params"]}))).await,
    }
}

/// The same for hosts of the newer era.
async fn guarded_modern(got: Got, mut caller: Caller) {
    match got.token() {
        Some("t1") => caller.json(&got.result(&json!({"content": [], "echo": got.body["params"]}))).await,
        _ => caller.status("401 Unauthorized", &[("www-authenticate", CHALLENGE)], "").await,
    }
}

fn says_what_to_type(answer: &Value) -> bool {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    answer["result"]["isError"] == true && text.contains("doorward login")
}

fn begin(capabilities: &Value) -> Value {
    let mut initialize = initialize();
    initialize["params"]["capabilities"] = capabilities.clone();
    initialize
}

impl Host {
    async fn initialized(&mut self) {
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }

    /// What is said until the answer to this request.
    async fn until(&mut self, id: &Value) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        loop {
            let message = self.receive().await;
            if message["id"] == *id && message.get("method").is_none() {
                return (before, message);
            }
            before.push(message);
        }
    }
}

#[tokio::test]
async fn the_session_stays_and_the_next_call_after_a_login_elsewhere_goes_through() {
    // proves: FCL-02
    let server = Server::start(guarded).await;
    let tokens = Tokens::never(&server.url());
    let mut host = Host::start(&server, &tokens);
    let began = host.ask(&initialize()).await;
    assert_eq!(began["result"]["protocolVersion"], "2025-11-25", "{began}");
    assert!(began["result"]["instructions"].as_str().unwrap().contains("doorward login"), "{began}");
    host.initialized().await;
    let tools = host.ask(&legacy(1, "tools/list")).await;
    assert_eq!(tools["result"]["tools"][0]["name"], "doorward_login", "{tools}");
    assert_eq!(host.ask(&legacy(2, "prompts/list")).await["result"], json!({"prompts": []}));
    for name in ["doorward_login", "real"] {
        let mut call = legacy(3, "tools/call");
        call["params"]["name"] = name.into();
        let answer = host.ask(&call).await;
        assert!(says_what_to_type(&answer), "{answer}");
    }
    let other = host.ask(&legacy(4, "resources/read")).await;
    assert!(other["error"]["message"].as_str().unwrap().contains("doorward login"), "{other}");
    // Nothing of the host's session has reached the server.
    assert!(server.got().iter().all(|got| got.rpc() == "initialize"), "{:?}", server.methods());

    tokens.log_in();
    host.send(&legacy("c", "tools/call")).await;
    let (before, answer) = host.until(&json!("c")).await;
    assert!(answer["result"]["echo"].is_object(), "{answer}");
    let changed: Vec<_> = before.iter().filter_map(|message| message["method"].as_str()).collect();
    assert!(changed.contains(&"notifications/tools/list_changed"), "{changed:?}");
    let tools = host.ask(&legacy(5, "tools/list")).await;
    assert_eq!(tools["result"]["tools"][0]["name"], "real", "{tools}");
    // What the server has not was declared to the host all the same.
    assert_eq!(host.ask(&legacy(6, "prompts/list")).await["result"], json!({"prompts": []}));
    let mut own = legacy(7, "tools/call");
    own["params"]["name"] = "doorward_login".into();
    assert_eq!(host.ask(&own).await["result"]["isError"], false);
    host.end().await.0.unwrap();
    let methods = server.methods();
    let begun = methods.iter().rposition(|method| method == "initialize").unwrap();
    assert_eq!(methods[begun + 1], "notifications/initialized", "{methods:?}");
}

#[tokio::test]
async fn a_login_elsewhere_is_noticed_without_a_call() {
    let server = Server::start(guarded).await;
    let tokens = Tokens::never(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.initialize().await;
    tokens.log_in();
    assert_eq!(host.receive().await["method"], "notifications/tools/list_changed");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn no_call_overtakes_the_confirmation_of_a_session_that_is_caught_up_with() {
    let (confirms, mut confirmed) = tokio::sync::mpsc::unbounded_channel();
    let go = Arc::new(tokio::sync::Notify::new());
    let goes = Arc::clone(&go);
    let server = Server::start(move |got, mut caller| {
        let (confirms, goes) = (confirms.clone(), Arc::clone(&goes));
        async move {
            if got.rpc() == "notifications/initialized" {
                confirms.send(()).unwrap();
                goes.notified().await;
                return caller.accepted().await;
            }
            guarded(got, caller).await;
        }
    })
    .await;
    let tokens = Tokens::never(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.initialize().await;
    tokens.log_in();
    host.send(&legacy("a", "tools/call")).await;
    tokio::time::timeout(PATIENCE, confirmed.recv()).await.expect("the session is confirmed");
    host.send(&legacy("b", "tools/call")).await;
    // Time enough for a call that waits for nothing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!server.methods().contains(&"tools/call".to_owned()), "{:?}", server.methods());
    go.notify_one();
    let mut answered = 0;
    while answered < 2 {
        let said = host.receive().await;
        if said.get("method").is_none() {
            assert!(said["result"]["echo"].is_object(), "{said}");
            answered += 1;
        }
    }
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_fault_on_the_way_is_no_sign_that_the_server_lets_anybody_in() {
    // proves: FCL-02
    let faults = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let server = Server::start(move |got, mut caller| {
        let faulty = faults.swap(false, std::sync::atomic::Ordering::Relaxed);
        async move {
            if faulty {
                return caller.status("502 Bad Gateway", &[], "").await;
            }
            guarded_modern(got, caller).await;
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::never(&server.url()));
    assert!(host.ask(&modern(0, "server/discover", "")).await["error"].is_object());
    let tools = host.ask(&modern(1, "tools/list", "")).await;
    assert_eq!(tools["result"]["tools"][0]["name"], "doorward_login", "{tools}");
    host.end().await.0.unwrap_err();
}

#[tokio::test]
async fn a_host_of_the_newer_era_is_told_as_well_and_goes_on_after_a_login_elsewhere() {
    // proves: FCL-02
    let server = Server::start(guarded_modern).await;
    let tokens = Tokens::never(&server.url());
    let mut host = Host::start(&server, &tokens);
    let found = host.ask(&modern(0, "server/discover", "")).await;
    assert_eq!(found["result"]["resultType"], "complete", "{found}");
    let tools = host.ask(&modern(1, "tools/list", "")).await;
    assert_eq!(
        (&tools["result"]["tools"][0]["name"], &tools["result"]["ttlMs"]),
        (&json!("doorward_login"), &json!(0))
    );
    let answer = host.ask(&modern(2, "tools/call", "real")).await;
    assert!(says_what_to_type(&answer) && answer["result"]["resultType"] == "complete", "{answer}");
    assert!(host.ask(&modern(3, "prompts/get", "x")).await["error"].is_object());
    tokens.log_in();
    assert!(host.ask(&modern(4, "tools/call", "real")).await["result"]["echo"].is_object());
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_login_that_ends_later_is_an_error_of_the_tool_and_comes_back() {
    // proves: FCL-02
    let server = Server::start(|got, caller| async move {
        if got.body["params"]["name"] == "free" { free(got, caller).await } else { guarded(got, caller).await }
    })
    .await;
    let tokens = Tokens::only_one(&server.url());
    let mut host = Host::start(&server, &tokens);
    let call = |id: u8, name: &str| {
        let mut call = legacy(id, "tools/call");
        call["params"]["name"] = name.into();
        call
    };
    assert!(host.ask(&call(1, "free")).await["result"]["echo"].is_object());
    assert!(says_what_to_type(&host.ask(&call(2, "real")).await));
    // The host has its list; a list of one tool would take it away.
    assert!(host.ask(&legacy(3, "tools/list")).await["error"].is_object());
    assert!(host.ask(&call(4, "free")).await["result"]["echo"].is_object());
    host.end().await.0.unwrap();
}

async fn free(got: Got, mut caller: Caller) {
    caller.json(&got.result(&json!({"echo": got.body["params"]}))).await;
}

#[tokio::test]
async fn a_host_that_shows_pages_sends_the_person_there_and_the_call_goes_on() {
    // proves: MCP-ADJ-018
    let server = Server::start(guarded).await;
    let tokens = Tokens::with_page(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.ask(&begin(&json!({"elicitation": {"url": {}}}))).await;
    host.initialized().await;
    host.send(&legacy("c", "tools/call")).await;
    let question = host.receive().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let params = &question["params"];
    assert_eq!((&params["mode"], &params["url"]), (&json!("url"), &json!("https://as.example/device")));
    assert!(params["message"].as_str().unwrap().contains("BCDF-GHJK"), "{params}");
    host.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})).await;
    tokens.log_in();
    let (before, answer) = host.until(&json!("c")).await;
    assert!(answer["result"]["echo"].is_object(), "{answer}");
    let complete = before.iter().find(|said| said["method"] == "notifications/elicitation/complete");
    assert_eq!(complete.expect("the host is told")["params"]["elicitationId"], params["elicitationId"]);
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn whoever_does_not_want_to_go_to_the_page_is_not_asked_again_at_once() {
    // proves: STEP-04
    let server = Server::start(guarded).await;
    let tokens = Tokens::with_page(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.ask(&begin(&json!({"elicitation": {"url": {}}}))).await;
    host.initialized().await;
    host.send(&legacy("c", "tools/call")).await;
    let question = host.receive().await;
    host.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})).await;
    assert!(says_what_to_type(&host.receive().await));
    assert!(says_what_to_type(&host.ask(&legacy("d", "tools/call")).await));
    host.end().await.0.unwrap_err();
}

#[tokio::test]
async fn a_host_of_the_newer_era_comes_back_from_the_page_with_the_same_call() {
    // proves: MCP-ADJ-018
    let server = Server::start(guarded_modern).await;
    for (action, goes_on) in [("accept", true), ("decline", false)] {
        let tokens = Tokens::with_page(&server.url());
        let mut host = Host::start(&server, &tokens);
        let mut call = modern(1, "tools/call", "real");
        call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {"url": {}}});
        let asked = host.ask(&call).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let requests = asked["result"]["inputRequests"].as_object().unwrap();
        let (key, request) = requests.iter().next().unwrap();
        assert_eq!((&request["method"], &request["params"]["mode"]), (&json!("elicitation/create"), &json!("url")));
        if goes_on {
            tokens.log_in();
        }
        call["id"] = 2.into();
        call["params"]["requestState"] = asked["result"]["requestState"].clone();
        call["params"]["inputResponses"] = json!({key.as_str(): {"action": action}});
        let answer = host.ask(&call).await;
        match goes_on {
            true => {
                let sent = &answer["result"]["echo"];
                assert!(sent["name"] == "real" && sent.get("requestState").is_none(), "{answer}");
                assert!(sent.get("inputResponses").is_none(), "{answer}");
            }
            false => assert!(says_what_to_type(&answer), "{answer}"),
        }
        let _ = host.end().await;
    }
}

#[tokio::test]
async fn what_no_login_elsewhere_would_help_ends_the_bridge() {
    let server = Server::start(guarded).await;
    let mut host = Host::start(&server, &Tokens::new("https://other.example/mcp"));
    assert!(host.ask(&initialize()).await["error"].is_object());
    assert!(matches!(host.ended().await, (Err(BridgeError::NotAuthorized(_)), _)));
}

#[tokio::test]
async fn a_login_elsewhere_before_the_page_is_answered_counts() {
    for is_modern in [false, true] {
        let server = match is_modern {
            true => Server::start(guarded_modern).await,
            false => Server::start(guarded).await,
        };
        let tokens = Tokens::with_page(&server.url());
        let mut host = Host::start(&server, &tokens);
        let answer = if is_modern {
            let mut call = modern(1, "tools/call", "real");
            call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {"url": {}}});
            let asked = host.ask(&call).await;
            let key = asked["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap();
            tokens.log_in_beside_the_page();
            call["params"]["requestState"] = asked["result"]["requestState"].clone();
            call["params"]["inputResponses"] = json!({key.as_str(): {"action": "accept"}});
            host.ask(&call).await
        } else {
            host.ask(&begin(&json!({"elicitation": {"url": {}}}))).await;
            host.initialized().await;
            host.send(&legacy("c", "tools/call")).await;
            let question = host.receive().await;
            tokens.log_in_beside_the_page();
            host.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})).await;
            host.until(&json!("c")).await.1
        };
        assert!(answer["result"]["echo"].is_object(), "{answer}");
        host.end().await.0.unwrap();
    }
}

#[tokio::test]
async fn a_fault_that_passes_does_not_hide_a_login_elsewhere() {
    let faults = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let server = Server::start(move |got, mut caller| {
        let faults = Arc::clone(&faults);
        async move {
            if got.token() == Some("t1") && faults.swap(false, std::sync::atomic::Ordering::Relaxed) {
                return caller.status("503 Service Unavailable", &[], "").await;
            }
            guarded(got, caller).await;
        }
    })
    .await;
    let tokens = Tokens::never(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.initialize().await;
    tokens.log_in();
    assert_eq!(host.receive().await["method"], "notifications/tools/list_changed");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn while_there_is_no_login_it_is_only_looked_for_one() {
    let server = Server::start(guarded).await;
    let tokens = Tokens::never(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.initialize().await;
    let (sent, looked) = tokens.sent_and_looked();
    let looks = async {
        while tokens.sent_and_looked().1 < looked + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looks).await.expect("it is looked for now and then");
    assert_eq!(tokens.sent_and_looked().0, sent, "no token is got for that");
    let _ = host.end().await;
}

//! A host of the newer era at a server of the older one.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Notify, mpsc};

use super::{
    server::{Caller, Got},
    *,
};

/// Answers as a server of the older era does, except for requests in a session.
pub(super) async fn legacy_server(got: &Got, caller: &mut Caller) -> bool {
    match (got.method.as_str(), got.rpc()) {
        ("POST", "initialize") => {
            let result = json!({
                "protocolVersion": "2025-11-25", "serverInfo": {"name": "old", "version": "1"}, "instructions": "i",
                "capabilities": {
                    "tools": {"listChanged": true}, "resources": {"subscribe": true}, "logging": {}, "tasks": {},
                },
            });
            let body = got.result(&result);
            let headers = [("content-type", "application/json"), ("mcp-session-id", "session-1")];
            caller.status("200 OK", &headers, &body).await;
        }
        ("POST", _) if got.header("mcp-session-id").is_none() => {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "no session"}});
            caller.status("400 Bad Request", &[("content-type", "application/json")], &error.to_string()).await;
        }
        ("POST", method) if method.starts_with("notifications/") => caller.accepted().await,
        ("POST", "") => caller.accepted().await,
        ("DELETE", _) => caller.status("200 OK", &[], "").await,
        _ => return false,
    }
    true
}

fn with(id: impl Into<Value>, method: &str, mut params: Value, capabilities: &Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "new", "version": "2"});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn ask(id: impl Into<Value>, method: &str, params: Value) -> Value {
    with(id, method, params, &json!({"elicitation": {}, "roots": {}, "tasks": {}}))
}

#[tokio::test]
async fn it_is_told_what_it_expects_in_a_session_of_the_bridges_own() {
    // proves: MCP-PX-10, MCP-HTTP-005, MCP-HTTP-019, MCP-HTTP-023
    let server = Server::start(|got, mut caller| async move {
        if got.method == "GET" {
            caller.status("405 Method Not Allowed", &[], "").await;
        } else if !legacy_server(&got, &mut caller).await {
            caller.json(&got.result(&json!({"tools": []}))).await;
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let discovered = host.ask(&ask("d", "server/discover", json!({}))).await;
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"][0], "2026-07-28", "{discovered}");
    assert_eq!((&result["resultType"], &result["instructions"]), (&json!("complete"), &json!("i")));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "old");
    assert!(result["capabilities"].get("tasks").is_none(), "{discovered}");
    host.ask(&ask("e", "server/discover", json!({}))).await;
    let listed = host.ask(&ask(1, "tools/list", json!({"cursor": "c", "_meta": {"x.example/own": 1}}))).await;
    let wanted = json!({"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"});
    assert_eq!(listed["result"], wanted);
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");

    let mut methods = server.methods();
    methods.retain(|method| method != "GET");
    let wanted = ["server/discover", "initialize", "notifications/initialized", "tools/list", "DELETE"];
    assert_eq!(methods, wanted, "one probe, no more");
    for got in server.got().into_iter().skip(1) {
        let in_session = got.rpc() != "initialize";
        assert_eq!(got.header("mcp-session-id"), in_session.then_some("session-1"), "{got:?}");
        assert_eq!(got.header("mcp-protocol-version"), in_session.then_some("2025-11-25"), "{got:?}");
        assert_eq!(got.header("mcp-method"), None);
        match got.rpc() {
            "initialize" => {
                let params = &got.body["params"];
                assert_eq!(params["capabilities"], json!({"elicitation": {}, "roots": {}}), "{got:?}");
                assert_eq!(params["clientInfo"]["name"], "new");
            }
            "tools/list" => assert_eq!(got.body["params"], json!({"cursor": "c", "_meta": {"x.example/own": 1}})),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_session_in_a_revision_without_sessions_is_none() {
    // proves: MCP-PX-10
    let server = Server::start(|got, mut caller| async move {
        if got.rpc() == "initialize" {
            caller.json(&got.result(&json!({"protocolVersion": "2026-07-28", "capabilities": {}}))).await;
        } else {
            assert!(legacy_server(&got, &mut caller).await);
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let listed = host.ask(&ask(1, "tools/list", json!({}))).await;
    assert!(listed["error"].is_object(), "{listed}");
    assert!(!server.methods().contains(&"notifications/initialized".to_owned()), "{:?}", server.methods());
}

#[tokio::test]
async fn a_host_that_asks_for_nothing_first_is_served_as_well() {
    // proves: MCP-PX-10
    let server = Server::start(|got, mut caller| async move {
        if got.method == "GET" {
            caller.status("405 Method Not Allowed", &[], "").await;
        } else if !legacy_server(&got, &mut caller).await {
            let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32002, "message": "none"}});
            match got.rpc() {
                "resources/read" => caller.json(&error.to_string()).await,
                _ => caller.json(&got.result(&json!({}))).await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    for id in 0..4 {
        host.send(&ask(id, "tools/call", json!({"name": "t"}))).await;
    }
    for _ in 0..4 {
        let answer = host.receive().await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    }
    let none = host.ask(&ask(9, "resources/read", json!({"uri": "a:"}))).await;
    assert_eq!(none["error"]["code"], -32602, "{none}");
    host.end().await.0.unwrap();
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "initialize").count(), 1, "{methods:?}");
}

#[tokio::test]
async fn a_question_of_the_server_is_what_the_call_needs_and_the_call_goes_on() {
    // proves: MCP-PX-10, MCP-ADJ-008, MCP-ADJ-009, MCP-ADJ-010
    let (answered, answers) = mpsc::unbounded_channel::<Value>();
    let answers = Arc::new(tokio::sync::Mutex::new(answers));
    let server = Server::start(move |got, mut caller| {
        let (answered, answers) = (answered.clone(), Arc::clone(&answers));
        async move {
            if got.method == "POST" && got.rpc().is_empty() {
                answered.send(got.body.clone()).unwrap();
                caller.accepted().await;
            } else if got.method == "GET" {
                caller.status("405 Method Not Allowed", &[], "").await;
            } else if !legacy_server(&got, &mut caller).await {
                let question = |id: &str, method: &str| {
                    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"message": id}}).to_string()
                };
                caller.stream().await;
                caller.event(&question("alive", "ping")).await;
                caller.event(&question("draw", "sampling/createMessage")).await;
                caller.event(&question("who", "elicitation/create")).await;
                let mut answers = answers.lock().await;
                let mut all = vec![answers.recv().await.unwrap(), answers.recv().await.unwrap()];
                all.push(answers.recv().await.unwrap());
                caller.event(&question("where", "roots/list")).await;
                all.push(answers.recv().await.unwrap());
                caller.event(&got.result(&json!({"content": [], "heard": all}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let call = json!({"name": "t", "arguments": {"x": 1}});
    let asks = host.ask(&ask(1, "tools/call", call.clone())).await;
    assert_eq!((&asks["id"], &asks["result"]["resultType"]), (&json!(1), &json!("input_required")), "{asks}");
    let question = json!({"method": "elicitation/create", "params": {"message": "who"}});
    assert_eq!(asks["result"]["inputRequests"], json!({"question-1": question}));

    let with_answer = |state: &Value, answer: Value| {
        let mut call = call.clone();
        call["requestState"] = state.clone();
        call["inputResponses"] = json!({"question-1": answer});
        call
    };
    // Not for another call, and not under another name.
    let state = &asks["result"]["requestState"];
    let mut other = with_answer(state, json!({"action": "accept"}));
    other["arguments"]["x"] = 2.into();
    assert_eq!(host.ask(&ask(2, "tools/call", other)).await["error"]["code"], -32602);
    let guessed = with_answer(&json!("doorward-0"), json!({}));
    assert_eq!(host.ask(&ask(3, "tools/call", guessed)).await["error"]["code"], -32602);
    // An answer that is missing is asked for again.
    let mut without = with_answer(state, json!({}));
    without["inputResponses"] = json!({});
    let again = host.ask(&ask(4, "tools/call", without)).await;
    assert_eq!(again["result"]["inputRequests"], asks["result"]["inputRequests"], "{again}");

    let state = &again["result"]["requestState"];
    let answer = with_answer(state, json!({"action": "accept", "content": {"name": "n"}}));
    let more = host.ask(&ask(5, "tools/call", answer.clone())).await;
    assert_eq!(more["result"]["inputRequests"]["question-1"]["method"], "roots/list", "{more}");
    assert_eq!(host.ask(&ask(6, "tools/call", answer)).await["error"]["code"], -32602, "a name is good once");
    let roots = with_answer(&more["result"]["requestState"], json!({"roots": []}));
    let done = host.ask(&ask(7, "tools/call", roots)).await;
    assert_eq!((&done["id"], &done["result"]["resultType"]), (&json!(7), &json!("complete")), "{done}");
    let heard = &done["result"]["heard"];
    assert_eq!(heard[0], json!({"jsonrpc": "2.0", "id": "alive", "result": {}}));
    assert_eq!((&heard[1]["id"], &heard[1]["error"]["code"]), (&json!("draw"), &json!(-32601)));
    let result = json!({"action": "accept", "content": {"name": "n"}});
    assert_eq!(heard[2], json!({"jsonrpc": "2.0", "id": "who", "result": result}));
    assert_eq!(heard[3], json!({"jsonrpc": "2.0", "id": "where", "result": {"roots": []}}));
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
    let calls = server.methods().iter().filter(|method| *method == "tools/call").count();
    assert_eq!(calls, 2, "the probe that was refused, and the call itself, once: {:?}", server.methods());
}

#[tokio::test]
async fn what_belongs_to_no_call_waits_for_the_next_one() {
    // proves: MCP-PX-10
    let (answered, answers) = mpsc::unbounded_channel::<Value>();
    let answers = Arc::new(tokio::sync::Mutex::new(answers));
    let asked = Arc::new(Notify::new());
    let was_asked = Arc::clone(&asked);
    let server = Server::start(move |got, mut caller| {
        let (answered, answers, asked) = (answered.clone(), Arc::clone(&answers), Arc::clone(&asked));
        async move {
            if got.method == "GET" {
                caller.stream().await;
                caller.event(r#"{"jsonrpc":"2.0","id":"where","method":"roots/list"}"#).await;
                caller.event(r#"{"jsonrpc":"2.0","id":"alive","method":"ping"}"#).await;
                caller.closed().await;
            } else if got.method == "POST" && got.rpc().is_empty() {
                if got.body["id"] == "alive" {
                    asked.notify_one();
                } else {
                    answered.send(got.body.clone()).unwrap();
                }
                caller.accepted().await;
            } else if !legacy_server(&got, &mut caller).await {
                let heard = answers.lock().await.recv().await.unwrap();
                caller.json(&got.result(&json!({"heard": heard}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&ask("d", "server/discover", json!({}))).await;
    tokio::time::timeout(PATIENCE, was_asked.notified()).await.expect("the stream is there, and heard in its order");
    let asks = host.ask(&ask(1, "tools/call", json!({"name": "t"}))).await;
    assert_eq!(asks["result"]["inputRequests"], json!({"question-1": {"method": "roots/list"}}), "{asks}");
    let responses = json!({"question-1": {"roots": [{"uri": "file:///a"}]}});
    let call = json!({"name": "t", "requestState": asks["result"]["requestState"], "inputResponses": responses});
    let done = host.ask(&ask(2, "tools/call", call)).await;
    assert_eq!(done["result"]["heard"]["result"], json!({"roots": [{"uri": "file:///a"}]}), "{done}");
    host.end().await.0.unwrap();
    let calls: Vec<_> = server.got().into_iter().filter(|got| got.rpc() == "tools/call").collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body["params"], json!({"name": "t"}));
}

#[tokio::test]
async fn of_many_questions_none_is_lost_when_the_call_waits_for_the_first() {
    // proves: MCP-PX-10
    let (answered, answers) = mpsc::unbounded_channel::<Value>();
    let answers = Arc::new(tokio::sync::Mutex::new(answers));
    let runs = Arc::new(Notify::new());
    let server = Server::start(move |got, mut caller| {
        let (answered, answers, runs) = (answered.clone(), Arc::clone(&answers), Arc::clone(&runs));
        async move {
            if got.method == "GET" {
                caller.stream().await;
                runs.notified().await;
                let question =
                    |id: u8| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"roots/list\"}}\n\n");
                caller.raw([question(71), question(72), question(73)].concat()).await;
                caller.closed().await;
            } else if got.method == "POST" && got.rpc().is_empty() {
                answered.send(got.body.clone()).unwrap();
                caller.accepted().await;
            } else if !legacy_server(&got, &mut caller).await {
                caller.stream().await;
                runs.notify_one();
                let mut answers = answers.lock().await;
                let mut heard = Vec::new();
                while heard.len() < 3 {
                    heard.push(answers.recv().await.unwrap()["id"].clone());
                }
                caller.event(&got.result(&json!({"heard": heard}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&ask("d", "server/discover", json!({}))).await;
    let mut answer = host.ask(&ask(1, "tools/call", json!({"name": "t"}))).await;
    for id in 2..5 {
        assert_eq!(answer["result"]["inputRequests"]["question-1"]["method"], "roots/list", "{answer}");
        let responses = json!({"question-1": {"roots": []}});
        let state = &answer["result"]["requestState"];
        let call = json!({"name": "t", "requestState": state, "inputResponses": responses});
        answer = host.ask(&ask(id, "tools/call", call)).await;
    }
    let mut heard: Vec<_> = answer["result"]["heard"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
    heard.sort_by_key(Value::as_u64);
    assert_eq!(heard, [71, 72, 73]);
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn what_it_takes_back_the_server_is_told() {
    // proves: MCP-PX-10
    let (told, mut was_told) = mpsc::unbounded_channel();
    let server = Server::start(move |got, mut caller| {
        let told = told.clone();
        async move {
            if got.rpc() == "notifications/cancelled" {
                told.send(got.body["params"]["requestId"].clone()).unwrap();
            }
            if got.method == "GET" {
                caller.status("405 Method Not Allowed", &[], "").await;
            } else if !legacy_server(&got, &mut caller).await {
                if got.body["params"]["name"] == "endless" {
                    caller.stream().await;
                    caller.closed().await;
                } else {
                    caller.json(&got.result(&json!({}))).await;
                }
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&ask("d", "server/discover", json!({}))).await;
    host.send(&ask(1, "tools/call", json!({"name": "endless"}))).await;
    host.ask(&ask(2, "tools/call", json!({"name": "quick"}))).await;
    let back = json!({"requestId": 1, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": back})).await;
    let told = tokio::time::timeout(PATIENCE, was_told.recv()).await.expect("the server is told");
    assert_eq!(told, Some(json!(1)));
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn it_listens_to_changes_and_asks_for_what_is_logged() {
    // proves: MCP-PX-10
    let go = Arc::new(Notify::new());
    let ready = Arc::clone(&go);
    let server = Server::start(move |got, mut caller| {
        let ready = Arc::clone(&ready);
        async move {
            let note =
                |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string();
            if got.method == "GET" {
                caller.stream().await;
                ready.notified().await;
                caller.event(&note("notifications/tools/list_changed", json!({}))).await;
                caller.event(&note("notifications/prompts/list_changed", json!({}))).await;
                caller.event(&note("notifications/message", json!({"level": "error", "data": "unasked"}))).await;
                caller.event(&note("notifications/resources/updated", json!({"uri": "b:"}))).await;
                caller.event(&note("notifications/resources/updated", json!({"uri": "a:"}))).await;
                caller.closed().await;
            } else if legacy_server(&got, &mut caller).await {
            } else if got.rpc() == "tools/call" {
                caller.stream().await;
                for level in ["debug", "warning", "error"] {
                    caller.event(&note("notifications/message", json!({"level": level, "data": 1}))).await;
                }
                caller.event(&note("notifications/progress", json!({"progressToken": 1, "progress": 1}))).await;
                caller.event(&got.result(&json!({"content": []}))).await;
            } else {
                caller.json(&got.result(&json!({}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let filter = json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["a:"]});
    let acknowledged = host.ask(&ask("l", "subscriptions/listen", json!({"notifications": filter}))).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    let granted = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:"]});
    assert_eq!(acknowledged["params"]["notifications"], granted);
    go.notify_one();
    for method in ["notifications/tools/list_changed", "notifications/resources/updated"] {
        let told = host.receive().await;
        assert_eq!(told["method"], method, "{told}");
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "l", "{told}");
    }
    // What is logged is said where it was asked for, and from the level on that was asked for.
    for (id, level, heard) in [(1, None, 0), (2, Some("error"), 1), (3, Some("warning"), 2), (4, Some("error"), 1)] {
        let mut params = json!({"name": "t", "_meta": {"progressToken": 1}});
        if let Some(level) = level {
            params["_meta"]["io.modelcontextprotocol/logLevel"] = level.into();
        }
        host.send(&ask(id, "tools/call", params)).await;
        for _ in 0..heard {
            assert_eq!(host.receive().await["method"], "notifications/message");
        }
        assert_eq!(host.receive().await["method"], "notifications/progress");
        assert_eq!(host.receive().await["id"], id);
    }
    let back = json!({"requestId": "l", "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": back})).await;
    let unsubscribed = async {
        while !server.methods().contains(&"resources/unsubscribe".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, unsubscribed).await.expect("what nobody watches is not watched");
    host.end().await.0.unwrap();
    let levels: Vec<_> = server.got().into_iter().filter(|got| got.rpc() == "logging/setLevel").collect();
    let levels: Vec<_> = levels.iter().map(|got| &got.body["params"]["level"]).collect();
    assert_eq!(levels, ["error", "warning"], "only ever more");
}

#[tokio::test]
async fn a_session_that_is_forgotten_is_begun_again_and_watched_in_again() {
    // proves: MCP-HTTP-021
    let begun = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let begun = Arc::clone(&begun);
        async move {
            let session = got.header("mcp-session-id");
            if got.rpc() == "initialize" {
                let name = format!("s{}", begun.fetch_add(1, Relaxed));
                let result = json!({
                    "protocolVersion": "2025-11-25", "serverInfo": {"name": "old", "version": "1"},
                    "capabilities": {"tools": {}, "resources": {"subscribe": true}},
                });
                let headers = [("content-type", "application/json"), ("mcp-session-id", name.as_str())];
                caller.status("200 OK", &headers, &got.result(&result)).await;
            } else if got.method == "GET" {
                caller.status("405 Method Not Allowed", &[], "").await;
            } else if got.rpc() == "tools/call" && session == Some("s0") {
                caller.status("404 Not Found", &[], "").await;
            } else if !legacy_server(&got, &mut caller).await {
                caller.json(&got.result(&json!({}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let filter = json!({"resourceSubscriptions": ["a:"]});
    host.ask(&ask("l", "subscriptions/listen", json!({"notifications": filter}))).await;
    host.send(&ask(1, "tools/call", json!({"name": "t"}))).await;
    let mut both = [host.receive().await, host.receive().await];
    both.sort_by_key(|message| message["id"] == 1);
    let [changed, done] = both;
    assert_eq!(changed["method"], "notifications/resources/updated", "what changed in between is not known: {changed}");
    assert_eq!(done["result"]["resultType"], "complete", "{done}");
    let watched_again = async {
        let again = |got: &Got| got.rpc() == "resources/subscribe" && got.header("mcp-session-id") == Some("s1");
        while !server.got().iter().any(again) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, watched_again).await.expect("the new session watches what the old one did");
    let settled = host.end().await;
    settled.0.unwrap();
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "initialize").count(), 2, "{methods:?}");
}

#[tokio::test]
async fn a_call_that_may_have_run_is_not_made_again_in_the_other_era() {
    // proves: MCP-PX-10
    let server = Server::start(|got, mut caller| async move {
        let meta = &got.body["params"]["_meta"];
        let is_modern = meta.get("io.modelcontextprotocol/protocolVersion").is_some();
        if got.method == "GET" {
            caller.status("405 Method Not Allowed", &[], "").await;
        } else if is_modern {
            let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32603, "message": "oh"}});
            caller.json(&error.to_string()).await;
        } else if !legacy_server(&got, &mut caller).await {
            caller.json(&got.result(&json!({"content": []}))).await;
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let failed = host.ask(&ask(1, "tools/call", json!({"name": "t"}))).await;
    assert_eq!(failed["error"]["message"], "oh", "{failed}");
    let done = host.ask(&ask(2, "tools/call", json!({"name": "t"}))).await;
    assert_eq!(done["result"]["resultType"], "complete", "what was found out holds for the next call: {done}");
    host.end().await.0.unwrap();
    let mut methods = server.methods();
    methods.retain(|method| method != "GET");
    let wanted = ["tools/call", "server/discover", "initialize", "notifications/initialized", "tools/call", "DELETE"];
    assert_eq!(methods, wanted);
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_given_up() {
    // proves: MCP-ADJ-009, MCP-PX-10
    let (told, mut was_told) = mpsc::unbounded_channel::<Value>();
    let server = Server::start(move |got, mut caller| {
        let told = told.clone();
        async move {
            if got.rpc() == "notifications/cancelled" || (got.method == "POST" && got.rpc().is_empty()) {
                told.send(got.body.clone()).unwrap();
            }
            if got.method == "GET" {
                caller.status("405 Method Not Allowed", &[], "").await;
            } else if !legacy_server(&got, &mut caller).await {
                caller.stream().await;
                caller.event(r#"{"jsonrpc":"2.0","id":"who","method":"elicitation/create","params":{}}"#).await;
                caller.closed().await;
            }
        }
    })
    .await;
    let settings = BridgeSettings { answer_timeout: Duration::from_secs(6), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    let asks = host.ask(&ask(1, "tools/call", json!({"name": "t"}))).await;
    let mut heard = Vec::new();
    for _ in 0..2 {
        let next = tokio::time::timeout(PATIENCE, was_told.recv()).await.expect("the server is told");
        heard.push(next.unwrap());
    }
    let answer = heard.iter().find(|said| said["id"] == "who").expect("its question is answered");
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    let cancelled =
        heard.iter().find(|said| said["method"] == "notifications/cancelled").expect("its call is taken back");
    assert_eq!(cancelled["params"]["requestId"], 1, "{cancelled}");
    let late = json!({
        "name": "t", "requestState": asks["result"]["requestState"], "inputResponses": {"question-1": {"action": "accept"}},
    });
    assert_eq!(host.ask(&ask(2, "tools/call", late)).await["error"]["code"], -32602);
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_page_that_has_to_be_opened_first_is_a_question() {
    // proves: MCP-PX-10, MCP-ADJ-019
    let tries = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let tries = Arc::clone(&tries);
        async move {
            if got.method == "GET" {
                caller.status("405 Method Not Allowed", &[], "").await;
            } else if legacy_server(&got, &mut caller).await {
            } else if tries.fetch_add(1, Relaxed) < 2 {
                // It lies at the server itself, which would see whoever fetches it.
                let url = format!("http://{}/page?of=e#x", got.header("host").unwrap());
                let page = json!({"mode": "url", "elicitationId": "e", "url": url, "message": "m"});
                let error = json!({"code": -32042, "message": "first", "data": {"elicitations": [page]}});
                caller.json(&json!({"jsonrpc": "2.0", "id": got.body["id"], "error": error}).to_string()).await;
            } else {
                assert_eq!(got.body["params"], json!({"name": "t"}));
                caller.json(&got.result(&json!({"content": []}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let pages = json!({"elicitation": {"url": {}}});
    for (id, action) in [(1, "decline"), (3, "accept")] {
        let asks = host.ask(&with(id, "tools/call", json!({"name": "t"}), &pages)).await;
        let question = &asks["result"]["inputRequests"]["question-1"];
        assert_eq!(question["params"]["url"], server.url().replace("/mcp", "/page?of=e#x"), "{asks}");
        let call = json!({
            "name": "t", "requestState": asks["result"]["requestState"],
            "inputResponses": {"question-1": {"action": action}},
        });
        let answer = host.ask(&with(id + 1, "tools/call", call, &pages)).await;
        let went_on = answer["result"]["resultType"] == "complete";
        assert_eq!(went_on, action == "accept", "{answer}");
    }
    assert!(server.got().iter().all(|got| got.path() == "/mcp"), "nobody but the person opens it");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn what_is_told_of_a_call_outside_of_its_answer_is_heard_as_long_as_it_is_open() {
    // proves: MCP-PX-10
    let (told, unasked) = mpsc::unbounded_channel::<String>();
    let unasked = Arc::new(tokio::sync::Mutex::new(unasked));
    let done = Arc::new(Notify::new());
    let is_done = Arc::clone(&done);
    let server = Server::start(move |got, mut caller| {
        let (unasked, is_done, told) = (Arc::clone(&unasked), Arc::clone(&is_done), told.clone());
        async move {
            if got.method == "GET" {
                caller.stream().await;
                caller.raw(": here\n\n").await;
                while let Some(text) = unasked.lock().await.recv().await {
                    caller.event(&text).await;
                }
            } else if got.rpc() == "tools/call" && got.header("mcp-session-id").is_some() {
                for (method, params) in [
                    ("notifications/progress", json!({"progressToken": "another", "progress": 1})),
                    ("notifications/message", json!({"level": "debug", "data": "too low"})),
                    ("notifications/progress", json!({"progressToken": "mine", "progress": 1})),
                    ("notifications/message", json!({"level": "error", "data": "heard"})),
                ] {
                    told.send(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()).unwrap();
                }
                is_done.notified().await;
                caller.json(&got.result(&json!({"content": []}))).await;
            } else if !legacy_server(&got, &mut caller).await {
                caller.json(&got.result(&json!({}))).await;
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    let mut params = json!({"name": "t", "_meta": {"progressToken": "mine"}});
    params["_meta"]["io.modelcontextprotocol/logLevel"] = "warning".into();
    host.send(&ask(1, "tools/call", params)).await;
    let (first, second) = (host.receive().await, host.receive().await);
    assert_eq!(first["params"], json!({"progressToken": "mine", "progress": 1}), "{first}");
    assert_eq!(second["params"]["data"], "heard", "{second}");
    done.notify_one();
    assert_eq!(host.receive().await["id"], 1);
    host.end().await.0.unwrap();
}

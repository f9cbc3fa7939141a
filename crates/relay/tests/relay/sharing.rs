//! Many callers, few children.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_goes_to_the_one_who_asked() {
    // proves: MCPP-09, STDIO-02, MCP-PX-14
    let world = World::new(&["legacy"]);
    let subjects = ["ann", "bob", "eve", "joe"];
    let mut callers = Vec::new();
    for subject in subjects {
        for client in ["one", "two"] {
            let mut session = world.caller_with(subject, client, "mcp:read");
            session.initialize("2025-11-25").await;
            callers.push((subject, session));
            callers.push((subject, world.caller_with(subject, client, "mcp:read")));
        }
    }
    // All use the same few ids, of every legal type; slow and fast calls are mixed.
    let ids = [json!(1), json!("1"), json!(-7), json!("\u{1f600}")];
    let mut calls = Vec::new();
    for round in 0..6 {
        for (number, (subject, caller)) in callers.iter().enumerate() {
            let id = ids[(round + number) % ids.len()].clone();
            calls.push(async move {
                // One session may use an id for one open call only.
                let id = match &caller.session {
                    Some(_) => json!(format!("{id} {round}")),
                    None => id,
                };
                let canary = format!("{subject}/{number}/{round}");
                let arguments = json!({ "canary": canary, "delay": f64::from((round * 7 + number) as u32 % 5) / 50.0 });
                let body = match &caller.session {
                    Some(_) => legacy(id.clone(), "tools/call", tool("echo", arguments.clone())),
                    None => modern(id.clone(), "tools/call", tool("echo", arguments.clone())),
                };
                let (status, answer) = caller.post(&body).await;
                assert_eq!((status.as_u16(), &answer["id"]), (200, &id), "{answer}");
                let said: Value = parsed(answer["result"]["content"][0]["text"].as_str().unwrap());
                assert_eq!(said, arguments);
            });
        }
    }
    join_all(calls).await;
    // One child for each subject, whatever the client and the session.
    let mut pids = std::collections::BTreeMap::<String, Vec<&str>>::new();
    for (subject, caller) in &callers {
        let users = pids.entry(caller.tool("who", json!({})).await).or_default();
        users.push(subject);
        users.dedup();
    }
    assert_eq!(pids.len(), subjects.len());
    assert!(pids.values().all(|users| users.len() == 1), "{pids:?}");
}

#[tokio::test]
async fn progress_reaches_its_own_caller_under_its_own_token() {
    // proves: MCPP-10, MCPP-09
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    caller.tool("echo", json!({})).await;
    let with_token = |id: i64, token: Value| {
        let mut params = tool("progress", json!({ "steps": 3, "pause": 0.02 }));
        params["_meta"] = json!({ "progressToken": token });
        modern(id, "tools/call", params)
    };
    let tokens = [json!("t"), json!(1), json!("1"), json!("t")];
    let streams = join_all(tokens.iter().enumerate().map(|(id, token)| {
        let (caller, body) = (&caller, with_token(id as i64, token.clone()));
        async move {
            let mut stream = caller.stream(&body).await;
            let mut got = Vec::new();
            while let Some(message) = stream.next().await {
                got.push(message);
            }
            got
        }
    }))
    .await;
    for (id, (messages, token)) in streams.iter().zip(&tokens).enumerate() {
        let (answer, notes) = messages.split_last().unwrap();
        assert_eq!((&answer["id"], notes.len()), (&json!(id), 3), "{messages:?}");
        for (step, note) in notes.iter().enumerate() {
            assert_eq!((&note["params"]["progressToken"], &note["params"]["progress"]), (token, &json!(step)));
        }
    }
    // Who gave no token hears no progress.
    let mut stream = caller.stream(&modern(9, "tools/call", tool("progress", json!({})))).await;
    assert_eq!(stream.next().await, None, "{}", stream.text());
    assert!(stream.text().contains(r#""id":9"#) && !stream.text().contains("progress\""), "{}", stream.text());
}

#[tokio::test]
async fn a_log_message_reaches_only_a_caller_who_can_be_its_cause() {
    // proves: MCPP-09, MCP-ADJ-004
    let world = World::limited(&["legacy"], |limits| limits.stream_after = std::time::Duration::from_millis(200));
    let caller = world.caller("ann");
    caller.tool("echo", json!({})).await;
    let call = |id: i64, level: Option<&str>, pause: f64| {
        let mut params = tool("log", json!({ "levels": ["info", "error"], "pause": pause }));
        if let Some(level) = level {
            params["_meta"] = json!({ format!("{META}logLevel"): level });
        }
        modern(id, "tools/call", params)
    };
    let heard = async |body: Value| {
        let mut stream = caller.stream(&body).await;
        let mut levels = Vec::new();
        while let Some(message) = stream.next().await {
            levels.extend(message["params"]["level"].as_str().map(ToOwned::to_owned));
        }
        levels
    };
    assert_eq!(heard(call(1, Some("debug"), 0.0)).await, ["info", "error"]);
    assert_eq!(heard(call(2, Some("error"), 0.0)).await, ["error"]);
    assert!(heard(call(3, None, 0.0)).await.is_empty());
    // With another call open, nobody can tell whose it is: neither hears it.
    let mut silent = tool("slow", json!({}));
    silent["_meta"] = json!({ format!("{META}logLevel"): "debug" });
    let mut other = caller.stream(&modern(4, "tools/call", silent)).await;
    for id in 5..10 {
        assert!(heard(call(id, Some("debug"), 0.0)).await.is_empty());
    }
    caller.go().await;
    assert_eq!(other.next().await.unwrap()["id"], 4, "{}", other.text());
}

#[tokio::test]
async fn a_server_that_asks_is_told_that_nobody_can_be_asked() {
    // proves: STDIO-05
    let world = World::new(&["legacy"]);
    let said = parsed(&world.caller("ann").tool("ask", json!({})).await);
    assert_eq!(said["a"], json!({}));
    let others: Vec<_> = said.as_object().unwrap().iter().filter(|(id, _)| *id != "a").collect();
    assert_eq!(others.len(), 1, "{said}");
    assert_eq!(others[0].1, -32601);
}

#[tokio::test]
async fn modern_listeners_hear_what_they_asked_for() {
    // proves: MCPP-10, MCP-PX-10
    for era in ["legacy", "modern"] {
        let world = World::new(&[era]);
        let caller = world.caller("ann");
        let listen = |id: Value, filter: Value| modern(id, "subscriptions/listen", json!({ "notifications": filter }));
        let tools = listen(json!("tools"), json!({ "toolsListChanged": true, "promptsListChanged": true }));
        let file = listen(json!(17), json!({ "resourceSubscriptions": ["file:a"] }));
        let (mut tools, mut file) = (caller.stream(&tools).await, caller.stream(&file).await);
        let id = |message: &Value| message["params"]["_meta"][format!("{META}subscriptionId")].clone();
        for (stream, own, granted) in [
            (&mut tools, json!("tools"), json!({ "toolsListChanged": true })),
            (&mut file, json!(17), json!({ "resourceSubscriptions": ["file:a"] })),
        ] {
            let first = stream.next().await.unwrap();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
            assert_eq!(id(&first), own);
            if era == "legacy" {
                assert_eq!(first["params"]["notifications"], granted, "only what the server can give");
            }
        }
        let mut bobs =
            world.caller("bob").stream(&listen(json!(17), json!({ "resourceSubscriptions": ["file:a"] }))).await;
        bobs.next().await.unwrap();
        let change = |what: &str, uri: &str| json!({ "what": what, "params": { "uri": uri } });
        caller.tool("change", change("notifications/resources/updated", "file:b")).await;
        caller.tool("change", change("notifications/resources/updated", "file:a")).await;
        caller.tool("change", json!({ "what": "notifications/tools/list_changed" })).await;
        let heard = file.next().await.unwrap();
        assert_eq!((&heard["params"]["uri"], id(&heard)), (&json!("file:a"), json!(17)));
        let heard = tools.next().await.unwrap();
        assert_eq!((&heard["method"], id(&heard)), (&json!("notifications/tools/list_changed"), json!("tools")));
        if era == "legacy" {
            let subscribed = || async { caller.seen().await["subscribed"].clone() };
            assert_eq!(subscribed().await, json!(["+file:a"]));
            drop(file);
            until("the subscription ends", || async { subscribed().await == json!(["+file:a", "-file:a"]) }).await;
        }
        // An orderly end says so.
        world.gateway.shutdown().await;
        let last = tools.next().await.unwrap();
        assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("tools"), &json!("complete")), "{era}");
        assert_eq!(last["result"]["_meta"][format!("{META}subscriptionId")], "tools");
        assert!(tools.next().await.is_none());
        assert_eq!(bobs.next().await.unwrap()["id"], 17, "nothing of ann's reached bob");
    }
}

#[tokio::test]
async fn a_changed_tool_is_judged_anew() {
    // proves: MCPP-18
    for era in ["legacy", "modern"] {
        let world = World::new(&[era]);
        let caller = world.caller("ann");
        let listed = || async { caller.seen().await["seen"].to_string().matches("tools/list").count() };
        let pages = listed().await;
        assert!(pages > 0);
        assert_eq!(listed().await, pages);
        if era == "modern" {
            until("the gateway listens", || async { caller.seen().await["seen"].to_string().contains("listen") }).await;
        }
        caller.tool("change", json!({ "what": "notifications/tools/list_changed" })).await;
        assert_eq!(listed().await, 2 * pages, "{era}");
    }
}

#[tokio::test]
async fn what_one_subjects_server_says_is_kept_for_nobody_else() {
    // proves: MCPP-12, MCP-ADJ-004, MCP-PX-07
    let world = World::new(&["modern"]);
    let (_, answer) = world.caller("ann").post(&modern(1, "tools/list", json!({}))).await;
    assert_eq!((&answer["result"]["cacheScope"], &answer["result"]["ttlMs"]), (&json!("private"), &json!(1000)));
}

#[tokio::test]
async fn an_answer_with_a_null_beside_it_is_one() {
    // proves: MCPP-05
    assert_eq!(World::new(&["legacy"]).caller("ann").tool("nulls", json!({})).await, "nulls");
}

//! Callers that start with `initialize`.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_session_is_needed_and_is_its_owners_alone() {
    // proves: MCPP-08, MCP-HTTP-021, MCP-HTTP-020, MCP-ADJ-003
    let world = World::new(&["legacy"]);
    let mut ann = world.caller("ann");
    ann.initialize("2025-11-25").await;
    let id = ann.session.clone().unwrap();
    assert!(id.len() >= 22 && id.bytes().all(|b| (0x21..=0x7e).contains(&b)), "{id}");
    let list = legacy(1, "tools/list", json!({}));
    let (status, answer) = world.caller("ann").post(&list).await;
    assert_eq!((status, &answer["id"]), (StatusCode::BAD_REQUEST, &json!(1)));
    let thieves = [world.caller("bob"), world.caller_with("ann", "other client", "mcp:danger"), world.caller("ann")];
    for (thief, session) in thieves.into_iter().zip([id.as_str(), &id, "guess"]) {
        let mut thief = thief;
        thief.session = Some(session.to_owned());
        assert_eq!(thief.post(&list).await.0, StatusCode::NOT_FOUND);
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
        assert_eq!(thief.post(&cancel).await.0, StatusCode::NOT_FOUND);
        for method in ["GET", "DELETE"] {
            let request = thief.request(method).header("last-event-id", "0");
            assert_eq!(thief.send(request, "").await.status(), StatusCode::NOT_FOUND, "{method}");
        }
    }
    // The id is no credential: without a token it is worth nothing.
    let mut request = ann.request("POST");
    request.headers_mut().unwrap().remove("authorization");
    assert_eq!(ann.send(request, list.to_string()).await.status(), StatusCode::UNAUTHORIZED);
    // Another token of the same owner is as good.
    let mut again = world.caller("ann");
    again.session = Some(id);
    assert_eq!(again.post(&list).await.0, StatusCode::OK);
    assert_eq!(ann.send(ann.request("DELETE"), "").await.status(), StatusCode::NO_CONTENT);
    for caller in [&ann, &again] {
        assert_eq!(caller.post(&list).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn modern_requests_know_no_sessions() {
    // proves: MCP-HTTP-024, MCP-ADJ-001
    let world = World::new(&["legacy"]);
    let mut caller = world.caller("ann");
    caller.session = Some("anything".into());
    let list = modern(1, "tools/list", json!({}));
    let response = caller.send(caller.mirrored(&list), list.to_string()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().get("mcp-session-id").is_none());
    for method in ["GET", "DELETE"] {
        let request = caller.request(method).header("mcp-protocol-version", "2026-07-28");
        assert_eq!(caller.send(request, "").await.status(), StatusCode::METHOD_NOT_ALLOWED);
        let request = caller.request(method).header("mcp-protocol-version", "1999-01-01");
        assert_eq!(caller.send(request, "").await.status(), StatusCode::BAD_REQUEST);
    }
    let mut nobody = world.caller("ann");
    nobody.session = None;
    assert_eq!(nobody.send(nobody.request("GET"), "").await.status(), StatusCode::BAD_REQUEST);
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let request = nobody.request("POST").header("mcp-protocol-version", "2026-07-28");
    assert_eq!(nobody.send(request, answer.to_string()).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_session_hears_of_changes_on_its_stream() {
    // proves: MCP-PX-10, MCPP-08
    for era in ["legacy", "modern"] {
        let world = World::new(&[era]);
        let mut ann = world.caller("ann");
        ann.initialize("2025-11-25").await;
        let (_, answer) = ann.post(&legacy(1, "resources/subscribe", json!({ "uri": "file:a" }))).await;
        assert_eq!(answer["result"], json!({}), "{era} {answer}");
        let mut bob = world.caller("bob");
        bob.initialize("2025-11-25").await;
        let mut bobs = Stream::of(bob.send(bob.request("GET"), "").await);
        let mut older = Stream::of(ann.send(ann.request("GET"), "").await);
        assert_eq!(older.status, StatusCode::OK);
        assert_eq!(older.headers["content-type"], "text/event-stream");
        // A second stream of the same session takes over.
        let mut stream = Stream::of(ann.send(ann.request("GET"), "").await);
        assert!(older.next().await.is_none());
        if era == "modern" {
            until("the gateway listens", || async {
                ann.seen().await["seen"].to_string().matches("listen").count() == 3
            })
            .await;
        }
        let change = |what: &str, uri: &str| json!({ "what": what, "params": { "uri": uri } });
        ann.tool("change", change("notifications/resources/updated", "file:other")).await;
        ann.tool("change", change("notifications/resources/updated", "file:a")).await;
        let heard = stream.next().await.unwrap();
        assert_eq!(
            (&heard["method"], &heard["params"]["uri"]),
            (&json!("notifications/resources/updated"), &json!("file:a"))
        );
        assert!(heard["params"]["_meta"].is_null(), "{heard}");
        ann.tool("change", json!({ "what": "notifications/tools/list_changed" })).await;
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
        // What is watched can change while the stream is open.
        let listening = || async { ann.seen().await["seen"].to_string().matches("listen").count() };
        let before = listening().await;
        ann.post(&legacy(1, "resources/subscribe", json!({ "uri": "file:b" }))).await;
        ann.post(&legacy(1, "resources/unsubscribe", json!({ "uri": "file:b" }))).await;
        ann.post(&legacy(1, "resources/subscribe", json!({ "uri": "file:c" }))).await;
        if era == "modern" {
            until("the gateway listens anew", || async { listening().await > before }).await;
        }
        until("the change is heard", async || {
            ann.tool("change", change("notifications/resources/updated", "file:b")).await;
            ann.tool("change", change("notifications/resources/updated", "file:c")).await;
            stream.soon().await.is_some_and(|heard| heard["params"]["uri"] == "file:c")
        })
        .await;
        // Ending the session ends its stream, and the server's subscription.
        assert_eq!(ann.send(ann.request("DELETE"), "").await.status(), StatusCode::NO_CONTENT);
        assert!(stream.next().await.is_none());
        if era == "legacy" {
            until("the server is told", || async {
                let subscribed = world.caller("ann").seen().await["subscribed"].clone();
                let subscribed: Vec<&str> =
                    subscribed.as_array().unwrap().iter().filter_map(|uri| uri.as_str()).collect();
                subscribed.len() == 6 && subscribed.contains(&"-file:a") && subscribed.contains(&"-file:c")
            })
            .await;
        }
        world.gateway.shutdown().await;
        assert!(bobs.next().await.is_none(), "nothing of ann's reached bob");
    }
}

#[tokio::test]
async fn hanging_up_does_not_cancel_but_saying_so_does() {
    // proves: MCP-PX-10, MCPP-09
    let world = World::new(&["legacy"]);
    let mut ann = world.caller("ann");
    ann.initialize("2025-11-25").await;
    ann.tool("echo", json!({})).await;
    let slow = |id: &str| legacy(id, "tools/call", tool("silent", json!({})));
    // The first caller hangs up while its call is open.
    let body = slow("a").to_string();
    tokio::select! {
        answer = ann.send(ann.request("POST"), body) => panic!("{}", answer.status()),
        () = until("the call has arrived", || async { ann.called("silent").await == 1 }) => {}
    }
    assert_eq!(ann.seen().await["cancelled"], json!([]));
    // It may still cancel it afterwards; ids are compared by what they mean.
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\u0061"}}"#;
    assert_eq!(ann.send(ann.request("POST"), cancel).await.status(), StatusCode::ACCEPTED);
    until("the server is told", || async { ann.seen().await["cancelled"].as_array().unwrap().len() == 1 }).await;
    // Whoever cancels while it waits is not left waiting.
    let waiting = slow("b");
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "b" } });
    let cancelling = async {
        until("the call has arrived", || async { ann.called("silent").await == 2 }).await;
        ann.post(&cancel).await;
    };
    let ((status, answer), ()) = tokio::join!(ann.post(&waiting), cancelling);
    assert_eq!(status, StatusCode::OK);
    assert!(answer["error"]["message"].as_str().unwrap().contains("cancelled"), "{answer}");
    // Nobody cancels another session's call.
    let mut other = world.caller("ann");
    other.initialize("2025-11-25").await;
    let body = slow("c").to_string();
    tokio::select! {
        answer = ann.send(ann.request("POST"), body) => panic!("{}", answer.status()),
        () = until("the call has arrived", || async { ann.called("silent").await == 3 }) => {}
    }
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "c" } });
    other.post(&cancel).await;
    assert_eq!(ann.seen().await["cancelled"].as_array().unwrap().len(), 2);
    // An id that is in use cannot be used again.
    let (_, answer) = ann.post(&slow("c")).await;
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
}

#[tokio::test]
async fn the_log_level_is_the_sessions_own() {
    // proves: MCP-PX-10
    let world = World::new(&["legacy"]);
    let mut quiet = world.caller("ann");
    quiet.initialize("2025-11-25").await;
    let mut talkative = world.caller("ann");
    talkative.initialize("2025-11-25").await;
    let level = |level: &str| legacy(1, "logging/setLevel", json!({ "level": level }));
    assert_eq!(talkative.post(&level("debug")).await.1["result"], json!({}));
    assert_eq!(quiet.post(&level("error")).await.1["result"], json!({}));
    assert_eq!(quiet.seen().await["level"], "debug");
    let call = legacy(1, "tools/call", tool("log", json!({ "levels": ["info", "alert"] })));
    for (caller, levels) in [(&quiet, &["alert"][..]), (&talkative, &["info", "alert"])] {
        let mut stream = caller.stream(&call).await;
        for level in levels {
            assert_eq!(stream.next().await.unwrap()["params"]["level"], *level);
        }
        assert_eq!(stream.next().await.unwrap()["id"], 1);
    }
    assert_eq!(quiet.post(&level("loud")).await.1["error"]["code"], -32602);

    let world = World::new(&["modern"]);
    let mut caller = world.caller("ann");
    caller.initialize("2025-11-25").await;
    caller.post(&level("error")).await;
    let line = parsed(&caller.tool("raw", json!({})).await);
    assert_eq!(line["params"]["_meta"][format!("{META}logLevel")], "error");
    assert_eq!(line["params"]["_meta"][format!("{META}clientInfo")]["name"], "test caller");
}

#[tokio::test]
async fn a_session_whose_stream_has_ended_makes_room() {
    // proves: HTTP-05
    for crowded in [true, false] {
        let world = World::limited(&["legacy"], |limits| match crowded {
            true => limits.max_sessions_per_subject = 2,
            false => {
                limits.max_sessions = 2;
                limits.idle_session = Duration::from_millis(1);
            }
        });
        let start = legacy(0, "initialize", json!({ "protocolVersion": "2025-11-25" }));
        let (mut first, mut second) = (world.caller("ann"), world.caller("ann"));
        first.initialize("2025-11-25").await;
        let stream = first.send(first.request("GET"), "").await;
        second.initialize("2025-11-25").await;
        let other = second.send(second.request("GET"), "").await;
        assert_eq!((stream.status(), other.status()), (StatusCode::OK, StatusCode::OK));
        // Both are in use, and then one is not any more.
        assert_eq!(first.post(&start).await.0, StatusCode::SERVICE_UNAVAILABLE);
        drop(stream);
        until("there is room", || async { first.post(&start).await.0 == StatusCode::OK }).await;
        assert_eq!(first.post(&legacy(1, "ping", json!({}))).await.0, StatusCode::NOT_FOUND);
        assert_eq!(second.post(&legacy(1, "ping", json!({}))).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_call_can_be_cancelled_before_the_server_has_it() {
    // proves: MCPP-09
    let call = |id: &str| legacy(id, "tools/call", tool("echo", json!({})));
    let cancel =
        |id: &str| json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    for batch in [false, true] {
        let world = World::new(&["legacy", "--list-waits"]);
        let mut ann = world.caller("ann");
        ann.initialize("2025-03-26").await;
        let read = async |uri: &str| {
            let (_, answer) = ann.post(&legacy(uri, "resources/read", json!({ "uri": uri }))).await;
            answer["result"]["contents"][0]["text"].as_str().unwrap().to_owned()
        };
        let cancelling = async {
            until("the server is asked for its tools", || async { read("seen:").await.contains("tools/list") }).await;
            ann.post(&cancel("a")).await;
            if batch {
                read("go:").await;
            }
        };
        let body = if batch { json!([call("a"), call("b"), cancel("b"), call("c")]) } else { call("a") };
        let ((status, answer), ()) = tokio::join!(ann.post(&body), cancelling);
        assert_eq!(status, StatusCode::OK);
        let taken_back = |answer: &serde_json::Value| answer["error"]["message"].to_string().contains("cancelled");
        match batch {
            false => assert!(taken_back(&answer), "{answer}"),
            true => {
                assert!(taken_back(&answer[0]) && taken_back(&answer[1]), "{answer}");
                assert_eq!(answer[2]["result"]["content"][0]["text"], "{}", "{answer}");
            }
        }
        read("go:").await;
        assert_eq!(read("seen:").await.matches("tools/call").count(), usize::from(batch));
    }
}

#[tokio::test]
async fn there_is_no_stream_where_nothing_would_come() {
    // proves: MCP-PX-10
    for child in [&["legacy", "--no-changes"], &["modern", "--no-changes"], &["modern", "--no-listen"]] {
        let world = World::new(child);
        let mut ann = world.caller("ann");
        ann.initialize("2025-11-25").await;
        let refused = ann.send(ann.request("GET"), "").await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{child:?}");
        let listens = child[1] == "--no-listen";
        assert_eq!(ann.seen().await["seen"].to_string().contains("listen"), listens, "{child:?}");
    }
}

#[tokio::test]
async fn a_stream_without_a_server_is_refused_by_its_status() {
    // proves: MCPP-08, HTTP-05
    let world = World::limited(&["legacy"], |limits| limits.max_restarts_per_minute = 1);
    let mut ann = world.caller("ann");
    ann.initialize("2025-11-25").await;
    for _ in 0..2 {
        let (status, answer) = ann.post(&legacy(1, "tools/call", tool("crash", json!({})))).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::OK, &json!(-32603)));
    }
    let refused = ann.send(ann.request("GET"), "").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let why = text(refused).await;
    assert!(why.contains("no stream") && why.contains("started again"), "{why}");
}

//! Answers that take their time.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn an_answer_is_json_and_becomes_a_stream_when_it_takes_long() {
    // proves: MCPP-14
    let patient = World::limited(&["legacy"], |limits| limits.stream_after = WAIT);
    let caller = patient.caller("ann");
    let quick = modern(1, "tools/call", tool("echo", json!({})));
    let response = caller.send(caller.mirrored(&quick), quick.to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let world = World::limited(&["legacy"], |limits| {
        limits.stream_after = Duration::from_millis(200);
        limits.keep_alive = Duration::from_millis(100);
    });
    let caller = world.caller("ann");
    let slow = modern(2, "tools/call", tool("slow", json!({})));
    let mut stream = caller.stream(&slow).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    assert_eq!(stream.headers["cache-control"], "no-store");
    while stream.text().matches(": keep-alive\n\n").count() < 2 {
        assert_eq!(stream.soon().await, None, "nothing has answered");
    }
    caller.go().await;
    assert_eq!(stream.next().await.unwrap()["id"], 2);
    assert!(stream.next().await.is_none());
    // Who takes no stream gets the answer alone, and who takes nothing else a stream.
    let only = |kind: &'static str| {
        let mut request = caller.mirrored(&slow);
        request.headers_mut().unwrap().insert("accept", http::HeaderValue::from_static(kind));
        request
    };
    let response = caller.send(only("application/json"), slow.to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(parsed(&text(response).await)["id"], 2);
    let mut stream = Stream::of(caller.send(only("text/event-stream"), slow.to_string()).await);
    assert_eq!(stream.next().await.unwrap()["id"], 2);
}

#[tokio::test]
async fn hanging_up_cancels_a_modern_call() {
    // proves: MCPP-14, MCPP-09
    let world = World::limited(&["legacy"], |limits| limits.stream_after = Duration::from_millis(100));
    let caller = world.caller("ann");
    caller.tool("echo", json!({})).await;
    let silent = modern("same id", "tools/call", tool("silent", json!({})));
    let stream = caller.stream(&silent).await;
    assert_eq!(caller.seen().await["cancelled"], json!([]));
    drop(stream);
    until("the server is told", || async { caller.seen().await["cancelled"].as_array().unwrap().len() == 1 }).await;
    // Also while no stream has begun.
    let mut json_only = caller.mirrored(&silent);
    json_only.headers_mut().unwrap().insert("accept", http::HeaderValue::from_static("application/json"));
    tokio::select! {
        answer = caller.send(json_only, silent.to_string()) => panic!("{}", answer.status()),
        () = until("the call has arrived", || async { caller.called("silent").await == 2 }) => {}
    }
    until("the server is told", || async { caller.seen().await["cancelled"].as_array().unwrap().len() == 2 }).await;
    let cancelled = caller.seen().await["cancelled"].clone();
    assert_ne!(cancelled[0], cancelled[1], "a number is never used again");
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it() {
    // proves: MCPP-15, RT-06
    let world = World::limited(&["legacy"], |limits| {
        limits.stream_after = Duration::from_millis(100);
        limits.grant_check = Duration::from_millis(100);
    });
    let caller = world.caller("ann");
    let mut session = world.caller("ann");
    session.initialize("2025-11-25").await;
    let silent = modern(1, "tools/call", tool("silent", json!({})));
    let mut call = caller.stream(&silent).await;
    let listen = modern(2, "subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let mut listening = caller.stream(&listen).await;
    assert!(listening.next().await.is_some());
    let mut stream = Stream::of(session.send(session.request("GET"), "").await);
    let mut json_only = caller.mirrored(&silent);
    json_only.headers_mut().unwrap().insert("accept", http::HeaderValue::from_static("application/json"));
    let waiting = caller.send(json_only, silent.to_string());
    let revoke = async {
        let other = world.caller_with("ann", "another client", "mcp:read");
        until("both calls have arrived", || async { other.called("silent").await == 2 }).await;
        world.revoked.0.lock().unwrap().insert("grant of ann to client".into());
    };
    let (waiting, ()) = tokio::join!(waiting, revoke);
    // The server has the call: a 401 would make the caller send it again.
    assert_eq!(waiting.status(), StatusCode::OK);
    let answer = parsed(&text(waiting).await);
    assert!(answer["id"] == 1 && answer["error"]["message"].as_str().unwrap().contains("revoked"), "{answer}");
    let last = call.next().await.unwrap();
    assert!(last["error"]["message"].as_str().unwrap().contains("revoked"), "{last}");
    assert!(call.next().await.is_none() && listening.next().await.is_none() && stream.next().await.is_none());
    // Bob, and another grant of ann's, go on.
    assert_eq!(world.caller("bob").tool("echo", json!({})).await, "{}");
    let other = world.caller_with("ann", "another client", "mcp:read");
    until("the server is told", || async { other.seen().await["cancelled"].as_array().unwrap().len() == 2 }).await;
}

#[tokio::test]
async fn expiry_ends_streams_but_no_call() {
    // proves: MCPP-15
    let world = World::limited(&["legacy"], |limits| {
        limits.stream_after = Duration::from_millis(100);
        limits.grant_check = Duration::from_millis(100);
    });
    let mut session = world.caller("ann");
    session.initialize("2025-11-25").await;
    session.tool("echo", json!({})).await;
    let mut caller = world.caller("ann");
    caller.token = world.token_for(RESOURCE, "ann", "client", "mcp:read", 600);
    session.token = caller.token.clone();
    let slow = modern(1, "tools/call", tool("slow", json!({})));
    let mut json_only = caller.mirrored(&slow);
    json_only.headers_mut().unwrap().insert("accept", http::HeaderValue::from_static("application/json"));
    let whole = async { caller.send(json_only, slow.to_string()).await };
    let streams = async {
        let mut call = caller.stream(&slow).await;
        let listen = modern(2, "subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
        let mut listening = caller.stream(&listen).await;
        assert!(listening.next().await.is_some());
        let mut stream = Stream::of(session.send(session.request("GET"), "").await);
        assert_eq!(stream.status, StatusCode::OK);
        let other = world.caller_with("ann", "another client", "mcp:read");
        until("both calls have arrived", || async { other.called("slow").await == 2 }).await;
        pass(600);
        assert!(listening.next().await.is_none() && stream.next().await.is_none());
        // New calls are refused by now; the open one goes on.
        assert_eq!(caller.post(&slow).await.0, StatusCode::UNAUTHORIZED);
        world.caller("ann").go().await;
        let last = call.next().await.unwrap();
        assert_eq!(last["result"]["content"][0]["text"], "slow", "{last}");
    };
    let (whole, ()) = tokio::join!(whole, streams);
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(parsed(&text(whole).await)["result"]["content"][0]["text"], "slow");
    assert_eq!(world.caller("ann").seen().await["cancelled"], json!([]));
}

#[tokio::test]
async fn a_reader_who_stalls_does_not_outlast_the_call() {
    // proves: MCPP-14, STDIO-07
    let world = World::limited(&["legacy"], |limits| limits.request_timeout = Duration::from_secs(1));
    let caller = world.caller("ann");
    let mut body = modern(1, "tools/call", tool("progress", json!({ "steps": 40, "never": true })));
    body["params"]["_meta"]["progressToken"] = json!("p");
    let mut lazy = caller.stream(&body).await;
    until("the server is told", async || {
        // On a busy machine this may take too long for the gateway as well.
        let seen = caller.try_tool("seen").await.unwrap_or_default();
        parsed(&seen)["cancelled"].as_array().is_some_and(|all| !all.is_empty())
    })
    .await;
    while lazy.next().await.is_some() {}
}

#[tokio::test]
async fn a_listener_who_does_not_read_is_ended_and_nobody_waits_for_it() {
    // proves: MCPP-14, STDIO-07
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let listen = modern(1, "subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let mut lazy = caller.stream(&listen).await;
    for _ in 0..4 {
        let many = (0..100).map(|id| {
            let caller = caller.clone();
            async move {
                caller
                    .post(&modern(
                        id,
                        "tools/call",
                        tool("change", json!({ "what": "notifications/tools/list_changed" })),
                    ))
                    .await
            }
        });
        futures_util::future::join_all(many).await;
    }
    let mut heard = 0;
    while lazy.next().await.is_some() {
        heard += 1;
    }
    assert!((1..400).contains(&heard), "{heard}");
}

#[tokio::test]
async fn streams_can_be_ended_while_calls_finish() {
    // proves: STDIO-09
    let world = World::limited(&["legacy"], |limits| limits.stream_after = Duration::from_millis(100));
    let caller = world.caller("ann");
    let mut session = world.caller("ann");
    session.initialize("2025-11-25").await;
    let mut stream = Stream::of(session.send(session.request("GET"), "").await);
    let listen = modern("l", "subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let mut listening = caller.stream(&listen).await;
    assert!(listening.next().await.is_some());
    let mut call = caller.stream(&modern(1, "tools/call", tool("slow", json!({})))).await;
    world.gateway.end_streams();
    world.gateway.end_streams();
    assert!(stream.next().await.is_none());
    let last = listening.next().await.unwrap();
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("l"), &json!("complete")), "{last}");
    assert!(listening.next().await.is_none());
    let refused = session.send(session.request("GET"), "").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    caller.go().await;
    assert_eq!(call.next().await.unwrap()["result"]["content"][0]["text"], "slow");
    assert_eq!(caller.tool("echo", json!({})).await, "{}");
    world.gateway.shutdown().await;
}

#[tokio::test]
async fn a_modern_server_is_told_that_a_listener_was_too_slow() {
    // proves: MCPP-14, STDIO-07
    let world = World::new(&["modern"]);
    let caller = world.caller("ann");
    let listen = modern(1, "subscriptions/listen", json!({ "notifications": { "resourceSubscriptions": ["file:a"] } }));
    let mut lazy = caller.stream(&listen).await;
    assert!(lazy.next().await.is_some());
    let updated = json!({ "what": "notifications/resources/updated", "params": { "uri": "file:a" }, "times": 500 });
    caller.tool("change", updated).await;
    until("the server is told", || async { caller.seen().await["cancelled"].as_array().unwrap().len() == 1 }).await;
    let mut last = json!(null);
    while let Some(message) = lazy.next().await {
        last = message;
    }
    assert!(last["error"]["message"].as_str().unwrap().contains("listen again"), "{last}");
}

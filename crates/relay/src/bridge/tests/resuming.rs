//! Streams that break, and what goes on after them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{server::Caller, server::Got, *};

const RESULT: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;

async fn begin(got: &Got, caller: &mut Caller) {
    let body = got.result(&serde_json::from_str(RESULT).unwrap());
    caller.status("200 OK", &[("content-type", "application/json"), ("Mcp-Session-Id", "s")], &body).await;
}

fn answer(id: &str, text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"text": text}}).to_string()
}

#[tokio::test]
async fn a_broken_stream_goes_on_after_its_last_event_and_the_call_is_not_repeated() {
    // proves: FCL-10
    let begun = tokio::time::Instant::now();
    let server = Server::start(|got, mut caller| async move {
        match (got.method.as_str(), got.rpc(), got.header("last-event-id")) {
            (_, "initialize", _) => begin(&got, &mut caller).await,
            ("GET", _, None) => caller.status("405 Method Not Allowed", &[], "").await,
            ("GET", _, Some("1")) => {
                caller.stream().await;
                caller
                    .raw("id: 2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\ndata: {\"js")
                    .await;
            }
            ("GET", _, Some("2")) => {
                caller.stream().await;
                caller.raw(format!("id: 3\ndata: {}\n\n", answer("c", "at last"))).await;
                caller.closed().await;
            }
            (_, "tools/call", _) => {
                caller.stream().await;
                caller.raw("id: 1\nretry: 300\ndata:\n\n").await;
            }
            _ => caller.accepted().await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    let first = host.ask(&legacy("c", "tools/call")).await;
    assert_eq!(first["method"], "notifications/progress", "{first}");
    assert_eq!(host.receive().await["result"]["text"], "at last");
    assert!(begun.elapsed() >= Duration::from_millis(600), "the server said when to ask again");
    let (_, rest) = host.end().await;
    assert!(rest.is_empty(), "{rest:?}");
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "tools/call").count(), 1, "{methods:?}");
    let resumed: Vec<_> = server.got().into_iter().filter(|got| got.header("last-event-id").is_some()).collect();
    for got in &resumed {
        assert_eq!((got.token(), got.header("mcp-session-id")), (Some("t0"), Some("s")), "{got:?}");
    }
    assert_eq!(resumed.len(), 2, "nothing is asked for after the answer");
}

#[tokio::test]
async fn an_answer_on_the_other_stream_reaches_its_request() {
    let server = Server::start(|got, mut caller| async move {
        match (got.method.as_str(), got.rpc(), got.header("last-event-id")) {
            (_, "initialize", _) => begin(&got, &mut caller).await,
            ("GET", _, None) => {
                caller.stream().await;
                caller.event(r#"{"jsonrpc":"2.0","method":"notifications/listening"}"#).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                caller.event(&answer("c", "over there")).await;
                caller.closed().await;
            }
            (_, "tools/call", _) => {
                caller.stream().await;
                caller.raw("id: 1\nretry: 100000\ndata:\n\n").await;
                caller.closed().await;
            }
            _ => caller.accepted().await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&legacy("c", "tools/call")).await;
    assert_eq!(host.receive().await["method"], "notifications/listening");
    assert_eq!(host.receive().await["result"]["text"], "over there");
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_ends_in_words_within_its_time() {
    // proves: FCL-01, FCL-10
    for (status, longest) in [("503 Service Unavailable", 3), ("404 Not Found", 3)] {
        let server = Server::start(move |got, mut caller| async move {
            match (got.method.as_str(), got.rpc(), got.header("last-event-id")) {
                (_, "initialize", _) => begin(&got, &mut caller).await,
                ("GET", _, None) => caller.status("405 Method Not Allowed", &[], "").await,
                ("GET", ..) => caller.status(status, &[], "").await,
                (_, "tools/call", _) => {
                    caller.stream().await;
                    caller.raw("id: 1\nretry: 100\ndata:\n\n").await;
                }
                _ => caller.accepted().await,
            }
        })
        .await;
        let settings = BridgeSettings { resume_for: Duration::from_secs(longest), ..BridgeSettings::default() };
        let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
        host.initialize().await;
        let answer = host.ask(&legacy("c", "tools/call")).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("may or may not have run"), "{status}: {message}");
        assert_eq!(server.methods().iter().filter(|method| *method == "tools/call").count(), 1);
    }
}

#[tokio::test]
async fn silence_is_not_waited_for_without_end_but_signs_of_life_are() {
    // proves: FCL-01
    let server = Server::start(|got, mut caller| async move {
        caller.stream().await;
        let mut every = tokio::time::interval(Duration::from_millis(100));
        match got.body["params"]["name"].as_str().unwrap() {
            "alive" => {
                for _ in 0..80 {
                    every.tick().await;
                    caller.raw(": still here\n\n").await;
                }
                caller.event(&got.result(&json!({}))).await;
            }
            // One event that never ends.
            "drip" => {
                caller.raw("data: ").await;
                for _ in 0..600 {
                    every.tick().await;
                    caller.raw("x").await;
                }
            }
            _ => caller.closed().await,
        }
    })
    .await;
    // Longer than a busy machine stands still, and shorter than the signs of life go on.
    let settings = BridgeSettings { answer_timeout: Duration::from_secs(6), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    let names = ["alive", "silent", "drip"];
    for name in names {
        host.send(&modern(name, "tools/call", name)).await;
    }
    for _ in names {
        let answer = host.receive().await;
        assert_eq!(answer["result"].is_object(), answer["id"] == "alive", "{answer}");
        let words = answer["error"]["message"].as_str().unwrap_or("nothing whole came for 6 s");
        assert!(words.contains("nothing whole came for 6 s"), "{answer}");
    }
}

#[tokio::test]
async fn what_did_not_reach_the_server_is_sent_again_when_it_is_back() {
    // proves: FCL-01, KEY-14
    let answering = |got: Got, mut caller: Caller| async move { caller.json(&got.result(&json!({}))).await };
    let server = Server::start(answering).await;
    let port = server.port();
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&modern(1, "tools/call", "x")).await;
    server.stop().await;
    host.send(&modern(2, "tools/call", "x")).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let server = Server::start_at(port, answering).await;
    let answer = host.receive().await;
    assert!(answer["id"] == 2 && answer["result"].is_object(), "{answer}");
    assert_eq!(server.got().len(), 1, "it arrived once");
}

#[tokio::test]
async fn a_server_that_stays_away_is_named_within_the_time_for_it() {
    // proves: FCL-01
    let server = Server::start(|got, mut caller| async move { caller.json(&got.result(&json!({}))).await }).await;
    let tokens = Tokens::new(&server.url());
    let settings = BridgeSettings { reconnect_for: Duration::from_secs(1), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &tokens, settings);
    host.ask(&modern(1, "tools/call", "x")).await;
    server.stop().await;
    let before = tokio::time::Instant::now();
    let answer = host.ask(&modern(2, "tools/call", "x")).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("no answer from http://127.0.0.1") && !message.contains("may have run"), "{message}");
    assert!(before.elapsed() < PATIENCE);
}

#[tokio::test]
async fn the_stream_for_what_is_said_unasked_is_asked_for_again_when_it_falls_silent() {
    // proves: FCL-10
    let streams = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let streams = Arc::clone(&streams);
        async move {
            match (got.method.as_str(), got.rpc()) {
                (_, "initialize") => begin(&got, &mut caller).await,
                ("GET", _) => {
                    let number = streams.fetch_add(1, Relaxed);
                    let heard = got.header("last-event-id").unwrap_or("none").to_owned();
                    caller.stream().await;
                    let note = json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"id": number.to_string(), "after": heard}});
                    caller.raw(format!("id: {number}\nretry: 100\ndata: {note}\n\n")).await;
                    caller.closed().await;
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let settings = BridgeSettings { listen_silence: Duration::from_millis(300), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    host.initialize().await;
    // Each time after the last one that came through.
    let mut last = json!("none");
    for _ in 0..3 {
        let note = host.receive().await;
        assert_eq!(note["params"]["after"], last, "{note}");
        last = note["params"]["id"].clone();
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_in_the_middle_comes_again_whole() {
    // proves: FCL-10
    let server = Server::start(|got, mut caller| async move {
        match (got.method.as_str(), got.rpc(), got.header("last-event-id")) {
            (_, "initialize", _) => begin(&got, &mut caller).await,
            ("GET", _, None) => caller.status("405 Method Not Allowed", &[], "").await,
            ("GET", _, Some("1")) => {
                caller.stream().await;
                caller.raw(format!("id: 2\ndata: {}\n\n", answer("c", "whole"))).await;
                caller.closed().await;
            }
            (_, "tools/call", _) => {
                caller.stream().await;
                caller.raw("id: 1\nretry: 100\ndata:\n\n").await;
                caller.raw("event: message\nid: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"c\",\"resu").await;
            }
            _ => caller.accepted().await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    let whole = host.ask(&legacy("c", "tools/call")).await;
    assert_eq!(whole["result"]["text"], "whole", "{whole}");
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_before_the_network_is_back_ends_no_stream() {
    // proves: FCL-10
    let broken = tokio_util::sync::CancellationToken::new();
    let gone = broken.clone();
    let server = Server::start(move |got, mut caller| {
        let gone = gone.clone();
        async move {
            match (got.method.as_str(), got.rpc(), got.header("last-event-id")) {
                (_, "initialize", _) => begin(&got, &mut caller).await,
                ("GET", _, Some("of the call")) => {
                    caller.stream().await;
                    caller.event(&answer("c", "after sleep")).await;
                    caller.closed().await;
                }
                ("GET", _, Some("unasked")) => {
                    caller.stream().await;
                    caller.event(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#).await;
                    caller.closed().await;
                }
                ("GET", ..) => {
                    caller.stream().await;
                    caller.raw("id: unasked\nretry: 100\ndata:\n\n").await;
                    gone.cancelled().await;
                }
                (_, "tools/call", _) => {
                    caller.stream().await;
                    caller.raw("id: of the call\nretry: 100\ndata:\n\n").await;
                    gone.cancelled().await;
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let tokens = Tokens::new(&server.url());
    let mut host = Host::start(&server, &tokens);
    host.initialize().await;
    host.send(&legacy("c", "tools/call")).await;
    until_got(&server, |got| got.rpc() == "tools/call").await;
    until_got(&server, |got| got.method == "GET").await;
    tokens.go_away(4);
    broken.cancel();
    let mut both = [host.receive().await, host.receive().await];
    both.sort_by_key(|message| message.get("id").is_some());
    assert_eq!(both[0]["method"], "notifications/x", "{both:?}");
    assert_eq!(both[1]["result"]["text"], "after sleep", "{both:?}");
}

#[tokio::test]
async fn a_stream_that_the_server_still_has_is_asked_for_until_it_can_be_had() {
    // proves: FCL-10
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let asked = Arc::clone(&asked);
        async move {
            match (got.method.as_str(), got.rpc()) {
                (_, "initialize") => begin(&got, &mut caller).await,
                ("GET", _) if asked.fetch_add(1, Relaxed) == 0 => caller.status("409 Conflict", &[], "").await,
                ("GET", _) => {
                    caller.stream().await;
                    caller.event(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#).await;
                    caller.closed().await;
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    assert_eq!(host.receive().await["method"], "notifications/x");
}

#[tokio::test]
async fn a_stream_that_is_asked_for_again_goes_on_after_the_last_event_as_long_as_there_is_one() {
    // proves: FCL-10
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let asked = Arc::clone(&asked);
        async move {
            match (got.method.as_str(), got.rpc()) {
                (_, "initialize") => begin(&got, &mut caller).await,
                ("GET", _) => {
                    let events = ["id: 1\ndata:\n\n", ": none\n\n", "id:\ndata:\n\n", ": none\n\n"];
                    let Some(event) = events.get(asked.fetch_add(1, Relaxed)) else {
                        return caller.status("405 Method Not Allowed", &[], "").await;
                    };
                    caller.stream().await;
                    caller.raw(format!("retry: 100\n{event}")).await;
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    let of_streams = || server.got().into_iter().filter(|got| got.method == "GET").collect::<Vec<_>>();
    let all = async {
        while of_streams().len() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("{:?}", server.methods()));
    let after: Vec<_> = of_streams().iter().map(|got| got.header("last-event-id").map(str::to_owned)).collect();
    assert_eq!(after, [None, Some("1".to_owned()), Some("1".to_owned()), None, None]);
    host.end().await.0.unwrap();
}

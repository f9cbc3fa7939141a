//! Peers that say nothing more, or do not listen.

use super::*;

/// The reason for its time: it waits for a time-out that a busy machine does not use up before it comes to it.
#[tokio::test]
async fn a_body_that_stalls_does_not_keep_the_host_waiting() {
    // proves: STDIO-11
    let server = Server::start(|got, mut caller| async move {
        let (status, kind) = match got.body["params"]["name"].as_str().unwrap() {
            "json" => ("200 OK", "application/json"),
            "words" => ("500 Internal Server Error", "text/plain"),
            "error" => ("500 Internal Server Error", "application/json"),
            "events" => ("500 Internal Server Error", "text/event-stream"),
            _ => ("400 Bad Request", "application/json"),
        };
        caller.raw(format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: 1000\r\n\r\nabcd")).await;
        caller.closed().await;
    })
    .await;
    let settings = BridgeSettings { answer_timeout: Duration::from_secs(8), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    let names = [("json", "in time"), ("words", "abcd"), ("error", "500"), ("events", "500"), ("bad", "400")];
    for (name, _) in names {
        host.send(&modern(name, "tools/call", name)).await;
    }
    for _ in names {
        let answer = host.receive().await;
        let (name, words) = names.into_iter().find(|(name, _)| answer["id"] == *name).expect("an id of the host");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{name}: {answer}");
    }
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_refusal_in_a_stream_that_stays_open_is_told_at_once() {
    // proves: STDIO-11
    let server = Server::start(|got, mut caller| async move {
        match (got.method.as_str(), got.rpc()) {
            ("GET", _) => caller.status("405 Method Not Allowed", &[], "").await,
            (_, "initialize") => {
                let headers = [("content-type", "application/json"), ("mcp-session-id", "s")];
                caller.status("200 OK", &headers, &got.result(&json!({"protocolVersion": "2025-11-25"}))).await;
            }
            (_, "tools/call") => {
                caller.raw("HTTP/1.1 400 Bad Request\r\ncontent-type: text/event-stream\r\n\r\n").await;
                let error = json!({"code": -32602, "message": "no such tool"});
                caller.event(&json!({"jsonrpc": "2.0", "id": got.body["id"], "error": error}).to_string()).await;
                caller.closed().await;
            }
            _ => caller.accepted().await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    for call in [legacy(1, "tools/call"), modern(2, "tools/call", "t")] {
        let answer = host.ask(&call).await;
        assert_eq!((&answer["id"], &answer["error"]["message"]), (&call["id"], &json!("no such tool")), "{answer}");
    }
    host.end().await.0.unwrap();
}

#[tokio::test]
async fn a_host_that_does_not_read_cannot_keep_the_bridge_from_ending() {
    // proves: STDIO-10
    let server = Server::start(|got, mut caller| async move { caller.json(&got.result(&json!({}))).await }).await;
    for (stopped, line) in [
        (true, "garbage".to_owned()),
        (true, modern(1, "tools/call", "x").to_string()),
        (false, modern(1, "tools/call", "x").to_string()),
    ] {
        let settings = BridgeSettings { drain: Duration::from_millis(100), ..BridgeSettings::default() };
        let stop = settings.stop.clone();
        let (mut input, stdin) = tokio::io::duplex(1 << 20);
        // Nobody reads from this one, and nobody closes it.
        let (_output, stdout) = tokio::io::duplex(16);
        let bridge = Bridge {
            settings: BridgeSettings { reach: Reach::Anywhere, ..settings },
            upstream: ResourceId::parse(server.url()).unwrap(),
            bearer: Tokens::new(&server.url()),
            fetcher: Fetcher::new(Options::default()).unwrap(),
        };
        let bridge = tokio::spawn(bridge.run(stdin, stdout));
        let before = server.got().len();
        input.write_all(format!("{line}\n").repeat(100).as_bytes()).await.unwrap();
        if stopped && line == "garbage" {
            // So that it is at work on a line when the order comes.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        while line != "garbage" && server.got().len() < before + 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if stopped {
            stop.cancel();
        } else {
            drop(input);
        }
        let ended = tokio::time::timeout(PATIENCE, bridge).await;
        ended.expect("it ends").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_ping_of_the_host_is_answered_while_the_server_is_away() {
    let server = Server::start(|got, mut caller| async move {
        match got.rpc() {
            "initialize" => caller.json(&got.result(&json!({"protocolVersion": "2025-11-25"}))).await,
            "tools/list" => caller.closed().await,
            _ => caller.accepted().await,
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    host.send(&legacy(1, "tools/list")).await;
    let pong = host.ask(&legacy("p", "ping")).await;
    assert_eq!((&pong["id"], &pong["result"]), (&json!("p"), &json!({})), "{pong}");
}

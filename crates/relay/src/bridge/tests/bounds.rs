//! What one side may pile up while the other does not take it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, Response, header};

use super::{
    super::{
        exchange::{Body, Outgoing},
        headers,
        http_sse::Pipe,
    },
    *,
};

const MIB: usize = 1 << 20;

/// A stream of 2024-11-05 that says this, and how many of its events were taken.
async fn pipe(said: Vec<String>, most: usize) -> (Pipe, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let endpoint = stream::iter([Ok(Bytes::from_static(b"event: endpoint\ndata: /messages\n\n"))]);
    let said = stream::iter(said).map(move |text| {
        counted.fetch_add(1, Relaxed);
        Ok(Bytes::from(format!("data: {text}\n\n")))
    });
    let body: Body = Box::pin(endpoint.chain(said).chain(stream::pending()));
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, headers::EVENTS);
    let server = "http://127.0.0.1:9/mcp".parse().unwrap();
    let settings = BridgeSettings { max_message: most, ..BridgeSettings::default() };
    (Pipe::open(&server, answer, &settings).await.unwrap().expect("it is such a stream"), taken)
}

fn long() -> String {
    "x".repeat(MIB)
}

#[tokio::test]
async fn answers_that_nobody_takes_yet_hold_up_a_stream_of_2024_11_05_and_are_not_lost() {
    let texts: Vec<_> =
        (0..16).map(|id| json!({"jsonrpc": "2.0", "id": id, "result": {"text": long()}}).to_string()).collect();
    // The requests are there before the answers come: the stream begins with the first poll of its reader.
    let (pipe, taken) = pipe(texts, 4 * MIB).await;
    let awaited: Vec<_> = (0..16)
        .map(|id| {
            let body = Bytes::from(legacy(id, "tools/call").to_string());
            pipe.expect(&Outgoing { method: Method::POST, headers: HeaderMap::new(), body }).1
        })
        .collect();
    // What could be read by now was read.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(taken.load(Relaxed) <= 5, "{} answers of 1 MiB", taken.load(Relaxed));
    for (id, awaited) in awaited.into_iter().enumerate() {
        let mut body = pipe.answered(Response::new(Box::pin(stream::empty()) as Body), awaited).into_body();
        let answer = tokio::time::timeout(PATIENCE, body.next()).await.expect("an answer").unwrap().unwrap();
        assert!(answer.len() > MIB && String::from_utf8_lossy(&answer).contains(&format!("\"id\":{id}")));
    }
}

#[tokio::test]
async fn what_a_server_of_2024_11_05_says_while_nobody_listens_is_limited_in_bytes() {
    let note = json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"text": long()}}).to_string();
    let (pipe, taken) = pipe(vec![note; 32], 64 * MIB).await;
    while taken.load(Relaxed) < 32 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let get = Outgoing { method: Method::GET, headers: HeaderMap::new(), body: Bytes::new() };
    let mut said = pipe.answer(&get).expect("the stream").into_body();
    let mut kept = 0;
    while tokio::time::timeout(Duration::from_millis(300), said.next()).await.is_ok() {
        kept += 1;
    }
    assert!((1..=4).contains(&kept), "{kept} messages of 1 MiB");
}

#[tokio::test]
async fn questions_that_cannot_be_answered_yet_hold_up_the_stream_that_they_come_in() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let server = Server::start(move |got, mut caller| {
        let written = Arc::clone(&counted);
        async move {
            if got.method == "GET" {
                caller.stream().await;
                let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"text": long()}}).to_string();
                for _ in 0..64 {
                    caller.event(&ping).await;
                    written.fetch_add(1, Relaxed);
                }
                return;
            }
            if got.body["result"].is_object() {
                // An answer to a ping, which is not taken.
                return caller.closed().await;
            }
            if !super::modern_host::legacy_server(&got, &mut caller).await {
                caller.json(&got.result(&json!({}))).await;
            }
        }
    })
    .await;
    let settings = BridgeSettings { max_message: 2 * MIB, drain: Duration::ZERO, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    assert!(host.ask(&modern(1, "tools/call", "x")).await["result"].is_object());
    // The connection takes some of it as well. It stands still when nothing more was written for a second.
    let mut before = usize::MAX;
    while before != written.load(Relaxed) {
        before = written.load(Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(before < 48, "{before} messages of 1 MiB were taken");
    let _ = host.end().await;
}

#[tokio::test]
async fn a_stream_that_is_to_be_asked_for_again_at_once_is_asked_for_a_little_later() {
    // proves: FCL-10
    const BREAKS: usize = 8;
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |got, mut caller| {
        let asked = Arc::clone(&asked);
        async move {
            match (got.method.as_str(), got.rpc(), got.header("last-event-id")) {
                ("GET", _, None) => caller.status("405 Method Not Allowed", &[], "").await,
                ("GET", _, Some(_)) if got.header("accept") != Some("text/event-stream") => {
                    caller.status("406 Not Acceptable", &[], "").await;
                }
                ("GET", _, Some(_)) if asked.fetch_add(1, Relaxed) < BREAKS => {
                    caller.stream().await;
                    caller.raw("id: 1\nretry: 0\ndata:\n\n").await;
                }
                ("GET", ..) => {
                    caller.stream().await;
                    caller.event(&json!({"jsonrpc": "2.0", "id": "c", "result": {}}).to_string()).await;
                }
                (_, "initialize", _) => caller.json(&got.result(&json!({"protocolVersion": "2025-11-25"}))).await,
                (_, "tools/call", _) => {
                    caller.stream().await;
                    caller.raw("id: 1\nretry: 0\ndata:\n\n").await;
                }
                _ => caller.accepted().await,
            }
        }
    })
    .await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.initialize().await;
    let begun = tokio::time::Instant::now();
    assert!(host.ask(&legacy("c", "tools/call")).await["result"].is_object());
    let least = Duration::from_millis(100) * u32::try_from(BREAKS + 1).unwrap();
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_list_of_tools_without_end_does_not_keep_a_call_waiting() {
    let server = Server::start(|got, mut caller| async move {
        if got.rpc() == "tools/list" {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return caller.json(&got.result(&json!({"tools": [], "nextCursor": "more"}))).await;
        }
        let error = json!({"jsonrpc": "2.0", "id": got.body["id"], "error": {"code": -32020, "message": "headers"}});
        caller.status("400 Bad Request", &[("content-type", "application/json")], &error.to_string()).await;
    })
    .await;
    let settings = BridgeSettings { answer_timeout: Duration::from_secs(2), ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    assert_eq!(host.ask(&modern(1, "tools/call", "x")).await["error"]["code"], -32020);
    let pages = server.methods().iter().filter(|method| *method == "tools/list").count();
    assert!(pages < 20, "{pages} pages");
}

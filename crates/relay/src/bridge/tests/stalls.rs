//! Peers that say nothing more, or do not listen.

use super::*;

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
    let settings = BridgeSettings { answer_timeout: Duration::from_secs(2), ..BridgeSettings::default() };
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

//! What must not reach the host's ears, and what the host may throw at the bridge.

use super::*;

#[tokio::test]
async fn what_the_server_sends_becomes_one_line_each() {
    // proves: STDIO-11, BRW-05
    let server = Server::start(|got, mut caller| async move {
        let id = &got.body["id"];
        match got.body["params"]["name"].as_str().unwrap() {
            "pretty" => {
                let body =
                    format!("{{\r\n  \"jsonrpc\" : \"2.0\",\n\t\"id\": {id},\n \"result\": {{ \"a\": [1,\n2] }}\n}}\n");
                caller.json(&body).await;
            }
            "separators" => {
                caller.stream().await;
                let text =
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"t\":\"a\u{2028}b\u{85}c\\nd\"}}}}");
                caller.event(&text).await;
            }
            "data lines" => {
                caller.stream().await;
                caller
                    .raw(format!("data: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":{id},\ndata: \"result\":{{}}}}\n\n"))
                    .await;
            }
            "bytes" => {
                caller.stream().await;
                caller.raw(format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"t\":\"")).await;
                caller.raw(b"\xff\xfe").await;
                caller.raw("\"}}\n\n").await;
            }
            "batch" => caller.json(&format!("[{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}]")).await,
            "twice" => {
                caller.stream().await;
                caller.event(&got.result(&json!({"first": true}))).await;
                caller.event(&got.result(&json!({"first": false}))).await;
            }
            "garbage" => caller.json("{\"jsonrpc\":\"2.0\",\"id\":").await,
            "text" => caller.json("hello").await,
            "noise" => {
                caller.stream().await;
                caller.event("not json").await;
            }
            "noise first" => {
                caller.stream().await;
                caller.event("ping").await;
                caller.event(r#"{"jsonrpc":"2.0","method":"notifications/x","params":null}"#).await;
                caller.event(&got.result(&json!({"first": true}))).await;
            }
            _ => caller.json(&got.result(&json!({"t": "x".repeat(3000)}))).await,
        }
    })
    .await;
    let settings = BridgeSettings { max_message: 2000, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    for (name, result) in [
        ("pretty", Some(json!({"a": [1, 2]}))),
        ("separators", Some(json!({"t": "a\u{2028}b\u{85}c\nd"}))),
        ("data lines", Some(json!({}))),
        ("bytes", Some(json!({"t": "\u{fffd}\u{fffd}"}))),
        ("batch", Some(json!({}))),
        ("twice", Some(json!({"first": true}))),
        ("garbage", None),
        ("text", None),
        ("noise", None),
        ("noise first", Some(json!({"first": true}))),
        ("huge", None),
    ] {
        host.send(&modern(name, "tools/call", name)).await;
        let line = tokio::time::timeout(PATIENCE, host.output.next_line()).await.unwrap().unwrap().unwrap();
        assert!(!line.contains(['\r', '\u{2028}', '\u{2029}', '\u{85}']), "{line}");
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], name, "{answer}");
        assert_eq!(answer.get("result"), result.as_ref(), "{answer}");
        assert_eq!(answer["error"].is_object(), result.is_none(), "{answer}");
    }
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn what_the_host_sends_never_breaks_the_bridge() {
    // proves: STDIO-10
    let server = Server::start(|got, mut caller| async move {
        if got.body.get("id").is_some() {
            caller.json(&got.result(&json!({}))).await;
        } else {
            caller.accepted().await;
        }
    })
    .await;
    let settings = BridgeSettings { max_line: 900, ..BridgeSettings::default() };
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "m".repeat(1000));
    let deep = "[".repeat(200);
    for (line, code) in [
        ("garbage", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"x\"}", -32700),
        (&deep, -32700),
        ("\u{0}", -32700),
        ("42", -32600),
        ("{}", -32600),
        ("[]", -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"x\"}", -32600),
        (&long, -32600),
    ] {
        host.write(&format!("{line}\r\n")).await;
        let answer = host.receive().await;
        assert_eq!(answer["error"]["code"], code, "{line} {answer}");
    }
    // What waits for an answer gets one, although nothing but the id can be made out.
    for params in [
        r#"{"name":"\ud800"}"#.to_owned(),
        r#"{"name":"a","name":"b"}"#.to_owned(),
        format!(r#"{{"name":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
    ] {
        host.write(&format!("{{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"m\",\"params\":{params}}}\n")).await;
        let answer = host.receive().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("x"), &json!(-32700)), "{params} {answer}");
    }
    for line in ["{\"id\":1,\"id\":2,\"method\":\"x\"}", "{\"id\":1,\"result\":{\"a\":1,\"a\":2}}"] {
        host.write(&format!("{line}\n")).await;
        assert_eq!(host.receive().await["id"], json!(null), "{line}");
    }
    host.write("\n \r\n").await;
    host.input.as_mut().unwrap().write_all(b"\xff\xfe\n").await.unwrap();
    assert_eq!(host.receive().await["error"]["code"], -32700);
    assert!(server.got().is_empty(), "nothing of it was sent");
    // A batch of 2025-03-26, and a last line without an end.
    host.write("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"method\":\"n\"}]\n").await;
    assert_eq!(host.receive().await["id"], 1);
    host.write("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}").await;
    let (ended, rest) = host.end().await;
    assert!(ended.is_ok());
    assert_eq!(rest, ["{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}"]);
}

#[tokio::test]
async fn a_host_that_goes_away_ends_the_bridge() {
    // proves: STDIO-10
    let server = Server::start(|got, mut caller| async move { caller.json(&got.result(&json!({}))).await }).await;
    let mut host = Host::start(&server, &Tokens::new(&server.url()));
    host.ask(&modern(1, "tools/call", "x")).await;
    let Host { mut input, output, bridge } = host;
    drop(output);
    let line = format!("{}\n", modern(2, "tools/call", "x"));
    input.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    tokio::time::timeout(PATIENCE, bridge).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn an_order_to_stop_ends_the_bridge_although_the_host_stays() {
    let server = Server::start(|got, mut caller| async move { caller.json(&got.result(&json!({}))).await }).await;
    let settings = BridgeSettings::default();
    let stop = settings.stop.clone();
    let mut host = Host::with(&server, &Tokens::new(&server.url()), settings);
    host.ask(&modern(1, "tools/call", "x")).await;
    stop.cancel();
    assert!(host.ended().await.0.is_ok());
}

//! Two people on one gateway, and what a session's id is worth.

use doorward_testkit::process::{Gateway, http};
use serde_json::{Value, json};

use crate::world::{App, CALLBACK, NAME, PASSWORD, gateway, message, visitor};

const OTHER: &str = "brendan";

async fn two_people(gateway: &Gateway) -> (App, String, String) {
    gateway.add_user(OTHER, PASSWORD);
    let app = App::register(gateway, &[CALLBACK]).await;
    let mine = app.tokens_of(&mut visitor(gateway), NAME).await;
    let theirs = app.tokens_of(&mut visitor(gateway), OTHER).await;
    (app, mine.access().to_owned(), theirs.access().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_reach_only_who_asked() {
    // proves: STDIO-02
    let gateway = gateway();
    let (app, mine, theirs) = two_people(&gateway).await;
    let calls: Vec<_> = (0..40)
        .map(|number| {
            // Every request has the same JSON-RPC id, 1.
            let (resource, number_text) = (app.resource.clone(), format!("canary-{number}-"));
            let (token, name) = if number % 2 == 0 { (mine.clone(), NAME) } else { (theirs.clone(), OTHER) };
            tokio::spawn(async move {
                let canary = format!("{number_text}{name}");
                let params = json!({"name": "confess", "arguments": {"canary": canary}});
                let answer = message(&resource, &token, "tools/call", params, &[]).await;
                (name, canary, answer)
            })
        })
        .collect();
    for call in calls {
        let (name, canary, answer) = call.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.body["result"]["content"][0]["text"].as_str().expect("a result");
        let told: Value = serde_json::from_str(text).unwrap();
        assert_eq!(told["asked"]["canary"], canary);
        let stranger = if name == NAME { OTHER } else { NAME };
        assert!(!told["lines"].to_string().contains(&format!("-{stranger}")), "{name} shares a child with {stranger}");
    }
}

#[tokio::test]
async fn a_sessions_id_opens_nothing_by_itself() {
    // proves: MCP-SBP-023, MCP-SBP-024, MCP-AUTH-131, MCP-AUTH-127
    let gateway = gateway();
    let (app, mine, theirs) = two_people(&gateway).await;
    let send = |token: Option<&str>, session: Option<&str>, body: Value| {
        let mut request = http()
            .post(&app.resource)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(body.to_string());
        for (name, value) in [
            ("authorization", token.map(|token| format!("Bearer {token}"))),
            ("mcp-session-id", session.map(Into::into)),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.send()
    };
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let opened = send(Some(&mine), None, initialize).await.unwrap();
    assert_eq!(opened.status(), 200);
    let session = opened.headers().get("mcp-session-id").expect("a session").to_str().unwrap().to_owned();
    assert!(session.len() >= 22, "{session} can be guessed");
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(send(Some(&mine), Some(&session), initialized).await.unwrap().status(), 202);

    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    assert_eq!(send(Some(&mine), Some(&session), list.clone()).await.unwrap().status(), 200);
    assert_eq!(send(None, Some(&session), list.clone()).await.unwrap().status(), 401);
    assert_eq!(send(Some("x"), Some(&session), list.clone()).await.unwrap().status(), 401);
    let stranger = send(Some(&theirs), Some(&session), list.clone()).await.unwrap().status().as_u16();
    assert!([403, 404].contains(&stranger), "another person's session: {stranger}");
    let ended = http().delete(&app.resource).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(ended.status(), 401);
    let ended = http().delete(&app.resource).header("mcp-session-id", &session);
    let ended = ended.header("authorization", format!("Bearer {theirs}")).send().await.unwrap().status().as_u16();
    assert!([403, 404].contains(&ended), "ending another person's session: {ended}");
    assert_eq!(send(Some(&mine), Some(&session), list).await.unwrap().status(), 200, "it lives");
}

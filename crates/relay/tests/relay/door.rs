//! What does not come in.

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::support::*;

async fn status(caller: &Caller<'_>, request: http::request::Builder, body: &str) -> u16 {
    caller.send(request, body.to_owned()).await.status().as_u16()
}

fn list() -> Value {
    modern(1, "tools/list", json!({}))
}

#[tokio::test]
async fn a_foreign_host_or_origin_gets_nothing() {
    // proves: MCPP-01, HTTP-08, MCP-HTTP-001, MCP-HTTP-002
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let with = |name: &'static str, value: &str| {
        let mut request = caller.mirrored(&list());
        request.headers_mut().unwrap().insert(name, HeaderValue::from_str(value).unwrap());
        request
    };
    let body = list().to_string();
    for origin in ["https://evil", "null", "http://localhost.evil", "chrome-extension://x", "http://localhost:8421"] {
        let refused = caller.send(with("origin", origin), body.clone()).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(refused.headers().get("access-control-allow-origin").is_none());
    }
    for host in ["attacker.tld:8420", "127.0.0.1.nip.io:8420", "localhost:1"] {
        assert_eq!(status(&caller, with("host", host), &body).await, 421, "{host}");
    }
    let other_authority = caller.mirrored(&list()).uri("http://attacker.tld:8420/mcp");
    assert_eq!(status(&caller, other_authority, &body).await, 421);

    let good = caller.send(with("origin", "http://localhost:8420"), body.clone()).await;
    assert_eq!(good.status(), StatusCode::OK);
    let header = |name: &str| good.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("access-control-allow-origin").as_deref(), Some("http://localhost:8420"));
    assert_eq!(header("access-control-allow-credentials"), None);
    assert!(header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
    assert_eq!((header("vary").as_deref(), header("cache-control").as_deref()), (Some("Origin"), Some("no-store")));

    let preflight = with("origin", "http://localhost:8420").method("OPTIONS");
    let preflight = preflight.header("access-control-request-headers", "authorization, mcp-param-city, x-evil");
    let allowed = caller.send(preflight, "").await;
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    let names = allowed.headers()["access-control-allow-headers"].to_str().unwrap().to_ascii_lowercase();
    assert!(names.contains("authorization") && names.contains("mcp-param-city") && !names.contains("x-evil"));
    assert_eq!(status(&caller, with("origin", "https://evil").method("OPTIONS"), "").await, 403);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_read_or_started() {
    // proves: AUD-10, AUD-01, MCPP-16, HTTP-09
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let good = format!("Bearer {}", caller.token);
    let other_resource = world.token_for("http://localhost:8420/other", "ann", "client", "mcp:danger", 600);
    let expired = world.token_for(RESOURCE, "ann", "client", "mcp:danger", -1);
    let foreign = World::new(&["legacy"]).token("ann", "client", "mcp:danger");
    let mut bad: Vec<Vec<String>> =
        ["Bearer sk-x", "Basic YTpi", "Bearer", "Bearer ", "Bearer  a", "Bearer a,b", "Bearer\ta"]
            .map(|value| vec![value.to_owned()])
            .into();
    bad.extend([other_resource, expired, foreign].map(|token| vec![format!("Bearer {token}")]));
    bad.push(vec![good.clone(), good.clone()]);
    bad.push(Vec::new());
    for values in bad {
        for method in ["POST", "GET", "DELETE", "PUT", "PATCH"] {
            let mut request = caller.mirrored(&list()).method(method);
            let headers = request.headers_mut().unwrap();
            headers.remove("authorization");
            for value in &values {
                headers.append("authorization", HeaderValue::from_str(value).unwrap());
            }
            let refused = caller.send(request, "not even JSON").await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{method} {values:?}");
            let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("resource_metadata="), "{challenge}");
            assert_eq!(refused.headers()["cache-control"], "no-store");
        }
    }
    // The first child is the one that the good token starts.
    assert_eq!(caller.seen().await["seen"][0], "server/discover");
    let put = caller.request("PUT");
    let refused = caller.send(put, "").await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(refused.headers()["allow"].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn only_json_of_a_bounded_size_is_taken() {
    // proves: MCPP-02, HTTP-06, MCPP-19
    let world = World::limited(&["legacy"], |limits| {
        limits.max_body = 10_000;
        limits.body_timeout = std::time::Duration::from_millis(200);
    });
    let caller = world.caller("ann");
    let with = |name: &'static str, value: &'static str| {
        let mut request = caller.mirrored(&list());
        request.headers_mut().unwrap().insert(name, HeaderValue::from_static(value));
        request
    };
    let body = list().to_string();
    let before = caller.seen().await["seen"].as_array().unwrap().len();
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain;x=application/json"]
    {
        assert_eq!(status(&caller, with("content-type", kind), &body).await, 415, "{kind}");
    }
    assert_eq!(status(&caller, with("content-encoding", "gzip"), &body).await, 415);
    assert_eq!(status(&caller, with("accept", "text/html"), &body).await, 406);
    let long = format!("{body}{}", " ".repeat(10_000));
    assert_eq!(status(&caller, caller.mirrored(&list()), &long).await, 413);
    for bad in ["", "{", "[1", "\u{feff}{}", r#"{"jsonrpc":"2.0","jsonrpc":"2.0"}"#] {
        let refused = caller.send(caller.mirrored(&list()), bad).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(parsed(&text(refused).await)["error"]["code"], -32700, "{bad}");
    }
    let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<bytes::Bytes>, std::io::Error>,
    >());
    let slow = world.gateway.handle(caller.mirrored(&list()).body(never).unwrap()).await;
    assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(caller.seen().await["seen"].as_array().unwrap().len(), before + 1);
}

#[tokio::test]
async fn the_body_decides_and_the_headers_must_agree() {
    // proves: MCPP-03, MCPP-04, MCP-HTTP-017, MCP-PX-06, MCP-PX-04
    let world = World::new(&["legacy"]);
    let caller = world.caller_with("ann", "client", "mcp:read");
    let wipe = modern(1, "tools/call", tool("wipe", json!({})));
    let mut disguised = caller.mirrored(&wipe);
    disguised.headers_mut().unwrap().insert("mcp-name", HeaderValue::from_static("echo"));
    let refused = caller.send(disguised, wipe.to_string()).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let answer = parsed(&text(refused).await);
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32020), &json!(1)));

    let mut session = world.caller_with("ann", "client", "mcp:read");
    session.initialize("2025-06-18").await;
    let wipe = legacy(1, "tools/call", tool("wipe", json!({})));
    let spoof = session.request("POST").header("mcp-name", "echo").header("mcp-protocol-version", "2025-06-18");
    assert_eq!(status(&session, spoof, &wipe.to_string()).await, 403);
}

#[tokio::test]
async fn what_a_caller_calls_itself_decides_nothing() {
    // proves: MCP-ADJ-002
    let world = World::new(&["legacy"]);
    let caller = world.caller_with("ann", "client", "mcp:read");
    for name in ["admin", "doorward", "claude-code", ""] {
        let info = json!({ "name": name, "version": "1", "title": "mcp:danger" });
        let with = |tool: Value| {
            let mut params = tool;
            params["_meta"] = json!({ format!("{META}clientInfo"): info });
            modern(1, "tools/call", params)
        };
        assert_eq!(caller.post(&with(tool("wipe", json!({})))).await.0, 403, "{name}");
        assert_eq!(caller.post(&with(tool("who", json!({})))).await.0, 200, "{name}");
    }
}

#[tokio::test]
async fn an_argument_that_a_tool_wants_in_a_header_is_there() {
    // proves: MCPP-03, MCP-PX-01
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let body = modern(1, "tools/call", tool("weather", json!({ "city": "Oslo" })));
    let with = |city: &str| caller.mirrored(&body).header("mcp-param-city", city).header("mcp-param-other", "x");
    assert_eq!(status(&caller, with("Oslo"), &body.to_string()).await, 200);
    let refused = caller.send(with("Bergen"), body.to_string()).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(parsed(&text(refused).await)["error"]["code"], -32020);
    assert_eq!(status(&caller, caller.mirrored(&body), &body.to_string()).await, 400);
    // Older revisions know nothing of this.
    let mut session = world.caller("ann");
    session.initialize("2025-11-25").await;
    assert_eq!(session.tool("weather", json!({ "city": "Oslo" })).await, "weather");
}

#[tokio::test]
async fn a_call_needs_what_its_tool_needs() {
    // proves: MCPP-13, STEP-01, STEP-02, MCP-AUTH-115
    let world = World::new(&["legacy"]);
    for (scope, allowed) in
        [("mcp:read", &["echo"][..]), ("mcp:write", &["echo", "note"]), ("mcp:danger", &["echo", "note", "wipe"])]
    {
        let modern_caller = world.caller_with("ann", "client", scope);
        let mut legacy_caller = modern_caller.clone();
        legacy_caller.initialize("2025-11-25").await;
        for (name, needed) in
            [("echo", "mcp:read"), ("note", "mcp:write"), ("wipe", "mcp:danger"), ("hidden", "mcp:danger")]
        {
            for caller in [&modern_caller, &legacy_caller] {
                let body = match caller.session {
                    None => modern(1, "tools/call", tool(name, json!({}))),
                    Some(_) => legacy(1, "tools/call", tool(name, json!({}))),
                };
                let response = caller.send(caller.mirrored(&body), body.to_string()).await;
                if allowed.contains(&name) || (name == "hidden" && scope == "mcp:danger") {
                    assert_eq!(response.status(), StatusCode::OK, "{scope} {name}");
                    continue;
                }
                assert_eq!(response.status(), StatusCode::FORBIDDEN, "{scope} {name}");
                let challenge = response.headers()["www-authenticate"].to_str().unwrap();
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
                assert!(challenge.contains(&format!("scope=\"{needed}\"")), "{challenge}");
            }
        }
    }
    let none = world.caller_with("ann", "client", "offline_access");
    assert_eq!(status(&none, none.mirrored(&list()), &list().to_string()).await, 403);
}

#[tokio::test]
async fn nothing_of_the_callers_credentials_reaches_the_server() {
    // proves: AUD-09, AUD-11, MCP-PX-08, MCPP-08
    let world = World::new(&["legacy"]);
    let caller = world.caller("ann");
    let mut all = String::new();
    for name in ["raw", "env"] {
        let body = modern(1, "tools/call", tool(name, json!({})));
        let mut request = caller.mirrored(&body);
        for (name, value) in [
            ("x-upstream-authorization", "Bearer canary-1"),
            ("x-user", "canary-2"),
            ("x-forwarded-user", "canary-3"),
            ("x-auth-request-user", "canary-4"),
            ("mcp-init-host", "canary-5"),
            ("router-key", "canary-6"),
            ("cookie", "a=canary-7"),
            ("proxy-authorization", "Basic canary-8"),
        ] {
            request = request.header(name, value);
        }
        all += &text(caller.send(request, body.to_string()).await).await;
    }
    let mut session = world.caller("ann");
    session.initialize("2025-11-25").await;
    all += &session.tool("raw", json!({})).await;
    let pid = parsed(&session.tool("env", json!({})).await)["pid"].to_string();
    for file in ["environ", "cmdline"] {
        all += &String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap());
    }
    assert!(all.contains("tools/call") && all.contains("PATH"), "the dump is one: {all}");
    let tokens = [&caller.token, &session.token];
    let pieces = tokens.iter().flat_map(|token| token.split('.'));
    for secret in pieces.chain(["canary-", "Bearer"]).chain(session.session.as_deref()) {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn identity_comes_from_the_token_alone() {
    // proves: AUD-11
    let world = World::new(&["legacy"]);
    let (ann, bob) = (world.caller("ann"), world.caller("bob"));
    let body = modern(1, "tools/call", tool("who", json!({})));
    let claimed = bob.mirrored(&body).header("x-user", "ann").header("x-forwarded-user", "ann");
    let answer = parsed(&text(bob.send(claimed, body.to_string()).await).await);
    let claimed = answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(claimed, bob.tool("who", json!({})).await);
    assert_ne!(claimed, ann.tool("who", json!({})).await);
}

#[tokio::test]
async fn batches_exist_in_one_revision_and_each_part_is_judged() {
    // proves: MCPP-06
    let world = World::new(&["legacy"]);
    let call = |id: i64, name: &str| legacy(id, "tools/call", tool(name, json!({ "id": id })));
    let body = json!([call(1, "echo"), { "jsonrpc": "2.0", "method": "notifications/x" }, call(2, "echo")]).to_string();
    let mut newer = world.caller("ann");
    newer.initialize("2025-06-18").await;
    assert_eq!(status(&newer, newer.request("POST"), &body).await, 400);
    let modern_batch = json!([list(), list()]).to_string();
    assert_eq!(status(&newer, newer.mirrored(&list()), &modern_batch).await, 400);

    let mut older = world.caller_with("ann", "client", "mcp:read");
    older.initialize("2025-03-26").await;
    let answers = parsed(&text(older.send(older.request("POST"), body).await).await);
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(answers[1]["result"]["content"][0]["text"], r#"{"id": 2}"#);
    // One part that may not be done: nothing is done.
    let mixed = json!([call(1, "echo"), call(2, "wipe")]).to_string();
    let before = older.seen().await["seen"].as_array().unwrap().len();
    assert_eq!(status(&older, older.request("POST"), &mixed).await, 403);
    assert_eq!(older.seen().await["seen"].as_array().unwrap().len(), before + 1);
    let many: Vec<_> = (0..51).map(|id| call(id, "echo")).collect();
    assert_eq!(status(&older, older.request("POST"), &json!(many).to_string()).await, 400);
    let start = json!([legacy(1, "initialize", json!({}))]).to_string();
    assert_eq!(status(&older, older.request("POST"), &start).await, 400);
    let notes = json!([{ "jsonrpc": "2.0", "method": "notifications/x" }]).to_string();
    assert_eq!(status(&older, older.request("POST"), &notes).await, 202);
}

#[tokio::test]
async fn a_part_of_a_batch_that_cannot_be_done_costs_no_other_its_answer() {
    // proves: MCPP-06
    let world = World::limited(&["legacy"], |limits| limits.max_in_flight = 1);
    let mut caller = world.caller("ann");
    caller.initialize("2025-03-26").await;
    caller.tool("echo", json!({})).await;
    let call = |id: i64| legacy(id, "tools/call", tool("echo", json!({ "id": id, "delay": 0.3 })));
    let (status, answers) = caller.post(&json!([call(1), call(2)])).await;
    assert_eq!(status, StatusCode::OK, "{answers}");
    let echoed = parsed(answers[0]["result"]["content"][0]["text"].as_str().unwrap());
    assert_eq!((&answers[0]["id"], &echoed["id"]), (&json!(1), &json!(1)), "{answers}");
    assert!(answers[1]["error"]["message"].as_str().unwrap().contains("open at this server already"), "{answers}");
    assert_eq!(answers[1]["id"], 2);
}

//! What the server behind the gateway gets to see.

use doorward_testkit::process::{Browser, Gateway, Visitor};
use serde_json::{Value, json};

use crate::world::{NAME, PASSWORD, Person, post, spied};

async fn confession(gateway: &Gateway, token: &str) -> Value {
    let answer = post(gateway.mcp_url(), Some(token), "tools/call", json!({"name": "confess", "arguments": {}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.tool_text()).unwrap()
}

#[tokio::test]
async fn the_child_sees_what_it_may_and_no_token() {
    // proves: AUD-09, STDIO-01, STDIO-03, STDIO-04, MCP-AUTH-136
    let environment = [("CANARY", "canary-kept-back"), ("ALLOWED", "handed-over"), ("DOORWARD_NAME", "Files")];
    let gateway = spied(&["--env", "ALLOWED"], &environment);
    gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    person.log_in(&gateway, &browser).await;
    let token = person.token(&gateway);

    let told = confession(&gateway, &token).await;
    let variables = told["environment"].as_object().expect("an environment");
    assert_eq!(variables.get("ALLOWED"), Some(&json!("handed-over")));
    assert_eq!(variables.get("CANARY"), None);
    assert!(!variables.keys().any(|name| name.starts_with("DOORWARD_")), "{variables:?}");
    let arguments = told["arguments"].as_array().expect("arguments");
    assert_eq!(arguments[2..], [json!("--first"), json!("a b;$(id)")], "the arguments arrive as they were written");

    let everything = told.to_string();
    let signature = token.rsplit('.').next().expect("a part");
    assert!(token.len() > 40 && !everything.contains(&token) && !everything.contains(signature), "{everything}");
    assert!(!everything.contains(PASSWORD));

    // Node opens descriptors of its own; what it inherited would be a socket, the database or a listener.
    for file in told["files"].as_array().expect("open files") {
        let (number, target) = (file["fd"].as_u64().unwrap(), file["target"].as_str().unwrap());
        let of_the_gateway = target.contains("doorward") || target.contains(".sqlite") || target.contains("/data/");
        assert!(number < 3 || !of_the_gateway && !target.starts_with("socket:"), "inherited: {target}");
    }
    browser.quit().await.unwrap();
}

#[tokio::test]
async fn a_dead_child_is_started_again_and_dies_with_the_gateway() {
    // proves: STDIO-06
    let mut gateway = spied(&[], &[]);
    gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    person.log_in(&gateway, &browser).await;
    let token = person.token(&gateway);

    let first = confession(&gateway, &token).await["pid"].as_u64().unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", &first.to_string()]).status().unwrap();
    assert!(killed.success());
    while alive(first) {
        tokio::task::yield_now().await;
    }
    // A call that comes before the gateway has noticed fails in words; the next one meets the new server.
    let asked = json!({"name": "confess", "arguments": {}});
    let mut answer = post(gateway.mcp_url(), Some(&token), "tools/call", asked.clone()).await;
    if answer.body.contains("the MCP server ended") {
        answer = post(gateway.mcp_url(), Some(&token), "tools/call", asked).await;
    }
    let second: Value = serde_json::from_str(&answer.tool_text()).unwrap();
    let second = second["pid"].as_u64().unwrap();
    assert_ne!(first, second);
    assert_eq!(gateway.stop().code(), Some(0));
    assert!(!alive(second), "the child outlives the gateway");
    browser.quit().await.unwrap();
}

/// Its start may take long, and the consent page that comes next names its tools.
#[tokio::test]
async fn the_server_is_started_as_soon_as_a_person_has_signed_in() {
    let mut gateway = spied(&[], &[]);
    gateway.add_user(NAME, PASSWORD);
    let mut visitor = Visitor::new(gateway.public_url());
    let page = visitor.open("/apps").await;
    let process = gateway.process().id();
    assert!(!runs_a_server(process), "nobody is there yet");
    visitor.submit(&page, "sign-in", &[("name", NAME), ("password", PASSWORD)]).await;
    let start = std::time::Instant::now();
    while !runs_a_server(process) {
        assert!(start.elapsed() < crate::world::PATIENCE, "no server was started");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Whether a child of this process is the server of these tests.
fn runs_a_server(process: u32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|entry| {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let parent = read("stat").rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(process) && read("cmdline").contains("spy.mjs")
    })
}

fn alive(pid: u64) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

//! Hosts and servers that others wrote, of different eras, with `doorward connect` between them.

use std::process::Command;

use doorward_testkit::process::{Port, Running, foreign, repository};
use serde_json::{Value, json};

use crate::world::{PATIENCE, Person};

/// What the official client of this revision says of the server at this address.
fn said(version: &str, url: &str) -> Value {
    let person = Person::new();
    let connect = person.doorward_alone(&["connect", url]);
    let mut host = Command::new(foreign("conformance/node_modules/.bin/node"));
    host.arg(repository().join("tests/clients/host2.mjs")).arg(version);
    host.arg(connect.get_program()).args(connect.get_args());
    for (name, value) in connect.get_envs() {
        host.env(name, value.unwrap_or_default());
    }
    let mut host = Running::start(&mut host);
    let line = host.maybe_line(PATIENCE);
    let said = line.unwrap_or_else(|| panic!("the host said nothing\n{}", host.errors()));
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("no JSON: {said}"))
}

fn text(said: &Value, tool: &str) -> String {
    let content = said["calls"][tool]["content"].as_array().unwrap_or_else(|| panic!("no {tool} in {said}"));
    content.iter().filter_map(|item| item["text"].as_str()).collect()
}

#[test]
fn a_newer_host_is_served_by_an_older_server() {
    // proves: MCP-PX-10
    let script = foreign("npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    // The server wants a port by number.
    let held = Port::hold();
    let port = held.number();
    let mut command = Command::new(foreign("conformance/node_modules/.bin/node"));
    let server = Running::start(command.arg(script).arg("streamableHttp").env("PORT", port.to_string()));
    server.errors_until(PATIENCE, |said| said.contains("listening"));
    let said = said("2026-07-28", &format!("http://127.0.0.1:{port}/mcp"));
    assert_eq!(said["server"]["name"], "mcp-servers/everything", "{said}");
    assert_eq!(text(&said, "echo"), "Echo: hello");
    assert!(said["calls"]["get-structured-content"]["structuredContent"].is_object(), "{said}");
    assert!(text(&said, "trigger-elicitation-request").contains("Name: Ada"), "{said}");
    assert!(text(&said, "trigger-sampling-request").contains("a sample"), "{said}");
    assert!(text(&said, "get-roots-list").contains("file:///root-of-the-host"), "{said}");
    // This server wants to know the roots on its own account, whenever it comes to it.
    for question in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        assert!(said["asked"].as_array().expect("a list").contains(&json!(question)), "{question}: {said}");
    }
}

#[test]
fn an_older_host_is_served_by_a_newer_server() {
    // proves: MCP-PX-10, MCP-ADJ-011
    foreign("npm/node_modules/@modelcontextprotocol/server");
    let mut command = Command::new(foreign("conformance/node_modules/.bin/node"));
    let mut server = Running::start(command.arg(repository().join("tests/servers/modern.mjs")));
    let url = server.line(PATIENCE);
    let said = said("2025-11-25", &url);
    assert_eq!(said["server"]["name"], "modern", "{said}");
    assert_eq!(text(&said, "echo"), "Echo: hello");
    let answers: Value = serde_json::from_str(&text(&said, "who")).unwrap();
    let who = json!({"action": "accept", "content": {"name": "Ada"}});
    assert_eq!((&answers["who"], &answers["state"]), (&who, &json!("state-1")), "{said}");
    assert_eq!(answers["where"]["roots"][0]["uri"], "file:///root-of-the-host", "{said}");
    assert!(said["changed"].as_u64() > Some(0), "the list of tools changed, and the host was told: {said}");
}

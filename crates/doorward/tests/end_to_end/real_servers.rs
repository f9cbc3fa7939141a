//! `doorward connect` at servers that others wrote, as they are started by those who use them: of both eras, over
//! Streamable HTTP and over the HTTP+SSE of 2024-11-05, with the authorization servers of three languages.

use std::{
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use doorward_testkit::process::{Port, Running, Stdio, foreign, http, repository};
use serde_json::{Value, json};

use crate::world::{PATIENCE, Person};

/// A server that somebody else wrote.
struct Theirs {
    process: Running,
    url: String,
    _port: Option<Port>,
}

impl Theirs {
    /// Starts one that prints its URL when it is up.
    fn printing(command: &mut Command) -> Self {
        let mut process = Running::start(command);
        let url = process.line(PATIENCE);
        Self { process, url, _port: None }
    }

    /// Starts one that is told its port.
    fn at_port(path: &str, command: impl Fn(u16) -> Command) -> Self {
        let held = Port::hold();
        let port = held.number();
        let process = Running::start(&mut command(port));
        let server = Self { process, url: format!("http://localhost:{port}{path}"), _port: Some(held) };
        server.wait_for(port);
        server
    }

    fn wait_for(&self, port: u16) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("localhost", port)).is_err() {
            assert!(Instant::now() < end, "nobody listens at {port}\n{}", self.process.errors());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A program of Node.js, from the folder of the packages or of the tests.
fn node(script: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(script);
    command
}

/// Goes where a browser is led, with cookies, until nobody leads any further.
async fn follow(address: &str) {
    let mut jar: Vec<(String, String)> = Vec::new();
    let mut url = address.to_owned();
    for _ in 0..20 {
        let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = http().get(&url).header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().trim();
            let (name, value) = pair.split_once('=').unwrap();
            jar.retain(|(own, _)| own != name);
            jar.push((name.to_owned(), value.to_owned()));
        }
        let Some(location) = answer.headers().get("location") else {
            let status = answer.status();
            assert!(status.is_success(), "{url} answered {status}\n{}", answer.text().await.unwrap());
            return;
        };
        let location = location.to_str().unwrap();
        url = answer.url().join(location).unwrap().into();
    }
    panic!("{address} leads nowhere");
}

/// Starts `doorward connect`, says hello, logs in where the server wants it, and gives the tools' names.
async fn tools(person: &Person, server: &Theirs, with_login: bool) -> (Stdio, Vec<String>) {
    let mut bridge = Stdio::start(&mut person.doorward(&["connect", &server.url]));
    let client = json!({"name": "host", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    bridge.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
    if with_login {
        let address = person.opener.opened_by(bridge.process(), PATIENCE);
        follow(&address).await;
    }
    let answer = bridge.receive(PATIENCE);
    let said = || format!("{}\n{}", server.url, server.process.errors());
    assert!(answer["result"]["serverInfo"].is_object(), "{answer}\n{}\n{}", said(), bridge.process().errors());
    bridge.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let listed = bridge.request("tools/list", json!({}), PATIENCE);
    let names = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {listed}\n{}", said()));
    let names = names.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    (bridge, names)
}

/// The text that a tool gives.
fn call(bridge: &mut Stdio, name: &str, arguments: &Value) -> String {
    let answer = bridge.request("tools/call", json!({"name": name, "arguments": arguments}), PATIENCE);
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}\n{}", bridge.process().errors())).to_owned()
}

/// Another process needs no second login, and the first one ends when its host does.
async fn again(person: &Person, server: &Theirs, mut first: Stdio) {
    let (_second, names) = tools(person, server, false).await;
    assert!(!names.is_empty());
    assert_eq!(person.opener.opened(Duration::ZERO), None, "a second window");
    first.process().close_input();
    assert_eq!(first.process().wait(PATIENCE).code(), Some(0), "{}", first.process().errors());
}

#[tokio::test]
async fn server_everything_over_both_of_its_transports() {
    // proves: MCP-AUTH-001
    let program = foreign("npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    for (transport, path) in [("streamableHttp", "/mcp"), ("sse", "/sse")] {
        let server = Theirs::at_port(path, |port| {
            let mut command = node(&program);
            command.arg(transport).env("PORT", port.to_string());
            command
        });
        let person = Person::new();
        let (mut bridge, names) = tools(&person, &server, false).await;
        assert!(names.contains(&"echo".to_owned()), "{transport}: {names:?}");
        let said = call(&mut bridge, "echo", &json!({"message": "naïve\u{2028}"}));
        assert_eq!(said, "Echo: naïve\u{2028}", "{transport}");
        let prompt = bridge.request("prompts/list", json!({}), PATIENCE);
        assert!(prompt["result"]["prompts"].is_array(), "{transport}: {prompt}");
        again(&person, &server, bridge).await;
        // The transport that is named is the only one that is tried.
        for (named, spoken) in [("http-only", "streamableHttp"), ("sse-only", "sse")] {
            let mut bridge = Stdio::start(&mut person.doorward(&["connect", "--transport", named, &server.url]));
            let client = json!({"name": "host", "version": "1"});
            let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
            let answer = bridge.request("initialize", params, PATIENCE);
            assert_eq!(answer["result"].is_object(), transport == spoken, "{transport} {named}: {answer}");
        }
    }
}

#[tokio::test]
async fn context7() {
    let program = foreign("npm/node_modules/@upstash/context7-mcp/dist/index.js");
    let server = Theirs::at_port("/mcp", |port| {
        let mut command = node(&program);
        command.args(["--transport", "http", "--port", &port.to_string()]);
        command
    });
    let person = Person::new();
    let (bridge, names) = tools(&person, &server, false).await;
    assert!(names.iter().any(|name| name.contains("library")), "{names:?}");
    again(&person, &server, bridge).await;
}

#[tokio::test]
async fn the_demo_of_the_typescript_sdk_with_its_authorization_server() {
    let program =
        foreign("npm/node_modules/@modelcontextprotocol/sdk/dist/esm/examples/server/simpleStreamableHttp.js");
    let held = Port::hold();
    let other = held.number();
    let server = Theirs::at_port("/mcp", |port| {
        let mut command = node(&program);
        command.args(["--oauth", "--oauth-strict"]);
        command.env("MCP_PORT", port.to_string()).env("MCP_AUTH_PORT", other.to_string());
        command
    });
    server.wait_for(other);
    let person = Person::new();
    let (mut bridge, names) = tools(&person, &server, true).await;
    assert!(names.contains(&"greet".to_owned()), "{names:?}");
    assert_eq!(call(&mut bridge, "greet", &json!({"name": "Ada"})), "Hello, Ada!");
    again(&person, &server, bridge).await;
}

#[tokio::test]
async fn oidc_provider_in_front_of_a_server_of_the_typescript_sdk() {
    // The provider wants the newer Node.js that the official suite stands on.
    let mut command = Command::new(foreign("conformance/node_modules/.bin/node"));
    let server = Theirs::printing(command.arg(repository().join("tests/servers/oidc.mjs")));
    let person = Person::new();
    let (mut bridge, names) = tools(&person, &server, true).await;
    assert_eq!(names, ["greet"]);
    assert_eq!(call(&mut bridge, "greet", &json!({})), "hello");
    again(&person, &server, bridge).await;
}

#[tokio::test]
async fn the_python_sdk_and_fastmcp_with_their_authorization_servers() {
    for library in ["mcp", "fastmcp"] {
        let mut command = Command::new(foreign("pypi/.venv/bin/python"));
        command.arg(repository().join("tests/servers/python_sdk.py")).arg(library);
        let server = Theirs::printing(&mut command);
        let person = Person::new();
        let (mut bridge, names) = tools(&person, &server, true).await;
        assert_eq!(names, ["greet"], "{library}");
        assert_eq!(call(&mut bridge, "greet", &json!({})), "hello", "{library}");
        again(&person, &server, bridge).await;
    }
}

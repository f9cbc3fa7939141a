//! `doorward login` at servers that are not ours, some of them hostile.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use doorward_testkit::process::Running;
use serde_json::{Value, json};

use crate::world::{PATIENCE, Person};

/// A protected MCP endpoint and its authorization server, told in documents.
struct Strange {
    base: String,
}

impl Strange {
    /// Starts it. `documents` gets the base address and the path, and answers with a document, or with none for 404.
    fn start(documents: impl Fn(&str, &str) -> Option<Value> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let served = base.clone();
        let documents = std::sync::Arc::new(documents);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (served, documents) = (served.clone(), documents.clone());
                thread::spawn(move || answer(stream, &served, |path| documents(&served, path)));
            }
        });
        Self { base }
    }

    fn mcp_url(&self) -> String {
        format!("{}/mcp", self.base)
    }
}

fn answer(mut stream: TcpStream, base: &str, documents: impl Fn(&str) -> Option<Value>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    let _ = reader.read_line(&mut line);
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut request = Vec::new();
    let _ = reader.take(length).read_to_end(&mut request);
    let (status, more, body) = match documents(&path) {
        _ if path == "/mcp" => {
            let challenge = format!("Bearer resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\"");
            ("401 Unauthorized", format!("WWW-Authenticate: {challenge}\r\n"), "{}".to_owned())
        }
        _ if path == "/register" => ("201 Created", String::new(), registered(&request).to_string()),
        Some(document) => ("200 OK", String::new(), document.to_string()),
        None => ("404 Not Found", String::new(), "{}".to_owned()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n{more}");
    let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
}

fn resource(base: &str) -> Value {
    json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]})
}

fn server(base: &str, authorization_endpoint: &str) -> Value {
    json!({
        "issuer": base,
        "authorization_endpoint": authorization_endpoint,
        "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "jwks_uri": format!("{base}/jwks"),
    })
}

/// The registration as it was asked for.
fn registered(request: &[u8]) -> Value {
    let mut client: Value = serde_json::from_slice(request).unwrap_or_default();
    client["client_id"] = json!("it");
    client
}

#[test]
fn metadata_is_read_at_either_address() {
    // proves: MCP-AUTH-022, MCP-AUTH-026, BRW-16, R8252-01
    for place in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let strange = Strange::start(move |base, path| match path {
            "/.well-known/oauth-protected-resource/mcp" => Some(resource(base)),
            _ => (path == place).then(|| server(base, &format!("{base}/authorize"))),
        });
        let person = Person::new();
        let mut login = Running::start(&mut person.doorward(&["login", &strange.mcp_url()]));
        let address = person.opener.opened_by(&mut login, PATIENCE);
        assert!(address.starts_with(&format!("{}/authorize?", strange.base)), "{place}: {address}");
    }
}

#[test]
fn only_web_addresses_are_opened() {
    // proves: MCP-SBP-031, MCP-SBP-032, MCP-SBP-034, MCP-SBP-035, MCP-SBP-036
    let touched = tempfile::TempDir::new().unwrap();
    let file = touched.path().join("touched");
    let quoted = format!("http://localhost/$(touch${{IFS}}{0})`touch {0}`;touch {0}", file.display());
    for endpoint in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "ssh://localhost/",
        "http://authorization.example/authorize",
        "--version",
        quoted.as_str(),
    ] {
        let endpoint_given = endpoint.to_owned();
        let strange = Strange::start(move |base, path| match path {
            "/.well-known/oauth-protected-resource/mcp" => Some(resource(base)),
            "/.well-known/oauth-authorization-server" => Some(server(base, &endpoint_given)),
            _ => None,
        });
        let person = Person::new();
        let mut login = Running::start(&mut person.doorward(&["login", &strange.mcp_url()]));
        if endpoint == quoted {
            // Harmless or refused: no shell may see it.
            let end = Instant::now() + PATIENCE;
            while person.opener.opened(Duration::from_millis(50)).is_none() && login.ended().is_none() {
                assert!(Instant::now() < end, "neither opened nor refused\n{}", login.errors());
            }
            assert!(!file.exists(), "a shell ran it");
            continue;
        }
        let status = login.wait(PATIENCE);
        assert!(!status.success(), "{endpoint}: {status}");
        assert_eq!(person.opener.opened(Duration::ZERO), None, "{endpoint} was opened");
        assert!(login.errors().contains("authorization_endpoint"), "{endpoint}: {}", login.errors());
    }
}

#[test]
fn a_server_that_says_nothing_is_waited_for_aloud() {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/mcp", silent.local_addr().unwrap().port());
    let person = Person::new();
    let login = Running::start(&mut person.doorward(&["login", &url]));
    login.errors_until(PATIENCE, |said| said.contains("Waiting for localhost, which has not answered yet"));
}

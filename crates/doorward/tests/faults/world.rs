//! A protected MCP server and its authorization server behind a proxy that can spoil any answer, and a person.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use doorward_client::CredentialStore as _;
use doorward_store::{Custody, SealedFile};
use doorward_testkit::process::{FaultProxy, Opener, Running, read_request};
use doorward_types::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes that is not to wait; only a failure waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
pub(crate) const SERVER: &str = "/.well-known/oauth-authorization-server";

/// The secrets that the servers give out; access tokens have a number first.
pub(crate) const CODE: &str = "C0deC0deC0deC0de";
pub(crate) const ACCESS: &str = "-AcCe55AcCe55AcCe55";
pub(crate) const REFRESH: &str = "ReFr35hReFr35hReFr35h";

/// What the servers have seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The names of the calls.
    pub(crate) calls: Vec<String>,
    /// How many tokens were given out.
    tokens: u32,
    /// How many of them since it was last said how long they are good for.
    lately: u32,
    /// How long they are good for, in seconds.
    life: u32,
    /// Whether no token is good any more.
    refuses: bool,
    /// All requests, heads and bodies.
    pub(crate) wire: Vec<String>,
    /// Requests that a stranger got.
    pub(crate) strangers: Vec<String>,
}

pub(crate) struct World {
    pub(crate) proxy: FaultProxy,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// A server of somebody else.
    pub(crate) stranger: String,
}

impl World {
    /// Its access tokens are good for this many seconds.
    pub(crate) fn new(life: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap());
        let base = format!("http://localhost:{}", proxy.port());
        let seen = Arc::new(Mutex::new(Seen { life, ..Seen::default() }));
        serve(listener, Arc::clone(&seen), move |request, seen| answer(request, &base, seen));
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let stranger = format!("http://localhost:{}/mcp", elsewhere.local_addr().unwrap().port());
        serve(elsewhere, Arc::clone(&seen), |request, seen| {
            seen.lock().unwrap().strangers.push(request.head.clone());
            response("200 OK", "content-type: application/json\r\n", "{}")
        });
        Self { proxy, seen, stranger }
    }

    /// From now on tokens are good for this many seconds.
    pub(crate) fn give_for(&self, life: u32) {
        let mut seen = self.seen.lock().unwrap();
        (seen.life, seen.lately) = (life, 0);
    }

    /// From now on no token is taken.
    pub(crate) fn refuse(&self) {
        self.seen.lock().unwrap().refuses = true;
    }

    /// How many tokens were given out.
    pub(crate) fn tokens(&self) -> u32 {
        self.seen.lock().unwrap().tokens
    }

    /// How many tokens were given out since it was last said how long they are good for.
    pub(crate) fn tokens_lately(&self) -> u32 {
        self.seen.lock().unwrap().lately
    }

    pub(crate) fn mcp_url(&self) -> String {
        format!("http://localhost:{}/mcp", self.proxy.port())
    }
}

struct Request {
    head: String,
    body: String,
}

fn serve(
    listener: TcpListener,
    seen: Arc<Mutex<Seen>>,
    answer: impl Fn(&Request, &Mutex<Seen>) -> String + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            thread::spawn(move || {
                if let Some(request) = read(&stream) {
                    let _ = (&stream).write_all(answer(&request, &seen).as_bytes());
                }
            });
        }
    });
}

fn read(stream: &TcpStream) -> Option<Request> {
    let (head, body) = read_request(&mut BufReader::new(stream))?;
    Some(Request { head, body: String::from_utf8(body).ok()? })
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn documents(status: &str, body: &Value) -> String {
    response(status, "content-type: application/json\r\n", &body.to_string())
}

fn answer(request: &Request, base: &str, seen: &Mutex<Seen>) -> String {
    seen.lock().unwrap().wire.push(format!("{}{}", request.head, request.body));
    let target = request.head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        RESOURCE => documents("200 OK", &json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]})),
        SERVER => documents(
            "200 OK",
            &json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "registration_endpoint": format!("{base}/register"),
                "revocation_endpoint": format!("{base}/revoke"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": true,
            }),
        ),
        "/register" => {
            let mut client: Value = serde_json::from_str(&request.body).unwrap_or_default();
            client["client_id"] = json!("it");
            documents("201 Created", &client)
        }
        "/authorize" => {
            let back = parameter(query, "redirect_uri").replace("%3A", ":").replace("%2F", "/");
            let (state, iss) = (parameter(query, "state"), base.replace(':', "%3A").replace('/', "%2F"));
            let separator = if back.contains("%3F") || back.contains('?') { '&' } else { '?' };
            let location = format!("location: {back}{separator}code={CODE}&state={state}&iss={iss}\r\n");
            response("302 Found", &location, "")
        }
        "/token" => {
            let mut seen = seen.lock().unwrap();
            seen.tokens += 1;
            seen.lately += 1;
            let (number, life) = (seen.tokens, seen.life);
            // The same refresh token is good for ever: a client whose answer was lost may ask again.
            documents(
                "200 OK",
                &json!({
                    "access_token": format!("at-{number}{ACCESS}"), "token_type": "Bearer", "expires_in": life,
                    "refresh_token": REFRESH,
                }),
            )
        }
        "/revoke" => response("200 OK", "", ""),
        "/mcp" => message(request, base, seen),
        _ => documents("404 Not Found", &json!({})),
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> &'a str {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

fn message(request: &Request, base: &str, seen: &Mutex<Seen>) -> String {
    let refuses = seen.lock().unwrap().refuses;
    if refuses || !request.head.to_ascii_lowercase().contains("authorization: bearer at-") {
        let challenge = format!("www-authenticate: Bearer resource_metadata=\"{base}{RESOURCE}\"\r\n");
        return response("401 Unauthorized", &challenge, "");
    }
    if !request.head.starts_with("POST") {
        return response("405 Method Not Allowed", "", "");
    }
    let message: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    match message["method"].as_str().unwrap_or_default() {
        "initialize" => documents(
            "200 OK",
            &result(json!({
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "world", "version": "1"},
            })),
        ),
        "tools/list" => documents("200 OK", &result(json!({"tools": []}))),
        "tools/call" => {
            let name = message["params"]["name"].as_str().unwrap_or_default();
            seen.lock().unwrap().calls.push(name.to_owned());
            let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1}});
            let done = result(json!({"content": [{"type": "text", "text": "d".repeat(100)}]}));
            let events = format!("data: {note}\n\ndata: {done}\n\n");
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{events}")
        }
        "server/discover" => documents(
            "200 OK",
            &json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}),
        ),
        _ => response("202 Accepted", "", ""),
    }
}

/// A person with a home of their own.
pub(crate) struct Person {
    home: TempDir,
    pub(crate) opener: Opener,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::new().unwrap(), opener: Opener::new() }
    }

    pub(crate) fn doorward(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home.path());
        command.env("DOORWARD_CLIENT_DIR", self.client_dir()).env("BROWSER", self.opener.program()).args(arguments);
        command.env("DOORWARD_PLAIN_CREDENTIALS", "1");
        command
    }

    pub(crate) fn client_dir(&self) -> PathBuf {
        self.home.path().join("client")
    }

    /// Lets the stored access token be as if it had been issued a day ago: it has ended.
    pub(crate) fn age(&self) {
        let store = async {
            let store = SealedFile::open(&self.client_dir(), Custody::Plain).await.unwrap();
            let mut all = store.list().await.unwrap();
            assert_eq!(all.len(), 1, "one login");
            let mut tokens = all.remove(0);
            for at in [Some(&mut tokens.issued_at), tokens.expires_at.as_mut()].into_iter().flatten() {
                *at = Timestamp::from_unix(at.as_unix() - 86_400);
            }
            store.save(&tokens, tokens.generation).await.unwrap();
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(store);
    }

    /// Follows what is opened in a browser within `deadline`; says whether something was.
    pub(crate) fn follow(&self, deadline: Duration) -> bool {
        let opened = self.opener.opened(deadline);
        opened.as_deref().map(visit).is_some()
    }

    /// Runs a command that ends by itself within `deadline`, and follows what it opens in a browser: its exit code and
    /// what it wrote to standard error.
    pub(crate) fn run(&self, arguments: &[&str], deadline: Duration) -> (Option<i32>, String) {
        self.run_in(&[], arguments, deadline)
    }

    /// The same with more in its environment.
    pub(crate) fn run_in(
        &self,
        environment: &[(&str, &str)],
        arguments: &[&str],
        deadline: Duration,
    ) -> (Option<i32>, String) {
        let mut running = Running::start(self.doorward(arguments).envs(environment.iter().copied()));
        running.close_input();
        let end = Instant::now() + deadline;
        let status = loop {
            if let Some(status) = running.ended() {
                break status;
            }
            assert!(Instant::now() < end, "{arguments:?} still runs after {deadline:?}\n{}", running.errors());
            if let Some(address) = self.opener.opened(Duration::from_millis(20)) {
                visit(&address);
            }
        };
        let errors = running.errors();
        assert!(!errors.contains("panicked"), "{errors}");
        (status.code(), errors)
    }
}

/// Follows an address as a browser does: two redirects at most, whatever is there.
pub(crate) fn visit(address: &str) -> Option<()> {
    let mut address = address.to_owned();
    for _ in 0..3 {
        let (host, _) = address.strip_prefix("http://")?.split_once('/')?;
        let mut stream = TcpStream::connect(host.replacen("localhost", "127.0.0.1", 1)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let path = address.split_once(host)?.1;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let location = text.lines().find_map(|line| line.strip_prefix("location: "))?.to_owned();
        address = location;
    }
    Some(())
}

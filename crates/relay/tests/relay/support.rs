//! A gateway with a real child process behind it, and a caller with real tokens.
#![allow(unreachable_pub, reason = "the items of a test binary")]

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use doorward_relay::{Gateway, Limits, RelayBody, Settings};
use doorward_resource_server::{Guard, Revocations, Verifier};
use doorward_types::{
    ClientId, Issuer, Permission, ResourceId, ScopeSet, Timestamp,
    jose::{AccessTokenClaims, Confirmation, KeySet, SigningKey, Thumbprint},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

pub const RESOURCE: &str = "http://localhost:8420/mcp";
pub const ISSUER: &str = "http://localhost:8420";
pub const META: &str = "io.modelcontextprotocol/";
/// Only a failure waits this long.
pub const WAIT: Duration = Duration::from_secs(60);

pub fn now() -> Timestamp {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Timestamp::from_unix(i64::try_from(unix).unwrap() + LATER.get())
}

thread_local! {
    /// How many seconds the clock of this test is ahead. A test has its runtime on its own thread.
    static LATER: Cell<i64> = const { Cell::new(0) };
}

/// Lets so many seconds go by for this test's gateway.
pub fn pass(seconds: i64) {
    LATER.set(LATER.get() + seconds);
}

#[derive(Default)]
pub struct Revoked(pub Mutex<BTreeSet<String>>);

impl Revocations for Revoked {
    fn is_revoked(&self, grant: &str) -> bool {
        self.0.lock().unwrap().contains(grant)
    }
}

pub struct World {
    pub gateway: Gateway,
    pub key: SigningKey,
    pub revoked: Arc<Revoked>,
}

pub fn child(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/children").join(name)
}

/// The interpreter itself: what `python3` names may be a shell script that picks one.
fn python() -> &'static OsString {
    static PYTHON: OnceLock<OsString> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let said = std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        String::from_utf8(said.expect("python3 is installed").stdout).unwrap().trim().into()
    })
}

/// The command that runs the child script with these arguments.
pub fn command(arguments: &[&str]) -> Vec<OsString> {
    let mut command = vec![python().clone(), OsString::from("-u"), child("server.py").into_os_string()];
    command.extend(arguments.iter().map(OsString::from));
    command
}

pub fn settings(arguments: &[&str]) -> Settings {
    let env = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let mut settings = Settings::new(command(arguments), env.collect::<BTreeMap<_, _>>()).unwrap();
    settings.allowed_hosts = vec!["localhost:8420".into()];
    settings.allowed_origins = vec!["http://localhost:8420".into()];
    settings.limits.probe_timeout = Duration::from_secs(50);
    settings.limits.start_timeout = Duration::from_secs(60);
    settings
}

impl World {
    pub fn new(arguments: &[&str]) -> Self {
        Self::with(settings(arguments))
    }

    pub fn limited(arguments: &[&str], limit: impl FnOnce(&mut Limits)) -> Self {
        let mut settings = settings(arguments);
        limit(&mut settings.limits);
        Self::with(settings)
    }

    pub fn with(settings: Settings) -> Self {
        Self::guarded(settings, |guard| guard)
    }

    /// A world whose guard takes more than bearer tokens, or less.
    pub fn guarded(settings: Settings, change: impl FnOnce(Guard) -> Guard) -> Self {
        let key = SigningKey::generate();
        let revoked = Arc::new(Revoked::default());
        let keys = KeySet::new(vec![key.verifying_key()]);
        let verifier = Verifier::new(Issuer::parse(ISSUER).unwrap(), keys);
        let resource = ResourceId::parse(RESOURCE).unwrap();
        let guard = Guard::new(resource, verifier, revoked.clone(), Permission::Read.set());
        Self { gateway: Gateway::new(settings, Arc::new(change(guard)), now), key, revoked }
    }

    /// A token for a subject and a client, good for ten minutes.
    pub fn token(&self, subject: &str, client: &str, scope: &str) -> String {
        self.token_for(RESOURCE, subject, client, scope, 600)
    }

    pub fn token_for(&self, resource: &str, subject: &str, client: &str, scope: &str, seconds: i64) -> String {
        self.sign(resource, subject, client, scope, seconds, None)
    }

    /// A token of a subject that is bound to this key.
    pub fn bound_token(&self, subject: &str, holder: &SigningKey) -> String {
        let jkt = Thumbprint::parse(holder.kid()).unwrap();
        self.sign(RESOURCE, subject, "client", "mcp:danger", 600, Some(Confirmation { jkt }))
    }

    fn sign(
        &self,
        resource: &str,
        subject: &str,
        client: &str,
        scope: &str,
        seconds: i64,
        cnf: Option<Confirmation>,
    ) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let issued = now();
        let claims = AccessTokenClaims {
            iss: Issuer::parse(ISSUER).unwrap(),
            sub: subject.into(),
            aud: ResourceId::parse(resource).unwrap(),
            client_id: ClientId::parse(client).unwrap(),
            scope: ScopeSet::parse(scope).unwrap(),
            iat: issued,
            exp: Timestamp::from_unix(issued.as_unix() + seconds),
            jti: format!("t{}", COUNT.fetch_add(1, Ordering::SeqCst)),
            gid: format!("grant of {subject} to {client}"),
            cnf,
            act: None,
        };
        self.key.sign(AccessTokenClaims::TYP, &claims)
    }

    pub fn caller(&self, subject: &str) -> Caller<'_> {
        self.caller_with(subject, "client", "mcp:danger")
    }

    pub fn caller_with(&self, subject: &str, client: &str, scope: &str) -> Caller<'_> {
        Caller { world: self, token: self.token(subject, client, scope), session: None }
    }
}

/// Somebody with a token and perhaps a session.
#[derive(Clone)]
pub struct Caller<'a> {
    pub world: &'a World,
    pub token: String,
    pub session: Option<String>,
}

pub fn modern(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut params = params;
    let meta = json!({
        format!("{META}protocolVersion"): "2026-07-28",
        format!("{META}clientCapabilities"): {},
    });
    match params["_meta"].as_object_mut() {
        Some(own) => own.extend(meta.as_object().unwrap().clone()),
        None => params["_meta"] = meta,
    }
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

pub fn legacy(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

pub fn tool(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

impl Caller<'_> {
    /// A request with the usual headers.
    pub fn request(&self, method: &str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "localhost:8420")
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json, text/event-stream");
        if method == "POST" {
            request = request.header("content-type", "application/json");
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    /// The headers that mirror a modern body.
    pub fn mirrored(&self, body: &Value) -> http::request::Builder {
        let mut request = self.request("POST");
        if body["params"]["_meta"][format!("{META}protocolVersion")].is_string() {
            request = request.header("mcp-protocol-version", "2026-07-28");
            request = request.header("mcp-method", body["method"].as_str().unwrap());
            let name = body["params"]["name"].as_str().or(body["params"]["uri"].as_str());
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        request
    }

    pub async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Response<RelayBody> {
        let request = request.body(Full::new(body.into())).unwrap();
        tokio::time::timeout(WAIT, self.world.gateway.handle(request)).await.expect("an answer in time")
    }

    /// Posts a message and gives back status and the message that answers it.
    pub async fn post(&self, body: &Value) -> (StatusCode, Value) {
        let response = self.send(self.mirrored(body), body.to_string()).await;
        let status = response.status();
        let events = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let text = text(response).await;
        let last = if events { messages(&text).pop().unwrap_or(Value::Null) } else { parsed(&text) };
        (status, last)
    }

    /// Posts a message and opens its answer as a stream.
    pub async fn stream(&self, body: &Value) -> Stream {
        let response = self.send(self.mirrored(body), body.to_string()).await;
        Stream::of(response)
    }

    /// Starts a session and keeps its id.
    pub async fn initialize(&mut self, version: &str) -> Value {
        let params = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "test caller", "version": "7" },
        });
        let body = legacy(0, "initialize", params);
        let response = self.send(self.request("POST"), body.to_string()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let session = response.headers().get("mcp-session-id").expect("a session").to_str().unwrap().to_owned();
        self.session = Some(session);
        let answer = parsed(&text(response).await);
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = self.send(self.request("POST"), initialized.to_string()).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        answer
    }

    /// Calls a tool in the era of the caller, and gives the text of its result.
    pub async fn tool(&self, name: &str, arguments: Value) -> String {
        let message = match self.session {
            Some(_) => legacy(1, "tools/call", tool(name, arguments)),
            None => modern(1, "tools/call", tool(name, arguments)),
        };
        let (status, answer) = self.post(&message).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The text of a tool's result, if it comes before the gateway's own time for it is over.
    pub async fn try_tool(&self, name: &str) -> Option<String> {
        let (_, answer) = self.post(&modern(1, "tools/call", tool(name, json!({})))).await;
        answer["result"]["content"][0]["text"].as_str().map(ToOwned::to_owned)
    }

    /// How often the child was called with this tool.
    pub async fn called(&self, name: &str) -> usize {
        self.seen().await["called"].as_array().unwrap().iter().filter(|own| *own == name).count()
    }

    /// Lets the calls of `slow` end that have no time of their own.
    pub async fn go(&self) {
        let (_, answer) = self.post(&modern("go", "resources/read", json!({ "uri": "go:" }))).await;
        assert!(answer["result"].is_object(), "{answer}");
    }

    /// What the child has seen and been told.
    pub async fn seen(&self) -> Value {
        parsed(&self.tool("seen", json!({})).await)
    }
}

pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

pub async fn text(response: Response<RelayBody>) -> String {
    let body = tokio::time::timeout(WAIT, response.into_body().collect()).await.expect("a body in time").unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// The messages of a stream of events.
pub fn messages(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).expect("one line of JSON")).collect()
}

/// An open stream of events.
pub struct Stream {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    body: RelayBody,
    text: String,
    read: usize,
}

impl Stream {
    pub fn of(response: Response<RelayBody>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, body, text: String::new(), read: 0 }
    }

    /// The next message; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let messages = messages(&self.text);
            if let Some(message) = messages.get(self.read) {
                self.read += 1;
                return Some(message.clone());
            }
            let frame = tokio::time::timeout(WAIT, self.body.frame()).await.expect("an event in time")?;
            if let Ok(data) = frame.unwrap().into_data() {
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// The next message, if it comes within a moment.
    pub async fn soon(&mut self) -> Option<Value> {
        tokio::time::timeout(Duration::from_millis(300), self.next()).await.ok().flatten()
    }

    /// All that has come so far.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(WAIT, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Whether a process runs (a zombie does not).
pub fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

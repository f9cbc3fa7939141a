//! A gateway without a socket: the router as the binary mounts it, a SQLite file in a folder of its own, a clock that stands
//! still until a test moves it, and randomness from a seed.

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use doorward_authorization_server::{
    Policy, Resource, Write,
    account::new_account,
    keys::{KeyRing, SharedKeys},
    password::PasswordHash,
    store::{Committed, Store as _},
};
use doorward_store::SqliteStore;
use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::{
    Entropy, Issuer, Permission, ResourceId, Secret, Timestamp,
    jose::SigningKey,
    outbound::Http,
    secret::{Password, SetupToken},
};
use doorward_web::{Catalogue, Limits, Passwords, Providers, Site, Strangers, Tool};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::{browser::Browser, html, lint};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const CALLBACK: &str = "https://a.example/cb";
/// What a gateway on somebody's own computer is reached as.
pub(crate) const LOCAL: &str = "http://localhost:8420";
/// What a gateway on the net is reached as.
pub(crate) const PUBLIC: &str = "https://gw.example";

/// Where the clock stands at first.
const START: i64 = 1_795_392_000;

thread_local! {
    // Each test runs on a thread of its own, and so do its handlers.
    static CLOCK: Cell<i64> = const { Cell::new(START) };
    static SENDER: Cell<Option<IpAddr>> = const { Cell::new(None) };
    static ENTROPY: RefCell<SeededEntropy> = RefCell::new(SeededEntropy::new(1));
}

static KEYS: LazyLock<Arc<SharedKeys>> =
    LazyLock::new(|| Arc::new(SharedKeys::new(KeyRing::single(SigningKey::generate()))));
static HASH: LazyLock<PasswordHash> = LazyLock::new(|| {
    let password = Secret::<Password>::parse(PASSWORD).unwrap();
    PasswordHash::choose(&password, &mut SeededEntropy::new(2)).unwrap()
});

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(CLOCK.get())
}

/// Moves the clock on.
pub(crate) fn advance(seconds: i64) {
    CLOCK.set(CLOCK.get() + seconds);
}

/// Requests come from this address from now on.
pub(crate) fn come_from(address: &str) {
    SENDER.set(Some(address.parse().unwrap()));
}

/// Draws other secrets from now on than other tests do.
pub(crate) fn seed(seed: u64) {
    ENTROPY.set(SeededEntropy::new(seed));
}

struct Drawn;

impl Entropy for Drawn {
    fn fill(&mut self, buffer: &mut [u8]) {
        ENTROPY.with_borrow_mut(|entropy| entropy.fill(buffer));
    }
}

fn entropy() -> Box<dyn Entropy> {
    Box::new(Drawn)
}

struct ThreeTools;

#[async_trait]
impl Catalogue for ThreeTools {
    fn get_ready(&self, _subject: &str) {}

    async fn tools(&self, _subject: &str) -> Vec<Tool> {
        let tool = |name: &str, permission| Tool { name: name.to_owned(), permission };
        vec![
            tool("read_file", Permission::Read),
            tool("create_directory", Permission::Write),
            tool("write_file", Permission::Danger),
        ]
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What was asked, for messages: method and target.
    pub(crate) asked: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next().map(|value| value.to_str().unwrap());
        assert_eq!(all.next(), None, "{name} stands there twice: {self:?}");
        first
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn is_html(&self) -> bool {
        self.header("content-type").is_some_and(|value| value.starts_with("text/html"))
    }

    /// The stable code of an error page.
    pub(crate) fn code(&self) -> Option<String> {
        self.is_html().then(|| html::value_of(self.text(), "data", "code")).flatten()
    }

    /// Where the page leads back to: the authorization response.
    pub(crate) fn back(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        html::link(self.text(), "continue").unwrap_or_else(|| panic!("no way back: {}", self.text()))
    }

    /// A parameter of the authorization response.
    pub(crate) fn sent_back(&self, name: &str) -> Option<String> {
        url_text::parameter(&self.back(), name)
    }

    /// That this is a page that leads nowhere, with this code.
    #[track_caller]
    pub(crate) fn must_be_page(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code().as_deref()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("location"), None, "{self:?}");
        assert!(!self.text().contains("http-equiv") && html::link(self.text(), "continue").is_none(), "{self:?}");
    }

    /// That this is an error answer for programs.
    #[track_caller]
    pub(crate) fn must_be(&self, status: u16, error: &str) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["error"].as_str()), (status, Some(error)), "{self:?}");
        assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none(), "{self:?}");
        let description = body["error_description"].as_str().unwrap_or_default();
        let allowed = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
        assert!(!description.is_empty() && description.bytes().all(allowed), "{self:?}");
    }
}

/// One gateway.
pub(crate) struct World {
    pub(crate) store: Arc<SqliteStore>,
    /// Its public URL, which is its origin and its issuer.
    pub(crate) origin: String,
    /// Every answer so far.
    pub(crate) answers: Mutex<Vec<Answer>>,
    router: Router,
    folder: TempDir,
}

impl World {
    /// A gateway at this public URL with the accounts `ann` and `bob`.
    pub(crate) async fn at(origin: &str) -> Self {
        let world = Self::empty(origin, |_| ()).await;
        for name in ["ann", "bob"] {
            world.add_account(name).await;
        }
        world
    }

    /// A gateway at this public URL, without accounts and with changes to its policy.
    pub(crate) async fn empty(origin: &str, change: impl FnOnce(&mut Policy)) -> Self {
        // Nobody waits here, so limits would be met at once.
        Self::with(origin, change, None, Strangers::limited(1_000_000, 1_000_000)).await
    }

    /// The same, with a way out and with limits for those whom nobody vouches for.
    pub(crate) async fn with(
        origin: &str,
        change: impl FnOnce(&mut Policy),
        http: Option<Arc<dyn Http>>,
        strangers: Strangers,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("doorward.sqlite")).await.unwrap());
        let mut policy = Policy::new(Issuer::parse(origin).unwrap());
        policy.resources = vec![Resource {
            id: ResourceId::parse(format!("{origin}/mcp")).unwrap(),
            name: "Files".into(),
            scopes: Permission::all_scopes(),
        }];
        change(&mut policy);
        let site = Arc::new(Site {
            policy: Arc::new(policy),
            name: "Files".into(),
            store: store.clone(),
            keys: KEYS.clone(),
            catalogue: Arc::new(ThreeTools),
            allowed_hosts: vec![host(origin).to_owned()],
            now,
            entropy,
            passwords: Passwords::default(),
            limits: Limits::default(),
            http,
            strangers: Arc::new(strangers),
            providers: Providers::default(),
        });
        let router = doorward_web::router(site);
        Self { store, origin: origin.to_owned(), answers: Mutex::default(), router, folder }
    }

    pub(crate) async fn add_account(&self, name: &str) {
        let (_, writes) = new_account(name, HASH.clone(), false, now(), &mut Drawn).unwrap();
        assert_eq!(self.store.commit(writes).await.unwrap(), Committed::Done);
    }

    /// A new link for the first account.
    pub(crate) async fn setup_token(&self) -> String {
        let token = Secret::<SetupToken>::generate(&mut Drawn);
        self.store.commit(vec![Write::ReplaceSetup(token.digest())]).await.unwrap();
        token.expose().to_owned()
    }

    /// The kinds of all events in the record, the oldest first.
    pub(crate) async fn recorded(&self) -> Vec<&'static str> {
        let events = self.store.recorded(0, 1_000).await.unwrap();
        events.into_iter().map(|recorded| recorded.event.kind.as_str()).collect()
    }

    /// The file that holds the state.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn resource(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// Sends a request; `Host` is the right one unless it is given.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(&method).uri(target).body(body.into()).unwrap();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if !request.headers().contains_key("host") {
            request.headers_mut().insert("host", HeaderValue::from_str(host(&self.origin)).unwrap());
        }
        self.ask(request).await
    }

    /// Sends exactly this request. Whatever the answer is, it must be one that any answer may be.
    pub(crate) async fn ask(&self, mut request: Request<Body>) -> Answer {
        if let Some(address) = SENDER.get() {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 40_000))));
        }
        let asked = format!("{} {}", request.method(), request.uri());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer { asked, status: parts.status, headers: parts.headers, body };
        lint::check(&answer, &method, &path, self.origin.starts_with("https"));
        self.answers.lock().unwrap().push(answer.clone());
        answer
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Method::GET, target, &[], Body::empty()).await
    }

    /// Sends a form, as a program does.
    pub(crate) async fn form(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, url_text::form(fields)).await
    }

    /// Sends JSON, as a program does.
    pub(crate) async fn json(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body).await
    }

    /// Registers a client: what every app sends, with these members replaced. Each is a client of its own.
    pub(crate) async fn register(&self, changes: Value) -> Answer {
        let mut body = json!({
            "client_name": "An app",
            "software_id": format!("app {}", self.answers.lock().unwrap().len()),
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.json("/oauth/register", body.to_string()).await
    }

    /// Everything that is stored, as text: equal texts mean that nothing was changed.
    pub(crate) async fn state(&self) -> String {
        let mut all = String::new();
        for table in TABLES {
            all.push_str(&format!("{table}\n{}\n", self.table(table).await.join("\n")));
        }
        all
    }

    /// The rows of a table, as text.
    pub(crate) async fn table(&self, table: &str) -> Vec<String> {
        let file = self.folder.path().join("doorward.sqlite");
        let mut connection =
            SqliteConnectOptions::new().filename(file).pragma("query_only", "ON").connect().await.unwrap();
        let sql = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
        let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        assert!(!columns.is_empty(), "no table {table}");
        let row = columns.iter().map(|column| format!("'{column}=' || quote(\"{column}\")")).collect::<Vec<_>>();
        let sql = format!("SELECT {} FROM \"{table}\" ORDER BY 1", row.join(" || ' ' || "));
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows
    }
}

/// The tables that decisions write to.
const TABLES: [&str; 10] = [
    "clients",
    "accounts",
    "sessions",
    "interactions",
    "grants",
    "codes",
    "refresh_tokens",
    "setup",
    "pushed_requests",
    "devices",
];

/// The `Host` that a browser sends for this origin.
pub(crate) fn host(origin: &str) -> &str {
    origin.split_once("://").unwrap().1
}

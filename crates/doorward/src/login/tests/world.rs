use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use doorward_client::{
    CredentialStore as _, Got, RegisteredClient, Registration, RestsOn, StoredIdentity, StoredTokens, Target,
    target::{Grant, TakenOver, TheirClient},
};
use doorward_types::{ClientId, CodeVerifier, RedirectUri, ResourceId, Secret, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::super::{browser::Way, flow::Manner, manager::TokenManager, place::Place};
use crate::{
    cli::{self, ClientDir},
    clock::now,
};

/// What the token endpoint does with a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refreshes {
    Good,
    Unavailable,
    InvalidGrant,
    InvalidClient,
    /// Refused with another word.
    Refused(&'static str),
    /// An answer that says nothing.
    Nonsense,
    /// The answer to the next one breaks off; then all is good.
    LostOnce,
}

/// What the server has seen, and what it is told to do.
pub(super) struct Seen {
    /// Every request, such as `authorize` or `refresh r1`, in order.
    pub(super) requests: Vec<String>,
    /// The scopes of the authorization requests.
    pub(super) scopes: Vec<String>,
    pub(super) refreshes: Refreshes,
    /// Seconds that an access token is good.
    pub(super) life: i64,
    /// How the MCP endpoint answers a good token.
    pub(super) mcp: StatusCode,
    /// The challenge that comes with it.
    pub(super) mcp_challenge: &'static str,
    /// Access tokens that the MCP endpoint refuses.
    pub(super) dead: Vec<&'static str>,
    /// Clients that are not known any more.
    pub(super) forgotten: Vec<String>,
    /// Whether the sign-in page is not for whoever has no session.
    pub(super) guests_refused: bool,
    /// How the exchange of a sign-in for an assertion is refused.
    pub(super) exchanges: &'static str,
    /// How many registrations are refused because there were too many, for one second each.
    pub(super) too_many: usize,
    /// Whether codes for another device are given.
    pub(super) device: bool,
    /// Whether the person says no.
    pub(super) denies: bool,
    /// How a code is refused, if it is.
    pub(super) codes: &'static str,
    /// The issuer in the answer of the sign-in page, where it is another than the server.
    pub(super) iss: &'static str,
    challenge: String,
    issued: usize,
}

#[derive(Clone)]
struct Server {
    base: String,
    seen: Arc<Mutex<Seen>>,
    /// A refresh takes a permit before it answers.
    gate: Arc<Semaphore>,
}

/// A server on a real port and a store in a folder of its own.
pub(super) struct World {
    server: Server,
    folder: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let seen = Seen {
            requests: Vec::new(),
            scopes: Vec::new(),
            refreshes: Refreshes::Good,
            life: 600,
            mcp: StatusCode::OK,
            mcp_challenge: "",
            dead: Vec::new(),
            forgotten: Vec::new(),
            guests_refused: false,
            exchanges: "invalid_target",
            too_many: 0,
            device: false,
            denies: false,
            codes: "",
            iss: "",
            challenge: String::new(),
            issued: 0,
        };
        let server = Server {
            base: format!("http://127.0.0.1:{}", socket.local_addr().unwrap().port()),
            seen: Arc::new(seen.into()),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let app = Router::new()
            .route("/.well-known/oauth-protected-resource/mcp", get(resource_metadata))
            .route("/.well-known/oauth-authorization-server", get(server_metadata))
            .route("/register", post(register))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/device", post(device))
            .route("/mcp", post(mcp))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(socket, app).await });
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.server.seen.lock().unwrap()
    }

    /// How many requests begin with these words.
    pub(super) fn count(&self, words: &str) -> usize {
        self.seen().requests.iter().filter(|request| request.starts_with(words)).count()
    }

    pub(super) fn url(&self) -> String {
        format!("{}/mcp", self.server.base)
    }

    pub(super) fn resource(&self) -> ResourceId {
        ResourceId::parse(self.url()).unwrap()
    }

    /// Lets no refresh be answered, until permits are added.
    pub(super) fn hold_refreshes(&self) -> Arc<Semaphore> {
        self.server.gate.forget_permits(Semaphore::MAX_PERMITS);
        Arc::clone(&self.server.gate)
    }

    /// The store as another process opens it.
    pub(super) async fn place(&self) -> Place {
        Place::open(&self.client_flags()).await.unwrap()
    }

    /// The tokens of one more process, at whose side this browser is.
    pub(super) async fn manager(&self, way: Way) -> TokenManager {
        let manner = Manner::with(way, super::PATIENCE);
        TokenManager::new(self.place().await, Target::new(&self.url(), "tests").unwrap(), manner)
    }

    /// Where the browser puts its last page.
    pub(super) fn page(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }

    /// A browser that follows every link and keeps the last page.
    pub(super) fn curl(&self) -> Way {
        let page = self.page().to_str().unwrap().to_owned();
        Way::Command(["curl", "-sSL", "-o", &page].map(str::to_owned).into())
    }

    /// What the browser shows in the end.
    pub(super) async fn shown(&self) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let page = self.page();
        let shown = async {
            loop {
                let text = read(&page);
                if text.ends_with("</html>") {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, shown).await.expect("the browser shows a page")
    }

    /// `doorward token` for this server.
    pub(super) fn token_command(&self) -> cli::Token {
        let client = self.client_flags();
        cli::Token { url: self.url(), header: false, account: cli::Account::default(), client }
    }

    fn client_flags(&self) -> ClientDir {
        ClientDir::plain(self.folder.path().join("client"))
    }

    /// Takes the store away from everybody.
    pub(super) fn break_store(&self) {
        let client = self.folder.path().join("client");
        std::fs::rename(&client, self.folder.path().join("away")).unwrap();
        std::fs::write(&client, "no folder").unwrap();
    }

    /// Puts it back.
    pub(super) fn mend_store(&self) {
        let [client, away] = ["client", "away"].map(|name| self.folder.path().join(name));
        // Whoever wants to save something makes a folder where there is nothing, so the two change places at once.
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            renameat_with(CWD, &away, CWD, &client, RenameFlags::EXCHANGE).unwrap();
            std::fs::remove_file(&away).unwrap();
        }
        #[cfg(not(target_os = "linux"))]
        {
            std::fs::remove_file(&client).unwrap();
            std::fs::rename(&away, &client).unwrap();
        }
    }

    /// A login that another program left, whose access token is called `old`.
    pub(super) fn left_behind(&self) -> Target {
        let client = TheirClient {
            client_id: ClientId::parse("theirs").unwrap(),
            secret: None,
            secret_expires_at: None,
            auth_method: None,
            redirect_uri: RedirectUri::parse("http://127.0.0.1:9/callback").unwrap(),
        };
        let left = TakenOver {
            issuer: Some(self.server.base.clone()),
            client: Some(client),
            access_token: Secret::parse("old").unwrap(),
            expires_at: Some(now().plus(Duration::from_secs(3600))),
            refresh_token: Some(Secret::parse("r0").unwrap()),
            requested: None,
            granted: None,
        };
        Target { grant: Grant::TakenOver(Box::new(left)), ..Target::new(&self.url(), "tests").unwrap() }
    }

    /// The stored tokens.
    pub(super) async fn stored(&self) -> Option<StoredTokens> {
        self.place().await.newest(&Target::new(&self.url(), "tests").unwrap()).await.unwrap()
    }

    /// Lets the stored tokens rest on a sign-in at this same server, whose ID token is good.
    pub(super) async fn sign_in(&self) -> StoredIdentity {
        let (store, base) = (self.place().await.store, &self.server.base);
        let mut tokens = self.stored().await.expect("stored tokens");
        let mut client = serde_json::to_value(tokens.client.to_stored()).unwrap();
        client["registration"] = serde_json::to_value(Registration::PreRegistered).unwrap();
        tokens.client = RegisteredClient::from_stored(serde_json::from_value(client.clone()).unwrap()).unwrap();
        let record = json!({
            "provider": {"issuer": base, "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/keys")},
            "client": client, "subject": "ada", "id_token": "e30.e30.c2ln", "refresh_token": "idp-1",
            "until": now().plus(Duration::from_secs(600)), "signed_in_at": now(), "generation": 0,
        });
        let identity = StoredIdentity::from_stored(serde_json::from_value(record).unwrap()).unwrap();
        tokens.identity = Some(RestsOn { key: identity.key(), subject: "ada".into() });
        (tokens.refresh_token, tokens.got) = (None, Got::Assertion);
        store.save(&tokens, tokens.generation).await.unwrap();
        store.save_identity(&identity, 0).await.unwrap();
        store.load_identity(&identity.key()).await.unwrap().unwrap()
    }

    /// A sign-in page at which this client is refused from now on.
    pub(super) fn refusing_page(&self, client: &ClientId) -> url::Url {
        self.seen().forgotten.push(client.to_string());
        let (base, resource) = (&self.server.base, self.url());
        let mut page = url::Url::parse(&format!("{base}/authorize")).unwrap();
        let parameters = [("code_challenge_method", "S256"), ("code_challenge", "x"), ("client_id", client.as_str())];
        page.query_pairs_mut().extend_pairs(parameters).append_pair("resource", &resource);
        page
    }

    /// Lets the stored tokens be those of a client that the provider gave with this secret.
    pub(super) async fn own_client(&self, secret: &str) -> StoredTokens {
        let mut tokens = self.stored().await.expect("stored tokens");
        let mut client = serde_json::to_value(tokens.client.to_stored()).unwrap();
        client["registration"] = serde_json::to_value(Registration::PreRegistered).unwrap();
        client["auth_method"] = json!("client_secret_post");
        client["client_secret"] = json!(secret);
        tokens.client = RegisteredClient::from_stored(serde_json::from_value(client).unwrap()).unwrap();
        self.place().await.store.save(&tokens, tokens.generation).await.unwrap();
        tokens
    }

    /// Lets the stored access token be as if it had been issued `ago` seconds ago.
    pub(super) async fn age(&self, ago: i64) {
        let store = self.place().await.store;
        let mut tokens = self.stored().await.expect("stored tokens");
        for at in [Some(&mut tokens.issued_at), tokens.expires_at.as_mut()].into_iter().flatten() {
            *at = Timestamp::from_unix(at.as_unix() - ago);
        }
        store.save(&tokens, tokens.generation).await.unwrap();
    }
}

impl Server {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn note(&self, request: impl Into<String>) {
        self.seen().requests.push(request.into());
    }
}

async fn resource_metadata(State(server): State<Server>) -> Response {
    answer(StatusCode::OK, &json!({"resource": format!("{}/mcp", server.base), "authorization_servers": [server.base]}))
}

async fn server_metadata(State(server): State<Server>) -> Response {
    let at = |path: &str| format!("{}/{path}", server.base);
    let mut document = json!({
        "issuer": server.base,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "registration_endpoint": at("register"),
        "revocation_endpoint": at("revoke"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    });
    if server.seen().device {
        document["device_authorization_endpoint"] = json!(at("device"));
    }
    answer(StatusCode::OK, &document)
}

async fn register(State(server): State<Server>, body: Bytes) -> Response {
    server.note("register");
    if server.seen().too_many > 0 {
        server.seen().too_many -= 1;
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "too many").into_response();
    }
    let mut client: Value = serde_json::from_slice(&body).unwrap();
    client["client_id"] = json!(format!("client-{}", server.seen().requests.len()));
    answer(StatusCode::CREATED, &client)
}

async fn authorize(State(server): State<Server>, uri: Uri) -> Response {
    let query = fields(uri.query().unwrap_or_default().as_bytes());
    server.note("authorize");
    assert_eq!((&*query["code_challenge_method"], &query["resource"]), ("S256", &format!("{}/mcp", server.base)));
    server.seen().challenge.clone_from(&query["code_challenge"]);
    if server.seen().forgotten.contains(&query["client_id"]) {
        return (StatusCode::BAD_REQUEST, "invalid_client: this client is unknown").into_response();
    }
    if server.seen().guests_refused {
        return (StatusCode::UNAUTHORIZED, "sign in first").into_response();
    }
    server.seen().scopes.push(query.get("scope").cloned().unwrap_or_default());
    let mut back = url::Url::parse(&query["redirect_uri"]).unwrap();
    let iss = server.seen().iss;
    let (name, value) = if server.seen().denies { ("error", "access_denied") } else { ("code", "a-code") };
    back.query_pairs_mut()
        .append_pair(name, value)
        .append_pair("state", &query["state"])
        .append_pair("iss", if iss.is_empty() { &server.base } else { iss });
    Redirect::to(back.as_str()).into_response()
}

async fn token(State(server): State<Server>, body: Bytes) -> Response {
    let form = fields(&body);
    // That of a sign-in is for no server.
    let of_sign_in = form.get("refresh_token").is_some_and(|token| token.starts_with("idp"));
    assert!(of_sign_in || form["resource"] == format!("{}/mcp", server.base));
    let refused = |error: &str| answer(StatusCode::BAD_REQUEST, &json!({"error": error}));
    if let Some(secret) = form.get("client_secret") {
        server.note(format!("secret {secret}"));
    }
    if form["grant_type"].ends_with(":token-exchange") {
        server.note("exchange");
        let error = server.seen().exchanges;
        return refused(error);
    }
    if form["grant_type"] == "refresh_token" {
        server.note(format!("refresh {}", form["refresh_token"]));
        server.gate.acquire().await.unwrap().forget();
        let refreshes = server.seen().refreshes;
        match refreshes {
            Refreshes::Good => {}
            Refreshes::Unavailable => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Refreshes::InvalidGrant => return refused("invalid_grant"),
            Refreshes::InvalidClient => return refused("invalid_client"),
            Refreshes::Refused(word) => return refused(word),
            Refreshes::Nonsense => return answer(StatusCode::OK, &json!({})),
            Refreshes::LostOnce => {
                server.seen().refreshes = Refreshes::Good;
                let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut off"))]);
                return axum::body::Body::from_stream(broken).into_response();
            }
        }
    } else {
        assert_eq!(form["code"], "a-code");
        let verifier = CodeVerifier::parse(form["code_verifier"].clone()).unwrap();
        assert_eq!(verifier.challenge().as_str(), server.seen().challenge);
        server.note("code");
        let error = server.seen().codes;
        if !error.is_empty() {
            return refused(error);
        }
    }
    let mut seen = server.seen();
    seen.issued += 1;
    let (number, life) = (seen.issued, seen.life);
    let scope = seen.scopes.last().cloned().filter(|scope| !scope.is_empty()).unwrap_or_else(|| "read".into());
    let tokens = json!({
        "access_token": format!("a{number}"), "refresh_token": format!("r{number}"),
        "token_type": "Bearer", "expires_in": life, "scope": scope,
    });
    answer(StatusCode::OK, &tokens)
}

async fn device(State(server): State<Server>) -> Response {
    server.note("device");
    let page = format!("{}/type", server.base);
    let code = json!({"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": page, "expires_in": 900});
    answer(StatusCode::OK, &code)
}

/// Revokes refresh tokens and no others.
async fn revoke(State(server): State<Server>, body: Bytes) -> Response {
    let token = fields(&body)["token"].clone();
    server.note(format!("revoke {token}"));
    if token.starts_with('r') && server.seen().refreshes == Refreshes::Good {
        return StatusCode::OK.into_response();
    }
    answer(StatusCode::BAD_REQUEST, &json!({"error": "unsupported_token_type"}))
}

async fn mcp(State(server): State<Server>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    server.note(format!("mcp {}", token.as_deref().unwrap_or("-")));
    let dead = token.as_deref().and_then(|token| token.strip_prefix("Bearer "));
    if token.is_none() || dead.is_some_and(|token| server.seen().dead.contains(&token)) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer scope=\"read\"")]).into_response();
    }
    let status = server.seen().mcp;
    let challenge = server.seen().mcp_challenge;
    let mut answer = answer(status, &json!({"jsonrpc": "2.0", "id": 0, "result": {}}));
    if !challenge.is_empty() {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
    }
    answer
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn fields(text: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

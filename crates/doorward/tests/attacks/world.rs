//! A gateway, an account, and an app that speaks OAuth by hand, so that it can also lie.

use std::sync::atomic::{AtomicU32, Ordering};

use doorward_testkit::{
    SeededEntropy,
    process::{Gateway, GatewayOptions, Visitor, http, repository},
    url_text::{form, parameter},
};
use doorward_types::CodeVerifier;
use serde_json::{Value, json};

pub(crate) const DOORWARD: &str = env!("CARGO_BIN_EXE_doorward");
pub(crate) const NAME: &str = "ada";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const CALLBACK: &str = "http://127.0.0.1/callback";

/// A gateway in front of a small real server, with one account.
pub(crate) fn gateway() -> Gateway {
    gateway_for("spy.mjs", &[])
}

/// A gateway in front of one of the servers in `tests/servers`, with one account.
pub(crate) fn gateway_for(server: &str, flags: &[&str]) -> Gateway {
    let server = repository().join("tests/servers").join(server);
    let gateway = Gateway::start(GatewayOptions::new(DOORWARD, &["node", server.to_str().unwrap()]).flags(flags));
    gateway.add_user(NAME, PASSWORD);
    gateway
}

/// A visitor of this gateway.
pub(crate) fn visitor(gateway: &Gateway) -> Visitor {
    Visitor::new(gateway.public_url())
}

/// An answer of the token endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    pub(crate) fn access(&self) -> &str {
        self.body["access_token"].as_str().unwrap_or_else(|| panic!("no access token in {self:?}"))
    }

    pub(crate) fn refresh(&self) -> &str {
        self.body["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token in {self:?}"))
    }

    /// That it is this refusal, and no other.
    pub(crate) fn must_be(&self, error: &str) {
        assert_eq!((self.status, self.error()), (400, error), "{self:?}");
        assert_eq!(self.body.get("access_token"), None);
    }
}

/// A registered public client of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) issuer: String,
    pub(crate) resource: String,
    pub(crate) id: String,
    pub(crate) verifier: String,
    pub(crate) challenge: String,
}

impl App {
    /// Registers an app with this callback address.
    pub(crate) async fn register(gateway: &Gateway, callbacks: &[&str]) -> Self {
        let answer = register(gateway, callbacks).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.body["client_id"].as_str().expect("a client id").to_owned();
        let verifier = CodeVerifier::generate(&mut SeededEntropy::default());
        Self {
            issuer: gateway.public_url().to_owned(),
            resource: gateway.mcp_url().to_owned(),
            id,
            challenge: verifier.challenge().as_str().to_owned(),
            verifier: verifier.expose().to_owned(),
        }
    }

    /// A right authorization request, except that each name in `changes` gets another value, or none.
    pub(crate) fn request(&self, changes: &[(&str, Option<&str>)]) -> String {
        let right = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", CALLBACK),
            ("code_challenge", &self.challenge),
            ("code_challenge_method", "S256"),
            ("resource", &self.resource),
            ("scope", "mcp:read"),
            ("state", "the-state"),
        ];
        let kept = right.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let changed = changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let all: Vec<(&str, &str)> = kept.chain(changed).collect();
        format!("{}/oauth/authorize?{}", self.issuer, form(&all))
    }

    /// A code for this app, with the person's consent.
    pub(crate) async fn code(&self, visitor: &mut Visitor) -> String {
        self.code_for(visitor, &[]).await
    }

    /// The same for a changed request.
    pub(crate) async fn code_for(&self, visitor: &mut Visitor, changes: &[(&str, Option<&str>)]) -> String {
        let back = visitor.authorize(&self.request(changes), NAME, PASSWORD, "allow").await;
        assert_eq!(parameter(&back, "state").as_deref(), Some("the-state"), "{back}");
        assert_eq!(parameter(&back, "iss"), Some(self.issuer.clone()), "{back}");
        parameter(&back, "code").unwrap_or_else(|| panic!("no code in {back}"))
    }

    /// A right token request for a code, except for `changes`.
    pub(crate) async fn redeem(&self, code: &str, changes: &[(&str, Option<&str>)]) -> Answer {
        let right = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", &self.id),
            ("code_verifier", &self.verifier),
            ("resource", &self.resource),
        ];
        self.token(&right, changes).await
    }

    /// A right refresh request, except for `changes`.
    pub(crate) async fn refresh(&self, token: &str, changes: &[(&str, Option<&str>)]) -> Answer {
        let right = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.id),
            ("resource", &self.resource),
        ];
        self.token(&right, changes).await
    }

    /// The first tokens of a fresh grant by another person than usual.
    pub(crate) async fn tokens_of(&self, visitor: &mut Visitor, name: &str) -> Answer {
        let back = visitor.authorize(&self.request(&[]), name, PASSWORD, "allow").await;
        let code = parameter(&back, "code").unwrap_or_else(|| panic!("no code in {back}"));
        let answer = self.redeem(&code, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// The first tokens of a fresh grant.
    pub(crate) async fn tokens(&self, visitor: &mut Visitor) -> Answer {
        let code = self.code(visitor).await;
        let answer = self.redeem(&code, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn token(&self, right: &[(&str, &str)], changes: &[(&str, Option<&str>)]) -> Answer {
        let kept = right.iter().copied().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let changed = changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let all: Vec<(&str, &str)> = kept.chain(changed).collect();
        let request = http().post(format!("{}/oauth/token", self.issuer));
        let response =
            request.header("content-type", "application/x-www-form-urlencoded").body(form(&all)).send().await;
        answer(response.unwrap()).await
    }

    /// The status of an MCP call with this access token.
    pub(crate) async fn call(&self, token: &str) -> u16 {
        message(&self.resource, token, "tools/list", json!({}), &[]).await.status
    }
}

/// Registers a client and returns the answer, whatever it is.
pub(crate) async fn register(gateway: &Gateway, callbacks: &[&str]) -> Answer {
    // The same registration twice is one client, so each gets a name of its own.
    static APPS: AtomicU32 = AtomicU32::new(0);
    let body = json!({
        "client_name": format!("App {}", APPS.fetch_add(1, Ordering::Relaxed)),
        "redirect_uris": callbacks,
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let request = http().post(format!("{}/oauth/register", gateway.public_url()));
    let response = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    answer(response).await
}

/// POSTs one request of the 2026-07-28 revision; `headers` replace the right ones (an empty value leaves one out).
pub(crate) async fn message(
    url: &str,
    token: &str,
    method: &str,
    mut params: Value,
    headers: &[(&str, &str)],
) -> Answer {
    if params.get("_meta").is_none() {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "doorward-tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let authorization = format!("Bearer {token}");
    let mut right = vec![
        ("authorization", authorization.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    right.extend(params["name"].as_str().map(|name| ("mcp-name", name)));
    right.retain(|(name, _)| !headers.iter().any(|(changed, _)| changed == name));
    right.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    let request = right.into_iter().fold(http().post(url), |request, (name, value)| request.header(name, value));
    answer(request.body(body).send().await.unwrap()).await
}

async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text);
    Answer { status, body: serde_json::from_str(data.trim()).unwrap_or(Value::Null) }
}

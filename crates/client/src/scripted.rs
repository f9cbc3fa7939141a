//! A world made of answers: it does each step of the machine as a script says, and remembers what was done.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use doorward_types::{
    Entropy, Timestamp,
    form::Form,
    outbound::{FetchFailed, Inbound, Outbound, Reach, Redirects},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use crate::{
    Connect, Connected, Failed, Input, Note, Occasion, RegisteredClient, Step, StoredIdentity, StoredTokens, Target,
    step::{HoldPort, NotTaken, OpenBrowser, PortChoice, ShowDeviceCode},
};

pub(crate) const MCP: &str = "https://mcp.example/mcp";
pub(crate) const ISSUER: &str = "https://as.example";
/// More requests than any login makes.
const MOST_SENT: usize = 100;
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Bytes that differ and repeat from run to run.
pub(crate) struct Counting(pub(crate) u64);

impl Entropy for Counting {
    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

/// One request as it was sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) redirects: Redirects,
    pub(crate) reach: Reach,
}

impl Sent {
    pub(crate) fn form(&self) -> Form {
        Form::parse(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Route = Box<dyn FnMut(&Sent) -> Result<Inbound, FetchFailed>>;
type Browser = Box<dyn FnMut(&Url) -> Vec<String>>;

/// The world.
pub(crate) struct World {
    routes: HashMap<String, Route>,
    browser: Browser,
    callbacks: VecDeque<String>,
    pub(crate) target: Target,
    pub(crate) challenge: Option<HeaderMap>,
    pub(crate) stored: Option<RegisteredClient>,
    /// Whether the store answers with the stored client or sign-in whatever is asked for.
    pub(crate) confused_store: bool,
    pub(crate) port: u16,
    /// What is held instead of what was wanted.
    pub(crate) held_instead: Option<String>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) saved: Vec<RegisteredClient>,
    /// What is kept of a sign-in at an identity provider.
    pub(crate) identity: Option<StoredIdentity>,
    pub(crate) held: Vec<HoldPort>,
    pub(crate) opened: Vec<Url>,
    /// What was told, before the browser was opened and at the end.
    pub(crate) notes: Vec<Note>,
    pub(crate) not_taken: Vec<NotTaken>,
    /// The codes that a person was shown.
    pub(crate) shown: Vec<ShowDeviceCode>,
    /// How long was waited each time.
    pub(crate) waits: Vec<Duration>,
    /// How often is waited at most.
    pub(crate) patience: u32,
    pub(crate) now: Timestamp,
    /// The kinds of step in their order.
    pub(crate) order: Vec<&'static str>,
}

impl World {
    /// A server and an authorization server with everything in its place: dynamic registration, S256, `iss`.
    pub(crate) fn usual() -> Self {
        let mut world = Self::empty(MCP);
        world.document("https://mcp.example/.well-known/oauth-protected-resource/mcp", resource(MCP, &[ISSUER]));
        world.document("https://as.example/.well-known/oauth-authorization-server", server(ISSUER));
        world.register(json!({ "client_id": "dyn-1", "token_endpoint_auth_method": "none" }));
        world.tokens(
            json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 600, "refresh_token": "rt-1" }),
        );
        world
    }

    pub(crate) fn empty(mcp: &str) -> Self {
        Self {
            routes: HashMap::new(),
            browser: Box::new(|url| vec![allow(url)]),
            callbacks: VecDeque::new(),
            target: Target::new(mcp, "Test Host").unwrap(),
            challenge: None,
            stored: None,
            confused_store: false,
            port: 43121,
            held_instead: None,
            sent: Vec::new(),
            saved: Vec::new(),
            identity: None,
            held: Vec::new(),
            opened: Vec::new(),
            notes: Vec::new(),
            not_taken: Vec::new(),
            shown: Vec::new(),
            waits: Vec::new(),
            patience: 1000,
            now: NOW,
            order: Vec::new(),
        }
    }

    pub(crate) fn route(&mut self, place: &str, answer: impl FnMut(&Sent) -> Result<Inbound, FetchFailed> + 'static) {
        self.routes.insert(place.to_owned(), Box::new(answer));
    }

    pub(crate) fn document(&mut self, url: &str, document: Value) {
        self.route(&format!("GET {url}"), move |_| Ok(answer(200, &document)));
    }

    pub(crate) fn status(&mut self, url: &str, status: u16) {
        self.route(&format!("GET {url}"), move |_| Ok(answer(status, &json!({}))));
    }

    pub(crate) fn register(&mut self, document: Value) {
        self.route("POST https://as.example/register", move |_| Ok(answer(201, &document)));
    }

    pub(crate) fn tokens(&mut self, document: Value) {
        self.route("POST https://as.example/token", move |_| Ok(answer(200, &document)));
    }

    /// What the browser brings back each time it is opened: the queries of the requests to the callback.
    pub(crate) fn browser(&mut self, browser: impl FnMut(&Url) -> Vec<String> + 'static) {
        self.browser = Box::new(browser);
    }

    pub(crate) fn challenge(&mut self, value: &str) {
        let value = HeaderValue::from_str(value).unwrap();
        self.challenge = Some(HeaderMap::from_iter([(header::WWW_AUTHENTICATE, value)]));
    }

    /// Runs the machine to its end.
    pub(crate) fn run(&mut self) -> Result<Connected, Failed> {
        let begun = Connect::start(self.target.clone(), self.challenge.as_ref())?;
        self.go_on(begun)
    }

    /// Gets new tokens in the place of these, with the sign-in that is kept.
    pub(crate) fn renew(&mut self, tokens: StoredTokens) -> Result<Connected, Failed> {
        let reaches = (self.target.reach, self.target.reach);
        let begun = Connect::renew(tokens, self.identity.clone(), None, reaches, self.now, &mut Counting(9))?;
        self.go_on(begun)
    }

    fn go_on(&mut self, (mut connect, mut step): (Connect, Step)) -> Result<Connected, Failed> {
        let mut entropy = Counting(7);
        loop {
            if let Step::Done(connected) = step {
                self.notes.extend(connected.notes.clone());
                return Ok(*connected);
            }
            // Whoever runs it has to know when no other may do the same.
            let renews = matches!(&step, Step::Send(request) if request.body.starts_with(b"grant_type=refresh_token"));
            assert_eq!(connect.renews_identity(), renews);
            let input = self.perform(step);
            (connect, step) = connect.on(input, self.now, &mut entropy)?;
        }
    }

    /// Runs the machine until the browser is to be opened.
    pub(crate) fn run_to_browser(&mut self, entropy: &mut Counting) -> (Connect, OpenBrowser) {
        let (mut connect, mut step) = Connect::start(self.target.clone(), self.challenge.as_ref()).unwrap();
        loop {
            match step {
                Step::OpenBrowser(page) => return (connect, page),
                step_to_do => (connect, step) = connect.on(self.perform(step_to_do), NOW, entropy).unwrap(),
            }
        }
    }

    fn perform(&mut self, step: Step) -> Input {
        match step {
            Step::Send(request) => Input::Answer(self.send(&request)),
            Step::LoadClient { issuer } => {
                self.order.push("load");
                let stored = self.stored.clone();
                Input::Client(if self.confused_store { stored } else { stored.filter(|c| c.issuer() == &issuer) })
            }
            Step::SaveClient(client) => {
                self.order.push("save");
                self.saved.push(client);
                Input::ClientSaved
            }
            Step::LoadIdentity(key) => {
                self.order.push("who");
                let kept = self.identity.clone().filter(|identity| self.confused_store || identity.key() == key);
                Input::Identity(kept.map(Box::new))
            }
            Step::SaveIdentity(identity) => {
                self.order.push("keep");
                self.identity = Some(StoredIdentity { generation: identity.generation + 1, ..*identity });
                Input::IdentitySaved
            }
            Step::HoldPort(wanted) => {
                self.order.push("hold");
                let port = if let PortChoice::Only(port) = wanted.port { port } else { self.port };
                let usual = format!("http://{}:{port}{}", wanted.host, wanted.path);
                self.held.push(wanted);
                Input::PortHeld { redirect_uri: self.held_instead.clone().unwrap_or(usual) }
            }
            Step::OpenBrowser(page) => {
                self.order.push("browser");
                self.callbacks.extend((self.browser)(&page.url));
                self.opened.push(page.url);
                self.notes.extend(page.notes);
                self.next_callback()
            }
            Step::KeepWaiting { why, .. } => {
                self.not_taken.push(why);
                self.next_callback()
            }
            Step::ShowDeviceCode(code) => {
                self.order.push("show");
                self.pass(code.wait);
                self.shown.push(*code);
                self.waited()
            }
            Step::Wait(time) => {
                self.order.push("wait");
                self.pass(time);
                self.waited()
            }
            Step::AskAgain { pause, .. } => {
                self.order.push("again");
                self.pass(pause);
                self.waited()
            }
            Step::Done(_) => unreachable!("the run ends before"),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.waits.push(time);
        self.now = self.now.plus(time);
    }

    fn waited(&mut self) -> Input {
        self.patience -= 1;
        if self.patience == 0 { Input::TimeUp } else { Input::Waited }
    }

    fn next_callback(&mut self) -> Input {
        self.callbacks.pop_front().map_or(Input::TimeUp, |query| Input::Callback { query })
    }

    fn send(&mut self, request: &Outbound) -> Result<Inbound, FetchFailed> {
        let sent = Sent {
            method: request.method.clone(),
            url: request.url.to_string(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            redirects: request.redirects,
            reach: request.reach,
        };
        assert!(self.sent.len() < MOST_SENT, "it asks {} for ever", sent.url);
        let place = format!("{} {}", sent.method, sent.url);
        self.order.push(if sent.method == Method::GET { "get" } else { "post" });
        self.sent.push(sent.clone());
        match self.routes.get_mut(&place) {
            Some(route) => route(&sent),
            None => Ok(answer(404, &json!({}))),
        }
    }

    /// Where requests went, in order.
    pub(crate) fn urls(&self) -> Vec<&str> {
        self.sent.iter().map(|sent| sent.url.as_str()).collect()
    }

    /// The requests that went to this place.
    pub(crate) fn sent_to(&self, url: &str) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.url == url).collect()
    }
}

/// The `Authorization` header of a request to the tokens' server.
pub(crate) fn shown(tokens: &StoredTokens) -> HeaderValue {
    let url = tokens.resource.url();
    let mut entropy = Counting(9);
    let mut occasion = Occasion { method: &Method::POST, url: &url, nonce: None, now: NOW, entropy: &mut entropy };
    tokens.bearer().headers_for(&tokens.resource, &mut occasion).unwrap()[header::AUTHORIZATION].clone()
}

/// An answer with a JSON body.
pub(crate) fn answer(status: u16, body: &Value) -> Inbound {
    Inbound {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
        body: serde_json::to_vec(body).unwrap(),
    }
}

/// The metadata of a protected resource.
pub(crate) fn resource(resource: &str, servers: &[&str]) -> Value {
    json!({ "resource": resource, "authorization_servers": servers })
}

/// The metadata of an authorization server with everything in its place.
pub(crate) fn server(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// A document with some members changed; `null` takes a member out.
pub(crate) fn with(mut document: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => document.as_object_mut().unwrap().remove(name),
            value => document.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    document
}

/// A parameter of a URL.
pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut values = url.query_pairs().filter(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    let value = values.next();
    assert!(values.next().is_none(), "{name} is repeated");
    value
}

/// A query from its parameters.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// What the usual authorization server sends back when the person says yes.
pub(crate) fn allow(url: &Url) -> String {
    let state = parameter(url, "state").unwrap();
    query(&[("code", "c0de"), ("state", &state), ("iss", ISSUER)])
}

//! What every test here starts from.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use doorward_testkit::process::{Browser, Gateway, GatewayOptions, Opener, Running, Stdio, foreign, http, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const DOORWARD: &str = env!("CARGO_BIN_EXE_doorward");
pub(crate) const NAME: &str = "ada";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const CONTENT: &str = "What the file says.\n";

/// Longer than anything here takes on a busy machine; only a failure waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The real Filesystem server behind a gateway, with one file to read.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    files: TempDir,
}

impl World {
    pub(crate) fn new(flags: &[&str]) -> Self {
        let files = TempDir::new().unwrap();
        std::fs::write(files.path().join("note.txt"), CONTENT).unwrap();
        let server = foreign("npm/node_modules/.bin/mcp-server-filesystem");
        let command = [server.to_str().unwrap(), files.path().to_str().unwrap()];
        let gateway = Gateway::start(GatewayOptions::new(DOORWARD, &command).flags(flags));
        Self { gateway, files }
    }

    /// The path of the file to read.
    pub(crate) fn file(&self) -> PathBuf {
        self.files.path().join("note.txt")
    }
}

/// The spying server behind a gateway.
pub(crate) fn spied(flags: &[&str], environment: &[(&str, &str)]) -> Gateway {
    let spy = repository().join("tests/servers/spy.mjs");
    let options = GatewayOptions::new(DOORWARD, &["node", spy.to_str().unwrap(), "--first", "a b;$(id)"]).flags(flags);
    let options = environment.iter().fold(options, |options, (name, value)| options.environment(name, value));
    Gateway::start(options)
}

/// A person's side: a home of their own, and a `BROWSER` that the test listens to.
pub(crate) struct Person {
    home: TempDir,
    pub(crate) opener: Opener,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::new().unwrap(), opener: Opener::new() }
    }

    /// Where this person's logins lie.
    pub(crate) fn client_dir(&self) -> PathBuf {
        self.home.path().join("client")
    }

    /// `doorward` as this person runs it.
    pub(crate) fn doorward(&self, arguments: &[&str]) -> Command {
        let mut command = self.doorward_alone(arguments);
        command.env("BROWSER", self.opener.program());
        command
    }

    /// The same where nobody can look at a browser: none is named and there is no screen.
    pub(crate) fn doorward_alone(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(DOORWARD);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home.path());
        // There is no keychain in a test's environment.
        command.env("DOORWARD_CLIENT_DIR", self.client_dir()).env("DOORWARD_PLAIN_CREDENTIALS", "1").args(arguments);
        command
    }

    /// Runs a command that ends by itself; the result is its exit code, output and errors.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut running = Running::start(&mut self.doorward_alone(arguments));
        running.close_input();
        let mut output = String::new();
        while let Some(line) = running.maybe_line(PATIENCE) {
            output.push_str(&line);
            output.push('\n');
        }
        let status = running.wait(PATIENCE);
        (status.code(), output, running.errors())
    }

    /// The command that somebody is told to type so that it is about the logins of this person.
    pub(crate) fn login_command(&self, url: &str) -> String {
        format!("doorward login --client-dir {} --plain-credentials {url}", self.client_dir().display())
    }

    /// `doorward login`, with the browser pressing the buttons.
    pub(crate) async fn log_in(&self, gateway: &Gateway, browser: &Browser) {
        let mut login = Running::start(&mut self.doorward(&["login", gateway.mcp_url()]));
        let address = self.opener.opened_by(&mut login, PATIENCE);
        browser.sign_in_and_allow(&address, NAME, PASSWORD).await;
        let status = login.wait(PATIENCE);
        assert!(status.success(), "login ended with {status}\n{}", login.errors());
    }

    /// The access token that `doorward token` prints.
    pub(crate) fn token(&self, gateway: &Gateway) -> String {
        let (code, output, errors) = self.run(&["token", gateway.mcp_url()]);
        assert_eq!(code, Some(0), "{errors}");
        output.trim().to_owned()
    }

    /// `doorward connect` as a host would start it.
    pub(crate) fn connect(&self, gateway: &Gateway) -> Stdio {
        Stdio::start(&mut self.doorward(&["connect", gateway.mcp_url()]))
    }
}

/// POSTs one JSON-RPC request of the 2026-07-28 revision.
pub(crate) async fn post(url: &str, token: Option<&str>, method: &str, mut params: Value) -> Answer {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "doorward-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut request = http()
        .post(url)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = params["name"].as_str() {
        request = request.header("mcp-name", name);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    Answer { status, challenge, body: response.text().await.unwrap() }
}

/// Waits until a gateway takes this token no more, since its time is over.
pub(crate) async fn over(gateway: &Gateway, token: &str) {
    let end = Instant::now() + PATIENCE;
    while post(gateway.mcp_url(), Some(token), "tools/list", json!({})).await.status != 401 {
        assert!(Instant::now() < end, "the token does not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    /// The JSON-RPC response, from a JSON body or from the event stream's last event.
    pub(crate) fn message(&self) -> Value {
        let data = self.body.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(&self.body);
        serde_json::from_str(data.trim()).unwrap_or_else(|_| panic!("no message in {self:?}"))
    }

    /// The text of a tool's result.
    pub(crate) fn tool_text(&self) -> String {
        let message = self.message();
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no tool result in {message}")).to_owned()
    }
}

/// The value of one parameter of a challenge such as `Bearer scope="a b", error="x"`.
pub(crate) fn challenge_parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

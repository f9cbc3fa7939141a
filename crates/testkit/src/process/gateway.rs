use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Port, Running};

/// How long a gateway may take to say that it is up: it may have to create its database on a busy machine.
const START: Duration = Duration::from_secs(60);

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The `doorward` program; a test passes `env!("CARGO_BIN_EXE_doorward")`.
    pub program: PathBuf,
    /// Further flags of `serve`.
    pub flags: Vec<String>,
    /// Variables of its environment, besides PATH and a HOME of its own.
    pub environment: Vec<(String, String)>,
    /// The server behind it: the command and its arguments.
    pub server: Vec<String>,
}

impl GatewayOptions {
    /// The gateway in front of this server, with no further flags.
    pub fn new(program: impl Into<PathBuf>, server: &[&str]) -> Self {
        let server = server.iter().map(|word| (*word).to_owned()).collect();
        Self { program: program.into(), flags: Vec::new(), environment: Vec::new(), server }
    }

    /// Adds flags of `serve`.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// `doorward serve` on a port of its own, with a data folder of its own.
pub struct Gateway {
    running: Running,
    options: GatewayOptions,
    folder: TempDir,
    port: Port,
    /// What it printed when it was up.
    pub report: Value,
}

impl Gateway {
    /// Starts it and waits until it is up.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(options: GatewayOptions) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let port = Port::hold();
        let (running, report) = serve(&options, folder.path(), &port);
        Self { running, options, folder, port, report }
    }

    /// Stops it cleanly and starts it again on the same data and the same port.
    ///
    /// # Panics
    /// When it does not come up again.
    pub fn restart(&mut self) {
        self.stop();
        (self.running, self.report) = serve(&self.options, self.folder.path(), &self.port);
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Panics
    /// When it still runs after a minute.
    pub fn stop(&mut self) -> ExitStatus {
        self.running.terminate(START)
    }

    /// The MCP endpoint.
    pub fn mcp_url(&self) -> &str {
        self.text("mcp_url")
    }

    /// The public address, which is also the issuer.
    pub fn public_url(&self) -> &str {
        self.text("public_url")
    }

    /// The one-time link for the first account, while there is no account.
    pub fn setup_url(&self) -> Option<&str> {
        self.report["setup_url"].as_str()
    }

    /// Its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Starts one more process on the same state and under the same public address, as behind a load balancer.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn node(&self) -> Node {
        // It is asked for by number: what a node prints is the public address.
        let port = Port::hold();
        let options = self.options.clone().flags(&["--public-url", self.public_url()]);
        let (running, _) = serve(&options, self.folder.path(), &port);
        Node { running, address: format!("127.0.0.1:{}", port.number()), _port: port }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.running.errors()
    }

    /// Makes an account with `doorward user add`.
    ///
    /// # Panics
    /// When the command fails.
    pub fn add_user(&self, name: &str, password: &str) {
        let mut command = doorward(&self.options.program, self.folder.path());
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command.args(["user", "add", name, "--password-file", "-", "--data-dir"]).arg(self.data_dir());
        let mut adding = Running::start(&mut command);
        adding.write_line(password);
        adding.close_input();
        let status = adding.wait(START);
        assert!(status.success(), "user add failed ({status}): {}", adding.errors());
    }

    /// Runs another command of `doorward` on the gateway's state: gives its exit code, output and errors. The command must
    /// end by itself.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = doorward(&self.options.program, self.folder.path());
        command.args(arguments).env("DOORWARD_DATA_DIR", self.data_dir());
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        let mut running = Running::start(&mut command);
        running.close_input();
        let status = running.wait(START);
        let output: Vec<String> = std::iter::from_fn(|| running.maybe_line(START)).collect();
        (status.code(), output.join("\n"), running.errors())
    }

    fn text(&self, key: &str) -> &str {
        self.report[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.report))
    }
}

/// One more process of a gateway; see [`Gateway::node`].
pub struct Node {
    running: Running,
    address: String,
    _port: Port,
}

impl Node {
    /// Where this process listens, such as `127.0.0.1:40123`. A request needs the public address in its `Host` header.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
}

fn serve(options: &GatewayOptions, folder: &Path, port: &Port) -> (Running, Value) {
    let mut command = doorward(&options.program, folder);
    let listen = format!("127.0.0.1:{}", port.number());
    command.args(["serve", "--json", "--listen", &listen, "--data-dir"]).arg(folder.join("data"));
    command.args(&options.flags).arg("--").args(&options.server);
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
    let mut running = Running::start(&mut command);
    let line = running.line(START);
    let report = serde_json::from_str(&line).unwrap_or_else(|_| panic!("serve --json printed no JSON: {line}"));
    (running, report)
}

/// The program in an environment that holds nothing of the person who runs the tests.
fn doorward(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    command
}

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::Running;

/// A peer that speaks JSON-RPC over its standard streams: an MCP server, or `doorward connect`.
pub struct Stdio {
    running: Running,
    last_id: u64,
    notifications: Vec<Value>,
}

impl Stdio {
    /// Starts the program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self { running: Running::start(command), last_id: 0, notifications: Vec::new() }
    }

    /// Sends one message.
    pub fn send(&mut self, message: &Value) {
        self.running.write_line(&message.to_string());
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes within `deadline`, or when a line of the output is no JSON object.
    pub fn receive(&mut self, deadline: Duration) -> Value {
        let line = self.running.line(deadline);
        let message = serde_json::from_str(&line).ok().filter(Value::is_object);
        message.unwrap_or_else(|| panic!("a line of the output is no message: {line}\n{}", self.running.errors()))
    }

    /// Sends a request and returns the whole response; what comes before it is kept for [`notifications`](Self::notifications).
    ///
    /// # Panics
    /// When no response comes within `deadline`.
    pub fn request(&mut self, method: &str, params: Value, deadline: Duration) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let end = Instant::now() + deadline;
        loop {
            let message = self.receive(end.saturating_duration_since(Instant::now()));
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
            self.notifications.push(message);
        }
    }

    /// Does the `initialize` handshake of 2025-11-25 and returns the server's result.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn initialize(&mut self, deadline: Duration) -> Value {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "doorward-tests", "version": "1"},
        });
        let response = self.request("initialize", params, deadline);
        assert!(response["result"].is_object(), "initialize was refused: {response}\n{}", self.running.errors());
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        response["result"].clone()
    }

    /// Messages that came before the responses that were waited for.
    pub fn notifications(&self) -> &[Value] {
        &self.notifications
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::process::foreign;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn tools_of(program: &Path, arguments: &[&str]) -> Vec<String> {
        let mut server = Stdio::start(Command::new(program).args(arguments));
        server.initialize(PATIENCE);
        let response = server.request("tools/list", json!({}), PATIENCE);
        let tools = response["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {response}"));
        tools.iter().map(|tool| tool["name"].as_str().expect("a tool has a name").to_owned()).collect()
    }

    #[test]
    fn the_foreign_servers_answer() {
        let folder = TempDir::new().unwrap();
        let here = folder.path().to_str().unwrap();
        for (program, arguments, tool) in [
            ("npm/node_modules/.bin/mcp-server-filesystem", &[here][..], "read_text_file"),
            ("npm/node_modules/.bin/mcp-server-everything", &["stdio"][..], "echo"),
            ("pypi/.venv/bin/mcp-server-time", &[][..], "get_current_time"),
            ("pypi/.venv/bin/mcp-server-git", &[][..], "git_status"),
        ] {
            let tools = tools_of(&foreign(program), arguments);
            assert!(tools.iter().any(|name| name == tool), "{program} has {tools:?}");
        }
    }
}

//! What a person sees when the gateway is up: what to open, what to add to a host, where the state lies.

use std::io::IsTerminal as _;

use serde::Serialize;

use crate::output::{self, Paint};

/// A gateway that is up.
#[derive(Debug, Serialize)]
pub(crate) struct Started {
    /// The server's name for people.
    pub(crate) name: String,
    /// Where MCP clients connect.
    pub(crate) mcp_url: String,
    /// The one-time link that makes the first account; absent when there is one.
    pub(crate) setup_url: Option<String>,
    /// The command line for a host that only starts programs.
    pub(crate) connect: String,
    /// Where the state lies.
    pub(crate) data_dir: String,
    /// The database that holds the state; absent when it lies in the folder.
    pub(crate) database: Option<String>,
    /// The address and port where this process listens.
    pub(crate) listen: String,
    /// The gateway's own URL, which is also its issuer.
    pub(crate) public_url: String,
    /// Whether this is plain http on this machine.
    pub(crate) dev_mode: bool,
}

/// Prints it to stdout.
pub(crate) fn show(started: &Started, json: bool) {
    if json {
        let line = serde_json::to_string(started).expect("strings and a boolean serialise");
        output::data(&line);
        return;
    }
    for line in lines(started, Paint::stdout(), std::io::stdout().is_terminal()) {
        output::data(&line);
    }
}

fn lines(started: &Started, paint: Paint, terminal: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if terminal {
        lines.push(format!("\n  {} {}\n", paint.bold("doorward"), paint.dim(&format!("guards {}", started.name))));
    }
    let indent = if terminal { "  " } else { "" };
    let mut row =
        |label: &str, text: &str| lines.push(format!("{indent}{} {text}", paint.dim(&format!("{label:<13}"))));
    row("MCP URL", &paint.bold(&started.mcp_url));
    match &started.setup_url {
        Some(url) => row("First account", &paint.green(url)),
        None => row("Sign in", &format!("{}/sign-in", started.public_url)),
    }
    row("Add to a host", &started.connect);
    row("Apps", &format!("{}/apps", started.public_url));
    row("State", started.database.as_deref().unwrap_or(&started.data_dir));
    if started.dev_mode {
        row("Mode", "development: plain http, for this machine only");
    }
    if terminal {
        lines.push(String::new());
    }
    lines
}

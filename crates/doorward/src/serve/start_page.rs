//! What a person sees when the gateway is up: what to open, what to add to a host, where the state lies.

use std::io::IsTerminal as _;

use doorward_types::{Issuer, providers};
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
    /// The identity providers that say whom to let in.
    pub(crate) enterprises: Vec<Vouching>,
}

/// An identity provider whose word is believed.
#[derive(Debug, Serialize)]
pub(crate) struct Vouching {
    issuer: Issuer,
    /// Why nobody will come with an assertion of it; absent when that is not known.
    doubt: Option<String>,
}

impl Vouching {
    pub(crate) fn of(issuer: &Issuer) -> Self {
        let doubt = providers::of(issuer).and_then(|known| known.doubt_id_jag(issuer));
        Self { issuer: issuer.clone(), doubt }
    }
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
    for enterprise in &started.enterprises {
        row("Enterprise", enterprise.issuer.as_str());
        if let Some(doubt) = &enterprise.doubt {
            row("", &format!("{doubt}; without one nobody comes in that way"));
        }
    }
    if terminal {
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enterprise_that_hardly_vouches_for_anybody_is_told_at_the_start() {
        let known = |issuer: &str| Vouching::of(&Issuer::parse(issuer).unwrap());
        let started = Started {
            name: "Files".into(),
            mcp_url: "https://gw.example/mcp".into(),
            setup_url: None,
            connect: "doorward connect https://gw.example/mcp".into(),
            data_dir: "/var/lib/doorward".into(),
            database: None,
            listen: "127.0.0.1:8420".into(),
            public_url: "https://gw.example".into(),
            dev_mode: false,
            enterprises: vec![known("https://corp.okta.com"), known("https://id.example/realms/one")],
        };
        let lines = lines(&started, Paint::none(), false);
        let [okta, keycloak, doubt] = &lines[lines.len() - 3..] else { panic!("{lines:?}") };
        assert_eq!(okta, "Enterprise    https://corp.okta.com");
        assert_eq!(keycloak, "Enterprise    https://id.example/realms/one");
        assert!(doubt.trim_start().starts_with("Keycloak was not known to issue ID-JAGs"), "{doubt}");
    }
}

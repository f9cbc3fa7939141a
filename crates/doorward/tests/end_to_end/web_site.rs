//! A web site over TLS, and a gateway that trusts its certificate authority.

use std::process::Command;

use doorward_testkit::process::{Authority, Certificate, Gateway, Running, repository};
use serde_json::{Value, json};

use crate::world::{NAME, PASSWORD, PATIENCE, spied};

/// The names of the loopback interface, for a certificate.
pub(crate) const HERE: &str = "DNS:localhost,IP:127.0.0.1";

/// A site of another process, on loopback.
pub(crate) struct WebSite {
    process: Running,
    port: u64,
}

impl WebSite {
    pub(crate) fn start(certificate: &Certificate) -> Self {
        let mut command = Command::new("node");
        command.arg(repository().join("tests/servers/https.mjs")).args([&certificate.certificate, &certificate.key]);
        let mut process = Running::start(&mut command);
        let port = said(&mut process)["port"].as_u64().expect("a port");
        Self { process, port }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// From now on this path answers so; `page` may have `status`, `headers`, `body` and `drip` (milliseconds for a byte).
    pub(crate) fn put(&mut self, path: &str, mut page: Value) {
        page["put"] = json!(path);
        self.process.write_line(&page.to_string());
        said(&mut self.process);
    }

    /// From now on this path answers with this JSON.
    pub(crate) fn put_json(&mut self, path: &str, document: &Value) {
        let headers = json!({"content-type": "application/json"});
        self.put(path, json!({"headers": headers, "body": document.to_string()}));
    }

    /// How often the path was asked for.
    pub(crate) fn count(&mut self, path: &str) -> u64 {
        self.process.write_line(&json!({"count": path}).to_string());
        said(&mut self.process)["count"].as_u64().expect("a number")
    }
}

/// The next line of a program that writes JSON.
pub(crate) fn said(process: &mut Running) -> Value {
    let line = process.line(PATIENCE);
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}\n{}", process.errors()))
}

/// A gateway that was told of the authority, with an account.
pub(crate) fn trusting(authority: &Authority, flags: &[&str]) -> Gateway {
    let file = authority.file();
    let flags = [flags, &["--ca", file.to_str().unwrap()]].concat();
    let gateway = spied(&flags, &[]);
    gateway.add_user(NAME, PASSWORD);
    gateway
}

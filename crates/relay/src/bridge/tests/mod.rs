//! The bridge between a host that is played over pipes and a real HTTP server that answers by a script.

mod anew;
mod authorization;
mod bounds;
mod http_sse;
mod legacy_host;
mod modern;
mod modern_host;
mod noise;
mod possession;
mod resuming;
mod server;
mod sessions;
mod stalls;
mod tokens;
mod wishes;
mod without_login;

use std::{sync::Arc, time::Duration};

use doorward_fetch::{Fetcher, Options, Reach};
use doorward_types::ResourceId;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines},
    task::JoinHandle,
};

use super::{Bridge, BridgeError, BridgeSettings};
use server::{Got, Server};
use tokens::Tokens;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host at a running bridge.
struct Host {
    input: Option<DuplexStream>,
    output: Lines<BufReader<DuplexStream>>,
    bridge: JoinHandle<Result<(), BridgeError>>,
}

impl Host {
    fn start(server: &Server, tokens: &Arc<Tokens>) -> Self {
        Self::with(server, tokens, BridgeSettings::default())
    }

    fn with(server: &Server, tokens: &Arc<Tokens>, settings: BridgeSettings) -> Self {
        let (input, stdin) = tokio::io::duplex(1 << 20);
        let (output, stdout) = tokio::io::duplex(1 << 20);
        let bridge = Bridge {
            settings: BridgeSettings { reach: Reach::Anywhere, ..settings },
            upstream: ResourceId::parse(server.url()).unwrap(),
            bearer: Arc::clone(tokens) as _,
            fetcher: Fetcher::new(Options::default()).unwrap(),
        };
        let bridge = tokio::spawn(bridge.run(stdin, stdout));
        Self { input: Some(input), output: BufReader::new(output).lines(), bridge }
    }

    async fn write(&mut self, text: &str) {
        self.input.as_mut().expect("the input is open").write_all(text.as_bytes()).await.unwrap();
    }

    async fn send(&mut self, message: &Value) {
        self.write(&format!("{message}\n")).await;
    }

    /// The next line, which must be a JSON-RPC message.
    async fn receive(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.expect("a line in time");
        let line = line.unwrap().expect("a line before the end");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.receive().await
    }

    /// Does the handshake of 2025-11-25.
    async fn initialize(&mut self) {
        let answer = self.ask(&initialize()).await;
        assert!(answer["result"].is_object(), "{answer}");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }

    /// Ends the input; gives what the bridge came to and the lines that were left.
    async fn end(mut self) -> (Result<(), BridgeError>, Vec<String>) {
        drop(self.input.take());
        self.ended().await
    }

    /// Waits until the bridge has ended by itself.
    async fn ended(mut self) -> (Result<(), BridgeError>, Vec<String>) {
        let ended = tokio::time::timeout(PATIENCE, &mut self.bridge).await.expect("the bridge ends").unwrap();
        let mut rest = Vec::new();
        while let Some(line) = self.output.next_line().await.unwrap() {
            rest.push(line);
        }
        (ended, rest)
    }
}

/// Waits until the server has got a message like this.
async fn until_got(server: &Server, like: impl Fn(&Got) -> bool) -> Got {
    let found = async {
        loop {
            if let Some(got) = server.got().into_iter().find(&like) {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{:?}", server.methods()))
}

fn initialize() -> Value {
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

fn legacy(id: impl Into<Value>, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {}})
}

fn modern(id: impl Into<Value>, method: &str, name: &str) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {"name": name, "_meta": meta}})
}

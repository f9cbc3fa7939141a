use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) method: String,
    head: String,
    pub(super) body: Value,
}

impl Got {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        Self { method, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
    }

    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header that may be there once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().skip(1).filter_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        let first = found.next();
        assert!(found.next().is_none(), "{name} is there twice");
        first
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The JSON-RPC method.
    pub(super) fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    /// A successful answer to this request.
    pub(super) fn result(&self, result: &Value) -> String {
        json!({"jsonrpc": "2.0", "id": self.body["id"], "result": result}).to_string()
    }
}

/// A connection with a request that waits for its answer.
pub(super) struct Caller(TcpStream);

impl Caller {
    pub(super) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    pub(super) async fn status(&mut self, status: &str, headers: &[(&str, &str)], body: &str) {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        self.raw(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"))
            .await;
    }

    pub(super) async fn json(&mut self, body: &str) {
        self.status("200 OK", &[("content-type", "application/json")], body).await;
    }

    pub(super) async fn accepted(&mut self) {
        self.status("202 Accepted", &[], "").await;
    }

    /// Begins a stream of events, which ends with the connection.
    pub(super) async fn stream(&mut self) {
        self.raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n")
            .await;
    }

    pub(super) async fn event(&mut self, data: &str) {
        self.raw(format!("event: message\ndata: {data}\n\n")).await;
    }

    /// Waits until the other side has closed.
    pub(super) async fn closed(&mut self) {
        let mut rest = [0; 64];
        while self.0.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    }
}

/// A real server on a real port; it ends with the test's runtime.
pub(super) struct Server {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts a server that hands each request and its connection to `answer`.
    pub(super) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Got, Caller) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::start_at(0, answer).await
    }

    /// The same on this port.
    pub(super) async fn start_at<F, A>(port: u16, answer: F) -> Self
    where
        F: Fn(Got, Caller) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&got), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(text) = read_request(&mut connection).await else { return };
                    let request = Got::parse(&text);
                    seen.lock().unwrap().push(request.clone());
                    answer(request, Caller(connection)).await;
                });
            }
        });
        Self { port, got, accepting }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Accepts no further connection: whoever connects is refused.
    pub(super) async fn stop(&self) {
        self.accepting.abort();
        while !self.accepting.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// All requests so far.
    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The JSON-RPC methods of all requests so far; the HTTP method where there is none.
    pub(super) fn methods(&self) -> Vec<String> {
        let name = |got: &Got| if got.rpc().is_empty() { got.method.clone() } else { got.rpc().to_owned() };
        self.got().iter().map(name).collect()
    }
}

/// Reads head and body of one request; `None` when the connection ends before it does.
async fn read_request(connection: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = connection.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
    }
}

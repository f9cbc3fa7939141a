//! A real server on a real port that answers by a script, so that a test can say exactly what goes over the wire.

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// A running server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server that reads one request per connection and hands its text and the connection to `answer`.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(String, TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    let request = read_request(&mut connection).await;
                    seen.lock().unwrap().push(request.clone());
                    answer(request, connection).await;
                });
            }
        });
        Self { url, requests }
    }

    /// Starts a server that answers every request with the same bytes and closes.
    pub(crate) async fn saying(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |_, mut connection| {
            let answer = answer.clone();
            async move {
                let _ = connection.write_all(answer.as_bytes()).await;
                let _ = connection.shutdown().await;
            }
        })
        .await
    }

    /// All requests so far, headers and body as text.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads head and body of one HTTP/1.1 request.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = connection.read(&mut chunk).await.unwrap_or(0);
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0)
        });
        let is_tls = bytes.first() == Some(&0x16);
        if count == 0 || whole || is_tls {
            return text.into_owned();
        }
    }
}

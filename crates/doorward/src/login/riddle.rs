//! Whether a browser that comes to our port comes to us: we go there ourselves, by the same name, and ask what only we
//! can know.

use std::{net::SocketAddr, time::Duration};

use doorward_types::Entropy as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::entropy::SystemEntropy;

/// How long our own port may take to answer us.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most of an answer that is read.
const MOST: u64 = 4 << 10;

/// A path that nobody else knows, and what we say there.
#[derive(Clone, Debug)]
pub(super) struct Riddle {
    pub(super) path: String,
    pub(super) answer: String,
}

/// Who answers at the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// We do.
    Us,
    /// Somebody else does, at least by one of the names' addresses.
    SomebodyElse,
    /// Nobody does, although we listen.
    Nobody,
}

impl Riddle {
    pub(super) fn new() -> Self {
        let word = || {
            let mut bytes = [0; 16];
            SystemEntropy.fill(&mut bytes);
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        Self { path: format!("/{}", word()), answer: word() }
    }

    /// Asks at every address that the name has here, as browsers try them.
    pub(super) async fn ask(&self, host: &str, port: u16) -> Heard {
        let bare = host.trim_matches(['[', ']']);
        let addresses: Vec<SocketAddr> = match bare.parse() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((bare, port))).await {
                Ok(Ok(found)) => found.collect(),
                _ => Vec::new(),
            },
        };
        let asked = addresses.into_iter().map(|address| self.ask_at(host, address));
        let heard = futures_util::future::join_all(asked).await;
        if heard.contains(&Heard::SomebodyElse) {
            Heard::SomebodyElse
        } else if heard.contains(&Heard::Us) {
            Heard::Us
        } else {
            Heard::Nobody
        }
    }

    async fn ask_at(&self, host: &str, address: SocketAddr) -> Heard {
        let asking = async {
            let mut connection = TcpStream::connect(address).await.ok()?;
            let port = address.port();
            let request = format!("GET {} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n", self.path);
            connection.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            // A connection that is cut after our answer has answered.
            let _ = connection.take(MOST).read_to_end(&mut answer).await;
            Some(answer)
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Some(answer)) if String::from_utf8_lossy(&answer).ends_with(&self.answer) => Heard::Us,
            Ok(Some(answer)) if !answer.is_empty() => Heard::SomebodyElse,
            _ => Heard::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn somebody_else_at_the_port_is_told_from_nobody() {
        // proves: BRW-10, BRW-12
        let riddle = Riddle::new();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = other.local_addr().unwrap().port();
        // Listens, and never says a word: as when a packet filter swallows what comes.
        assert_eq!(riddle.ask("127.0.0.1", port).await, Heard::Nobody);
        let answering = tokio::spawn(async move {
            loop {
                let Ok((mut connection, _)) = other.accept().await else { return };
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            }
        });
        assert_eq!(riddle.ask("127.0.0.1", port).await, Heard::SomebodyElse);
        assert_eq!(riddle.ask("localhost", port).await, Heard::SomebodyElse);
        answering.abort();
        let _ = answering.await;
        assert_eq!(riddle.ask("127.0.0.1", port).await, Heard::Nobody, "nobody is there");
    }

    #[test]
    fn no_two_riddles_are_the_same() {
        let (one, other) = (Riddle::new(), Riddle::new());
        assert!(one.path != other.path && one.answer != other.answer && one.path[1..] != one.answer);
    }
}

//! The stdio front: a host's lines become HTTP requests to one MCP server, and its answers become lines.
//!
//! [`Bridge::run`] is a stdio MCP server for the host and the OAuth client's data plane for the server. A host
//! and a server of different eras understand each other. Nothing but JSON-RPC messages, one a line, is ever
//! written to the host.
//!
//! Source: MCP 2026-07-28 transports; MCP 2025-11-25 transports, "Streamable HTTP".

mod answer;
mod bearer;
mod call;
mod elsewhere;
mod eras;
mod events;
mod exchange;
mod find;
mod forgotten;
mod headers;
mod hidden_tools;
mod host;
mod http_sse;
mod incoming;
mod legacy_host;
mod link;
mod listen;
mod modern_host;
mod possession;
mod questions;
mod renew;
mod restore;
mod resume;
mod room;
mod route;
mod session;
mod session_ids;
mod settings;
#[cfg(test)]
mod tests;
mod tool_list;
mod tool_rules;
mod tools;
mod wire;
mod wished;
mod without_login;
mod work;

use std::{sync::Arc, time::Duration};

use doorward_client::Failed;
use doorward_fetch::Fetcher;
use doorward_types::ResourceId;
use tokio::io::{AsyncRead, AsyncWrite};

pub use bearer::{BearerSource, Credential, LoginPage, Why};
pub use hidden_tools::HiddenTools;
use host::{Host, Line, Lines};
use link::Link;
use route::Routes;
pub use settings::{BridgeSettings, Transport};
use wire::Wire;
use work::Work;

/// How long the end may take, after the time that open requests are given.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Why a bridge ended before its host did.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// No request ever got in for want of an access token; the host was told so in the answers to its requests.
    #[error("{0}")]
    NotAuthorized(Failed),
    /// The host's lines cannot be read.
    #[error("the host's messages cannot be read: {0}")]
    Input(std::io::Error),
}

/// A bridge from one host to one MCP server.
pub struct Bridge {
    /// The limits.
    pub settings: BridgeSettings,
    /// The MCP server. The token goes to its URL and nowhere else.
    pub upstream: ResourceId,
    /// Where tokens come from.
    pub bearer: Arc<dyn BearerSource>,
    /// What sends the requests.
    pub fetcher: Fetcher,
}

impl Bridge {
    /// Serves the host until its input ends, its output is closed, or [`BridgeSettings::stop`] is cancelled.
    ///
    /// # Errors
    /// When the host's lines cannot be read, or when no request ever got in. The bridge ends by itself only where no
    /// login elsewhere would help; else it waits for one as long as the host does.
    pub async fn run<R, W>(self, stdin: R, stdout: W) -> Result<(), BridgeError>
    where
        R: AsyncRead + Send + Unpin,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (host, writer) = Host::start(stdout);
        let (stop, drain) = (self.settings.stop.clone(), self.settings.drain);
        let mut lines = Lines::new(stdin, self.settings.max_line);
        let wire = Wire::new(self.settings, self.upstream, self.bearer, self.fetcher);
        let link = Arc::new(Link::new(wire, host));
        let mut work = Work::new(Routes::new(Arc::clone(&link)));
        let ended = loop {
            let line = tokio::select! {
                line = lines.next() => line,
                () = work.settled() => continue,
                failed = link.shut_out() => break Err(BridgeError::NotAuthorized(failed)),
                () = link.host.gone() => break Ok(()),
                () = stop.cancelled() => break Ok(()),
            };
            let taken = async {
                match line {
                    Ok(Line::Whole(line)) => work.take(&line).await,
                    Ok(Line::TooLong(most)) => link.host.refuse_long_line(most).await,
                    Ok(Line::End) => return Some(Ok(())),
                    Err(error) => return Some(Err(BridgeError::Input(error))),
                }
                None
            };
            // A host that does not read holds up what is said to it; the bridge can be ended all the same.
            tokio::select! {
                end = taken => if let Some(end) = end { break end },
                () = link.host.gone() => break Ok(()),
                () = stop.cancelled() => break Ok(()),
            }
        };
        work.finish(if ended.is_ok() { drain } else { Duration::ZERO }).await;
        let goodbye = async { tokio::join!(work.tell_unanswered(), link.end_session()) };
        let _ = tokio::time::timeout(LAST_WORDS, goodbye).await;
        // Input that ends early leaves no time to say in the loop that nobody was let in.
        let ended =
            ended.and_then(|()| link.was_shut_out().map_or(Ok(()), |failed| Err(BridgeError::NotAuthorized(failed))));
        drop((work, link));
        writer.finish().await;
        ended
    }
}

/// The private reader of event streams, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    use super::events::Events;

    /// All events of these chunks as text, or that one is too long.
    pub(crate) fn events(chunks: &[&[u8]], most: usize) -> Option<Vec<(String, String)>> {
        let mut events = Events::new(most);
        let mut all = Vec::new();
        for chunk in chunks {
            all.extend(events.feed(chunk).ok()?.into_iter().map(|event| (event.kind, event.data)));
        }
        Some(all)
    }
}

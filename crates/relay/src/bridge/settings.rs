use std::time::Duration;

use doorward_fetch::Reach;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::HiddenTools;

/// How to speak to a server of an unknown age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP; if the server refuses that, the HTTP+SSE of 2024-11-05.
    #[default]
    HttpFirst,
    /// The other way round.
    SseFirst,
    /// Streamable HTTP and nothing else.
    HttpOnly,
    /// The HTTP+SSE of 2024-11-05 and nothing else.
    SseOnly,
}

/// The limits of a bridge, and how it is ended.
#[derive(Clone, Debug)]
pub struct BridgeSettings {
    /// Which addresses the MCP server may have.
    pub reach: Reach,
    /// How to speak to the server.
    pub transport: Transport,
    /// What every request to the server carries besides what the protocol puts there, and never in its place.
    pub headers: HeaderMap,
    /// The tools that the host is not to have.
    pub hidden_tools: HiddenTools,
    /// The most bytes of one line from the host.
    pub max_line: usize,
    /// The most bytes of one message from the server.
    pub max_message: usize,
    /// The most requests of the host that are open at one time.
    pub max_in_flight: usize,
    /// How long the server may take to start its answer, and then to finish it; if that is a stream of events, how long
    /// it may be silent.
    pub answer_timeout: Duration,
    /// How long a request that did not reach the server is tried again, once the server was reached before. A request
    /// that may have reached it is never sent again.
    pub reconnect_for: Duration,
    /// How long it is tried to resume a stream that broke.
    pub resume_for: Duration,
    /// How long the stream for what the server says unasked may be silent before another is asked for.
    pub listen_silence: Duration,
    /// How long calls wait for that stream to be open; some servers say nothing before there is something to say.
    pub listen_opens: Duration,
    /// How long an answer may wait for what was said before it to be dealt with.
    pub catching_up: Duration,
    /// How long open requests may still take after the host's end of input.
    pub drain: Duration,
    /// Ends the bridge as the host's end of input does.
    pub stop: CancellationToken,
}

impl Default for BridgeSettings {
    fn default() -> Self {
        Self {
            reach: Reach::Public,
            transport: Transport::HttpFirst,
            headers: HeaderMap::new(),
            hidden_tools: HiddenTools::default(),
            max_line: 10 << 20,
            max_message: 64 << 20,
            max_in_flight: 256,
            answer_timeout: Duration::from_secs(600),
            reconnect_for: Duration::from_secs(20),
            resume_for: Duration::from_secs(120),
            listen_silence: Duration::from_secs(300),
            listen_opens: Duration::from_millis(500),
            catching_up: Duration::from_secs(1),
            drain: Duration::from_secs(5),
            stop: CancellationToken::new(),
        }
    }
}

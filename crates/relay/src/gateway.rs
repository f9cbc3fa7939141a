use std::sync::Arc;

use bytes::Bytes;
use doorward_resource_server::Guard;
use doorward_types::Timestamp;
use http::{Request, Response};
use http_body::Body;
use tokio_util::sync::CancellationToken;

use crate::{
    RelayBody, Settings, ToolSummary,
    front::{self, Sessions},
    upstream::stdio::Pool,
};

/// Tells the time.
pub type Clock = fn() -> Timestamp;

/// One protected MCP server: an HTTP endpoint in front of a server that runs as a stdio child. Clones are the
/// same gateway.
#[derive(Clone)]
pub struct Gateway {
    parts: Arc<Parts>,
}

/// What a gateway consists of.
pub(crate) struct Parts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) clock: Clock,
    pub(crate) pool: Pool,
    pub(crate) sessions: Sessions,
    pub(crate) stopping: CancellationToken,
}

/// Why the server could not be asked something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RelayError(pub(crate) String);

impl Gateway {
    /// A gateway that lets through what `guard` admits. Nothing is started yet.
    pub fn new(settings: Settings, guard: Arc<Guard>, clock: Clock) -> Self {
        let settings = Arc::new(settings);
        let parts = Parts {
            pool: Pool::new(settings.clone()),
            sessions: Sessions::new(&settings.limits),
            settings,
            guard,
            clock,
            stopping: CancellationToken::new(),
        };
        Self { parts: Arc::new(parts) }
    }

    /// Answers any request to the endpoint. The answer to a mistake is a 4xx; it never fails.
    ///
    /// Source: MCP 2026-07-28 and 2025-11-25 transports, "Streamable HTTP".
    pub async fn handle<B>(&self, request: Request<B>) -> Response<RelayBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        front::handle(&self.parts, request).await
    }

    /// The tools that the server offers to `subject`, with what a call of each needs. Starts the subject's
    /// server when it does not run.
    ///
    /// # Errors
    /// Says why the server could not be started or asked.
    pub async fn tools(&self, subject: &str) -> Result<Vec<ToolSummary>, RelayError> {
        let (_, child) = self.parts.pool.child(subject).await.map_err(|why| RelayError(why.to_string()))?;
        let tools = child.tools().await.map_err(|why| RelayError(why.to_string()))?;
        Ok(tools.iter().map(|tool| tool.summary.clone()).collect())
    }

    /// Ends the streams that have no end of their own (sessions' streams, `subscriptions/listen`) and lets calls
    /// finish: for when the gateway is about to stop, before its connections are drained. Once is enough, more
    /// does no harm.
    pub fn end_streams(&self) {
        self.parts.stopping.cancel();
    }

    /// Ends all streams, stops all children and waits until they have ended: at most twice
    /// [`Limits::stop_grace`](crate::Limits::stop_grace). Calls that are still open fail with an error that says so.
    pub async fn shutdown(&self) {
        self.end_streams();
        self.parts.pool.stop().await;
    }
}

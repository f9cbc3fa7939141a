//! Moves MCP messages between two fronts (HTTP, stdio) and upstreams of either era, and forwards only an
//! authorized request.
//!
//! [`Gateway`] is the HTTP front of one protected server that runs as a stdio child. What it forwards is decided
//! by a pure function that takes an [`AuthorizedRequest`](doorward_resource_server::AuthorizedRequest), so a
//! request that was not checked, or the caller's token, has no way to the server.

pub mod bridge;
mod envelope;
mod era;
mod front;
mod gateway;
mod listen;
mod permission;
mod plan;
mod settings;
mod sse;
mod translate;
mod upstream;

pub use front::RelayBody;
pub use gateway::{Clock, Gateway, RelayError};
pub use settings::{InvalidCommand, Limits, Settings};
pub use upstream::stdio::{ToolSummary, watch_children};

/// What reads bytes from outside and is private otherwise, for the fuzzer.
#[cfg(fuzzing)]
pub mod fuzzing;

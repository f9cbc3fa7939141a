//! MCP servers that are children of the gateway and speak over their standard input and output: one child
//! per subject, shared by all that act for it.
//!
//! Source: MCP 2026-07-28 transports, "stdio".

mod calls;
mod child;
mod handshake;
mod pool;
mod process;
mod reader;
mod stderr;
mod tools;
mod watch;
mod writer;

pub(crate) use calls::{Call, CallFailed, Event, Note};
pub(crate) use child::Child;
pub(crate) use pool::{Pool, Slot, Unavailable, Watch};
pub(crate) use tools::Mirrored;
pub use tools::ToolSummary;
pub use watch::watch_children;

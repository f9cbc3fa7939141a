//! Server-sent events, as MCP uses them: each message is one event with one line of data.
//!
//! Source: HTML standard, "Server-sent events"; MCP 2026-07-28 transports, "Streamable HTTP".

/// A comment, which readers skip: it keeps idle connections from being cut.
pub(crate) const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// One message as an event. `json` must be one line.
pub(crate) fn event(json: &str) -> String {
    debug_assert!(!json.contains(['\n', '\r']), "an event's data is one line");
    format!("event: message\ndata: {json}\n\n")
}

//! Moves MCP messages between two fronts (HTTP, stdio) and upstreams of either era, and forwards only an authorized request.

//! Where to log in: the MCP server's metadata, then the authorization server's.

mod old;
pub(crate) mod resource;
pub(crate) mod server;

//! OAuth for MCP servers in one binary: put it in front of a server, connect a host to one, check one.
fn main() {}

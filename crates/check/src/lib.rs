//! Records exchanges with a remote MCP server, judges them by rules with stable ids, and reports.

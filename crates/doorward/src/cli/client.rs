//! What the commands of a person at MCP servers take.

use std::path::PathBuf;

use clap::Args;

use super::{
    bridge::Bridge,
    grants::Grants,
    ladder::{Account, Elsewhere, SignIn},
    mcp_remote::McpRemote,
    registration::OwnClient,
    storage::ClientDir,
};

#[derive(Debug, Args)]
#[command(
    version,
    override_usage = "doorward connect [OPTIONS] <URL>",
    after_help = "In a host's configuration:\n  \"command\": \"doorward\", \"args\": [\"connect\", \"https://mcp.example.com/mcp\"]\n\n\
                  The arguments of mcp-remote are taken too: \"doorward\", \"connect\" go in the place of \"npx\", \"mcp-remote\"."
)]
pub(crate) struct Connect {
    /// The URL of the MCP server.
    pub(crate) url: String,
    /// Ask for exactly these scopes, parted by spaces [default: what the server suggests].
    #[arg(long, env = "DOORWARD_SCOPE", value_name = "SCOPES")]
    pub(crate) scope: Option<String>,
    #[command(flatten)]
    pub(crate) sign_in: SignIn,
    #[command(flatten)]
    pub(crate) account: Account,
    #[command(flatten)]
    pub(crate) own_client: OwnClient,
    #[command(flatten)]
    pub(crate) grants: Grants,
    #[command(flatten)]
    pub(crate) mcp_remote: McpRemote,
    #[command(flatten)]
    pub(crate) client: ClientDir,
    #[command(flatten)]
    pub(crate) bridge: Bridge,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "doorward login [OPTIONS] <URL>",
    after_help = "Example:\n  doorward login https://mcp.example.com/mcp"
)]
pub(crate) struct Login {
    /// The URL of the MCP server.
    #[arg(required_unless_present = "import")]
    pub(crate) url: Option<String>,
    /// Log in again although there is a login.
    #[arg(long, env = "DOORWARD_FORCE")]
    pub(crate) force: bool,
    /// Take over the login that mcp-remote holds in this folder, in place of signing in [default folder: ~/.mcp-auth].
    #[arg(long, env = "DOORWARD_IMPORT", value_name = "DIR", num_args = 0..=1, default_missing_value = "~/.mcp-auth")]
    pub(crate) import: Option<PathBuf>,
    /// Ask for exactly these scopes, parted by spaces [default: what the server suggests].
    #[arg(long, env = "DOORWARD_SCOPE", value_name = "SCOPES")]
    pub(crate) scope: Option<String>,
    #[command(flatten)]
    pub(crate) sign_in: SignIn,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
    #[command(flatten)]
    pub(crate) account: Account,
    #[command(flatten)]
    pub(crate) own_client: OwnClient,
    #[command(flatten)]
    pub(crate) grants: Grants,
    #[command(flatten)]
    pub(crate) mcp_remote: McpRemote,
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  curl -H \"$(doorward token URL --header)\" URL")]
pub(crate) struct Token {
    /// The URL of the MCP server.
    pub(crate) url: String,
    /// Print the whole line of the HTTP header.
    #[arg(long, env = "DOORWARD_HEADER", conflicts_with = "json")]
    pub(crate) header: bool,
    #[command(flatten)]
    pub(crate) account: Account,
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

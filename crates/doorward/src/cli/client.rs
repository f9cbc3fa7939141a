//! What the commands of a person at MCP servers take.

use clap::Args;

use super::{
    bridge::Bridge,
    grants::Grants,
    ladder::{Account, Elsewhere, SignIn},
    registration::OwnClient,
    storage::ClientDir,
};

#[derive(Debug, Args)]
#[command(
    after_help = "In a host's configuration:\n  \"command\": \"doorward\", \"args\": [\"connect\", \"https://mcp.example.com/mcp\"]"
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
    pub(crate) client: ClientDir,
    #[command(flatten)]
    pub(crate) bridge: Bridge,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  doorward login https://mcp.example.com/mcp")]
pub(crate) struct Login {
    /// The URL of the MCP server.
    pub(crate) url: String,
    /// Log in again although there is a login.
    #[arg(long, env = "DOORWARD_FORCE")]
    pub(crate) force: bool,
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

//! What the commands of a person at MCP servers take.

use clap::Args;

use super::{
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
    /// How long the server may take to start its answer to a request, in seconds.
    #[arg(long, env = "DOORWARD_REQUEST_TIMEOUT", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..), value_name = "SECONDS")]
    pub(crate) request_timeout: u64,
    /// The longest line that the host may write, in bytes.
    #[arg(long, env = "DOORWARD_MAX_LINE", default_value_t = 10 << 20, value_name = "BYTES")]
    pub(crate) max_line: usize,
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

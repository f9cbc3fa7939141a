//! What is sent and offered besides, and the arguments by which mcp-remote's users know the rest.

use std::path::PathBuf;

use clap::Args;

/// Headers, hidden tools and what a sign-in page wants. The arguments that are not shown are mcp-remote's own spelling:
/// they have no twins in the environment.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is sent and offered")]
pub(crate) struct McpRemote {
    /// Send this header with every request to the server, as in 'X-Tenant: one'. ${NAME} in it stands for what the
    /// environment says. Repeatable. With an Authorization header there is no login.
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// A file with such headers, one a line; # begins a comment.
    #[arg(long, env = "DOORWARD_HEADER_FILE", value_name = "FILE")]
    pub(crate) header_file: Vec<PathBuf>,
    /// Tools that the host is not to have; * in a name stands for anything. Repeatable.
    #[arg(long, env = "DOORWARD_IGNORE_TOOL", value_name = "NAME", value_delimiter = ',')]
    pub(crate) ignore_tool: Vec<String>,
    /// What the sign-in page wants to know besides, as in audience=https://api.example.com. Repeatable. With a parameter that
    /// chooses whose or what the token is (not prompt and the like), the login is an account of its own, called after it
    /// unless --account is given.
    #[arg(long, env = "DOORWARD_AUTHORIZE_PARAM", value_name = "NAME=VALUE")]
    pub(crate) authorize_param: Vec<String>,
    /// Ask for tokens for this, in place of the server's own identifier; told each time. Such a login is an account of its
    /// own, called after it unless --account is given.
    #[arg(long, env = "DOORWARD_RESOURCE", value_name = "URI")]
    pub(crate) resource: Option<String>,

    /// The port that the browser comes back to.
    #[arg(value_name = "PORT", hide = true, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "redirect_uri")]
    pub(crate) port: Option<u16>,
    /// The host that the browser comes back to.
    #[arg(long, hide = true, value_name = "NAME", conflicts_with = "redirect_uri")]
    pub(crate) host: Option<String>,
    /// The path that the browser comes back to.
    #[arg(long, hide = true, value_name = "PATH", conflicts_with = "redirect_uri")]
    pub(crate) callback_path: Option<String>,
    /// --tolerate no-resource.
    #[arg(long, hide = true)]
    pub(crate) disable_resource_parameter: bool,
    /// --client-id and its secret.
    #[arg(long, hide = true, value_name = "JSON|@FILE", group = "client")]
    pub(crate) static_oauth_client_info: Option<String>,
    /// --scope and more.
    #[arg(long, hide = true, value_name = "JSON|@FILE")]
    pub(crate) static_oauth_client_metadata: Option<String>,
    /// --request-timeout.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub(crate) headers_timeout: Option<String>,
    /// -vv.
    #[arg(long, hide = true)]
    pub(crate) debug: bool,
    /// -q.
    #[arg(long, hide = true)]
    pub(crate) silent: bool,
    /// What is so anyway.
    #[arg(long, hide = true)]
    pub(crate) enable_proxy: bool,
    /// Plain http to other computers.
    #[arg(long, hide = true)]
    pub(crate) allow_http: bool,

    /// Without meaning here.
    #[arg(long, hide = true)]
    pub(crate) keep_alive: bool,
    /// Without meaning here.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub(crate) ping_interval: Option<String>,
    /// Without meaning here.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub(crate) connect_timeout: Option<String>,
    /// Without meaning here.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub(crate) body_timeout: Option<String>,
    /// Without meaning here.
    #[arg(long, hide = true)]
    pub(crate) disable_cookies: bool,
    /// Without meaning here.
    #[arg(long, hide = true, value_name = "URL")]
    pub(crate) auth_success_url: Option<String>,
    /// Without meaning here.
    #[arg(long, hide = true, value_name = "legacy|auto")]
    pub(crate) protocol: Option<String>,

    /// Refused.
    #[arg(long, hide = true, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub(crate) use_id_token: bool,
}

impl McpRemote {
    /// How much is said, where these flags say it.
    pub(crate) fn loudness(&self, verbose: u8, quiet: bool) -> (u8, bool) {
        match (self.debug, self.silent) {
            (true, _) => (verbose.max(2), false),
            (false, true) => (verbose, true),
            (false, false) => (verbose, quiet),
        }
    }
}

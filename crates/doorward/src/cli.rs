//! The command line. Every flag has a twin in the environment: `DOORWARD_` and its name in upper case.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::serve::Limit;

/// OAuth for MCP servers: put it in front of one, or connect a host to one.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, about, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Say more (-v: each step, -vv: details). Secrets are never shown.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, global = true, env = "DOORWARD_QUIET")]
    pub(crate) quiet: bool,
    /// Print one JSON object instead of text; errors become one JSON line on stderr.
    #[arg(long, global = true, env = "DOORWARD_JSON")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put sign-in, consent and tokens in front of an MCP server.
    Serve(Serve),
    /// End a gateway's server processes when the gateway itself was killed. Started by `serve`, not by people.
    #[command(hide = true)]
    WatchChildren,
    /// Be a stdio MCP server for a host, in front of a remote one that asks for a login.
    Connect(Connect),
    /// Log in at an MCP server, with a browser.
    Login(Login),
    /// Show which logins there are.
    List(List),
    /// Print the access token of a login, renewed when it is about to end.
    Token(Token),
    /// Revoke a login at its server and remove it here.
    Logout(Logout),
    /// Administer the accounts of a gateway.
    User {
        #[command(subcommand)]
        command: User,
    },
}

/// Where a gateway keeps its state.
#[derive(Debug, Args)]
pub(crate) struct DataDir {
    /// Where accounts, grants and keys lie [default: the doorward folder of the user's data directory].
    #[arg(long, env = "DOORWARD_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  doorward serve -- npx -y @modelcontextprotocol/server-filesystem .")]
pub(crate) struct Serve {
    /// Address and port to listen on.
    #[arg(long, env = "DOORWARD_LISTEN", default_value = "127.0.0.1:8420", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The URL under which clients and browsers reach this gateway [default: http://localhost:PORT].
    #[arg(long, env = "DOORWARD_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// What people read as the server's name [default: the last part of the command's package].
    #[arg(long, env = "DOORWARD_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Pass this variable of the environment on to the server. It sees no others but PATH, HOME, LANG and the like.
    #[arg(long, env = "DOORWARD_ENV", value_name = "KEY", value_delimiter = ',')]
    pub(crate) env: Vec<String>,
    /// Let web pages of this origin call the MCP endpoint, such as http://localhost:6274. Programs need no leave.
    #[arg(long, env = "DOORWARD_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// The server's command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Limits and time-outs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// How long an access token is good, in seconds.
    #[arg(long, env = "DOORWARD_ACCESS_TOKEN_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86400), value_name = "SECONDS")]
    pub(crate) access_token_seconds: u64,
    /// How long the server may take to answer a request, in seconds.
    #[arg(long, env = "DOORWARD_REQUEST_TIMEOUT", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..), value_name = "SECONDS")]
    pub(crate) request_timeout: u64,
    /// How long the server may take to start, in seconds.
    #[arg(long, env = "DOORWARD_START_TIMEOUT", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..), value_name = "SECONDS")]
    pub(crate) start_timeout: u64,
    /// After how long without a call a person's server process is stopped, in seconds.
    #[arg(long, env = "DOORWARD_IDLE_TIMEOUT", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..), value_name = "SECONDS")]
    pub(crate) idle_timeout: u64,
    /// The largest request that is read, in bytes.
    #[arg(long, env = "DOORWARD_MAX_BODY", default_value_t = 4 << 20, value_name = "BYTES")]
    pub(crate) max_body: usize,
    /// The longest line that the server may write, in bytes.
    #[arg(long, env = "DOORWARD_MAX_LINE", default_value_t = 10 << 20, value_name = "BYTES")]
    pub(crate) max_line: usize,
    /// Another limit, such as servers=200 (see docs/limits.md); repeatable.
    #[arg(long, env = "DOORWARD_LIMIT", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub(crate) limit: Vec<Limit>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account, without a browser.
    Add {
        /// The name to sign in with.
        name: String,
        /// A file whose first line is the password; `-` reads it from standard input.
        #[arg(long, env = "DOORWARD_PASSWORD_FILE", value_name = "FILE")]
        password_file: PathBuf,
        /// The account may administer the gateway.
        #[arg(long)]
        administrator: bool,
        #[command(flatten)]
        data: DataDir,
    },
}

/// Where a person's logins lie.
#[derive(Debug, Args)]
pub(crate) struct ClientDir {
    /// Where logins lie [default: the doorward folder of the user's state directory].
    #[arg(long, alias = "data-dir", env = "DOORWARD_CLIENT_DIR", value_name = "DIR")]
    pub(crate) client_dir: Option<PathBuf>,
}

/// What happens with the sign-in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BrowserChoice {
    /// Open it, with $BROWSER or as the desktop does.
    Open,
    /// Print its address only.
    Print,
    /// Neither: fail when a person is needed.
    None,
}

/// How a person signs in.
#[derive(Debug, Args)]
pub(crate) struct SignIn {
    /// What to do with the sign-in page [default: open it where somebody can look].
    #[arg(long, env = "DOORWARD_BROWSER", value_enum)]
    pub(crate) browser: Option<BrowserChoice>,
    /// How long the sign-in may take, in seconds.
    #[arg(long, env = "DOORWARD_TIMEOUT", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3000), value_name = "SECONDS")]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "In a host's configuration:\n  \"command\": \"doorward\", \"args\": [\"connect\", \"https://mcp.example.com/mcp\"]"
)]
pub(crate) struct Connect {
    /// The URL of the MCP server.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) sign_in: SignIn,
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
    pub(crate) client: ClientDir,
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The URL of the MCP server.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

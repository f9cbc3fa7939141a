//! The command line. Every flag has a twin in the environment: `DOORWARD_` and its name in upper case.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

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

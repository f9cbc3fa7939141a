//! The flags of `doorward serve`.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use doorward_authorization_server::keys::LONGEST_ACCESS_TOKEN;

use super::{
    admin::{OperatorKeyFile, State},
    units::{self, Longest, Span},
};
use crate::serve::{Limit, Network};

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
    /// Believe X-Forwarded-For of proxies at these addresses, such as 10.0.0.0/8. It decides which address limits count
    /// by, and nothing else.
    #[arg(long, env = "DOORWARD_TRUSTED_PROXY", value_name = "ADDRESS[/BITS]", value_delimiter = ',')]
    pub(crate) trusted_proxy: Vec<Network>,
    /// Trust the certificates in this PEM file too, beside the system's, where the gateway reads over https: the keys of
    /// identity providers, documents that describe apps, and their keys. For a company's own certificate authority.
    #[arg(long, env = "DOORWARD_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: State,
    #[command(flatten)]
    pub(crate) key: OperatorKeyFile,
    #[command(flatten)]
    pub(crate) clients: Clients,
    #[command(flatten)]
    pub(crate) lifetimes: Lifetimes,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// The server's command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Which clients are let in.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Clients")]
pub(crate) struct Clients {
    /// Whether apps may register themselves; closed leaves those that you add (doorward client add) and documents.
    #[arg(long, env = "DOORWARD_REGISTRATION", value_enum, default_value_t = Registration::Open)]
    pub(crate) registration: Registration,
    /// Give a secret to apps that register without saying how they prove who they are: for hosts that insist on one.
    #[arg(long, env = "DOORWARD_DCR_CONFIDENTIAL")]
    pub(crate) dcr_confidential: bool,
    /// Whether an app may be named by the URL of a document that describes it [auto: on, unless this machine reaches the
    /// web through a proxy only].
    #[arg(long, env = "DOORWARD_CLIENT_DOCUMENTS", value_enum, default_value_t = OnOff::Auto)]
    pub(crate) client_documents: OnOff,
    /// Publish a document that describes `doorward connect` as a client, at /.well-known/doorward-client.json: people name
    /// it elsewhere with --client-metadata-url, and see this gateway's host as the app that asks.
    #[arg(long, env = "DOORWARD_PUBLISH_CLIENT")]
    pub(crate) publish_client: bool,
    /// Take only authorization requests that were pushed (RFC 9126).
    #[arg(long, env = "DOORWARD_REQUIRE_PAR")]
    pub(crate) require_par: bool,
    /// Bind every token to a key of its holder (DPoP, RFC 9449). Few apps can do that yet.
    #[arg(long, env = "DOORWARD_REQUIRE_DPOP")]
    pub(crate) require_dpop: bool,
    /// Keep only those apps connected that ask for it (offline_access). Many never ask, and their people would have to
    /// sign in every few minutes.
    #[arg(long, env = "DOORWARD_REFRESH_ONLY_WHEN_ASKED")]
    pub(crate) refresh_only_when_asked: bool,
    /// Believe this identity provider's word (ID-JAG) on who may use which app, without asking the person. Repeatable.
    #[arg(long, env = "DOORWARD_ENTERPRISE_ISSUER", value_name = "URL", value_delimiter = ',')]
    pub(crate) enterprise_issuer: Vec<String>,
    /// Issue tokens for this MCP server too, which checks them itself, by signature or by asking (client add --protects).
    /// Repeatable; apps then have to say for which server they ask.
    #[arg(long, env = "DOORWARD_ALSO_RESOURCE", value_name = "NAME=URL", value_delimiter = ',')]
    pub(crate) also_resource: Vec<String>,
}

/// Whether apps may register themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Registration {
    /// Any app may.
    Open,
    /// None may.
    Closed,
}

/// A switch that can find out by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
    /// As it fits.
    Auto,
}

/// How long things last.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Lifetimes")]
pub(crate) struct Lifetimes {
    /// How long an access token is good, in seconds.
    #[arg(long, env = "DOORWARD_ACCESS_TOKEN_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=LONGEST_ACCESS_TOKEN.as_secs()), value_name = "SECONDS")]
    pub(crate) access_token_seconds: u64,
    /// How long an app that does not come back stays connected.
    #[arg(long, env = "DOORWARD_REFRESH_IDLE", default_value = "30d", value_parser = units::some_time, value_name = "TIME")]
    pub(crate) refresh_idle: Span,
    /// How long after a renewal the same answer is given again, for an answer that was lost: 0s to 120s.
    #[arg(long, env = "DOORWARD_REFRESH_GRACE", default_value = "30s", value_parser = units::grace, value_name = "TIME")]
    pub(crate) refresh_grace: Span,
    /// How long a person's consent lasts at the most, whatever they choose.
    #[arg(long, env = "DOORWARD_GRANT_MAX", default_value = "none", value_name = "TIME|none")]
    pub(crate) grant_max: Longest,
    /// The same for apps that you did not add: those that registered themselves or came by a document.
    #[arg(long, env = "DOORWARD_STRANGER_GRANT_MAX", default_value = "none", value_name = "TIME|none")]
    pub(crate) stranger_grant_max: Longest,
    /// How long such an app that does not come back stays connected [default: as all others].
    #[arg(long, env = "DOORWARD_STRANGER_REFRESH_IDLE", value_parser = units::some_time, value_name = "TIME")]
    pub(crate) stranger_refresh_idle: Option<Span>,
    /// The most that such an app can be allowed, scopes parted by spaces [default: everything].
    #[arg(long, env = "DOORWARD_STRANGER_SCOPE", value_name = "SCOPES")]
    pub(crate) stranger_scope: Option<String>,
    /// How long tokens are trusted while nothing is heard from the database; after that calls are refused until it is back.
    #[arg(long, env = "DOORWARD_REVOCATION_BOUND", default_value = "10s", value_parser = units::some_time, value_name = "TIME")]
    pub(crate) revocation_bound: Span,
}

/// Limits and time-outs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
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
    /// How long to wait for the database when it is away at the start.
    #[arg(long, env = "DOORWARD_DATABASE_WAIT", default_value = "30s", value_name = "TIME")]
    pub(crate) database_wait: Span,
    /// Another limit, such as servers=200 (see docs/limits.md); repeatable.
    #[arg(long, env = "DOORWARD_LIMIT", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub(crate) limit: Vec<Limit>,
}

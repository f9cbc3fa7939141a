//! What this program is to the authorization server.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "As which client";

/// A client that was got from the provider.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct OwnClient {
    /// The client identifier that the provider has given out.
    #[arg(long, env = "DOORWARD_CLIENT_ID", value_name = "ID", group = "client")]
    pub(crate) client_id: Option<String>,
    /// A file with the client's secret, or - for the standard input.
    #[arg(long, env = "DOORWARD_CLIENT_SECRET_FILE", value_name = "FILE", requires = "client_id")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// The name of the environment variable that holds the client's secret.
    #[arg(
        long,
        env = "DOORWARD_CLIENT_SECRET_ENV",
        value_name = "NAME",
        requires = "client_id",
        conflicts_with = "client_secret_file"
    )]
    pub(crate) client_secret_env: Option<String>,
    /// A file with the client's private key (PEM or JWK), with which it signs its assertions (private_key_jwt).
    #[arg(
        long,
        env = "DOORWARD_CLIENT_KEY_FILE",
        value_name = "FILE",
        requires = "client_id",
        conflicts_with_all = ["client_secret_file", "client_secret_env"]
    )]
    pub(crate) client_key_file: Option<PathBuf>,
    /// The name (kid) under which the provider knows that key [default: that in a JWK].
    #[arg(long, env = "DOORWARD_CLIENT_KEY_ID", value_name = "KID", requires = "client_key_file")]
    pub(crate) client_key_id: Option<String>,
    /// The authorization server that the identifier is for [default: the one that the MCP server names].
    #[arg(long, env = "DOORWARD_CLIENT_ISSUER", value_name = "ISSUER", requires = "client_id")]
    pub(crate) client_issuer: Option<String>,
    /// Where the browser comes back to, on this computer: what is registered for that client, or else is registered now.
    /// With a port, that very port is used [default: http://127.0.0.1/callback with any port].
    #[arg(long, env = "DOORWARD_REDIRECT_URI", value_name = "URI")]
    pub(crate) redirect_uri: Option<String>,
    /// A file with clients of several providers: [[client]] with issuer, client_id, secret_file or secret_env,
    /// auth_method and redirect_uri.
    #[arg(long, env = "DOORWARD_CLIENTS_FILE", value_name = "FILE")]
    pub(crate) clients_file: Option<PathBuf>,
    /// The URL of a document that describes this program, for servers that take one: your own, or the one that
    /// `doorward serve --publish-client` publishes at /.well-known/doorward-client.json.
    #[arg(long, env = "DOORWARD_CLIENT_METADATA_URL", value_name = "URL")]
    pub(crate) client_metadata_url: Option<String>,
    /// Do not insist on this rule for this server: foreign-metadata, parent-resource, other-issuer, unlisted-pkce,
    /// no-resource. Repeatable; told each time.
    #[arg(long, env = "DOORWARD_TOLERATE", value_name = "RULE", value_delimiter = ',')]
    pub(crate) tolerate: Vec<String>,
}

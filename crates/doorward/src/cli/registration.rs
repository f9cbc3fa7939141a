//! What this program is to the authorization server.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "As which client";

/// A client that was got from the provider.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct OwnClient {
    /// The client identifier that the provider has given out.
    #[arg(long, env = "DOORWARD_CLIENT_ID", value_name = "ID")]
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
}

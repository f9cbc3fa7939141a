//! Tokens without a person, and tokens bound to a key.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "Without a person";
const ENTERPRISE: &str = "By your organisation's word";

/// How a token is got, where not by a person.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct Grants {
    /// The client asks for itself, with its secret or key.
    #[arg(long, env = "DOORWARD_CLIENT_CREDENTIALS", requires = "client", conflicts_with_all = ["assertion_file", "assertion_env", "enterprise_idp"])]
    pub(crate) client_credentials: bool,
    /// A file with an assertion (JWT) that the authorization server trusts, such as a workload's own identity. It is read
    /// again whenever a token is needed; of several, the one for this server that has not expired is shown.
    #[arg(
        long,
        env = "DOORWARD_ASSERTION_FILE",
        value_name = "FILE",
        value_delimiter = ',',
        conflicts_with_all = ["assertion_env", "enterprise_idp"]
    )]
    pub(crate) assertion_file: Vec<PathBuf>,
    /// The name of the environment variable that holds such an assertion.
    #[arg(long, env = "DOORWARD_ASSERTION_ENV", value_name = "NAME", conflicts_with = "enterprise_idp")]
    pub(crate) assertion_env: Option<String>,
    /// The issuer of your organisation's identity provider, which decides who may use the server. You sign in there once for
    /// all servers that believe it.
    #[arg(long, env = "DOORWARD_ENTERPRISE_IDP", value_name = "ISSUER", requires = "enterprise_client_id", help_heading = ENTERPRISE)]
    pub(crate) enterprise_idp: Option<String>,
    /// The client identifier at the identity provider.
    #[arg(long, env = "DOORWARD_ENTERPRISE_CLIENT_ID", value_name = "ID", requires = "enterprise_idp", help_heading = ENTERPRISE)]
    pub(crate) enterprise_client_id: Option<String>,
    /// A file with the client's secret at the identity provider.
    #[arg(long, env = "DOORWARD_ENTERPRISE_CLIENT_SECRET_FILE", value_name = "FILE", requires = "enterprise_idp", help_heading = ENTERPRISE)]
    pub(crate) enterprise_client_secret_file: Option<PathBuf>,
    /// The name of the environment variable that holds that secret.
    #[arg(
        long,
        env = "DOORWARD_ENTERPRISE_CLIENT_SECRET_ENV",
        value_name = "NAME",
        requires = "enterprise_idp",
        conflicts_with = "enterprise_client_secret_file",
        help_heading = ENTERPRISE
    )]
    pub(crate) enterprise_client_secret_env: Option<String>,
    /// A file with the client's private key (PEM or JWK) at the identity provider.
    #[arg(
        long,
        env = "DOORWARD_ENTERPRISE_CLIENT_KEY_FILE",
        value_name = "FILE",
        requires = "enterprise_idp",
        conflicts_with_all = ["enterprise_client_secret_file", "enterprise_client_secret_env"],
        help_heading = ENTERPRISE
    )]
    pub(crate) enterprise_client_key_file: Option<PathBuf>,
    /// The redirect URI that is registered there, on this computer; with a port, that very port is used [default:
    /// http://127.0.0.1/callback with any port].
    #[arg(
        long,
        env = "DOORWARD_ENTERPRISE_REDIRECT_URI",
        value_name = "URI",
        requires = "enterprise_idp",
        help_heading = ENTERPRISE
    )]
    pub(crate) enterprise_redirect_uri: Option<String>,
    /// A file with the ID token that the identity provider gave, where another program signs the person in. It is read again
    /// whenever a token is needed.
    #[arg(long, env = "DOORWARD_ID_TOKEN_FILE", value_name = "FILE", requires = "enterprise_idp", help_heading = ENTERPRISE)]
    pub(crate) id_token_file: Option<PathBuf>,
    /// The name of the environment variable that holds the ID token.
    #[arg(
        long,
        env = "DOORWARD_ID_TOKEN_ENV",
        value_name = "NAME",
        requires = "enterprise_idp",
        conflicts_with = "id_token_file",
        help_heading = ENTERPRISE
    )]
    pub(crate) id_token_env: Option<String>,
    /// Bind tokens to a key that stays here (DPoP), and refuse tokens that are not bound [default: bind them where the
    /// server asks for it].
    #[arg(long, env = "DOORWARD_DPOP", help_heading = "Tokens")]
    pub(crate) dpop: bool,
}

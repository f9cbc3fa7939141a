//! How requests leave this computer.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "Network";

/// The way to the network.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct Network {
    /// Trust the certificates in this file (PEM) besides those of the system.
    #[arg(long, env = "DOORWARD_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Go through this proxy, or through `none` [default: what HTTPS_PROXY and its kin or the system name]. Hosts in
    /// NO_PROXY are reached directly, and this computer always is.
    #[arg(long, env = "DOORWARD_PROXY", value_name = "URL", hide_env_values = true)]
    pub(crate) proxy: Option<String>,
    /// Use IPv4 only.
    #[arg(long, env = "DOORWARD_IPV4")]
    pub(crate) ipv4: bool,
}

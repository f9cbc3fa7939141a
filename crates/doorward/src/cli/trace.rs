//! What `doorward trace` takes.

use std::path::PathBuf;

use clap::Args;

use super::ladder::Account;

#[derive(Debug, Args)]
#[command(
    after_help = "Kept are the last 16 logins, refreshes and logouts, those of doorward connect too, without any secret. With -v \
                  everything is shown that the servers said. With --json there is a line for each step and one for the \
                  end.\n\nExample:\n  doorward trace --last https://mcp.example.com/mcp"
)]
pub(crate) struct Trace {
    /// Show the last one, or with --last=NUMBER as many of the last.
    #[arg(
        long,
        env = "DOORWARD_LAST",
        value_name = "NUMBER",
        required = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = last
    )]
    pub(crate) last: usize,
    /// The URL of an MCP server [default: any].
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) account: Account,
    /// Where logins lie [default: the doorward folder of the user's state directory].
    #[arg(long, env = "DOORWARD_CLIENT_DIR", value_name = "DIR")]
    pub(crate) client_dir: Option<PathBuf>,
}

fn last(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is a whole number above zero".to_owned()),
    }
}

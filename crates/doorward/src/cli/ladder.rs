//! How a person signs in, as whom, and the commands about what came of it.

use clap::{Args, ValueEnum};

use super::ClientDir;

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
    #[arg(long, alias = "auth-timeout", env = "DOORWARD_TIMEOUT", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3000), value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// Sign in on any other device, by typing a code there, where the server can do that.
    #[arg(long, alias = "device-code", env = "DOORWARD_DEVICE")]
    pub(crate) device: bool,
}

/// Signing in where the browser is on another computer.
#[derive(Debug, Default, Args)]
pub(crate) struct Elsewhere {
    /// Sign in on another computer, and paste the address at which its browser ends.
    #[arg(long, env = "DOORWARD_PASTE", conflicts_with = "device")]
    pub(crate) paste: bool,
    /// Whom the sign-in page may take you for, such as an e-mail address.
    #[arg(long, env = "DOORWARD_LOGIN_HINT", value_name = "WHO")]
    pub(crate) login_hint: Option<String>,
}

/// Which of several accounts at one server.
#[derive(Debug, Default, Args)]
pub(crate) struct Account {
    /// Which of several accounts at the server, by a name of your own. An e-mail address is also told to the sign-in
    /// page, so that it need not be typed there.
    #[arg(long, env = "DOORWARD_ACCOUNT", value_name = "NAME", value_parser = account)]
    pub(crate) account: Option<String>,
}

/// A name that fits in a line and in a command.
fn account(text: &str) -> Result<String, String> {
    let right = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    let starts_well = text.chars().next().is_some_and(char::is_alphanumeric);
    if starts_well && text.chars().count() <= 64 && text.chars().all(right) {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 64 letters, digits or . _ - @ + and starts with a letter or digit".to_owned())
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 when the server takes every login that is shown, with 3 when there is none or a new one \
                  is needed, and with 4 or 5 when a server does not answer or does not let you in.\n\nExample:\n  doorward status https://mcp.example.com/mcp"
)]
pub(crate) struct Status {
    /// The URL of an MCP server [default: all].
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) account: Account,
    /// Ask no server whether it still takes the login.
    #[arg(long, env = "DOORWARD_OFFLINE")]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Tokens are renewed by themselves; this is for trying it out.")]
pub(crate) struct Refresh {
    /// The URL of the MCP server.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) account: Account,
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Without --account, all accounts at the server are logged out.")]
pub(crate) struct Logout {
    /// The URL of the MCP server.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) url: Option<String>,
    /// Log out everywhere.
    #[arg(long, env = "DOORWARD_ALL", conflicts_with = "account")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) account: Account,
    #[command(flatten)]
    pub(crate) client: ClientDir,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_what_fits_in_a_command() {
        for good in ["work", "ada@example.com", "a.b_c-d+1", "Über"] {
            assert!(account(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a\nb", "a;b", "$(id)", "\u{202e}a", &"x".repeat(65)] {
            assert!(account(bad).is_err(), "{bad:?}");
        }
    }
}

//! Where the browser comes back to, in mcp-remote's words.

use super::refuse;
use crate::{cli, failure::Failure};

const USUAL_PATH: &str = "/oauth/callback";

/// The redirect URI, if anything is said about it, or there is a port that the provider knows: `known`.
pub(super) fn uri(flags: &cli::McpRemote, known: Option<u16>) -> Result<Option<String>, Box<Failure>> {
    let port = flags.port.or(known);
    if port.is_none() && flags.host.is_none() && flags.callback_path.is_none() {
        return Ok(None);
    }
    let usual = if cfg!(windows) { "127.0.0.1" } else { "localhost" };
    let host = match flags.host.as_deref().unwrap_or(usual) {
        host @ ("localhost" | "127.0.0.1" | "[::1]") => host,
        "::1" => "[::1]",
        other => {
            let why = format!("{other:?} is not this computer, and a code that goes over a network can be read there");
            let next = "leave --host out, or give localhost, 127.0.0.1 or ::1; where the browser is on another computer: \
                        doorward login --paste URL, or --device";
            return Err(refuse("--host", why, next));
        }
    };
    let path = flags.callback_path.as_deref().unwrap_or(USUAL_PATH);
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '"' | '<' | '>');
    if !path.starts_with('/') || !path.chars().all(plain) {
        let why = format!("{path:?} is no path that starts with a slash");
        return Err(refuse("--callback-path", why, "--callback-path /oauth/callback"));
    }
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Ok(Some(format!("http://{host}{port}{path}")))
}

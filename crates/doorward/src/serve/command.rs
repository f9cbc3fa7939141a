//! The server's command: what it is called, and what it sees of our environment.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

/// What the server sees of our environment: what programs need to run at all, and what was named.
pub(super) fn child_environment(named: &[String]) -> BTreeMap<OsString, OsString> {
    const ALWAYS: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TERM",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SystemRoot",
        "ComSpec",
        "PATHEXT",
        "APPDATA",
        "LOCALAPPDATA",
        "USERPROFILE",
        "SystemDrive",
        "windir",
    ];
    ALWAYS
        .iter()
        .map(|name| (*name).to_owned())
        .chain(named.iter().cloned())
        .filter_map(|name| Some((OsString::from(&name), std::env::var_os(&name)?)))
        .collect()
}

/// A name for people out of the server's command: the last part of its package or program.
pub(super) fn name_of(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let runner = |word: &str| {
        matches!(
            Path::new(word).file_stem().and_then(|s| s.to_str()),
            Some("npx" | "uvx" | "node" | "python" | "python3" | "bunx" | "deno")
        )
    };
    let named = if words.first().is_some_and(|first| runner(first)) {
        words.iter().skip(1).find(|word| !word.starts_with('-')).or_else(|| words.first())
    } else {
        words.first()
    };
    let last = named.map_or("", String::as_str).trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default();
    let last = last.split('@').next().unwrap_or(last);
    let stem = last.trim_end_matches(".js").trim_end_matches(".mjs").trim_end_matches(".py");
    let plain = stem.trim_start_matches("mcp-server-").trim_start_matches("server-").trim_end_matches("-mcp");
    let mut letters = plain.chars();
    letters.next().map_or_else(|| "MCP server".to_owned(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_after_its_package() {
        let name = |command: &str| name_of(&command.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(name("npx -y @modelcontextprotocol/server-filesystem ."), "Filesystem");
        assert_eq!(name("npx -y @upstash/context7-mcp@4.1.1"), "Context7");
        assert_eq!(name("/usr/bin/mcp-server-time"), "Time");
        assert_eq!(name("python3 server.py"), "Server");
    }
}

//! Headers of the user's own.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    expand::{expand, variable},
    refuse,
};
use crate::{cli, failure::Failure, private_file};

/// The most bytes of a file with headers.
const MOST_BYTES: u64 = 64 * 1024;

/// What a message says of itself; another word for it would make it another message.
const PROTOCOLS: [&str; 14] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
];

/// The headers that the flags name.
pub(super) struct Read {
    /// As they are sent.
    pub(super) headers: HeaderMap,
    /// As they were written, by which mcp-remote tells one login from another.
    pub(super) written: BTreeMap<String, String>,
}

/// Reads them; of two of one name the later one counts.
pub(super) fn read(flags: &cli::McpRemote) -> Result<Read, Box<Failure>> {
    let mut read = Read { headers: HeaderMap::new(), written: BTreeMap::new() };
    for file in &flags.header_file {
        let text = contents(file).map_err(|error| {
            let next = "name a file with one header a line, as in Authorization: Bearer ...";
            refuse("--header-file", format!("{}: {error}", file.display()), next)
        })?;
        if let Err(error) = private_file::check(file, 0o077) {
            tracing::warn!("{}: {error}", file.display());
        }
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            read.take("--header-file", line)?;
        }
    }
    for text in &flags.header {
        let (name, value) = read.take("--header", text)?;
        if is_secret(&name) && !value.contains("${") {
            tracing::warn!(
                "other users of this computer can read the {name} header in the list of processes: write ${{NAME}} in \
                 it and put it into the environment, or use --header-file"
            );
        }
    }
    Ok(read)
}

impl Read {
    /// Takes one header; gives its name and what was written.
    fn take(&mut self, flag: &str, text: &str) -> Result<(HeaderName, String), Box<Failure>> {
        let next = "write it as NAME: VALUE, as in --header 'X-Tenant: one'";
        // The text may hold a secret and is not repeated.
        let form = |why: &str| refuse(flag, why, next);
        let (name, value) = text.split_once(':').ok_or_else(|| form("a header has no colon after its name"))?;
        let value = value.trim();
        let header =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| form("what stands before a colon is no name"))?;
        self.written.insert(name.to_owned(), value.to_owned());
        let whole = expand(value, &variable)
            .map_err(|why| refuse(flag, format!("{header}: {why}"), "set it, under env in a host's configuration"))?;
        let mut sent = HeaderValue::from_str(whole.trim())
            .map_err(|_| form(&format!("{header} has a value that no header can have")))?;
        sent.set_sensitive(true);
        if PROTOCOLS.contains(&header.as_str()) || header.as_str().starts_with("mcp-") {
            tracing::warn!("the {header} header is doorward's own to say; yours is not sent");
        } else {
            self.headers.insert(header.clone(), sent);
        }
        Ok((header, value.to_owned()))
    }
}

fn contents(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a header of this name likely holds a secret.
fn is_secret(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["authorization", "cookie", "key", "token", "secret"].iter().any(|word| name.contains(word))
}

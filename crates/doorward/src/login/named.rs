//! What a flag only names is read from where it lies: a secret is never a flag's value.

use std::{fmt::Display, io::Read as _, path::Path};

use doorward_client::{Code, Failed};
use doorward_types::{Secret, jose::ClientKey, secret::Kind};
use zeroize::Zeroizing;

/// The most bytes of a file with a secret.
const MOST_BYTES: u64 = 64 * 1024;

/// A key that lies in a file.
pub(super) fn key_in(flag: &str, file: &Path) -> Result<ClientKey, Failed> {
    ClientKey::parse(&read(flag, file)?).map_err(|why| refuse(flag, &format!("{}: {why}", file.display())))
}

/// A secret that lies in a file, or comes from the standard input.
pub(super) fn from_file<K: Kind>(flag: &str, file: &Path) -> Result<Secret<K>, Failed> {
    Secret::parse(read(flag, file)?.trim()).map_err(|why| refuse(flag, &format!("{}: {why}", file.display())))
}

/// A secret that a variable of the environment holds.
pub(super) fn from_variable<K: Kind>(flag: &str, name: &str) -> Result<Secret<K>, Failed> {
    let value = std::env::var(name).map(Zeroizing::new);
    let value = value.map_err(|_| refuse(flag, &format!("the environment has no variable {name}")))?;
    Secret::parse(value.trim()).map_err(|why| refuse(flag, &format!("{name}: {why}")))
}

fn read(flag: &str, file: &Path) -> Result<Zeroizing<String>, Failed> {
    let mut text = Zeroizing::new(String::new());
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(MOST_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MOST_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| refuse(flag, &format!("{}: {error}", file.display())))?;
    Ok(text)
}

/// What a flag names is of no use.
pub(super) fn refuse(flag: &str, why: &dyn Display) -> Failed {
    let what = format!("what {flag} names cannot be used");
    Failed::new(Code::BadTarget, what, why.to_string(), "put that right; doorward help sign-in shows what there is")
}

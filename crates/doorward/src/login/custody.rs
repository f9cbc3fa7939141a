//! Where the key lies that a person's logins are sealed under.

use std::{path::Path, time::Duration};

use doorward_store::{Custody, KeyLies};
use zeroize::Zeroizing;

use crate::{
    cli,
    failure::{Exit, Failure},
    private_file,
};

/// Where the key of the logins lies, by the flags.
pub(super) fn of(flags: &cli::ClientDir) -> Result<Custody, Box<Failure>> {
    if flags.plain_credentials {
        return Ok(Custody::Plain);
    }
    match flags.passphrase_file.as_deref().filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => passphrase(file).map(Custody::Passphrase),
        None => Ok(Custody::Keychain { patience: Duration::from_secs(flags.keychain_seconds) }),
    }
}

/// What keeps others from reading the logins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept(pub(super) KeyLies);

impl Kept {
    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self.0 {
            KeyLies::InKeychain => "sealed, with the key in the system's keychain",
            KeyLies::Nowhere => "sealed under your passphrase",
            KeyLies::Beside => "in plain files: whoever can read your files can use them",
        }
    }

    /// For programs.
    pub(super) const fn name(self) -> &'static str {
        match self.0 {
            KeyLies::InKeychain => "keychain",
            KeyLies::Nowhere => "passphrase",
            KeyLies::Beside => "plain_files",
        }
    }
}

/// The longest passphrase file.
const MOST_PASSPHRASE: u64 = 4096;

/// What stands in the file, without the end of its line.
fn passphrase(file: &Path) -> Result<Zeroizing<Vec<u8>>, Box<Failure>> {
    let unusable = |why: String| {
        Failure::new(
            "CFG-12",
            Exit::Configuration,
            "the passphrase of the logins cannot be read",
            format!("{}: {why}", file.display()),
            "write a long passphrase into that file, which only you can read: chmod 600",
        )
    };
    private_file::check(file, 0o077).map_err(|error| unusable(error.to_string()))?;
    let length = std::fs::metadata(file).map_err(|error| unusable(error.to_string()))?.len();
    if length > MOST_PASSPHRASE {
        return Err(unusable(format!("it holds more than {MOST_PASSPHRASE} bytes")));
    }
    let mut bytes = Zeroizing::new(std::fs::read(file).map_err(|error| unusable(error.to_string()))?);
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(unusable("it is empty".into()));
    }
    Ok(bytes)
}

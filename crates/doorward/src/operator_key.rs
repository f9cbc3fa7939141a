//! The operator key: what the signing keys in the store are sealed under, so that a copy of the store signs nothing.

use std::{
    fs,
    io::{ErrorKind, Read as _},
    path::Path,
};

use doorward_types::{Secret, secret::OperatorKey};

use crate::{
    cli,
    entropy::SystemEntropy,
    failure::{Exit, Failure},
    private_file,
};

/// The variable that holds the key itself, for machines that keep their secrets there.
const VARIABLE: &str = "DOORWARD_KEY";

/// The operator key, and where it came from, for messages.
pub(crate) struct Operator {
    pub(crate) key: Secret<OperatorKey>,
    pub(crate) from: String,
}

/// Whether an operator key may be made where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No signing key was sealed yet, or all of them go: a new one will do.
    Make,
    /// There are signing keys, and a new one would open none of them.
    Refuse,
}

/// Finds the operator key: in the named file, in the environment, else in the data folder, where it is made if it may be.
pub(crate) fn find(flags: &cli::OperatorKeyFile, folder: &Path, missing: Missing) -> Result<Operator, Box<Failure>> {
    let variable = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    match (&flags.key_file, variable) {
        (Some(_), Some(_)) => Err(Failure::new(
            "CFG-06",
            Exit::Configuration,
            "the operator key is given twice",
            format!("--key-file (or DOORWARD_KEY_FILE) names a file, and {VARIABLE} holds a key"),
            "keep one of them",
        )),
        (Some(file), None) => Ok(Operator { key: read(file, 0o007)?, from: file.display().to_string() }),
        (None, Some(text)) => Ok(Operator { key: parse(&text, VARIABLE)?, from: VARIABLE.to_owned() }),
        (None, None) => {
            let file = folder.join("operator.key");
            match missing {
                _ if file.exists() => {}
                Missing::Make => make(&file)?,
                Missing::Refuse => {
                    return Err(Failure::new(
                        "KEY-01",
                        Exit::Configuration,
                        UNREADABLE,
                        format!("{} is not there, and the signing keys are sealed under one", file.display()),
                        "give the one that the gateway began with: --key-file FILE, or DOORWARD_KEY; if it is lost: doorward key rotate --now",
                    ));
                }
            }
            Ok(Operator { key: read(&file, 0o077)?, from: file.display().to_string() })
        }
    }
}

/// Where the operator key is, in words: as [`find`] looks for it, without reading it. None where there is none yet.
pub(crate) fn place(flags: &cli::OperatorKeyFile, folder: &Path) -> Option<String> {
    let own = || Some(folder.join("operator.key")).filter(|file| file.exists()).map(|file| file.display().to_string());
    let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(|_| VARIABLE.to_owned());
    flags.key_file.as_ref().map(|file| file.display().to_string()).or_else(variable).or_else(own)
}

/// A fresh operator key.
pub(crate) fn generate() -> Secret<OperatorKey> {
    Secret::generate(&mut SystemEntropy)
}

fn make(file: &Path) -> Result<(), Box<Failure>> {
    let line = zeroize::Zeroizing::new(format!("{}\n", generate().expose()));
    if let Some(folder) = file.parent() {
        make_folder(folder).map_err(|error| unreadable(&format!("{}: {error}", folder.display())))?;
    }
    private_file::write_new(file, line.as_bytes()).map_err(|error| unreadable(&format!("{}: {error}", file.display())))
}

/// With the state in a database the data folder may not be there yet.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn read(file: &Path, others: u32) -> Result<Secret<OperatorKey>, Box<Failure>> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Failure::new(
            "KEY-01",
            Exit::Configuration,
            UNREADABLE,
            format!("{} is not there", file.display()),
            "make one with: umask 077; doorward key generate > operator.key",
        ),
        _ => unreadable(&format!("{}: {error}", file.display())),
    };
    private_file::check(file, others).map_err(failed)?;
    let mut text = zeroize::Zeroizing::new(String::new());
    // What is longer is another file.
    fs::File::open(file).and_then(|opened| opened.take(4096).read_to_string(&mut text)).map_err(failed)?;
    parse(&text, &file.display().to_string())
}

fn parse(text: &str, from: &str) -> Result<Secret<OperatorKey>, Box<Failure>> {
    let key = Secret::<OperatorKey>::parse(text.trim()).ok();
    // A key that somebody thought up would be the weakest part of all.
    key.filter(Secret::is_well_formed).ok_or_else(|| unreadable(&format!("{from} does not hold an operator key")))
}

const UNREADABLE: &str = "the operator key cannot be read";

/// Of a file that is there: a new key written over it would be the loss of the old one.
fn unreadable(why: &str) -> Box<Failure> {
    let next = "put that right, or name another file with --key-file; keep what is there, the signing keys may need it";
    Failure::new("KEY-01", Exit::Configuration, UNREADABLE, why, next)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        // proves: ADM-06
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data");
        let none = cli::OperatorKeyFile { key_file: None };
        assert!(find(&none, &folder, Missing::Refuse).is_err() && !folder.exists());
        let made = find(&none, &folder, Missing::Make).map(|found| found.key).ok().unwrap();
        assert!(find(&none, &folder, Missing::Make).is_ok_and(|found| found.key.is(&made)));
        let file = folder.join("operator.key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left lying about");

        let named = cli::OperatorKeyFile { key_file: Some(file.clone()) };
        for (mode, good) in [(0o600, true), (0o640, true), (0o644, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(find(&named, &folder, Missing::Make).is_ok(), good, "{mode:o}");
        }
        let missing = cli::OperatorKeyFile { key_file: Some(folder.join("none")) };
        assert!(find(&missing, &folder, Missing::Make).is_err_and(|failure| failure.why.contains("not there")));
    }

    #[test]
    fn a_key_that_somebody_thought_up_is_refused() {
        // proves: ADM-06
        let good = generate();
        assert!(parse(&format!("{}\n", good.expose()), "x").is_ok_and(|read| read.is(&good)));
        for bad in ["", "hunter2", "dwx_short", &good.expose()[1..], "changeme changeme changeme changeme changeme"] {
            assert!(parse(bad, "x").is_err_and(|failure| !failure.why.contains("hunter2")), "{bad}");
        }
    }
}

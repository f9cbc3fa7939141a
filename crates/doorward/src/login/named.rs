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
        std::io::stdin().take(MOST_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MOST_BYTES + 1).read_to_string(&mut text))
    };
    read.map_err(|error| refuse(flag, &format!("{}: {error}", file.display())))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refuse(flag, &format!("{} is larger than 64 KiB", file.display())));
    }
    Ok(text)
}

/// What a flag names is of no use.
pub(super) fn refuse(flag: &str, why: &dyn Display) -> Failed {
    let what = format!("what {flag} names cannot be used");
    Failed::new(Code::BadTarget, what, why.to_string(), "put that right; doorward help sign-in shows what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_refused_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for (more, taken) in [(0, true), (1, false)] {
            let length = usize::try_from(MOST_BYTES).unwrap() + more;
            std::fs::write(&file, "x".repeat(length)).unwrap();
            assert_eq!(read("--client-secret-file", &file).is_ok(), taken, "{length}");
        }
    }
}

//! The key that signs access tokens: made once, kept in a file of its own that only the owner can read.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::Path,
};

use doorward_types::jose::SigningKey;

use crate::failure::Failure;

/// Reads the signing key in `folder`, or makes it.
pub(crate) fn load_or_make(folder: &Path) -> Result<SigningKey, Box<Failure>> {
    let path = folder.join("signing-key.p8");
    let failed = |error: &dyn std::fmt::Display| Failure::store(&format!("{}: {error}", path.display()), folder);
    match fs::read(&path) {
        Ok(bytes) => {
            check_private(&path).map_err(|error| failed(&error))?;
            SigningKey::from_pkcs8(&bytes).map_err(|error| failed(&error))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = SigningKey::generate();
            write_private(&path, key.to_pkcs8()).map_err(|error| failed(&error))?;
            // Another process may have been first: what lies there now is the key.
            let bytes = fs::read(&path).map_err(|error| failed(&error))?;
            SigningKey::from_pkcs8(&bytes).map_err(|error| failed(&error))
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Writes a file whole or not at all, readable by its owner alone. A file that is there already stays.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("tmp-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, unlike a rename, does not replace what another process put there in the meantime.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn check_private(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::symlink_metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let why = format!("others can read it (mode {mode:o}); run: chmod 600 {}", path.display());
            return Err(std::io::Error::new(ErrorKind::PermissionDenied, why));
        }
    }
    let _ = path;
    Ok(())
}

//! Files that only their owner can read, written whole or not at all.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::Path,
};

/// Writes the file unless there is one. Of several processes that try, one succeeds; what lies there then is the file.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("tmp-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // A link, unlike a rename, does not replace what another process put there in the meantime.
    let linked = written.and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Refuses a file that more people can read than its owner (`others` 0o077) or the owner's group (0o007).
pub(crate) fn check(path: &Path, others: u32) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & others != 0 {
            let why = format!("others can read it (mode {mode:o}); run: chmod 600 {}", path.display());
            return Err(std::io::Error::new(ErrorKind::PermissionDenied, why));
        }
    }
    let _ = (path, others);
    Ok(())
}

/// Makes a folder for its owner alone (0700), or finds it so.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(std::io::Error::new(ErrorKind::NotADirectory, "it is no folder"));
    }
    check(path, 0o077)
}

/// Puts a file for its owner alone in the place of what is there, whole or not at all. One process at a time may do it. It
/// need not outlast a loss of power.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("tmp");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&unfinished)?.write_all(bytes)?;
    fs::rename(&unfinished, path)
}

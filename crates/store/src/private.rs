//! Files and directories that are for one user alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Why a path cannot hold a secret. The message says how to put it right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPrivate {
    #[error("{0} is a symbolic link; secrets are kept in real files only: name its target, or remove the link")]
    Link(PathBuf),
    #[error("{0} is not a {1}; name another place, or move it away: mv {0} {0}.old")]
    OtherKind(PathBuf, &'static str),
    #[error(
        "{path} can be opened by other users (mode {found:o}); if it was so by mistake, run: chmod {wanted:o} {path} — \
         if somebody else may have read it, remove it and log in again"
    )]
    Wide { path: PathBuf, found: u32, wanted: u32 },
    #[error(
        "{path} belongs to another user (uid {owner}, and this is uid {user}); run as that user, or name a directory of your own"
    )]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error(
        "{0} has a second name (a hard link), through which it could be read or changed elsewhere; remove it and log in again"
    )]
    HardLink(PathBuf),
    #[error("{0} holds more than {1} bytes, which cannot be right; move it away: mv {0} {0}.old")]
    TooLarge(PathBuf, u64),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> NotPrivate {
    |source| NotPrivate::Io { path: path.to_owned(), source }
}

/// Makes the directory (0700) when there is none, and demands that it is private.
pub(crate) fn directory(path: &Path) -> Result<(), NotPrivate> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if let Err(error) = builder.create(path)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(io(path)(error));
    }
    let metadata = fs::symlink_metadata(path).map_err(io(path))?;
    if metadata.is_symlink() {
        return Err(NotPrivate::Link(path.to_owned()));
    }
    if !metadata.is_dir() {
        return Err(NotPrivate::OtherKind(path.to_owned(), "directory"));
    }
    is_private(path, &metadata, 0o700)
}

/// Opens a private file, for reading alone or for both; `None` when there is none.
pub(crate) fn open(path: &Path, write: bool) -> Result<Option<File>, NotPrivate> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path)(error)),
    };
    if metadata.is_symlink() {
        return Err(NotPrivate::Link(path.to_owned()));
    }
    if !metadata.is_file() {
        return Err(NotPrivate::OtherKind(path.to_owned(), "regular file"));
    }
    let file = match options().read(true).write(write).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path)(error)),
    };
    let metadata = file.metadata().map_err(io(path))?;
    is_private(path, &metadata, 0o600)?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return Err(NotPrivate::HardLink(path.to_owned()));
    }
    Ok(Some(file))
}

/// Reads a private file of at most `most` bytes; `None` when there is none.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, NotPrivate> {
    let Some(file) = open(path, false)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(io(path))?;
    if bytes.len() as u64 > most {
        return Err(NotPrivate::TooLarge(path.to_owned(), most));
    }
    Ok(Some(bytes))
}

/// Opens a private file for locking; makes it when there is none.
pub(crate) fn open_or_create(path: &Path) -> Result<File, NotPrivate> {
    loop {
        if let Some(file) = open(path, true)? {
            return Ok(file);
        }
        match options().read(true).write(true).create_new(true).open(path) {
            Ok(file) => return Ok(file),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(path)(error)),
        }
    }
}

/// Makes a file that was not there, open for reading and writing.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    options().read(true).write(true).create_new(true).open(path)
}

/// Puts `bytes` in place of the file's content: afterwards it holds the old or the new, whatever happens meanwhile.
/// One process at a time may do this; what another left half done is removed.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), NotPrivate> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(&new)(error)),
        _ => {}
    }
    let written = options().write(true).create_new(true).open(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
        let _ = fs::remove_file(&new);
        return Err(io(path)(error));
    }
    sync_directory(path).map_err(io(path))
}

/// Makes the name of a file durable, after a rename or for a new one.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A name alone lies in the working directory.
        Some(directory) if cfg!(unix) && directory.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits();
        options.mode(0o600).custom_flags(i32::try_from(no_follow).unwrap_or_default());
    }
    options
}

#[cfg(unix)]
fn is_private(path: &Path, metadata: &fs::Metadata, wanted: u32) -> Result<(), NotPrivate> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(NotPrivate::Foreign { path: path.to_owned(), owner, user });
    }
    let found = metadata.mode() & 0o7777;
    if found & 0o077 != 0 {
        return Err(NotPrivate::Wide { path: path.to_owned(), found, wanted });
    }
    Ok(())
}

/// Elsewhere a new file gets its access from the user's profile directory.
#[cfg(not(unix))]
fn is_private(_: &Path, _: &fs::Metadata, _: u32) -> Result<(), NotPrivate> {
    Ok(())
}

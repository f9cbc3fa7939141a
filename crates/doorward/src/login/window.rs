//! When a sign-in page was last opened in vain, so that a host which starts its servers again and again does not
//! fill the screen.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use doorward_types::ResourceId;

/// How long after a page that nobody finished no other is opened unasked.
const PAUSE: Duration = Duration::from_secs(120);

/// The mark of one server's page.
pub(crate) struct Window(PathBuf);

impl Window {
    pub(super) fn new(folder: &std::path::Path, resource: &ResourceId) -> Self {
        Self::named(folder, resource.as_str())
    }

    pub(super) fn named(folder: &std::path::Path, page: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, page.as_bytes());
        let name: String = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self(folder.join(format!("window-{name}")))
    }

    /// How long ago a page was opened that was not finished; `None` when that is long ago.
    pub(super) fn opened_lately(&self) -> Option<Duration> {
        let opened = fs::symlink_metadata(&self.0).ok()?.modified().ok()?;
        // A time to come was written by a clock that was wrong.
        SystemTime::now().duration_since(opened).ok().filter(|ago| *ago < PAUSE)
    }

    /// A page is being opened. That it cannot be noted is no reason not to open it.
    pub(super) fn opening(&self) {
        let _ = fs::remove_file(&self.0);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        if let Err(error) = options.open(&self.0) {
            tracing::debug!("the opening of a page was not noted: {error}");
        }
    }

    /// The login came to nothing, and its process knows.
    pub(super) fn unfinished(&self) {
        let noted = fs::OpenOptions::new().write(true).open(&self.0).and_then(|mut file| {
            let opened = file.metadata()?.modified()?;
            file.write_all(b"unfinished")?;
            file.set_modified(opened)
        });
        if let Err(error) = noted {
            tracing::debug!("the end of a login was not noted: {error}");
        }
    }

    /// Whether the last page that was opened was not finished, however long ago.
    pub(super) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok()
    }

    /// Whether a page is open, or was when its process died.
    pub(super) fn is_open(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok_and(|mark| mark.len() == 0)
    }

    /// The login is complete.
    pub(super) fn done(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_not_finished_is_remembered_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let window = |url: &str| Window::new(folder.path(), &ResourceId::parse(url).unwrap());
        let (one, other) = (window("https://a.example/mcp"), window("https://b.example/mcp"));
        assert!(one.opened_lately().is_none());
        one.opening();
        assert!(one.opened_lately().is_some() && other.opened_lately().is_none());
        let file = fs::File::options().write(true).open(&one.0).unwrap();
        for wrong in [SystemTime::now() - PAUSE, SystemTime::now() + PAUSE] {
            file.set_modified(wrong).unwrap();
            assert!(one.opened_lately().is_none(), "{wrong:?}");
        }
        one.opening();
        assert!(one.is_open());
        one.unfinished();
        assert!(!one.is_open() && one.is_there() && one.opened_lately().is_some());
        one.done();
        one.unfinished();
        assert!(one.opened_lately().is_none() && !one.is_there());
    }
}

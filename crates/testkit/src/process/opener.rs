use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::Running;

/// A program for the `BROWSER` variable that opens nothing and tells the test which address it was given.
pub struct Opener {
    folder: TempDir,
    opened: Receiver<String>,
}

impl Opener {
    /// Makes the program.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let pipe = folder.path().join("opened");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
        assert!(made.success(), "mkfifo failed");
        let script = folder.path().join("browser");
        fs::write(&script, format!("#!/bin/sh\nprintf '%s\\n' \"$*\" > '{}'\n", pipe.display())).expect("can write");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("can make it a program");
        let (sender, opened) = channel();
        // Open for writing too, the pipe never ends between two runs of the program.
        let file = fs::File::options().read(true).write(true).open(&pipe).expect("the pipe can be opened");
        thread::spawn(move || {
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { folder, opened }
    }

    /// The value for `BROWSER`.
    pub fn program(&self) -> PathBuf {
        self.folder.path().join("browser")
    }

    /// The address that `running` opens.
    ///
    /// # Panics
    /// When it opens none within `deadline`, or ends without; the message holds what it wrote to standard error.
    pub fn opened_by(&self, running: &mut Running, deadline: Duration) -> String {
        let end = Instant::now() + deadline;
        while Instant::now() < end && running.ended().is_none() {
            if let Some(address) = self.opened(Duration::from_millis(50)) {
                return address;
            }
        }
        // It may have opened one with its last breath.
        self.opened(Duration::from_millis(50)).unwrap_or_else(|| panic!("no browser was opened\n{}", running.errors()))
    }

    /// The address that was opened, or `None` when none is within `deadline`.
    pub fn opened(&self, deadline: Duration) -> Option<String> {
        self.opened.recv_timeout(deadline).ok()
    }
}

impl Default for Opener {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_address_reaches_the_test() {
        let opener = Opener::new();
        for address in ["http://localhost:1/a?b=c&d=%20'", "http://localhost:2/"] {
            assert!(Command::new(opener.program()).arg(address).status().unwrap().success());
            assert_eq!(opener.opened(Duration::from_secs(10)).as_deref(), Some(address));
        }
        assert_eq!(opener.opened(Duration::from_millis(20)), None);
    }
}

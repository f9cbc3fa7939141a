use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, BufRead, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Kills the process groups that `input` names when `input` ends: the whole of the subcommand that
/// [`Settings::watcher`](crate::Settings::watcher) names. A gateway that is killed cannot stop its children any
/// more, but its end of the pipe closes all the same.
///
/// A line `+PID` adds a group, `-PID` takes it out. On Windows a job object does the same without help.
pub fn watch_children(input: impl BufRead) {
    let mut groups = BTreeSet::new();
    for line in input.lines().map_while(Result::ok) {
        let Some((sign, pid)) = line.split_at_checked(1) else { continue };
        // Group 0 would be our own, and 1 is the system's.
        match (sign, pid.parse::<i32>()) {
            ("+", Ok(pid)) if pid > 1 => _ = groups.insert(pid),
            ("-", Ok(pid)) => _ = groups.remove(&pid),
            _ => {}
        }
    }
    #[cfg(unix)]
    for pid in groups {
        use nix::{
            sys::signal::{Signal, killpg},
            unistd::Pid,
        };
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// The gateway's side of [`watch_children`].
pub(super) struct Watcher {
    process: Mutex<(Child, Option<ChildStdin>)>,
}

impl Watcher {
    pub(super) fn start(command: &[OsString]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A Ctrl-C in the terminal is for the gateway, which then stops its children in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let stdin = process.stdin.take();
        Ok(Self { process: Mutex::new((process, stdin)) })
    }

    pub(super) fn started(&self, pid: u32) {
        self.say('+', pid);
    }

    pub(super) fn ended(&self, pid: u32) {
        self.say('-', pid);
    }

    fn say(&self, sign: char, pid: u32) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let said = process.1.as_mut().map(|stdin| stdin.write_all(format!("{sign}{pid}\n").as_bytes()));
        if let Some(Err(error)) = said {
            tracing::warn!(%error, "the watcher of child processes has gone: a killed gateway would leave children behind");
            process.1 = None;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let (process, stdin) = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        *stdin = None;
        let _ = process.wait();
    }
}

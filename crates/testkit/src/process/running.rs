use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::NamedTempFile;

/// A child process in a process group of its own: its standard output is read line by line with a deadline, its
/// standard error goes to a file for diagnosis. Dropped, it is killed with all that it started.
pub struct Running {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: NamedTempFile,
}

impl Running {
    /// Starts the program with pipes for input and output.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let errors = NamedTempFile::new().expect("a temporary file can be made");
        let to_file: File = errors.reopen().expect("a temporary file can be opened again");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(to_file).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = child.stdout.take().expect("the output is a pipe");
        let input = child.stdin.take();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { name, child, input, lines, errors }
    }

    /// The next line of its output.
    ///
    /// # Panics
    /// When none comes within `deadline`, or when the output ends; the message holds what it wrote to standard error.
    pub fn line(&mut self, deadline: Duration) -> String {
        match self.lines.recv_timeout(deadline) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} wrote no line within {deadline:?}\n{}", self.name, self.errors())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("{} closed its output\n{}", self.name, self.errors()),
        }
    }

    /// The next line of its output, or `None` when the output ends or stays silent for `deadline`.
    pub fn maybe_line(&mut self, deadline: Duration) -> Option<String> {
        self.lines.recv_timeout(deadline).ok()
    }

    /// Writes one line to its input.
    ///
    /// # Panics
    /// When the input is closed.
    pub fn write_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input was not closed");
        let written = input.write_all(format!("{line}\n").as_bytes()).and_then(|()| input.flush());
        if let Err(error) = written {
            panic!("{} reads no more: {error}\n{}", self.name, self.errors());
        }
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let end = Instant::now() + deadline;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status,
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
                Ok(None) => panic!("{} still runs after {deadline:?}\n{}", self.name, self.errors()),
                Err(error) => panic!("cannot wait for {}: {error}", self.name),
            }
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    pub fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.wait(deadline)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until what it has written to standard error is as `wanted`, and returns it.
    ///
    /// # Panics
    /// When it is not within `deadline`.
    pub fn errors_until(&self, deadline: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + deadline;
        loop {
            let errors = self.errors();
            if wanted(&errors) {
                return errors;
            }
            assert!(Instant::now() < end, "{} did not write what was waited for\n{errors}", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// All that it has written to standard error so far.
    pub fn errors(&self) -> String {
        std::fs::read(self.errors.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        if thread::panicking() {
            let errors = self.errors();
            let lines: Vec<&str> = errors.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            // The captured output of a failed test is printed with its failure.
            #[allow(clippy::print_stderr, reason = "for the person who reads the failed test")]
            {
                eprintln!("---- standard error of {} ----\n{tail}", self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Running {
        Running::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_go_in_and_out_and_errors_are_kept() {
        let mut echo = shell("read line; echo \"got $line\"; echo trouble >&2; exit 3");
        echo.write_line("it");
        assert_eq!(echo.line(SOON), "got it");
        assert_eq!(echo.wait(SOON).code(), Some(3));
        assert_eq!(echo.errors(), "trouble\n");
        assert_eq!(echo.maybe_line(SOON), None);
    }

    #[test]
    fn grandchildren_die_with_their_handle() {
        let mut parent = shell("sleep 600 & echo $!; wait");
        let grandchild = parent.line(SOON).trim().to_owned();
        drop(parent);
        let end = Instant::now() + SOON;
        let runs = || {
            let status = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            !status.is_empty() && !status.contains(") Z ")
        };
        while runs() {
            assert!(Instant::now() < end, "the grandchild still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

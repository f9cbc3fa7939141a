use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

/// What a gateway puts itself in front of, and what it lets through.
#[derive(Clone, Debug)]
pub struct Settings {
    command: Vec<OsString>,
    /// The whole environment of the children; nothing else of the gateway's own reaches them.
    pub env: BTreeMap<OsString, OsString>,
    /// Where the children run; the gateway's own directory when `None`.
    pub cwd: Option<PathBuf>,
    /// The command that runs [`watch_children`](crate::watch_children) on its standard input, so that no
    /// child outlives a gateway that was killed. Without one a killed gateway's children see the end of
    /// their input, which well-behaved servers end at.
    pub watcher: Option<Vec<OsString>>,
    /// The limits.
    pub limits: Limits,
    /// Values of `Host` that are served, as `host` or `host:port`. Any other name may be an attacker's that
    /// was pointed here.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that are served. Requests without one do not come from a browser's page and pass.
    pub allowed_origins: Vec<String>,
}

/// Why a command cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// Nothing to run.
    #[error("there is no command: name the server's program and its arguments")]
    Empty,
    /// A NUL byte, at which the operating system would cut the text.
    #[error("the command, an argument or the environment contains a NUL byte")]
    Nul,
    /// A batch file, whose arguments Windows passes through a shell.
    #[error("a .bat or .cmd file cannot be run safely with arguments: name the program that it starts")]
    BatchFile,
}

impl Settings {
    /// Settings for the server that `command` (a program and its arguments, no shell) starts, with `env` as
    /// its whole environment.
    ///
    /// # Errors
    /// When the command cannot be run as it is written.
    pub fn new(command: Vec<OsString>, env: BTreeMap<OsString, OsString>) -> Result<Self, InvalidCommand> {
        let program = command.first().filter(|program| !program.is_empty()).ok_or(InvalidCommand::Empty)?;
        let texts = command.iter().chain(env.iter().flat_map(|(name, value)| [name, value]));
        if texts.into_iter().any(|text| text.as_encoded_bytes().contains(&0)) {
            return Err(InvalidCommand::Nul);
        }
        let lower = program.to_string_lossy().to_ascii_lowercase();
        if cfg!(windows) && (lower.ends_with(".bat") || lower.ends_with(".cmd")) {
            return Err(InvalidCommand::BatchFile);
        }
        Ok(Self {
            command,
            env,
            cwd: None,
            watcher: None,
            limits: Limits::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
        })
    }

    /// The program and its arguments.
    pub fn command(&self) -> &[OsString] {
        &self.command
    }
}

/// How much, how long and how many.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of a request's body.
    pub max_body: usize,
    /// How long a caller may take to send a body.
    pub body_timeout: Duration,
    /// The most messages in a batch (2025-03-26).
    pub max_batch: usize,
    /// The most bytes of one line from a child.
    pub max_line: usize,
    /// How long a child may take to take a line.
    pub write_timeout: Duration,
    /// How long a child may take to answer its first request, counted from its start.
    pub start_timeout: Duration,
    /// How long a child may take to show that it is modern before it is asked the older way as well.
    pub probe_timeout: Duration,
    /// How long a call may take.
    pub request_timeout: Duration,
    /// How long a child without callers is kept.
    pub idle_child: Duration,
    /// How often one subject's child may be started again within a minute after it ended by itself or had to be
    /// killed. Each time it is waited for longer.
    pub max_restarts_per_minute: usize,
    /// How long a child may take to end by itself, and again after it was asked to.
    pub stop_grace: Duration,
    /// The most children at one time.
    pub max_children: usize,
    /// The most calls that one child has open at one time.
    pub max_in_flight: usize,
    /// The most sessions of callers that start with `initialize`.
    pub max_sessions: usize,
    /// The most such sessions of one subject; the one that was used least recently makes room.
    pub max_sessions_per_subject: usize,
    /// How long a session without requests is kept.
    pub idle_session: Duration,
    /// After how long an answer that is still open becomes a stream.
    pub stream_after: Duration,
    /// How often a silent stream shows that it is alive.
    pub keep_alive: Duration,
    /// How often an open answer's grant is looked at again.
    pub grant_check: Duration,
    /// How many lines of a child's standard error are logged per second; the rest is counted.
    pub stderr_lines_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 4 << 20,
            body_timeout: Duration::from_secs(30),
            max_batch: 50,
            max_line: 10 << 20,
            write_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(60),
            probe_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(300),
            idle_child: Duration::from_secs(600),
            max_restarts_per_minute: 10,
            stop_grace: Duration::from_secs(2),
            max_children: 64,
            max_in_flight: 256,
            max_sessions: 10_000,
            max_sessions_per_subject: 256,
            idle_session: Duration::from_secs(24 * 3600),
            stream_after: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            grant_check: Duration::from_millis(500),
            stderr_lines_per_second: 50,
        }
    }
}

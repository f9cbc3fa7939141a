//! A child process that plays a role: this test program again, told by its environment what to do.

use std::{
    env,
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

const ROLE: &str = "DOORWARD_TEST_ROLE";
const PLACE: &str = "DOORWARD_TEST_PLACE";
const SEED: &str = "DOORWARD_TEST_SEED";

/// A child process and what it prints.
pub struct Actor {
    pub child: Child,
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Actor {
    /// Starts the test `child` in a process of its own.
    pub fn start(role: &str, place: &Path, seed: u64) -> Self {
        Self::run(Command::new(env::current_exe().unwrap()).args(Self::arguments()), role, place, seed)
    }

    /// As [`start`](Self::start), with more in its environment.
    pub fn start_with(environment: &[(&str, String)], role: &str, place: &Path, seed: u64) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(Self::arguments()).envs(environment.iter().map(|(name, value)| (name, value)));
        Self::run(&mut command, role, place, seed)
    }

    /// As [`start`](Self::start), in a process that may write no file beyond so many KiB: a disk that is full.
    pub fn start_on_a_small_disk(kib: u64, role: &str, place: &Path, seed: u64) -> Self {
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash"]).arg(env::current_exe().unwrap()).args(Self::arguments());
        Self::run(&mut command, role, place, seed)
    }

    fn arguments() -> [&'static str; 4] {
        ["--exact", "child", "--ignored", "--nocapture"]
    }

    fn run(command: &mut Command, role: &str, place: &Path, seed: u64) -> Self {
        let command = command.env(ROLE, role).env(PLACE, place).env(SEED, seed.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the next line that starts with `word`.
    pub fn hear(&mut self, word: &str) -> String {
        self.next(word).unwrap_or_else(|| panic!("the child ended before it said `{word}`"))
    }

    /// As [`hear`](Self::hear); nothing when the child ended before.
    pub fn next(&mut self, word: &str) -> Option<String> {
        self.lines.find_map(|line| line.unwrap().strip_prefix(word).map(|rest| rest.trim().to_owned()))
    }

    /// Lets a child that is [`ready`] go on.
    pub fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// What this process was told: role, place, seed.
pub fn part() -> (String, PathBuf, u64) {
    let seed = env::var(SEED).unwrap().parse().unwrap();
    (env::var(ROLE).unwrap(), PathBuf::from(env::var_os(PLACE).unwrap()), seed)
}

/// Says that this process is ready, then waits for [`Actor::go`].
pub fn ready() {
    println!("\nready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

//! How one scenario of the official suite is played.

use std::{process::Command, time::Duration};

use doorward_testkit::process::{Running, foreign, repository};
use serde_json::json;
use tempfile::TempDir;

/// Longer than any scenario takes on a busy machine; the suite itself gives up after [`TIMEOUT`] milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);
const TIMEOUT: &str = "90000";

/// One scenario at one revision of the specification. `..ROW` gives the usual rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its name in the suite.
    pub(crate) scenario: &'static str,
    /// The revision, or `None` for a scenario that belongs to an extension.
    pub(crate) version: Option<&'static str>,
    /// What follows `doorward connect`. `{name}` is a member of the suite's context, `{file:name}` a file with it and
    /// `{env:name}` the name of an environment variable with it.
    pub(crate) flags: &'static [&'static str],
    /// Variables of that process, with the same braces.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// The revision of the host, where it is not that of the server.
    pub(crate) host: Option<&'static str>,
    /// Whether every tool is called.
    pub(crate) calls: bool,
    /// Whether every resource is read and every prompt is got.
    pub(crate) reads: bool,
    /// What is done with skills: `list`, or `load`, which checks each before it goes on; the empty text is nothing.
    pub(crate) skills: &'static str,
    /// How many times the tools are listed once more after that.
    pub(crate) lists: u32,
    /// The code with which it must come to nothing; `None` where all must go well.
    pub(crate) ends: Option<&'static str>,
}

/// The usual rest of a row.
pub(crate) const ROW: Row = Row {
    scenario: "",
    version: None,
    flags: &[],
    environment: &[],
    host: None,
    calls: true,
    reads: false,
    skills: "",
    lists: 0,
    ends: None,
};

impl Row {
    /// How the host speaks: with `initialize`, or with requests that stand by themselves; and its version.
    fn host(&self) -> (&'static str, &'static str) {
        match self.host.or(self.version).unwrap_or("2025-11-25") {
            "2026-07-28" => ("modern", "2026-07-28"),
            version => ("initialize", version),
        }
    }
}

/// Plays the scenarios of the table one after the other. The exit code of the suite counts, and it counts the client's.
pub(crate) fn play(rows: &[Row]) {
    let failed: Vec<_> = rows.iter().filter_map(|row| play_one(row).err()).collect();
    assert!(failed.is_empty(), "{} of {} scenarios failed\n{}", failed.len(), rows.len(), failed.join("\n"));
}

/// The same at each of these revisions.
pub(crate) fn play_at(versions: &[&'static str], rows: &[Row]) {
    let all: Vec<_> =
        versions.iter().flat_map(|version| rows.iter().map(|row| Row { version: Some(version), ..*row })).collect();
    play(&all);
}

pub(crate) fn play_one(row: &Row) -> Result<(), String> {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let programs = foreign("conformance/node_modules/.bin");
    let clients = repository().join("tests/clients");
    let (era, version) = row.host();
    let environment: serde_json::Map<_, _> =
        row.environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let how = json!({
        "program": env!("CARGO_BIN_EXE_doorward"),
        "arguments": row.flags,
        "environment": environment,
        "era": era,
        "version": version,
        "calls": row.calls,
        "reads": row.reads,
        "skills": row.skills,
        "lists": row.lists,
        "ends": row.ends,
    });
    let mut suite = Command::new(programs.join("conformance"));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("there is a PATH"));
    suite.env_clear().env("PATH", path).env("HOME", folder.path()).env("TMPDIR", folder.path());
    suite.env("DOORWARD_PLAIN_CREDENTIALS", "1");
    suite.env("DOORWARD_CLIENT_DIR", folder.path().join("client")).env("DOORWARD_CONFORMANCE", how.to_string());
    suite.env("BROWSER", format!("node {}", clients.join("follow.mjs").display()));
    let client = format!("node {}", clients.join("conformance-client.mjs").display());
    suite.args(["client", "--command", &client, "--scenario", row.scenario, "--timeout", TIMEOUT, "--output-dir"]);
    suite.arg(folder.path());
    if let Some(version) = row.version {
        suite.args(["--spec-version", version]);
    }
    let mut suite = Running::start(&mut suite);
    let mut said = String::new();
    while let Some(line) = suite.maybe_line(PATIENCE) {
        said.push_str(&line);
        said.push('\n');
    }
    let status = suite.wait(PATIENCE);
    // A scenario that does not exist at this revision is passed over with success.
    if status.success() && !said.contains("SKIPPED") {
        return Ok(());
    }
    let client = std::fs::read_dir(folder.path()).expect("it is there").filter_map(Result::ok);
    let client: String =
        client.filter_map(|entry| std::fs::read_to_string(entry.path().join("stderr.txt")).ok()).collect();
    let version = row.version.unwrap_or("an extension");
    Err(format!("== {} ({version}): {status}\n{said}{}\n-- the client:\n{client}", row.scenario, suite.errors()))
}

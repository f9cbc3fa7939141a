use std::{fmt, process::ExitCode};

use clap::error::ErrorKind;
use serde_json::json;

use crate::{cli, output};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Error = 1,
    Usage = 2,
    AuthenticationNeeded = 3,
    Unreachable = 4,
    Refused = 5,
    Configuration = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure as a person meets it: what happened, why, and what to type next.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Stable, such as `CFG-01`; `docs/errors.md` has a paragraph on each.
    pub(crate) code: &'static str,
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) next: String,
}

impl Failure {
    pub(crate) fn new(
        code: &'static str,
        exit: Exit,
        what: impl Into<String>,
        why: impl fmt::Display,
        next: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self { code, exit, what: what.into(), why: why.to_string(), next: next.into() })
    }

    pub(crate) fn starting(error: &std::io::Error) -> Box<Self> {
        Self::new(
            "SYS-01",
            Exit::Error,
            "doorward could not start",
            error,
            "check the limits of this system (ulimit -a)",
        )
    }

    /// A command line that cannot be read; `None` when help or the version was asked for, or is what answers it.
    pub(crate) fn usage(refusal: &clap::Error) -> Option<Box<Self>> {
        if !refusal.use_stderr() || refusal.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return None;
        }
        let text = refusal.render().to_string();
        let why =
            text.split("\n\nUsage: ").next().and_then(|text| text.split("\n\nFor more").next()).unwrap_or_default();
        let why = why.trim_start_matches("error: ").replace("\n\n  tip: ", "; ");
        let why: Vec<_> = why.split_whitespace().collect();
        let next = format!("{} --help", cli::command_in(std::env::args_os().skip(1)));
        let what = "the command line cannot be read";
        Some(Self::new("CLI-03", Exit::Usage, what, output::harmless(&why.join(" ")), next))
    }

    /// Tells the person (or, with `--json`, the program) on stderr, and gives the exit status.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            let error =
                json!({"error": {"code": self.code, "message": self.what, "reason": self.why, "hint": self.next}});
            output::tell(&error.to_string());
        } else {
            let painted = output::Paint::stderr();
            output::tell(&format!("{} {} [{}]", painted.red("error:"), self.what, self.code));
            output::tell(&format!("  {} {}", painted.dim("why:"), self.why));
            output::tell(&format!("  {} {}", painted.dim("try:"), self.next));
        }
        self.exit.into()
    }
}

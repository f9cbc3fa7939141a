//! What is printed, and where: data to stdout, words for people to stderr.

use std::io::{IsTerminal as _, Write as _};

use owo_colors::OwoColorize as _;

/// Logs go to stderr; `RUST_LOG` narrows or widens them.
pub(crate) fn start_log(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    // A certificate that is not believed is told once, by whoever asked.
    let quieter = "hyper=warn,h2=warn,reqwest=warn,sqlx=warn,rustls_platform_verifier=off";
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("{level},{quieter}")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// A line of data.
pub(crate) fn data(line: &str) {
    // A reader that went away is no failure of ours.
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// A line for people.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// A table on stdout: columns as wide as their widest cell, the first row being their names.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let painted = Paint::stdout();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        data(&if at == 0 { painted.dim(line) } else { line.to_owned() });
    }
}

/// A text that others chose, as one line without anything that a terminal would obey or show as something else.
pub(crate) fn harmless(text: &str) -> String {
    let hidden = |c: char| c.is_control() || doorward_types::is_invisible(c);
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// A moment for people and programs: `2026-07-28T12:00:00Z`.
pub(crate) fn moment(at: doorward_types::Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_unix()).unwrap_or_default().to_string()
}

/// Colours, where a person looks.
#[derive(Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }
    pub(crate) fn stdout() -> Self {
        Self(std::io::stdout().is_terminal())
    }
    pub(crate) fn stderr() -> Self {
        Self(std::io::stderr().is_terminal())
    }
    pub(crate) fn bold(self, text: &str) -> String {
        if self.0 { text.bold().to_string() } else { text.to_owned() }
    }
    pub(crate) fn dim(self, text: &str) -> String {
        if self.0 { text.dimmed().to_string() } else { text.to_owned() }
    }
    pub(crate) fn red(self, text: &str) -> String {
        if self.0 { text.red().bold().to_string() } else { text.to_owned() }
    }
    pub(crate) fn green(self, text: &str) -> String {
        if self.0 { text.green().to_string() } else { text.to_owned() }
    }
}

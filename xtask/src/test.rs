//! `cargo xtask test`: everything that the tests need, then the tests, then one line that counts them.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use anyhow::{Context, Result};

use crate::{foreign, shell};

/// How many tests ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    parts: u64,
}

/// Installs, builds, runs and counts.
pub(crate) fn run(filters: &[&str]) -> Result<bool> {
    let missing = foreign::install();
    println!("test: building");
    let built = shell::succeeds(&mut shell::cargo(&["test", "--workspace", "--quiet", "--no-run"]))?;
    let mut tally = Tally::default();
    if built {
        let succeeded = run_tests(filters, &mut tally)?;
        if !succeeded && tally.failed == 0 {
            println!(
                "test: cargo test failed without naming a test (a test program died, or a documentation test did not build)"
            );
            tally.failed += 1;
        }
    } else {
        println!("test: the build failed");
        tally.failed += 1;
    }
    for part in &missing {
        println!("skipped: {} because {}", part.part, part.because);
    }
    if shell::in_ci() {
        // A machine that proves less than it should must not look like one that proves all.
        tally.failed += missing.len() as u64;
    }
    println!("{tally}");
    Ok(tally.failed == 0)
}

/// Runs the tests, passes their output on as it comes, and adds up the results.
fn run_tests(filters: &[&str], tally: &mut Tally) -> Result<bool> {
    let mut command = shell::cargo(&["test", "--workspace", "--no-fail-fast", "--"]);
    let mut child = command.args(filters).stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("cannot read from cargo test")? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        tally.add(text.trim());
        line.clear();
    }
    Ok(child.wait().context("cargo test vanished")?.success())
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; any other line adds nothing, but one that
    /// says that what was ignored is no test (a part that tests start as a process of its own) is taken off again.
    fn add(&mut self, line: &str) {
        if line.starts_with("test ") && line.contains(" ... ignored, not a test:") {
            self.parts += 1;
        }
        let Some(counts) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else { return };
        for count in counts.1.split("; ") {
            match count.split_once(' ').and_then(|(number, what)| Some((number.parse::<u64>().ok()?, what))) {
                Some((number, "passed")) => self.passed += number,
                Some((number, "failed")) => self.failed += number,
                Some((number, "ignored")) => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        let skipped = self.skipped.saturating_sub(self.parts);
        if skipped > 0 {
            write!(f, ", {skipped} skipped")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up_and_other_lines_do_not() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.01s");
        tally.add("test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 1.20s");
        tally.add("test tests::results ... ok");
        tally.add("test child ... ignored, not a test: started by the others");
        tally.add("running 7 tests");
        assert_eq!(tally, Tally { passed: 5, failed: 1, skipped: 4, parts: 1 });
        assert_eq!(tally.to_string(), "5 passed, 1 failed, 3 skipped");
        assert_eq!(Tally { passed: 1, ..Tally::default() }.to_string(), "1 passed, 0 failed");
    }
}

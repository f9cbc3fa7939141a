//! `cargo xtask bench bridge`: the comparisons of crates/doorward/benches, with what they need.

use anyhow::{Result, bail};

use crate::{foreign, shell};

/// Runs what is named.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    let runs = match arguments {
        ["bridge"] => "15",
        ["bridge", "--runs", runs] => *runs,
        _ => bail!("write it like: cargo xtask bench bridge --runs 15"),
    };
    if !runs.parse::<u32>().is_ok_and(|runs| runs > 0) {
        bail!("`{runs}` is no number of runs");
    }
    foreign::npm("tests/npm")?;
    let bench = ["bench", "--quiet", "--package", "doorward", "--bench", "bridge"];
    shell::succeeds(shell::cargo(&bench).env("DOORWARD_BENCH_RUNS", runs))
}

//! `cargo xtask soak races`: the races of crates/doorward/tests/races, many times over, with what they saw.

use anyhow::{Result, bail};

use crate::shell;

/// Runs what is named so many rounds on each engine.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    let rounds = match arguments {
        ["races"] => "1000",
        ["races", "--rounds", rounds] => *rounds,
        _ => bail!("write it like: cargo xtask soak races --rounds 1000"),
    };
    if !rounds.parse::<u32>().is_ok_and(|rounds| rounds > 0) {
        bail!("`{rounds}` is no number of rounds");
    }
    // One at a time: two races at once would only wait for one another.
    let test = ["test", "--package", "doorward", "--test", "races", "--", "--nocapture", "--test-threads=1"];
    shell::succeeds(shell::cargo(&test).env("DOORWARD_RACE_ROUNDS", rounds))
}

//! `cargo xtask soak races` and `soak bridges`: the races of crates/doorward/tests, many times over, with what they saw.

use anyhow::{Result, bail};

use crate::shell;

/// Runs what is named so many rounds.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    let (what, rounds) = match arguments {
        ["races"] => ("races", "1000"),
        ["bridges"] => ("bridges", "200"),
        [what @ ("races" | "bridges"), "--rounds", rounds] => (*what, *rounds),
        _ => bail!("write it like: cargo xtask soak races --rounds 1000, or: cargo xtask soak bridges --rounds 200"),
    };
    if !rounds.parse::<u32>().is_ok_and(|rounds| rounds > 0) {
        bail!("`{rounds}` is no number of rounds");
    }
    // One at a time: two races at once would only wait for one another.
    let mut test = vec!["test", "--package", "doorward", "--test", what, "--", "--nocapture", "--test-threads=1"];
    let variable = match what {
        "bridges" => {
            test.push("many_bridges_sign_in_once");
            "DOORWARD_BRIDGE_ROUNDS"
        }
        _ => "DOORWARD_RACE_ROUNDS",
    };
    shell::succeeds(shell::cargo(&test).env(variable, rounds))
}

//! Formatting, clippy, banned crates and the arrows.

use anyhow::Result;

use crate::{arrows, bans, shell};

/// Runs every check, also after one has failed, and says at the end which did.
pub(crate) fn run() -> Result<bool> {
    let mut failed = Vec::new();
    println!("lint: rustfmt");
    if !shell::succeeds(&mut shell::cargo(&["fmt", "--all", "--check"]))? {
        failed.push("rustfmt (`cargo fmt --all` repairs it)");
    }
    println!("lint: clippy");
    let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    if !shell::succeeds(&mut shell::cargo(&clippy))? {
        failed.push("clippy");
    }
    if !bans::run()? {
        failed.push("banned crates");
    }
    if !arrows::run()? {
        failed.push("arrows");
    }
    if failed.is_empty() {
        println!("lint: nothing to say");
    } else {
        println!("lint: failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

//! The crates that deny.toml bans, looked for in what is really built here. (`cargo deny check` says more, where it is installed.)

use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Says which banned crate would be built in; true when none is.
pub(crate) fn run() -> Result<bool> {
    let file = shell::root().join("deny.toml");
    let deny = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let tree = ["tree", "--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let output = shell::cargo(&tree).output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let found = built_in(&banned(&deny), &String::from_utf8_lossy(&output.stdout));
    for name in &found {
        println!("{name} is banned by deny.toml; `cargo tree --workspace --invert {name}` says who brings it in");
    }
    Ok(found.is_empty())
}

/// The names in lines such as `{ crate = "ring", reason = "…" },`.
fn banned(deny: &str) -> Vec<&str> {
    deny.lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split_once('"'))
        .map(|(name, _)| name)
        .collect()
}

/// Those of the banned that `cargo tree` lists.
fn built_in(banned: &[&str], tree: &str) -> Vec<String> {
    let mut found: Vec<String> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| banned.contains(name))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banned_crate_is_found_in_the_tree() {
        let deny = "[bans]\ndeny = [\n    { crate = \"ring\", reason = \"two are too many\" },\n]\n";
        assert_eq!(banned(deny), ["ring"]);
        assert_eq!(built_in(&banned(deny), "doorward v0.1.0 (/x)\nring v0.17.8\nring v0.17.8 (*)\n"), ["ring"]);
        assert!(built_in(&banned(deny), "doorward v0.1.0\nstring v1.0.0\n").is_empty());
    }

    #[test]
    fn the_list_in_the_repository_is_read() {
        let text = fs::read_to_string(shell::root().join("deny.toml")).unwrap();
        assert!(banned(&text).contains(&"openssl-sys"));
    }
}

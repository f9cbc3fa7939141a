//! Which of our crates may depend on which: ARCHITECTURE.md's picture, checked against `cargo metadata`.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{pure, shell};

/// Each crate (without the `doorward-` prefix) and the crates of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("client", &["types"]),
    ("resource-server", &["types"]),
    ("authorization-server", &["types"]),
    ("fetch", &["types"]),
    ("check", &["fetch", "types"]),
    ("store", &["authorization-server", "client", "types"]),
    ("relay", &["resource-server", "client", "fetch", "types"]),
    ("web", &["authorization-server", "resource-server", "types"]),
    (
        "doorward",
        &["authorization-server", "check", "client", "fetch", "relay", "resource-server", "store", "types", "web"],
    ),
    ("testkit", &["types"]),
    ("xtask", &[]),
];

/// Crates for tests and for work on the project: nobody may depend on them outside `[dev-dependencies]`.
const DEV_ONLY: &[&str] = &["testkit", "xtask"];

/// One dependency, as a manifest declares it.
#[derive(Debug)]
struct Dependency {
    from: String,
    to: String,
    dev: bool,
}

/// Checks the arrows and the purity of the pure crates, and says what is wrong.
pub(crate) fn run() -> Result<bool> {
    let violations = violations()?;
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        println!("arrows: every dependency points the way it may");
    }
    Ok(violations.is_empty())
}

fn violations() -> Result<Vec<String>> {
    let (members, dependencies) = declared()?;
    let mut found = judge(&members, &dependencies);
    found.extend(pure::violations()?);
    Ok(found)
}

/// The workspace's crates, and all that their manifests depend on.
fn declared() -> Result<(Vec<String>, Vec<Dependency>)> {
    let output = shell::cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cargo metadata gave no JSON: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let (mut members, mut dependencies) = (Vec::new(), Vec::new());
    for package in packages {
        let from = short(text(&package["name"])?);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            dependencies.push(Dependency {
                from: from.clone(),
                to: text(&dependency["name"])?.to_owned(),
                dev: dependency["kind"] == "dev",
            });
        }
        members.push(from);
    }
    Ok((members, dependencies))
}

fn judge(members: &[String], dependencies: &[Dependency]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members {
        if !ARROWS.iter().any(|(name, _)| name == member) {
            found.push(format!("{member} has no row in xtask/src/arrows.rs: say there what it may depend on"));
        }
    }
    for dependency in dependencies.iter().filter(|dependency| !dependency.dev) {
        let (from, to) = (&dependency.from, short(&dependency.to));
        if members.contains(&to) {
            let allowed = ARROWS.iter().find(|(name, _)| name == from).map_or(&[][..], |(_, allowed)| allowed);
            if DEV_ONLY.contains(&to.as_str()) {
                found.push(format!("{from} -> {to}: {to} is for tests only and belongs in [dev-dependencies]"));
            } else if !allowed.contains(&to.as_str()) {
                let list = if allowed.is_empty() { "none of our crates".to_owned() } else { allowed.join(", ") };
                found.push(format!("{from} -> {to}: {from} may depend on {list}"));
            }
        } else if pure::CRATES.contains(&from.as_str()) && pure::FORBIDDEN_CRATES.contains(&to.as_str()) {
            found.push(format!("{from} -> {to}: {from} is pure (no runtime, no clock, no randomness of its own)"));
        }
    }
    found
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("cargo metadata has a name that is no text")
}

fn short(name: &str) -> String {
    name.strip_prefix("doorward-").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_keeps_its_arrows() {
        assert_eq!(violations().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_arrow_is_named_with_its_rule() {
        let members: Vec<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let verdict = |from: &str, to: &str, dev| {
            judge(&members, &[Dependency { from: from.to_owned(), to: to.to_owned(), dev }]).join("\n")
        };
        assert_eq!(verdict("relay", "doorward-resource-server", false), "");
        assert_eq!(verdict("client", "doorward-fetch", false), "client -> fetch: client may depend on types");
        assert_eq!(
            verdict("types", "doorward-client", false),
            "types -> client: types may depend on none of our crates"
        );
        assert!(verdict("web", "doorward-testkit", false).contains("for tests only"));
        assert_eq!(verdict("web", "doorward-testkit", true), "");
        assert!(verdict("client", "tokio", false).contains("client is pure"));
        assert_eq!(verdict("client", "tokio", true), "");
        assert_eq!(verdict("fetch", "tokio", false), "");
    }

    #[test]
    fn a_crate_without_a_row_is_noticed() {
        assert_eq!(judge(&["gadget".to_owned()], &[]).len(), 1);
    }
}

//! The pure crates: no runtime, no clock, no randomness of their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::shell;

/// The crates that decide and do nothing.
pub(crate) const CRATES: &[&str] = &["types", "client", "resource-server", "authorization-server"];

/// What a pure crate may not depend on.
pub(crate) const FORBIDDEN_CRATES: &[&str] = &[
    "tokio",
    "tokio-util",
    "reqwest",
    "hyper",
    "hyper-util",
    "axum",
    "sqlx",
    "rand",
    "getrandom",
    "async-std",
    "smol",
];

/// What a pure crate may not write outside its tests. The signature's nonce is the crypto library's own affair.
const FORBIDDEN_WORDS: &[&str] =
    &["SystemTime::now", "Instant::now", "tokio::", "thread::sleep", "OsRng", "thread_rng", "std::env::", "std::fs::"];

/// Each place where a pure crate reaches out by itself.
pub(crate) fn violations() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in CRATES {
        let folder = shell::root().join("crates").join(name).join("src");
        for file in rust_files(&folder)? {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let shown = file.strip_prefix(shell::root()).unwrap_or(&file).display().to_string();
            found.extend(judge(&shown, &text).into_iter().map(|place| format!("{name}: {place}: {name} is pure")));
        }
    }
    Ok(found)
}

/// Judges what stands before the file's unit tests; comments are free to mention anything.
fn judge(file: &str, text: &str) -> Vec<String> {
    let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").enumerate();
    let mut found = Vec::new();
    for (at, line) in code.filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for word in FORBIDDEN_WORDS.iter().filter(|word| line.contains(*word)) {
            found.push(format!("{file}:{}: `{word}`", at + 1));
        }
    }
    found
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "tests") {
                files.extend(rust_files(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_a_decision_is_found_and_one_in_a_test_is_not() {
        let text = "// SystemTime::now is not for us\nfn f() {\n    let t = SystemTime::now();\n}\n#[cfg(test)]\nmod tests { use tokio::test; }\n";
        assert_eq!(judge("a.rs", text), ["a.rs:3: `SystemTime::now`"]);
    }
}

//! `cargo xtask fuzz`: builds the targets in `fuzz/` and lets each run for a while, two at a time.
//!
//! The fuzzer is LLVM's, driven by coverage. What that needs of the compiler are stable code generation flags, so no nightly
//! toolchain is asked for; there is no address sanitizer, since there is no unsafe code of ours to look at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result, bail};

use crate::{foreign, shell};

const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cdebug-assertions \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs the named targets, or all.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    let (seconds, named) = read(arguments)?;
    let folder = shell::root().join("fuzz");
    let known = targets(&folder)?;
    if let Some(stranger) = named.iter().find(|name| !known.contains(name)) {
        bail!("no such target: {stranger}; there are: {}", known.join(", "));
    }
    let wanted = if named.is_empty() { known } else { named };
    let built = build(&folder)?;
    println!("fuzz: {} targets, {seconds} s each, two at a time", wanted.len());
    let (queue, failed) = (Mutex::new(wanted.into_iter()), Mutex::new(Vec::new()));
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(target) = next() {
                    let ran = one(&folder, &built, &target, seconds);
                    match &ran {
                        Ok(Some(runs)) => println!("fuzz: {target}: {runs}"),
                        Ok(None) => println!("fuzz: {target}: FAILED, see above"),
                        Err(error) => println!("fuzz: {target}: {error:#}"),
                    }
                    if !matches!(ran, Ok(Some(_))) {
                        failed.lock().expect("nobody panics with it").push(target);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panicked with it");
    if !failed.is_empty() {
        println!("fuzz: failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

fn read(arguments: &[&str]) -> Result<(u32, Vec<String>)> {
    let (mut seconds, mut named) = (60, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "--seconds" => {
                let value = rest.next().and_then(|value| value.parse().ok()).filter(|seconds| *seconds > 0);
                seconds = value.context("write it like: cargo xtask fuzz --seconds 60")?;
            }
            flag if flag.starts_with('-') => bail!("no such flag: {flag}"),
            target => named.push(target.to_owned()),
        }
    }
    Ok((seconds, named))
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.join("fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let names = files.map(|file| Ok(file?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Builds all targets and returns where they lie.
fn build(folder: &Path) -> Result<PathBuf> {
    if shell::find("c++").is_none() && shell::find("g++").is_none() {
        foreign::debian(&["g++"]).context("the fuzzer's runtime needs a C++ compiler")?;
    }
    println!("fuzz: building");
    let triple = host()?;
    let target = folder.join("target");
    // With a target of its own named, the flags are not for build scripts and macros.
    let mut cargo = shell::cargo(&["build", "--quiet", "--bins", "--target", &triple, "--manifest-path"]);
    cargo.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(&target);
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", FLAGS);
    if !shell::succeeds(&mut cargo)? {
        bail!("the fuzz targets do not build");
    }
    Ok(target.join(triple).join("debug"))
}

/// What the compiler calls this machine.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what machine this is")
}

/// Lets one target run; says how far it came, or none when it found something.
fn one(folder: &Path, built: &Path, target: &str, seconds: u32) -> Result<Option<String>> {
    let (corpus, finds) = (folder.join("corpus").join(target), folder.join("artifacts").join(target));
    for folder in [&corpus, &finds] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(built.join(target));
    command.arg(format!("-max_total_time={seconds}")).args(["-max_len=8192", "-timeout=10", "-rss_limit_mb=1024"]);
    command.arg(format!("-artifact_prefix={}/", finds.display())).arg(&corpus);
    let seeds = folder.join("seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let last = said.lines().rev().find(|line| line.contains("DONE")).unwrap_or_default();
        return Ok(Some(last.trim_start_matches('#').split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let lines: Vec<&str> = said.lines().collect();
    println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_seconds_are_read() {
        assert_eq!(read(&[]).unwrap(), (60, vec![]));
        assert_eq!(read(&["--seconds", "5", "form"]).unwrap(), (5, vec!["form".to_owned()]));
        assert!(read(&["--seconds", "0"]).is_err());
        assert!(read(&["--minutes", "1"]).is_err());
    }

    #[test]
    fn each_target_has_its_place_in_the_manifest() {
        let folder = shell::root().join("fuzz");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let targets = targets(&folder).unwrap();
        assert!(targets.len() >= 12, "{targets:?}");
        for target in &targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
        }
    }
}

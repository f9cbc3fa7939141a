//! What the tests need and others wrote: a browser, MCP servers and clients from npm and PyPI.
//! Each part is installed only when it is not there, and each step is said aloud.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::shell;

/// One part that could not be had.
pub(crate) struct Missing {
    /// What it is.
    pub(crate) part: &'static str,
    /// Why it is not there, and what would help.
    pub(crate) because: String,
}

/// Installs every part that is missing and returns those that could not be had.
pub(crate) fn install() -> Vec<Missing> {
    [
        ("Chromium and its driver", browser()),
        ("curl", curl()),
        ("PostgreSQL", postgres()),
        ("GNOME's keychain", keychain()),
        ("npm packages", npm("tests/npm")),
        ("the conformance suite", npm("tests/conformance")),
        ("PyPI packages", pypi()),
        ("the client on the oauth2 crate", rust()),
    ]
    .into_iter()
    .filter_map(|(part, installed)| installed.err().map(|error| Missing { part, because: format!("{error:#}") }))
    .collect()
}

fn browser() -> Result<()> {
    if ["/usr/bin/chromium", "/usr/bin/chromedriver"].iter().all(|file| Path::new(file).exists()) {
        return Ok(());
    }
    debian(&["chromium", "chromium-driver", "fonts-liberation"])
}

/// The plainest browser there is: it follows redirects and looks at nothing.
fn curl() -> Result<()> {
    if shell::find("curl").is_some() { Ok(()) } else { debian(&["curl"]) }
}

/// Only its programs are used: tests start servers of their own.
fn postgres() -> Result<()> {
    let debian_has_it = fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| versions.next().is_some());
    if shell::find("initdb").is_some() || debian_has_it { Ok(()) } else { debian(&["postgresql"]) }
}

/// A Secret Service and a bus to reach it: tests start both for themselves.
fn keychain() -> Result<()> {
    if ["gnome-keyring-daemon", "dbus-daemon"].iter().all(|program| shell::find(program).is_some()) {
        return Ok(());
    }
    debian(&["gnome-keyring", "dbus"])
}

pub(crate) fn npm(at: &str) -> Result<()> {
    let folder = shell::root().join(at);
    let wanted = read(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    if shell::find("npm").is_none() {
        bail!("npm is not in PATH: install Node.js 20 or newer");
    }
    println!("test: npm ci in {at}");
    shell::quietly(
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder),
    )?;
    fs::write(&stamp, wanted).context("cannot note what was installed")
}

fn pypi() -> Result<()> {
    let folder = shell::root().join("tests/pypi");
    let wanted = read(&folder.join("requirements.txt"))?;
    let stamp = folder.join(".venv/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    if shell::find("python3").is_none() {
        bail!("python3 is not in PATH: install Python 3.10 or newer");
    }
    println!("test: Python environment in tests/pypi/.venv");
    let make = || shell::quietly(Command::new("python3").args(["-m", "venv", "--clear", ".venv"]).current_dir(&folder));
    // Debian parts the module from its Python.
    make().or_else(|_| debian(&["python3-venv"]).and_then(|()| make()))?;
    let pip = folder.join(".venv/bin/pip");
    shell::quietly(
        Command::new(pip)
            .args(["install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"])
            .current_dir(&folder),
    )?;
    fs::write(&stamp, wanted).context("cannot note what was installed")
}

/// A workspace of its own, so that what it stands on never stands in doorward's lock file.
fn rust() -> Result<()> {
    let folder = shell::root().join("tests/rust-oauth2");
    let (manifest, target) = (folder.join("Cargo.toml"), folder.join("target"));
    let mut cargo = shell::cargo(&["build", "--quiet", "--locked", "--manifest-path"]);
    shell::quietly(cargo.arg(manifest).arg("--target-dir").arg(target))
}

/// Installs Debian packages, or says how.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if shell::find("apt-get").is_none() {
        bail!("this is no Debian system: install what is called there {}", packages.join(" "));
    }
    if !is_root() {
        bail!("not root: run `sudo {by_hand}`");
    }
    println!("test: installing Debian packages {}", packages.join(" "));
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "--yes", "--no-install-recommends"]).args(packages);
        shell::quietly(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    if install().is_ok() {
        return Ok(());
    }
    // A machine's package lists may be missing or older than the packages.
    println!("test: apt-get update");
    shell::quietly(Command::new("apt-get").arg("update"))?;
    install()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

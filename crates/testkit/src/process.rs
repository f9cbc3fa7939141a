//! Real processes for end-to-end tests: the gateway, a browser, and peers that speak lines of JSON.
//!
//! Helpers panic with a sentence when the world is not as a test needs it; what a test examines is returned.
//! Every process is killed with all its children when its handle goes out of scope.

mod authority;
mod browser;
mod faults;
mod gateway;
mod opener;
mod running;
mod stdio;
mod visitor;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

pub use crate::port::Port;
pub use authority::{Authority, Certificate};
pub use browser::Browser;
pub use faults::{Fault, FaultProxy, read_request};
pub use gateway::{Gateway, GatewayOptions, Node};
pub use opener::Opener;
pub use running::Running;
pub use stdio::Stdio;
pub use visitor::{Page, Visitor};

/// The repository's root folder. Cargo names the crate under test, whichever folder this crate was built in.
pub fn repository() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let crate_under_test = std::env::var_os("CARGO_MANIFEST_DIR");
        let here = crate_under_test.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = here.ancestors().find(|folder| folder.join("Cargo.lock").exists());
        root.expect("the lock file lies in the root").to_owned()
    });
    &ROOT
}

/// A part that others wrote, by its path below `tests/`, such as `npm/node_modules/.bin/mcp-server-filesystem`.
///
/// # Panics
/// When it is not installed; the message says how to install it.
pub fn foreign(path: &str) -> PathBuf {
    let file = repository().join("tests").join(path);
    assert!(file.exists(), "{} is not installed; run: cargo xtask test", file.display());
    file
}

/// A HTTP client as a test wants it: it follows no redirect, keeps no cookie, asks no proxy and gives up after 30 s.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(std::time::Duration::from_secs(30))
        .build()
        .expect("a client without special settings can be built")
}

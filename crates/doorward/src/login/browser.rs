//! Who is there to look, and how a page is opened for them.

use std::{ffi::OsStr, io::IsTerminal as _, process::Stdio};

use doorward_types::web_url;
use url::Url;

use crate::{cli::BrowserChoice, output};

/// How a person gets to see a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// This command, with the URL as its last argument.
    Command(Vec<String>),
    /// The desktop's own way.
    Desktop,
    /// The URL is printed; somebody reads it.
    Print,
    /// Nobody is there.
    Nobody,
}

/// Finds out.
pub(crate) fn way(choice: Option<BrowserChoice>) -> Way {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    decide(choice, &set, std::io::stderr().is_terminal())
}

fn decide(choice: Option<BrowserChoice>, set: &dyn Fn(&str) -> Option<String>, is_terminal: bool) -> Way {
    let named = set("BROWSER").map(|text| text.split_whitespace().map(str::to_owned).collect());
    let desktop = if cfg!(any(windows, target_os = "macos")) {
        set("SSH_CONNECTION").is_none()
    } else {
        set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some()
    };
    match choice {
        Some(BrowserChoice::None) => Way::Nobody,
        Some(BrowserChoice::Print) => Way::Print,
        Some(BrowserChoice::Open) => named.map_or(Way::Desktop, Way::Command),
        None => match named {
            Some(words) => Way::Command(words),
            None if desktop => Way::Desktop,
            None if is_terminal => Way::Print,
            None => Way::Nobody,
        },
    }
}

/// Whether a page may be opened at all: https, or http on this computer, and nothing that a person could misread.
///
/// Source: MCP security best practices, "OAuth Authorization URL Validation".
pub(crate) fn may_open(url: &Url) -> bool {
    let right_scheme = match url.scheme() {
        "https" => true,
        "http" => web_url::is_loopback(url),
        _ => false,
    };
    right_scheme && url.has_host() && url.username().is_empty() && url.password().is_none()
}

/// Shows the page: tells its address, and opens it where that is possible. No shell sees the URL, and what is started
/// has no part in this program's input and output.
pub(crate) fn show(way: &Way, url: &Url) {
    output::tell("To sign in, open this page in a browser:");
    output::tell(&format!("  {url}"));
    open(way, url);
}

/// Opens it where that is possible.
pub(crate) fn open(way: &Way, url: &Url) {
    match way {
        Way::Command(words) => start(words, url),
        Way::Desktop => open_on_desktop(url),
        Way::Print | Way::Nobody => {}
    }
}

fn start<S: AsRef<OsStr>>(words: &[S], url: &Url) {
    let Some((program, arguments)) = words.split_first() else { return };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).arg(url.as_str());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let name = program.as_ref().to_string_lossy().into_owned();
    match command.spawn() {
        Err(error) => output::tell(&format!("{name} could not be started ({error}): open the page yourself.")),
        Ok(mut child) => {
            // A browser may stay as long as it likes; one that fails at once is worth a word.
            tokio::spawn(async move {
                if let Ok(status) = child.wait().await
                    && !status.success()
                {
                    output::tell(&format!("{name} ended with {status}: open the page yourself."));
                }
            });
        }
    }
}

#[cfg(not(any(windows, target_os = "macos")))]
fn open_on_desktop(url: &Url) {
    start(&["xdg-open"], url);
}

#[cfg(any(windows, target_os = "macos"))]
fn open_on_desktop(url: &Url) {
    let url = url.to_string();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = webbrowser::open(&url) {
            output::tell(&format!("no browser could be opened ({error}): open the page yourself."));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_opens_only_where_somebody_can_look() {
        // proves: BRW-04
        let command = || Way::Command(vec!["curl".into(), "-s".into()]);
        for (choice, variables, terminal, way) in [
            (None, &[][..], false, Way::Nobody),
            (None, &[], true, Way::Print),
            (None, &[("BROWSER", " curl  -s ")], false, command()),
            (None, &[("BROWSER", "curl -s"), ("DISPLAY", ":0")], true, command()),
            (Some(BrowserChoice::None), &[("BROWSER", "curl -s"), ("DISPLAY", ":0")], true, Way::Nobody),
            (Some(BrowserChoice::Print), &[("BROWSER", "curl -s")], false, Way::Print),
            (Some(BrowserChoice::Open), &[("BROWSER", "curl -s")], false, command()),
            (Some(BrowserChoice::Open), &[], false, Way::Desktop),
        ] {
            let set = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(decide(choice, &set, terminal), way, "{choice:?} {variables:?} {terminal}");
        }
        if !cfg!(any(windows, target_os = "macos")) {
            let set = |name: &str| (name == "WAYLAND_DISPLAY").then(|| "wayland-0".to_owned());
            assert_eq!(decide(None, &set, false), Way::Desktop);
        }
    }

    #[test]
    fn only_web_pages_are_opened() {
        // proves: BRW-01, BRW-02, BRW-03, MCP-SBP-033
        for good in ["https://as.example/authorize?a=b&c=%22", "http://127.0.0.1:9/x", "http://localhost/"] {
            assert!(may_open(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in [
            "http://as.example/authorize",
            "http:$(calc.exe)",
            "file:///c:/windows/system32/calc.exe",
            "javascript:alert(1)",
            "data:text/html,x",
            "ms-msdt:/id",
            "vscode://x/y",
            "smb://h/share",
            "ssh://h/",
            "https://accounts.google.com@evil.example/",
            "https://a:b@evil.example/",
            "http://127.0.0.1.evil.example/",
            // Nobody has heard of this one, and that is enough.
            "not-invented-yet://as.example/",
        ] {
            assert!(Url::parse(bad).map_or(true, |url| !may_open(&url)), "{bad}");
        }
        // A name that only looks like another is shown as it goes over the wire.
        let lookalike = Url::parse("https://\u{430}s.example/authorize").unwrap();
        assert!(lookalike.as_str().starts_with("https://xn--"), "{lookalike}");
    }

    #[test]
    fn no_character_of_a_url_means_anything_to_a_shell_of_windows_either() {
        // proves: BRW-01
        let url = Url::parse("https://as.example/a?x=\"&calc&\"`id`^|<>\n").unwrap();
        assert!(!url.as_str().contains(['"', '<', '>', '\n', ' ']), "{url}");
        let url = Url::parse("https://as.example/--upload-pack=x").unwrap();
        assert!(url.as_str().starts_with("https://"), "an argument never begins with a dash");
    }
}

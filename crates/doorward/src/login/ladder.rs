//! Which ways of signing in there are here, in which order they are tried, and what is said about each.

use std::{io::IsTerminal as _, time::Duration};

use doorward_client::step::ShowDeviceCode;
use tokio::sync::mpsc;

use super::browser::{self, Way};
use crate::cli;

/// Whether the address at which a browser ends may be pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paste {
    /// Nobody can: the standard input is no keyboard, or belongs to a host.
    No,
    /// Somebody can, and need not.
    Offered,
    /// That is how it is done; no browser is opened.
    Wanted,
}

/// How long a person may take before it is looked whether the server still knows the client.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// One way of signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    /// A browser that comes back to a port of this computer.
    Browser,
    /// A code that is typed on any device.
    Device,
    /// A browser that ends where nobody is; its address is pasted.
    Pasted,
}

/// How a person takes part in a login.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// How they get to see the page.
    pub(crate) way: Way,
    /// How long they may take.
    pub(crate) patience: Duration,
    /// How long before it is looked whether the server still knows a client that an earlier login registered: what it
    /// tells them in place of a sign-in page comes back to nobody.
    pub(crate) look_after: Duration,
    /// Whether they can paste an address.
    pub(crate) paste: Paste,
    /// How this computer is reached from theirs, as `user@host`, when that is known.
    pub(crate) reached_as: Option<Reached>,
    /// Whether they want a code for another device and nothing else.
    pub(crate) device: bool,
    /// Who shows the code to them, besides the standard error output.
    pub(crate) told: Option<mpsc::Sender<ShowDeviceCode>>,
}

/// This computer as another one sees it over SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Manner {
    /// As a command that a host has started: its input is not a person's.
    pub(crate) fn of_host(flags: &cli::SignIn) -> Self {
        let (patience, device) = (Duration::from_secs(flags.timeout), flags.device);
        let way = match browser::way(flags.browser) {
            // Whoever asks for a code reads it somewhere: in a host's log, if need be.
            Way::Nobody if device && flags.browser.is_none() => Way::Print,
            way => way,
        };
        Self { way, patience, reached_as: reached(), device, ..Self::nobody() }
    }

    /// As a command that a person has typed.
    pub(crate) fn of_person(flags: &cli::SignIn, elsewhere: &cli::Elsewhere) -> Self {
        let mut manner = Self::of_host(flags);
        if elsewhere.paste {
            (manner.paste, manner.way) = (Paste::Wanted, Way::Print);
        } else if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            manner.paste = Paste::Offered;
        }
        manner
    }

    /// With nobody there at all.
    pub(crate) fn nobody() -> Self {
        Self {
            way: Way::Nobody,
            patience: Duration::ZERO,
            look_after: LOOK_AFTER,
            paste: Paste::No,
            reached_as: None,
            device: false,
            told: None,
        }
    }

    /// With a browser that is started, and nothing else.
    #[cfg(test)]
    pub(crate) fn with(way: Way, patience: Duration) -> Self {
        Self { way, patience, ..Self::nobody() }
    }

    /// The ways to try, in this order: each is left only for a reason that another might not meet.
    pub(super) fn rungs(&self) -> Vec<Rung> {
        if self.device {
            return vec![Rung::Device];
        }
        if self.paste == Paste::Wanted {
            return vec![Rung::Pasted];
        }
        // A browser at the other end of an SSH connection does not reach a port here.
        let far_away = self.way == Way::Print && self.reached_as.is_some();
        let mut rungs = if far_away { vec![Rung::Device, Rung::Browser] } else { vec![Rung::Browser, Rung::Device] };
        if self.paste != Paste::No {
            rungs.push(Rung::Pasted);
        }
        rungs
    }

    /// What is said below the page's address, where the browser may be on another computer.
    pub(super) fn hints(&self, redirect_uri: &str) -> Vec<String> {
        let port = url::Url::parse(redirect_uri).ok().and_then(|url| url.port());
        let forward = self.reached_as.as_ref().zip(port).map(|(reached, port)| reached.forward(port));
        let paste = self.paste != Paste::No;
        if self.way != Way::Print || (!paste && forward.is_none()) {
            return Vec::new();
        }
        let mut lines = vec!["If that browser is on another computer, its last page cannot be reached.".to_owned()];
        if paste {
            lines.push("Then paste the address of that page here, and press Enter.".to_owned());
        }
        if let Some(forward) = forward {
            lines.push(format!("{}, before you sign in, type there:", if paste { "Or" } else { "So" }));
            lines.push(format!("  {forward}"));
        }
        lines
    }
}

impl Reached {
    /// The command that makes a port of this computer one of the other computer's.
    fn forward(&self, port: u16) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let at = if self.port == 22 { String::new() } else { format!("-p {} ", self.port) };
        format!("ssh -N {at}-L {port}:127.0.0.1:{port} {user}{}", self.host)
    }
}

fn reached() -> Option<Reached> {
    let user = std::env::var("USER").ok();
    reached_by(&std::env::var("SSH_CONNECTION").ok()?, user)
}

/// Reads `SSH_CONNECTION`: the other computer's address and port, then this one's.
fn reached_by(connection: &str, user: Option<String>) -> Option<Reached> {
    let mut words = connection.split_ascii_whitespace().skip(2);
    let host = words.next()?.parse::<std::net::IpAddr>().ok()?.to_string();
    let plain =
        |user: &String| !user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    Some(Reached { user: user.filter(plain), host, port: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_behind_ssh_is_told_how_the_port_is_reached() {
        // proves: BRW-04
        let reached = reached_by("192.0.2.9 50000 203.0.113.5 2222", Some("ada".into()));
        let manner = Manner { reached_as: reached, way: Way::Print, ..Manner::nobody() };
        let lines = manner.hints("http://127.0.0.1:43121/callback/x").join("\n");
        assert!(lines.contains("ssh -N -p 2222 -L 43121:127.0.0.1:43121 ada@203.0.113.5"), "{lines}");
        assert!(!lines.contains("paste"), "{lines}");
        let usual = reached_by("2001:db8::1 50000 2001:db8::2 22", Some("$(id)".into())).unwrap();
        assert_eq!(usual.forward(9), "ssh -N -L 9:127.0.0.1:9 2001:db8::2");
        for bad in ["", "a b", "1 2 $(id) 22", "1 2 192.0.2.1 x"] {
            assert_eq!(reached_by(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn the_ways_are_tried_in_the_order_in_which_they_are_likely_to_work() {
        // proves: BRW-04
        use Rung::{Browser, Device, Pasted};
        let far = || reached_by("192.0.2.9 50000 203.0.113.5 22", None);
        for (way, paste, reached_as, device, rungs) in [
            (Way::Desktop, Paste::Offered, None, false, &[Browser, Device, Pasted][..]),
            (Way::Desktop, Paste::Offered, far(), false, &[Browser, Device, Pasted]),
            (Way::Print, Paste::Offered, far(), false, &[Device, Browser, Pasted]),
            (Way::Print, Paste::Offered, None, false, &[Browser, Device, Pasted]),
            (Way::Print, Paste::No, far(), false, &[Device, Browser]),
            (Way::Print, Paste::Wanted, far(), false, &[Pasted]),
            (Way::Desktop, Paste::No, None, true, &[Device]),
        ] {
            let manner = Manner { way, paste, reached_as, device, ..Manner::nobody() };
            assert_eq!(manner.rungs(), rungs, "{manner:?}");
        }
    }

    #[test]
    fn only_whoever_can_paste_is_asked_to() {
        // proves: BRW-04
        let asked = |way: Way, paste| {
            let manner = Manner { way, paste, ..Manner::nobody() };
            manner.hints("http://127.0.0.1:1/c").join("\n").contains("paste")
        };
        assert!(asked(Way::Print, Paste::Offered) && asked(Way::Print, Paste::Wanted));
        assert!(!asked(Way::Print, Paste::No) && !asked(Way::Desktop, Paste::Offered));
    }
}

//! What strangers may do only so often. Kept in this process: with several nodes, each has its own.

use std::time::Duration;

use doorward_types::Timestamp;

use crate::tries::Tries;

/// The limits of one node.
pub struct Limits {
    /// Apart from browsers, whose names anybody makes up: so many of them that some are forgotten must not be people.
    by_account: Tries,
    by_browser: Tries,
    by_source: Tries,
    by_strangers: Tries,
}

/// Who types a device's code.
pub(crate) struct Guessing<'a> {
    /// The account that is signed in.
    pub(crate) account: Option<&'a str>,
    /// The browser.
    pub(crate) browser: &'a str,
    /// Where it is.
    pub(crate) source: &'a str,
}

const QUARTER: Duration = Duration::from_secs(15 * 60);

impl Default for Limits {
    /// A code has 20^8 values and lives for a quarter of an hour. 1,000 wrong ones by strangers in that time find one of 1,000
    /// waiting codes with a chance of 1 to 25,000.
    fn default() -> Self {
        Self {
            by_account: Tries::new(10, QUARTER),
            by_browser: Tries::new(10, QUARTER),
            by_source: Tries::new(40, QUARTER),
            by_strangers: Tries::new(1_000, QUARTER),
        }
    }
}

impl Limits {
    /// Whether a code may be tried now. The try counts as a wrong one until it is given back. Who is signed in is counted by
    /// account alone, so that strangers cannot use up the tries of people.
    ///
    /// Source: RFC 8628 section 5.1.
    pub(crate) fn take_guess(&self, who: &Guessing<'_>, now: Timestamp) -> bool {
        match who.account {
            Some(account) => self.by_account.take(account, now),
            None => {
                self.by_browser.take(who.browser, now)
                    && self.by_source.take(who.source, now)
                    && self.by_strangers.take("", now)
            }
        }
    }

    /// The code was right.
    pub(crate) fn give_guess_back(&self, who: &Guessing<'_>) {
        match who.account {
            Some(account) => self.by_account.give_back(account),
            None => {
                self.by_browser.give_back(who.browser);
                self.by_source.give_back(who.source);
                self.by_strangers.give_back("");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_guessed_slowly_however_they_are_guessed() {
        // proves: R8628-05, EXT-04
        let at = Timestamp::from_unix(0);
        let taken = |limits: &Limits, who: &dyn Fn(usize) -> (Option<String>, String, String)| {
            (0..3_000)
                .filter(|n| {
                    let (account, browser, source) = who(*n);
                    let who = Guessing { account: account.as_deref(), browser: &browser, source: &source };
                    limits.take_guess(&who, at)
                })
                .count()
        };
        let same = || "same".to_owned();
        let one_browser = taken(&Limits::default(), &|_| (None, same(), same()));
        let one_source = taken(&Limits::default(), &|n| (None, n.to_string(), same()));
        let limits = Limits::default();
        let everywhere = taken(&limits, &|n| (None, n.to_string(), n.to_string()));
        assert_eq!((one_browser, one_source, everywhere), (10, 40, 1_000));
        // Whoever is signed in is not held up by strangers.
        assert_eq!(taken(&limits, &|_| (Some("ann".into()), same(), same())), 10);
        // Nor are an account's tries forgotten because one place sends many browsers.
        for many in 0..20_000 {
            let browser = format!("another {many}");
            limits.take_guess(&Guessing { account: None, browser: &browser, source: "one place" }, at);
        }
        assert_eq!(taken(&limits, &|_| (Some("ann".into()), same(), same())), 0);
    }
}

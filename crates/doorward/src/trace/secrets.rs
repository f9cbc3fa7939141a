//! The secrets that were seen, and how they are found again in texts that others chose.

use zeroize::Zeroizing;

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "***";
/// What is shorter stands in every other text by chance.
const LEAST_SECRET: usize = 8;
/// The most secrets that are looked for, and as many that may be some.
const MOST_SECRETS: usize = 200;

/// What is hidden wherever it stands.
#[derive(Default)]
pub(super) struct Secrets(Vec<Known>);

struct Known {
    text: Zeroizing<String>,
    /// What stands in its place.
    shown: String,
    /// A name says that it is secret; otherwise it is hidden only where no letter or digit adjoins it.
    certain: bool,
}

impl Secrets {
    /// What is certainly secret.
    pub(super) fn learn(&mut self, text: &str) {
        if text.chars().count() >= LEAST_SECRET {
            self.add(text, HIDDEN.to_owned(), true);
        }
    }

    /// What may be secret, for all that its name says. Words and hosts are not: they stand in every message.
    pub(super) fn learn_maybe(&mut self, text: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || "-_.:/ ".contains(c);
        if text.chars().count() >= LEAST_SECRET && !text.chars().all(plain) && !text.contains("://") {
            self.add(text, HIDDEN.to_owned(), false);
        }
    }

    /// A name with such a value, as both stand in an address: here the value may be as short as it likes.
    pub(super) fn learn_piece(&mut self, name: &str, value: &str) {
        if !value.is_empty() && !name.is_empty() {
            self.add(&format!("{name}={value}"), format!("{name}={HIDDEN}"), false);
        }
    }

    fn add(&mut self, text: &str, shown: String, certain: bool) {
        if let Some(known) = self.0.iter_mut().find(|known| known.text.as_str() == text) {
            known.certain |= certain;
        } else if self.0.iter().filter(|known| known.certain == certain).count() < MOST_SECRETS {
            self.0.push(Known { text: Zeroizing::new(text.to_owned()), shown, certain });
            // A secret that holds another goes first.
            self.0.sort_by_key(|known| std::cmp::Reverse(known.text.len()));
        }
    }

    /// The text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for known in self.0.iter().filter(|known| !known.text.is_empty()) {
            if text.contains(known.text.as_str()) {
                text = match known.certain {
                    true => text.replace(known.text.as_str(), &known.shown),
                    false => replace_whole(&text, &known.text, &known.shown),
                };
            }
        }
        text
    }
}

/// Replaces what stands by itself, and not what is a part of a longer word.
fn replace_whole(text: &str, what: &str, with: &str) -> String {
    let adjoins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut out, mut done) = (String::new(), 0);
    for (at, _) in text.match_indices(what) {
        let end = at + what.len();
        out.push_str(&text[done..at]);
        let part = adjoins(text[..at].chars().next_back()) || adjoins(text[end..].chars().next());
        out.push_str(if part { what } else { with });
        done = end;
    }
    out + &text[done..]
}

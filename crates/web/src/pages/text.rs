//! Text that a stranger wrote, made safe to read. Escaping for HTML is the template's work; this is about what the eye sees.

use std::fmt;

/// The most characters of a claimed name that are shown.
pub const NAME_LIMIT: usize = 60;

/// Two accents carry every living script; more pile up over the neighbouring lines.
const MARKS_IN_A_ROW: usize = 2;

/// What is shown when nothing of a claimed name can be seen.
const NAMELESS: &str = "unnamed app";

/// The name an app claims, as it may be shown: one line of at most [`NAME_LIMIT`] characters without control,
/// bidirectional or invisible characters, and without double quotes, which would end the quotation it stands in.
#[must_use]
pub fn display_name(claimed: &str) -> String {
    let mut shown = String::new();
    let mut length = 0;
    let mut marks = 0;
    let mut gap = false;
    for c in claimed.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = true;
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if marks > MARKS_IN_A_ROW {
            continue;
        }
        let gap_here = std::mem::take(&mut gap) && length > 0;
        if length + usize::from(gap_here) >= NAME_LIMIT {
            if length == NAME_LIMIT {
                shown.pop();
            }
            return format!("{}…", shown.trim_end());
        }
        if gap_here {
            shown.push(' ');
            length += 1;
        }
        shown.push(if is_double_quote(c) { '\'' } else { c });
        length += 1;
    }
    if shown.is_empty() { NAMELESS.to_owned() } else { shown }
}

/// Evidence (an address, an identifier, a tool's name) in full, with every character that could hide or reorder the
/// others written out as `<U+202E>`.
#[must_use]
pub fn visible(evidence: &str) -> String {
    let mut shown = String::with_capacity(evidence.len());
    for c in evidence.chars() {
        if c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' ') {
            shown.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A name that an app claims for itself. It can only be made by [`display_name`], so no page shows a raw one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl From<&str> for DisplayName {
    fn from(claimed: &str) -> Self {
        Self(display_name(claimed))
    }
}

impl From<String> for DisplayName {
    fn from(claimed: String) -> Self {
        Self(display_name(&claimed))
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters without a shape of their own: format characters, fillers, variation selectors, tags, private use.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{8E2}'
        | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{E000}'..='\u{F8FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFC}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{10FFFF}')
}

/// Combining marks, which draw over the character before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

fn is_double_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}'..='\u{201F}' | '«' | '»' | '\u{2033}' | '\u{2036}' | '\u{275D}' | '\u{275E}'
        | '\u{301D}'..='\u{301F}' | '\u{FF02}' | '\u{2DD}' | '\u{2BA}' | '\u{2EE}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_name_is_one_short_visible_line() {
        // proves: WEB-10
        for (claimed, shown) in [
            ("Claude Code", "Claude Code"),
            ("  VS\tCode \r\n", "VS Code"),
            ("Safe\n\nGoogle wants your password", "Safe Google wants your password"),
            ("\u{202E}edoC edualC\u{202C}", "edoC edualC"),
            ("\u{2067}a\u{2069}\u{200F}b\u{61C}c", "abc"),
            ("Cl\u{200B}au\u{FEFF}de\u{E0041}", "Claude"),
            ("a\0b\u{1b}[31mc", "a b [31mc"),
            ("Claude” verified by “Google", "Claude' verified by 'Google"),
            ("e\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}"),
            ("Ünïcödé 名前 اسم", "Ünïcödé 名前 اسم"),
            ("", NAMELESS),
            ("\u{200B}\u{3164}\u{2800} \u{202E}", NAMELESS),
        ] {
            assert_eq!(display_name(claimed), shown, "{claimed:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_says_so() {
        // proves: WEB-10
        let exact = "x".repeat(NAME_LIMIT);
        assert_eq!(display_name(&exact), exact);
        assert_eq!(display_name(&format!("{exact}  ")), exact);
        for long in
            [format!("{exact}y"), "é".repeat(10_000), "ab ".repeat(4_000), format!("{} b", "x".repeat(NAME_LIMIT - 1))]
        {
            let shown = display_name(&long);
            let length = shown.chars().count();
            assert!((NAME_LIMIT - 1..=NAME_LIMIT).contains(&length) && shown.ends_with('…'), "{shown}");
        }
    }

    #[test]
    fn a_name_that_was_made_safe_stays_the_same() {
        for claimed in ["a\u{202E} \"b\"", "x y", "“”", &"word ".repeat(50)] {
            let once = display_name(claimed);
            assert_eq!(display_name(&once), once);
        }
    }

    #[test]
    fn evidence_is_whole_and_hides_nothing() {
        // proves: WEB-10
        assert_eq!(visible("http://127.0.0.1:41234/callback?a=b"), "http://127.0.0.1:41234/callback?a=b");
        assert_eq!(visible("a\u{202E}b\nc\u{A0}d"), "a<U+202E>b<U+000A>c<U+00A0>d");
        assert_eq!(visible(&"x".repeat(10_000)).len(), 10_000);
    }
}

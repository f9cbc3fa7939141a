//! Names that clients give themselves, made fit to be shown.

/// The most characters of a client's name; the rest is cut.
const MOST_NAME: usize = 64;

/// What of a self-given name is fit to be shown: no control, direction or invisible characters, single spaces, not too long.
pub(crate) fn clean_name(name: &str) -> Option<String> {
    let visible: String = name
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    let clean: String = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let cut: String = clean.chars().take(MOST_NAME).collect();
    Some(cut.trim_end().to_owned()).filter(|name| !name.is_empty())
}

/// Whether a character shows nothing, or changes how its neighbours show.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

//! Names that clients give themselves, made fit to be shown.

use doorward_types::is_invisible;

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

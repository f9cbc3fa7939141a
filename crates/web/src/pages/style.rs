//! The one stylesheet. Its path carries a hash of its content, so that it can be cached for ever.

use std::sync::LazyLock;

/// The stylesheet of every page.
pub const STYLE: &str = include_str!("../../assets/style.css");

static PATH: LazyLock<String> = LazyLock::new(|| format!("/assets/style-{:012x}.css", fnv1a(STYLE.as_bytes()) >> 16));

/// Where the pages expect [`STYLE`]: `/assets/style-<12 hex digits>.css`. It changes when the stylesheet does.
#[must_use]
pub fn style_path() -> &'static str {
    &PATH
}

/// FNV-1a of 64 bits: it names a version of our own file and guards nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_path_follows_the_content() {
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let digits = style_path().strip_prefix("/assets/style-").and_then(|rest| rest.strip_suffix(".css")).unwrap();
        assert!(digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{digits}");
    }

    #[test]
    fn the_stylesheet_fetches_nothing() {
        assert!(!STYLE.contains("url("), "a stylesheet must not load anything");
        assert!(!STYLE.contains("@import"));
        assert!(!STYLE.contains("//"));
    }

    #[test]
    fn both_themes_have_contrast() {
        // proves: WEB-23
        let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").expect("a dark theme");
        let mut colours = tokens(light);
        for theme in ["light", "dark"] {
            if theme == "dark" {
                colours.extend(tokens(dark));
            }
            for (ink, ground, least) in [
                ("ink", "page", 7.0),
                ("ink", "card", 7.0),
                ("ink", "sunken", 7.0),
                ("muted", "page", 4.5),
                ("muted", "card", 4.5),
                ("muted", "sunken", 4.5),
                ("accent", "card", 4.5),
                ("accent", "page", 4.5),
                ("accent", "sunken", 4.5),
                ("on-accent", "accent", 4.5),
                ("good", "card", 4.5),
                ("good", "sunken", 4.5),
                ("good", "good-ground", 4.5),
                ("warn", "card", 4.5),
                ("warn", "warn-ground", 4.5),
                ("ink", "warn-ground", 7.0),
                ("danger", "card", 4.5),
                ("danger", "danger-ground", 4.5),
                ("ink", "danger-ground", 7.0),
                ("on-danger", "danger", 4.5),
                ("edge", "card", 3.0),
                ("focus", "card", 3.0),
                ("focus", "page", 3.0),
            ] {
                let found = contrast(colours[ink], colours[ground]);
                assert!(found >= least, "{theme}: {ink} on {ground} is {found:.2}, below {least}");
            }
        }
    }

    /// The custom properties `--name: #rrggbb;`.
    fn tokens(css: &str) -> HashMap<&str, [u8; 3]> {
        css.lines()
            .filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": #"))
            .map(|(name, hex)| {
                let value = u32::from_str_radix(hex, 16).expect("a colour of six digits");
                (name, [(value >> 16) as u8, (value >> 8) as u8, value as u8])
            })
            .collect()
    }

    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(rgb: [u8; 3]) -> f64 {
        let [r, g, b] = rgb.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

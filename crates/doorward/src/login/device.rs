//! What a person is shown who signs in on another device: an address, a code, and a picture for a telephone.

use std::io::IsTerminal as _;

use doorward_client::step::ShowDeviceCode;
use doorward_types::ResourceId;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use crate::output;

/// The longest address that is drawn: a larger picture does not fit on a screen.
const MOST_DRAWN: usize = 180;

/// Shows it.
///
/// Source: RFC 8628 section 3.3.
pub(super) fn tell(resource: &ResourceId, code: &ShowDeviceCode) {
    let painted = output::Paint::stderr();
    output::tell(&format!("Signing in to {resource} at {}", code.issuer));
    output::tell("To sign in, open this page on any device:");
    output::tell(&format!("  {}", code.verification_uri));
    output::tell("and type this code there:");
    output::tell(&format!("  {}", painted.bold(&output::harmless(&code.user_code))));
    let page = code.complete.as_ref().unwrap_or(&code.verification_uri);
    if std::io::stderr().is_terminal()
        && let Some(picture) = picture(page.as_str())
    {
        output::tell("A telephone reads the address from here; compare the code before you go on:");
        picture.lines().for_each(output::tell);
    }
}

/// The address as a picture of half blocks, black on white on every terminal.
fn picture(address: &str) -> Option<String> {
    if address.len() > MOST_DRAWN {
        return None;
    }
    let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(picture.lines().map(|line| format!("  \u{1b}[97;40m{line}\u{1b}[0m")).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_drawn_when_it_fits() {
        let drawn = picture("https://as.example/device?user_code=BCDF-GHJK").unwrap();
        let lines: Vec<_> = drawn.lines().map(|line| line.trim_start().trim_start_matches("\u{1b}[97;40m")).collect();
        let width = lines[0].trim_end_matches("\u{1b}[0m").chars().count();
        assert!(lines.iter().all(|line| line.trim_end_matches("\u{1b}[0m").chars().count() == width));
        // Two rows in each line, and a margin that readers need.
        assert!(width > 25 && width.div_ceil(2) == lines.len() && width < 60, "{width} {}", lines.len());
        assert!(lines[0].starts_with("\u{2588}"), "the margin is light");
        assert_eq!(picture(&format!("https://as.example/{}", "x".repeat(200))), None);
    }
}

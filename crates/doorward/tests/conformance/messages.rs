//! The scenarios of messages and transports.

use crate::suite::{ROW, Row, play_at};

const fn row(scenario: &'static str) -> Row {
    Row { scenario, ..ROW }
}

#[test]
fn a_host_of_the_first_era_is_served() {
    play_at(&["2025-06-18", "2025-11-25"], &["initialize", "tools_call"].map(row));
    play_at(&["2025-11-25"], &[row("elicitation-sep1034-client-defaults")]);
}

#[test]
fn a_host_of_the_modern_era_is_served() {
    play_at(&["2026-07-28"], &["tools_call", "http-standard-headers"].map(row));
}

//! The scenarios of messages and transports.

use crate::suite::{ROW, Row, play, play_at};

const fn row(scenario: &'static str) -> Row {
    Row { scenario, ..ROW }
}

#[test]
fn a_host_of_the_first_era_is_served() {
    play_at(&["2025-06-18", "2025-11-25"], &["initialize", "tools_call"].map(row));
    play_at(&["2025-11-25"], &[row("elicitation-sep1034-client-defaults")]);
}

const fn read(scenario: &'static str) -> Row {
    Row { reads: true, ..row(scenario) }
}

/// A host of the older era at a server of the newer one, or the other way round.
const fn across(host: &'static str, row: Row) -> Row {
    Row { host: Some(host), ..row }
}

#[test]
fn a_host_of_the_modern_era_is_served() {
    // proves: MCP-HTTP-005, MCP-HTTP-006, MCP-HTTP-012, MCP-ADJ-011
    play_at(&["2025-11-25", "2026-07-28"], &[row("json-schema-2020-12-preservation")]);
    let rows = ["tools_call", "request-metadata", "sep-2322-client-request-state", "http-custom-headers"].map(row);
    play_at(&["2026-07-28"], &rows);
    let listed = Row { calls: false, ..row("json-schema-ref-no-deref") };
    play_at(&["2026-07-28"], &[read("http-standard-headers"), listed]);
}

#[test]
fn a_host_of_either_era_is_served_by_a_server_of_the_other() {
    // proves: MCP-PX-10
    let of_servers_before = ["initialize", "tools_call", "elicitation-sep1034-client-defaults"];
    let rows = of_servers_before.map(|scenario| across("2026-07-28", row(scenario)));
    play_at(&["2025-11-25"], &rows);
    let of_servers_now =
        ["tools_call", "sep-2322-client-request-state", "http-custom-headers", "json-schema-2020-12-preservation"];
    // Not the scenarios that look at every request: `initialize` is the host's own, in its own era.
    play_at(&["2026-07-28"], &of_servers_now.map(|scenario| across("2025-11-25", row(scenario))));
}

#[test]
fn a_stream_that_is_closed_early_is_asked_for_again_when_the_server_says() {
    // proves: FCL-10
    play_at(&["2025-11-25"], &[row("sse-retry")]);
}

#[test]
fn tools_with_impossible_wishes_about_headers_are_not_offered() {
    play_at(&["2026-07-28"], &[row("http-invalid-tool-headers")]);
}

/// Skills are the host's to judge; what it needs for that passes through, and nothing is fetched on its behalf.
#[test]
fn a_host_that_knows_skills_gets_what_it_asks_for_and_can_judge_it() {
    let row = |scenario, skills| Row { skills, calls: false, ..row(scenario) };
    let rows = [
        row("sep-2640-client-no-prefetch", "list"),
        row("sep-2640-client-verify-digest", "load"),
        row("sep-2640-client-verify-size", "load"),
        row("sep-2640-client-verify-frontmatter", "load"),
    ];
    for host in ["2025-11-25", "2026-07-28"] {
        play(&rows.map(|row| across(host, row)));
    }
    // A host that does not look gets through, and fails.
    let blind = Row { skills: "load unseen", calls: false, ..rows[1] };
    assert!(std::panic::catch_unwind(|| play(&[across("2026-07-28", blind)])).is_err());
}

//! The scenarios of authorization.

use crate::suite::{ROW, Row, play, play_at};

/// The revisions of the newer scenarios.
const BOTH: &[&str] = &["2025-11-25", "2026-07-28"];
const NEWEST: &[&str] = &["2026-07-28"];

const fn row(scenario: &'static str) -> Row {
    Row { scenario, ..ROW }
}

const fn refused(scenario: &'static str, code: &'static str) -> Row {
    Row { scenario, ends: Some(code), ..ROW }
}

#[test]
fn metadata_is_found_wherever_it_lies() {
    // proves: MCP-AUTH-013, MCP-AUTH-014, MCP-AUTH-022, MCP-AUTH-024, MCP-AUTH-025, MCP-AUTH-026
    let rows = ["auth/metadata-default", "auth/metadata-var1", "auth/metadata-var2", "auth/metadata-var3"].map(row);
    play_at(BOTH, &rows);
}

#[test]
fn scopes_are_chosen_and_added_to_in_the_specs_order() {
    // proves: MCP-AUTH-100, MCP-AUTH-104, MCP-AUTH-109, MCP-AUTH-110, MCP-AUTH-112
    let rows = [
        "auth/scope-from-www-authenticate",
        "auth/scope-from-scopes-supported",
        "auth/scope-omitted-when-undefined",
        "auth/scope-step-up",
    ];
    play_at(BOTH, &rows.map(row));
    // proves: MCP-AUTH-121
    play_at(NEWEST, &["auth/offline-access-scope", "auth/offline-access-not-supported"].map(row));
}

#[test]
fn a_server_that_wants_more_and_more_is_given_up() {
    // proves: MCP-AUTH-113, MCP-AUTH-114
    play_at(BOTH, &[refused("auth/scope-retry-limit", "CL-405")]);
}

#[test]
fn a_client_proves_itself_as_the_server_wants() {
    // proves: MCP-AUTH-125
    let rows = ["auth/token-endpoint-auth-basic", "auth/token-endpoint-auth-post", "auth/token-endpoint-auth-none"];
    play_at(&["2025-06-18", "2025-11-25", "2026-07-28"], &rows.map(row));
}

#[test]
fn what_is_of_another_server_is_refused() {
    // proves: MCP-AUTH-016, MCP-AUTH-027, MCP-AUTH-028
    let rows = [refused("auth/resource-mismatch", "CL-111"), refused("auth/metadata-issuer-mismatch", "CL-121")];
    play_at(NEWEST, &rows);
}

#[test]
fn a_changed_authorization_server_gets_a_registration_of_its_own() {
    // proves: MCP-AUTH-018, MCP-AUTH-019, MCP-AUTH-065, MCP-AUTH-066
    play_at(NEWEST, &[Row { lists: 3, ..row("auth/authorization-server-migration") }]);
}

#[test]
fn the_issuer_in_an_answer_is_judged_by_the_table() {
    // proves: MCP-AUTH-091, MCP-AUTH-092, MCP-AUTH-093, MCP-AUTH-094, MCP-AUTH-095
    let rows = [
        row("auth/iss-supported"),
        row("auth/iss-not-advertised"),
        refused("auth/iss-supported-missing", "CL-303"),
        refused("auth/iss-wrong-issuer", "CL-303"),
        refused("auth/iss-unexpected", "CL-303"),
        refused("auth/iss-normalized", "CL-303"),
    ];
    play_at(NEWEST, &rows);
}

#[test]
fn nobody_gets_in_who_does_nothing() {
    // The table itself can fail: a scenario of success does not pass with a client that is told to come to nothing.
    let nothing = Row { flags: &["--browser", "none"], version: Some("2025-11-25"), ..row("auth/metadata-default") };
    let passed = std::panic::catch_unwind(|| play(&[nothing]));
    assert!(passed.is_err());
}

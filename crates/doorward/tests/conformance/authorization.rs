//! The scenarios of authorization.

use crate::suite::{ROW, Row, play, play_at, play_one};

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
    // proves: MCP-AUTH-018, MCP-AUTH-019, MCP-AUTH-065, MCP-AUTH-066, FCL-05
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
fn the_extensions_of_authorization_are_spoken() {
    // proves: EXT-CC-002, EXT-CC-006, EXT-CC-007, R7523-01, R7523-03, R7523-08
    const KEY: &[&str] =
        &["--client-credentials", "--client-id", "{client_id}", "--client-key-file", "{file:private_key_pem}"];
    const SECRET: &[&str] =
        &["--client-credentials", "--client-id", "{client_id}", "--client-secret-file", "{file:client_secret}"];
    // proves: EXT-EMA-001, EXT-EMA-002, EXT-EMA-003, EXT-EMA-004, EXT-EMA-005, EXT-EMA-011, R8693-01
    const ENTERPRISE: &[&str] = &[
        "--client-id",
        "{client_id}",
        "--client-secret-env",
        "{env:client_secret}",
        "--enterprise-idp",
        "{idp_issuer}",
        "--enterprise-client-id",
        "{idp_client_id}",
        "--id-token-file",
        "{file:idp_id_token}",
    ];
    const WORKLOAD: &[&str] = &[
        "--client-id",
        "{client_id}",
        "--assertion-file",
        "{file:expired_jwt}",
        "--assertion-file",
        "{file:wrong_audience_jwt}",
        "--assertion-file",
        "{file:valid_jwt}",
    ];
    play(&[
        Row { flags: KEY, ..row("auth/client-credentials-jwt") },
        Row { flags: SECRET, ..row("auth/client-credentials-basic") },
        Row { flags: ENTERPRISE, ..row("auth/enterprise-managed-authorization") },
        Row { flags: WORKLOAD, ..row("auth/wif-jwt-bearer") },
    ]);
}

#[test]
fn an_assertion_for_somebody_else_is_not_shown() {
    // proves: R7523-01
    const FOREIGN: &[&str] = &["--client-id", "{client_id}", "--assertion-file", "{file:wrong_audience_jwt}"];
    const EXPIRED: &[&str] = &["--client-id", "{client_id}", "--assertion-file", "{file:expired_jwt}"];
    for flags in [FOREIGN, EXPIRED] {
        let row = Row { flags, ..refused("auth/wif-jwt-bearer", "CL-407") };
        // The suite counts a token request that was not made as a failure, which is what has to happen here.
        let report = play_one(&row).expect_err("no token request is made");
        let only =
            report.contains("Passed: 2/3, 1 failed") && report.contains("did not make a JWT-bearer token request");
        assert!(only, "{report}");
    }
}

#[test]
fn tokens_are_bound_to_a_key_where_the_server_asks_for_it() {
    // proves: R9449-01, R9449-08, R9449-09, EXT-05
    play(&["auth/dpop", "auth/dpop-nonce"].map(row));
    play(&["auth/dpop", "auth/dpop-nonce"].map(|scenario| Row { flags: &["--dpop"], ..row(scenario) }));
}

#[test]
fn nobody_gets_in_who_does_nothing() {
    // The table itself can fail: a scenario of success does not pass with a client that is told to come to nothing.
    let nothing = Row { flags: &["--browser", "none"], version: Some("2025-11-25"), ..row("auth/metadata-default") };
    let passed = std::panic::catch_unwind(|| play(&[nothing]));
    assert!(passed.is_err());
}

#[test]
fn an_identifier_is_had_in_the_specs_order() {
    // proves: MCP-AUTH-030, MCP-AUTH-031, MCP-AUTH-032, MCP-AUTH-033, MCP-AUTH-048, MCP-AUTH-049
    const DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";
    let given = Row {
        flags: &["--client-id", "{client_id}", "--client-secret-file", "{file:client_secret}"],
        ..row("auth/pre-registration")
    };
    let from_variable = Row {
        flags: &["--client-id", "{client_id}"],
        environment: &[("DOORWARD_CLIENT_SECRET", "{client_secret}")],
        ..row("auth/pre-registration")
    };
    let document = Row { flags: &["--client-metadata-url", DOCUMENT], ..row("auth/basic-cimd") };
    play_at(BOTH, &[given, from_variable, document]);
}

#[test]
fn servers_without_metadata_of_their_own_are_reached() {
    // proves: MCP-LEG-001, MCP-LEG-002, MCP-LEG-004, MCP-AUTH-020
    let rows = ["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"];
    play_at(&["2025-03-26"], &rows.map(row));
}

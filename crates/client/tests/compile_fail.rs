//! What cannot be written.

#[test]
fn evidence_cannot_be_forged_copied_or_opened_elsewhere() {
    // proves: MCP-AUTH-019, MCP-AUTH-090, MCP-AUTH-130
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

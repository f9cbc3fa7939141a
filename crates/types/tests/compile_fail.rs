//! What must not compile: the evidence of `types` cannot be forged, printed or mixed up.

#[test]
fn evidence_cannot_be_misused() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

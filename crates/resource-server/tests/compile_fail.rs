//! What must not compile: nobody is let through but by the guard.

#[test]
fn evidence_cannot_be_misused() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

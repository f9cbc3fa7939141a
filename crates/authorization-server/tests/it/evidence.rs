#[test]
fn evidence_is_neither_made_nor_copied_outside() {
    // proves: INV-3, INV-4
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

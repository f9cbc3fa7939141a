//! A checked callback is made by the check, and spent once.
use doorward_client::CheckedCallback;
use doorward_types::Issuer;

fn forged(issuer: Issuer) -> CheckedCallback {
    CheckedCallback { issuer }
}

fn copied<Evidence: Clone>() {}

fn main() {
    copied::<CheckedCallback>();
}

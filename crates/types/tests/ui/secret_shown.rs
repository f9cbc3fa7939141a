//! A secret has no text of its own and no equality.

use doorward_types::{Secret, secret::AccessToken};

fn main() {
    let token = Secret::<AccessToken>::parse("a").unwrap();
    println!("{token}");
    let _ = token == token;
}

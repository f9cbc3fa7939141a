//! The project's one command for its own work.
fn main() {}

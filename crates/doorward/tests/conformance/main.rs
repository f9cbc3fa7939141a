//! The official conformance suite with `doorward connect` as the client: one scenario at a time, the client's exit code
//! counted, and no list of expected failures. A scenario that must come to nothing names the code with which it does.

mod authorization;
mod messages;
mod suite;

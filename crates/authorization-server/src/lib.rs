//! Authorize, consent, token, register, revoke, introspect: facts in, decision and writes out.
//!
//! Each decision is one file and one function of facts, a request, the time and fresh randomness. It returns
//! what to answer and what to write. The loop that joins it to the world is always the same: load facts, decide,
//! [`commit`](store::Store::commit); on a conflict load and decide again, so that the loser of a race is simply a replay.

pub mod facts;
pub mod password;
pub mod seal;
pub mod store;
mod write;

pub use write::{RevocationReason, Write};

//! What tests share: a virtual clock, seeded randomness and small readers of answers; with the feature
//! `process` also a running gateway, a real browser, a stdio MCP client and raw HTTP; with the feature
//! `postgres` real PostgreSQL servers, and with `keychain` a real Secret Service.
//!
//! Pure crates take only the first half, so that their unit tests build in seconds.

mod clock;
mod entropy;
#[cfg(feature = "keychain")]
pub mod keychain;
#[cfg(any(feature = "postgres", feature = "process"))]
pub mod port;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "process")]
pub mod process;
pub mod redirect_uris;
pub mod url_text;

pub use clock::VirtualClock;
pub use entropy::SeededEntropy;

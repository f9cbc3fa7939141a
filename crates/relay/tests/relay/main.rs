//! The gateway with real child processes behind it: what it lets through, what it keeps apart, and what it
//! survives.

mod child;
mod door;
mod eras;
mod killed;
mod possession;
mod sessions;
mod sharing;
mod streams;
mod support;

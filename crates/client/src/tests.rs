//! The machine against scripted servers.

mod anything;
mod authorization;
mod callback;
mod discovery;
mod exchange;
mod refresh;
mod registration;

//! The machine against scripted servers.

mod anything;
mod authorization;
mod callback;
mod discovery;
mod exchange;
mod old_servers;
mod refresh;
mod registration;
mod tolerances;

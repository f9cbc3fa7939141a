//! The machine against scripted servers.

mod anything;
mod authorization;
mod callback;
mod device;
mod discovery;
mod dpop;
mod enterprise;
mod exchange;
mod moving;
mod old_servers;
mod redirects;
mod refresh;
mod registration;
mod taken_over;
mod tolerances;
mod unattended;

//! Running a gateway: its keys, its record, its copies, on a file and on a database, on one node and on two.

mod engine;
mod hostile;
mod keys;
mod nodes;
mod raw;
mod record;
mod resources;
mod state;
#[path = "../attacks/world.rs"]
#[allow(dead_code, reason = "shared with the attacks, which need more of it")]
mod world;

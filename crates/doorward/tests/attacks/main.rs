//! Attacks on a running gateway, over real HTTP, on its real database, with a real child behind it.

mod audience;
mod chaos;
mod code;
mod forms;
mod messages;
mod redirect;
mod refresh;
mod sharing;
mod world;

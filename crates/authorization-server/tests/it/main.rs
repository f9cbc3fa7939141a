//! Whole flows and random schedules over a model store, and what the evidence types refuse to compile.

mod evidence;
mod flows;
mod model;
mod schedules;
mod world;

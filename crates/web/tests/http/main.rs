//! The endpoints over HTTP: the real router on a real store, with a clock and randomness of the test's own.

mod app;
mod browser;
mod html;
mod lint;
mod world;

mod apps;
mod authorize;
mod code;
mod consent;
mod forgery;
mod generator;
mod leak;
mod limits;
mod metadata;
mod pages;
mod redirect;
mod refresh;
mod register;
mod revoke;
mod sessions;
mod token_form;

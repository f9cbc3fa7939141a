//! The endpoints over HTTP: the real router on a real store, with a clock and randomness of the test's own.

mod app;
mod browser;
mod html;
mod internet;
mod lint;
mod proof;
mod service;
mod world;

mod apps;
mod authorize;
mod code;
mod consent;
mod device;
mod documents;
mod dpop;
mod forgery;
mod generator;
mod id_jag;
mod introspect;
mod leak;
mod limits;
mod managed;
mod metadata;
mod pages;
mod pushed;
mod redirect;
mod refresh;
mod register;
mod revoke;
mod sessions;
mod token_form;
mod waiting;
mod without_person;

//! Authorize, consent, token, register, revoke, introspect: facts in, decision and writes out.
//!
//! Each decision is one file and one function of facts, a request, the time and fresh randomness. It returns
//! what to answer and what to write. The loop that joins it to the world is always the same: load facts, decide,
//! [`commit`](store::Store::commit); on a conflict load and decide again, so that the loser of a race is simply a replay.

pub mod account;
pub mod audit;
pub mod authorize;
pub mod client_assertion;
pub mod client_auth;
pub mod client_credentials;
pub mod client_document;
pub mod client_management;
mod client_metadata;
pub mod code;
pub mod consent;
pub mod device;
mod display_name;
pub mod exchange;
pub mod facts;
pub mod failed_authentication;
#[cfg(test)]
mod fixtures;
pub mod introspection;
pub mod jwt_bearer;
pub mod keys;
pub mod known_apps;
mod lasts;
mod looks;
mod members;
mod own_token;
pub mod password;
pub mod policy;
pub mod pre_registration;
pub mod pushed;
mod random;
pub mod redirect_target;
pub mod refresh;
pub mod refusal;
pub mod registration;
pub mod revocation;
pub mod seal;
mod server_metadata;
pub mod session;
pub mod standing;
pub mod store;
pub mod token;
mod token_refusal;
pub mod token_request;
pub mod waiting;
mod write;

pub use members::MetadataRefusal;
pub use policy::{Policy, Resource};
pub use refusal::PageRefusal;
pub use token::{TokenError, TokenRefusal};
pub use write::{RevocationReason, Write};

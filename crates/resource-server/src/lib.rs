//! A presented bearer becomes an authorized request, or a challenge; with a tower layer for any axum
//! or hyper service.
//!
//! The way in is one chain of evidence: [`presented`] takes the one token out of the headers,
//! [`Guard::verify`] turns it, with the proof of its key if it is bound to one, into [`Verified`], [`Guard::admit`] turns that and the request into an
//! [`AuthorizedRequest`], from which the caller's `Authorization` header is gone.
//! Every refusal on the way is a [`Refusal`], and [`Guard::refuse`] is the answer to it.

mod admit;
mod guard;
mod layer;
mod possession;
mod present;
mod refusal;
mod verify;

pub use admit::{Authorized, AuthorizedRequest, Denials, Principal, Revocations};
pub use guard::Guard;
pub use layer::{RequireBearer, RequireBearerLayer};
pub use present::{Scheme, presented};
pub use refusal::Refusal;
pub use verify::{Verified, Verifier};

//! The field's words: secrets and digests, issuer, resource identifier, redirect URI, scope, PKCE,
//! challenges, metadata documents, messages, and JOSE with the key bound to its algorithm.
//!
//! Everything here is a value or a pure function. Nothing reads a clock, draws randomness by
//! itself or talks to anybody: the time comes in as [`Timestamp`], randomness as [`Entropy`].
//! A value whose constructor checks something ([`Issuer`], [`ResourceId`], [`RedirectUri`],
//! [`S256Challenge`], [`metadata::ValidatedMetadata`]) is the evidence of that check.

pub mod challenge;
mod client_id;
mod entropy;
pub mod form;
mod invisible;
mod issuer;
pub mod jose;
pub mod json;
pub mod messages;
pub mod metadata;
pub mod outbound;
mod permission;
mod pkce;
pub mod providers;
pub mod redirect;
mod resource;
mod revision;
mod scope;
pub mod secret;
mod time;
pub mod web_url;

pub use client_id::{ClientId, InvalidClientId};
pub use entropy::Entropy;
pub use invisible::is_invisible;
pub use issuer::{InvalidIssuer, Issuer};
pub use permission::Permission;
pub use pkce::{CodeVerifier, InvalidChallenge, InvalidVerifier, S256Challenge};
pub use redirect::{InvalidRedirectUri, RedirectUri};
pub use resource::{InvalidResource, ResourceId};
pub use revision::Revision;
pub use scope::{InvalidScope, Scope, ScopeSet};
pub use secret::{Digest, Secret};
pub use time::Timestamp;

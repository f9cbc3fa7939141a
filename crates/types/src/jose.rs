//! Signed tokens: JWS in compact form, with the algorithm bound to the key and never taken from a header.
//!
//! Source: RFC 7515, RFC 7517, RFC 7638, RFC 8725, RFC 9068, RFC 9449.

mod access_token;
mod client_key;
pub mod dpop;
mod jwk;
mod sign;
mod verify;

pub use access_token::{AccessTokenClaims, Actor, Confirmation};
pub use client_key::{BadClientKey, ClientKey, ClientKeyRecord, MOST_KEY_BYTES};
pub use jwk::{Algorithm, InvalidThumbprint, Jwk, KeySet, Thumbprint, VerifyingKey};
pub use sign::{BadKey, SigningKey};
pub use verify::{JwsRefusal, Verified, claimed, verify, verify_typed};

//! Facts: what rows say. They are plain values, read back from the store and judged again on every use.

mod client;
mod grant;
mod person;
mod request;

use doorward_types::Timestamp;

pub use client::{Client, ClientAuthentication, ClientKeys, ClientOrigin};
pub use grant::{Code, CodeFacts, DeviceFacts, Grant, GrantFacts, GrantId, GrantKind, Refresh, RefreshFacts, Rotated};
pub use person::{Account, AccountId, ExternalIdentity, Session};
pub use request::{AnswerTo, AuthorizationRequest, Device, DeviceAnswer, Interaction, PushedRequest};

use crate::seal::Sealed;

/// A key that signs access tokens, as all nodes share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name, the RFC 7638 thumbprint.
    pub kid: String,
    /// The key pair in PKCS#8, sealed under the operator's key.
    pub sealed: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs; it is published before, so that nobody meets an unknown key.
    pub active_from: Timestamp,
}

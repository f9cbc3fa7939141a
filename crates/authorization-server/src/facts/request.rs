//! What is asked of a person, and waits for their answer.

use doorward_types::{
    ClientId, Digest, ResourceId, S256Challenge, ScopeSet, Timestamp,
    jose::Thumbprint,
    secret::{DeviceCode, InteractionToken, RequestReference, SessionToken, UserCode},
};
use serde::{Deserialize, Serialize};

use super::GrantId;
use crate::seal::Sealed;

/// An authorization request that passed the first checks, as text. Its parts are judged again when it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client that asks.
    pub client: ClientId,
    /// What the client was like when it asked (the text of [`Client::face`](super::Client::face)); none where nothing can change under the request.
    #[serde(default)]
    pub face: Option<String>,
    /// Where the answer goes.
    pub answer_to: AnswerTo,
    /// The one resource that is asked for.
    pub resource: ResourceId,
    /// The scopes that can be granted.
    pub scope: ScopeSet,
    /// Whether the client asked to stay connected (`offline_access`) and may.
    pub offline: bool,
    /// When it was asked.
    pub requested_at: Timestamp,
}

/// Where the answer to an authorization request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerTo {
    /// Back to the client, with the browser.
    Redirect {
        /// The redirect URI as requested.
        uri: String,
        /// The client's `state`, to be echoed.
        state: Option<String>,
        /// The PKCE challenge.
        challenge: S256Challenge,
        /// The key that the code is bound to (`dpop_jkt`, RFC 9449 section 10).
        dpop: Option<Thumbprint>,
    },
    /// Into the row of a device, which polls for it.
    Device {
        /// The device.
        device: Digest<DeviceCode>,
        /// The code that the person typed, as it is shown.
        user_code: String,
        /// From where the device asked.
        asked_from: String,
    },
}

/// An authorization request that waits for a person. The request itself is sealed under a key that only the
/// browser's interaction token yields, so that a copy of the rows shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The digest of the token that names it.
    pub digest: Digest<InteractionToken>,
    /// The browser that may answer it: the digest of its session cookie, signed in or not.
    pub browser: Digest<SessionToken>,
    /// The sealed [`AuthorizationRequest`].
    pub request: Sealed,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// Whether it was answered.
    pub spent: bool,
}

/// An authorization request that a client pushed ahead of the browser. It is sealed under the reference that only
/// the client was given.
///
/// Source: RFC 9126 section 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    /// The digest of the reference in its `request_uri`.
    pub digest: Digest<RequestReference>,
    /// The client that pushed it.
    pub client: ClientId,
    /// The sealed [`AuthorizationRequest`] that its parameters made.
    pub form: Sealed,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Whether it was used.
    pub spent: bool,
}

/// A device that waits for a person.
///
/// Source: RFC 8628 section 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The digest of the code that the device polls with.
    pub digest: Digest<DeviceCode>,
    /// The digest of the code that the person types.
    pub user_code: Digest<UserCode>,
    /// The client on the device.
    pub client: ClientId,
    /// The resource it asks for.
    pub resource: ResourceId,
    /// The scopes it asks for, `offline_access` among them if it may have that.
    pub scope: ScopeSet,
    /// From where it asked: its address and what it calls its software, to be shown to the person. At most 256 characters.
    pub asked_from: String,
    /// When it asked.
    pub requested_at: Timestamp,
    /// Until when it can be answered and polled.
    pub expires_at: Timestamp,
    /// The least seconds between two polls, as far as it was slowed down.
    pub interval: u32,
    /// When it last polled.
    pub polled_at: Option<Timestamp>,
    /// What the person answered.
    pub answer: DeviceAnswer,
    /// When its tokens were issued.
    pub redeemed_at: Option<Timestamp>,
}

/// What a person answered to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Nothing yet.
    None,
    /// No.
    Denied,
    /// Yes: this grant.
    Allowed(GrantId),
}

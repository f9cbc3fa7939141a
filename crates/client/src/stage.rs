//! Where a login stands, for those who tell a person about it.

use crate::state::State;

/// What a login waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The MCP server's metadata.
    ResourceMetadata,
    /// The authorization server's metadata.
    ServerMetadata,
    /// What is known of a client that was registered before.
    KnownClient,
    /// A port for the browser to come back to.
    Port,
    /// The answer to a registration.
    Registration,
    /// That the new client is kept.
    ClientKept,
    /// The name of a request that was pushed.
    PushedRequest,
    /// The browser.
    Callback,
    /// A code for another device.
    DeviceCode,
    /// The time before the server is asked again whether the code was typed.
    DevicePause,
    /// Whether the code was typed.
    DeviceAnswer,
    /// The metadata of the organisation's identity provider.
    IdentityProvider,
    /// The identity provider's assertion.
    Assertion,
    /// The tokens.
    Tokens,
    /// Nothing: it is complete.
    Finished,
}

impl From<&State> for Stage {
    fn from(state: &State) -> Self {
        match state {
            State::Resource(_) => Self::ResourceMetadata,
            State::Server(_) => Self::ServerMetadata,
            State::StoredClient(_) => Self::KnownClient,
            State::Port(_) => Self::Port,
            State::Registration(_) => Self::Registration,
            State::Saved(_) => Self::ClientKept,
            State::Pushed(_) => Self::PushedRequest,
            State::Callback(_) => Self::Callback,
            State::DeviceCode(_) => Self::DeviceCode,
            State::DevicePause(_) => Self::DevicePause,
            State::DeviceAnswer(_) => Self::DeviceAnswer,
            State::Provider(_) | State::Identity(_) | State::Renewed(_) | State::Keys(_) | State::Kept(_) => {
                Self::IdentityProvider
            }
            State::Exchange(_) => Self::Assertion,
            State::Token(_) => Self::Tokens,
            State::Later(state, _) => Self::from(&**state),
            State::Finished => Self::Finished,
        }
    }
}

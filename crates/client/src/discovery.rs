//! Where to log in: the MCP server's metadata, then the authorization server's.

mod old;
mod resource;
mod server;

use doorward_types::{ScopeSet, metadata::ValidatedMetadata};

use crate::{ProofKey, RestsOn, enterprise::SignIn, start::Flow};

pub(crate) use resource::AwaitResource;
pub(crate) use server::AwaitServer;

/// What discovery found, every part of it checked.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) flow: Flow,
    /// The `resource` parameter, byte for byte as published; empty where it is not sent.
    pub(crate) audience: String,
    /// The authorization server.
    pub(crate) server: ValidatedMetadata,
    /// What the resource lists.
    pub(crate) listed: ScopeSet,
    /// What is asked for.
    pub(crate) scope: Option<ScopeSet>,
    /// Whether the endpoints are those of the 2025-03-26 revision because the server publishes none.
    pub(crate) guessed: bool,
    /// What the tokens are to be bound to.
    pub(crate) key: Option<ProofKey>,
    /// Whose sign-in at an identity provider the tokens are going to rest on.
    pub(crate) identity: Option<RestsOn>,
    /// What the tokens are for when the server is an identity provider, and the person signs in there for the sake of another
    /// server.
    pub(crate) sign_in: Option<Box<SignIn>>,
}

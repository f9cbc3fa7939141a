//! Where to log in: the MCP server's metadata, then the authorization server's.

mod resource;
mod server;

use doorward_types::{ScopeSet, metadata::ValidatedMetadata};

use crate::{ProofKey, start::Flow};

pub(crate) use resource::AwaitResource;
pub(crate) use server::AwaitServer;

/// What discovery found, every part of it checked.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) flow: Flow,
    /// The `resource` parameter, byte for byte as published.
    pub(crate) audience: String,
    /// The authorization server.
    pub(crate) server: ValidatedMetadata,
    /// What the resource lists.
    pub(crate) listed: ScopeSet,
    /// What is asked for.
    pub(crate) scope: Option<ScopeSet>,
    /// What the tokens are to be bound to.
    pub(crate) key: Option<ProofKey>,
}

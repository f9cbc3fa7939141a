//! What the authorization server needs of a store. One contract test proves each implementation.

use async_trait::async_trait;
use doorward_types::{
    ClientId, Digest,
    secret::{AuthorizationCode, InteractionToken, RefreshToken, SessionToken, SetupToken},
};

use crate::{
    facts::{Account, AccountId, Client, CodeFacts, Grant, GrantId, Interaction, RefreshFacts, Session},
    write::Write,
};

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All of it is durable.
    Done,
    /// A guard did not hold and nothing happened: load and decide again.
    Conflict,
}

/// The store failed; nothing is known about a write that was under way.
#[derive(Debug, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreFault(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// Facts in, writes out. Reading gives one consistent moment per call.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A client.
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreFault>;
    /// A waiting authorization request, spent or not.
    async fn interaction(&self, digest: &Digest<InteractionToken>) -> Result<Option<Interaction>, StoreFault>;
    /// A code with its grant and account.
    async fn code(&self, digest: &Digest<AuthorizationCode>) -> Result<Option<CodeFacts>, StoreFault>;
    /// A refresh token with its grant and account.
    async fn refresh(&self, digest: &Digest<RefreshToken>) -> Result<Option<RefreshFacts>, StoreFault>;
    /// A grant.
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreFault>;
    /// An account's grants that were not revoked, with their clients, newest first.
    async fn grants_of(&self, account: &AccountId) -> Result<Vec<(Grant, Option<Client>)>, StoreFault>;
    /// An account.
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreFault>;
    /// An account by the name it signs in with.
    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreFault>;
    /// A signed-in browser with its account.
    async fn session(&self, digest: &Digest<SessionToken>) -> Result<Option<(Session, Account)>, StoreFault>;
    /// Whether there is any account yet.
    async fn has_accounts(&self) -> Result<bool, StoreFault>;
    /// The current one-time set-up value, if it was not used.
    async fn setup(&self) -> Result<Option<Digest<SetupToken>>, StoreFault>;
    /// Every grant that was revoked and whose access tokens may still be running.
    async fn revoked_grants(&self) -> Result<Vec<GrantId>, StoreFault>;
    /// Commits all writes together, durably, or none.
    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault>;
}

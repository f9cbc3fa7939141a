//! What the authorization server needs of a store. One contract test proves each implementation.

use async_trait::async_trait;
use doorward_types::{
    ClientId, Digest, Timestamp,
    secret::{
        AuthorizationCode, DeviceCode, InteractionToken, RefreshToken, Registration, RequestReference, SessionToken,
        SetupToken, UsedOnce, UserCode,
    },
};

use crate::{
    audit::Recorded,
    facts::{
        Account, AccountId, Client, CodeFacts, DeviceFacts, ExternalIdentity, Grant, GrantId, Interaction, KeyRow,
        PushedRequest, RefreshFacts, Session,
    },
    waiting::Waiting,
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
    /// A client that registered itself with the same text, the newest that is not expired by `now`.
    async fn client_like(
        &self,
        registration: &Digest<Registration>,
        now: Timestamp,
    ) -> Result<Option<Client>, StoreFault>;
    /// All clients, the oldest first, after the one that was made at this moment under this name, whether it is still there
    /// or not; `most` at the most.
    async fn clients(&self, after: Option<(Timestamp, &ClientId)>, most: u32) -> Result<Vec<Client>, StoreFault>;
    /// All clients that may exchange tokens for another resource; the operator adds each, so that they are few.
    async fn exchangers(&self) -> Result<Vec<Client>, StoreFault>;
    /// How many clients there are that registered themselves or came by their document.
    async fn count_strangers(&self) -> Result<u64, StoreFault>;
    /// How many requests of a kind wait, answered ones and those that are over included; counted up to `most`.
    async fn count_waiting(&self, kind: Waiting, most: u64) -> Result<u64, StoreFault>;
    /// A pushed authorization request, used or not.
    async fn pushed_request(&self, digest: &Digest<RequestReference>) -> Result<Option<PushedRequest>, StoreFault>;
    /// A device by the code it polls with.
    async fn device(&self, digest: &Digest<DeviceCode>) -> Result<Option<DeviceFacts>, StoreFault>;
    /// A device by the code that a person types.
    async fn device_by_user_code(&self, digest: &Digest<UserCode>) -> Result<Option<DeviceFacts>, StoreFault>;
    /// All keys, the oldest first.
    async fn keys(&self) -> Result<Vec<KeyRow>, StoreFault>;
    /// The record after the event of this number, the oldest first; `most` at the most.
    async fn recorded(&self, after: u64, most: u32) -> Result<Vec<Recorded>, StoreFault>;
    /// Whether something that may be used only once was used and must still be remembered.
    async fn is_used(&self, id: &Digest<UsedOnce>) -> Result<bool, StoreFault>;
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
    /// An account by the person's name at an identity provider.
    async fn account_by_identity(&self, identity: &ExternalIdentity) -> Result<Option<Account>, StoreFault>;
    /// A signed-in browser with its account.
    async fn session(&self, digest: &Digest<SessionToken>) -> Result<Option<(Session, Account)>, StoreFault>;
    /// Whether there is any account yet that was made here. One that came from an enterprise administers nothing and does
    /// not count.
    async fn has_accounts(&self) -> Result<bool, StoreFault>;
    /// The current one-time set-up value, if it was not used.
    async fn setup(&self) -> Result<Option<Digest<SetupToken>>, StoreFault>;
    /// Every grant that was revoked and whose access tokens may still be running.
    async fn revoked_grants(&self) -> Result<Vec<GrantId>, StoreFault>;
    /// Commits all writes together, durably, or none. What [`audit::event_of`](crate::audit::event_of) makes of a write
    /// that changed a row is recorded in the same commit.
    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault>;
    /// Whether the store can be used right now: a look-up that touches it.
    async fn ready(&self) -> Result<(), StoreFault>;
    /// The moment up to which this node knows of all revocations by others.
    fn revocations_known_at(&self) -> Timestamp;
}

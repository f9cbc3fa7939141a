//! What a login leaves behind, and where it is kept.

use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{
    ClientId, Issuer, ResourceId, ScopeSet, Secret, Timestamp,
    metadata::{AuthorizationServerMetadata, ValidatedMetadata},
    secret,
};
use serde::{Deserialize, Serialize};

use crate::{BearerFor, ClientRecord, RegisteredClient};

/// What one set of tokens is filed under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The authorization server that issued the tokens.
    pub issuer: Issuer,
    /// The MCP server that they are for, as the user named it.
    pub resource: ResourceId,
    /// The client that they were issued to.
    pub client_id: ClientId,
    /// The user's own name for one of several accounts at the same server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// The tokens of one login, and all that is needed to renew or revoke them without asking anybody.
#[derive(Clone, Debug)]
pub struct StoredTokens {
    /// The MCP server, as the user named it.
    pub resource: ResourceId,
    /// The user's own name for the account.
    pub account: Option<String>,
    /// The `resource` parameter, byte for byte as the MCP server published it.
    pub audience: String,
    /// The authorization server, checked.
    pub server: ValidatedMetadata,
    /// The client that the tokens were issued to.
    pub client: RegisteredClient,
    /// The access token.
    pub access_token: Secret<secret::AccessToken>,
    /// When it expires, if the server said so.
    pub expires_at: Option<Timestamp>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret<secret::RefreshToken>>,
    /// What was asked for; `None` when the server was left to choose.
    pub requested: Option<ScopeSet>,
    /// What was granted, as far as is known.
    pub granted: Option<ScopeSet>,
    /// How often this row was written; 0 when it never was. The store sets it.
    pub generation: u64,
}

impl StoredTokens {
    /// What the tokens are filed under.
    pub fn key(&self) -> Key {
        Key {
            issuer: self.server.issuer().clone(),
            resource: self.resource.clone(),
            client_id: self.client.client_id().clone(),
            account: self.account.clone(),
        }
    }

    /// The access token for use at its server.
    pub fn bearer(&self) -> BearerFor {
        BearerFor::new(self.resource.clone(), self.access_token.clone())
    }

    /// Whether the access token has expired, or will within `ahead`. One without a known end never does.
    pub fn expires_within(&self, ahead: Duration, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now.plus(ahead))
    }

    /// The stored form, with the tokens in plain text: for sealed storage only.
    pub fn to_stored(&self) -> TokensRecord {
        let document = self.server.document();
        TokensRecord {
            resource: self.resource.clone(),
            account: self.account.clone(),
            audience: self.audience.clone(),
            // Only what a refresh, a revocation or the next check needs.
            server: AuthorizationServerMetadata {
                issuer: document.issuer.clone(),
                authorization_endpoint: document.authorization_endpoint.clone(),
                token_endpoint: document.token_endpoint.clone(),
                revocation_endpoint: document.revocation_endpoint.clone(),
                code_challenge_methods_supported: document.code_challenge_methods_supported.clone(),
                ..AuthorizationServerMetadata::default()
            },
            client: self.client.to_stored(),
            access_token: self.access_token.expose().to_owned(),
            expires_at: self.expires_at,
            issued_at: self.issued_at,
            refresh_token: self.refresh_token.as_ref().map(|token| token.expose().to_owned()),
            requested: self.requested.clone(),
            granted: self.granted.clone(),
            generation: self.generation,
        }
    }

    /// Reads the stored form; every field is judged again, the server's metadata included.
    ///
    /// # Errors
    /// Says what cannot be, without any value.
    pub fn from_stored(record: TokensRecord) -> Result<Self, String> {
        let client = RegisteredClient::from_stored(record.client)?;
        let server = record.server.validate(client.issuer()).map_err(|e| e.to_string())?;
        Ok(Self {
            resource: record.resource,
            account: record.account,
            audience: record.audience,
            server,
            client,
            access_token: Secret::parse(record.access_token).map_err(|e| e.to_string())?,
            expires_at: record.expires_at,
            issued_at: record.issued_at,
            refresh_token: record.refresh_token.map(Secret::parse).transpose().map_err(|e| e.to_string())?,
            requested: record.requested,
            granted: record.granted,
            generation: record.generation,
        })
    }
}

/// Tokens as they are stored. They are plain text in it, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokensRecord {
    resource: ResourceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    audience: String,
    server: AuthorizationServerMetadata,
    client: ClientRecord,
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    issued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<ScopeSet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    granted: Option<ScopeSet>,
    generation: u64,
}

/// The store cannot be read or written. The message names the place and the reason, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreFault(pub String);

/// Why tokens were not saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveFailed {
    /// Somebody else wrote in between: read again and decide again.
    #[error("somebody else wrote these tokens in between")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// Where credentials are kept. Several processes may use one store at once.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// The tokens under this key.
    async fn load(&self, key: &Key) -> Result<Option<StoredTokens>, StoreFault>;

    /// All tokens for one MCP server, whichever authorization server issued them; the newest first.
    async fn for_resource(&self, resource: &ResourceId) -> Result<Vec<StoredTokens>, StoreFault>;

    /// All tokens, in the order of their keys.
    async fn list(&self) -> Result<Vec<StoredTokens>, StoreFault>;

    /// Writes tokens under their key if the row's generation is still `expected` (0: there is no row), and gives the
    /// new generation, `expected + 1`. The `generation` inside `tokens` is not looked at.
    async fn save(&self, tokens: &StoredTokens, expected: u64) -> Result<u64, SaveFailed>;

    /// Removes the tokens under this key if the row's generation is still `generation`; says whether it did.
    async fn remove(&self, key: &Key, generation: u64) -> Result<bool, StoreFault>;

    /// The client that was registered at this server.
    async fn load_client(&self, issuer: &Issuer) -> Result<Option<RegisteredClient>, StoreFault>;

    /// Keeps the client that was registered at its server, in place of an earlier one.
    async fn save_client(&self, client: &RegisteredClient) -> Result<(), StoreFault>;

    /// Forgets the client at this server if it is still this one; says whether it did.
    async fn remove_client(&self, issuer: &Issuer, client_id: &ClientId) -> Result<bool, StoreFault>;
}

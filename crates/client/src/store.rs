//! What a login leaves behind, and where it is kept.

use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{
    ClientId, Issuer, ResourceId, ScopeSet, Secret, Timestamp,
    metadata::{AuthorizationServerMetadata, ValidatedMetadata},
    secret,
};
use serde::{Deserialize, Serialize};

use crate::{BearerFor, ClientRecord, IdentityKey, ProofKey, RegisteredClient, RestsOn, StoredIdentity};

/// How long before its end a token is renewed, at most.
const MOST_AHEAD: Duration = Duration::from_secs(60);

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

/// How tokens were got, which says how they are renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Got {
    /// A person allowed it in a browser on this computer.
    #[default]
    Code,
    /// A person allowed it somewhere else.
    Device,
    /// The client asked for itself. It can ask again at any time.
    ClientCredentials,
    /// An assertion about a person or a workload was shown.
    Assertion,
}

/// The tokens of one login, and all that is needed to renew or revoke them without asking anybody.
#[derive(Clone, Debug)]
pub struct StoredTokens {
    /// The MCP server, as the user named it.
    pub resource: ResourceId,
    /// The user's own name for the account.
    pub account: Option<String>,
    /// The `resource` parameter, byte for byte as the MCP server published it; empty where the authorization server is
    /// not told.
    pub audience: String,
    /// The authorization server, checked.
    pub server: ValidatedMetadata,
    /// The client that the tokens were issued to.
    pub client: RegisteredClient,
    /// How they were got.
    pub got: Got,
    /// Whose sign-in at an identity provider they rest on. While that is good, it gives new tokens without a person.
    pub identity: Option<RestsOn>,
    /// The access token.
    pub access_token: Secret<secret::AccessToken>,
    /// The key that the tokens are bound to; with one the access token is of type DPoP, else of type Bearer.
    pub proof_key: Option<ProofKey>,
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
        BearerFor::new(self.resource.clone(), self.access_token.clone(), self.proof_key.clone())
    }

    /// The type of the access token, `Bearer` or `DPoP`.
    pub fn token_type(&self) -> &'static str {
        if self.proof_key.is_some() { "DPoP" } else { "Bearer" }
    }

    /// Whether a new access token can be had without a person and without anything that is not stored, as far as these
    /// tokens tell.
    pub fn can_be_renewed(&self) -> bool {
        self.refresh_token.is_some() || self.got == Got::ClientCredentials || self.identity.is_some()
    }

    /// Whether the access token ends so soon that it is renewed before it is sent: half a minute to a minute ahead, or a
    /// quarter to half of its life where that is less. `jitter` is drawn once by each program, so that those that got
    /// their tokens together do not all renew them in the same second.
    pub fn is_ending(&self, jitter: u8, now: Timestamp) -> bool {
        let life = self.expires_at.map_or(Duration::MAX, |at| at.since(self.issued_at));
        let most = MOST_AHEAD.min(life / 2);
        self.expires_within(most / 2 + most / 2 * u32::from(jitter) / u32::from(u8::MAX), now)
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
            got: self.got,
            identity: self.identity.clone(),
            access_token: self.access_token.expose().to_owned(),
            token_type: self.token_type().to_owned(),
            proof_key: self.proof_key.as_ref().map(ProofKey::to_stored),
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
        let server = match record.got {
            Got::Code => record.server.validate(client.issuer()),
            Got::Device | Got::ClientCredentials | Got::Assertion => record.server.validate_for_tokens(client.issuer()),
        };
        let server = server.map_err(|e| e.to_string())?;
        let proof_key = record.proof_key.as_deref().map(ProofKey::from_stored).transpose()?;
        // A token that lost its key must not be shown as one that needs none.
        if record.token_type.eq_ignore_ascii_case("dpop") != proof_key.is_some() {
            return Err("the stored token and its key do not belong together".into());
        }
        Ok(Self {
            resource: record.resource,
            account: record.account,
            audience: record.audience,
            server,
            client,
            got: record.got,
            identity: record.identity,
            proof_key,
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
    #[serde(default)]
    got: Got,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<RestsOn>,
    access_token: String,
    #[serde(default = "bearer")]
    token_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof_key: Option<String>,
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

/// The type of tokens that were stored before there was another.
fn bearer() -> String {
    "Bearer".to_owned()
}

/// The store cannot be read or written. The message names the place and the reason, never a secret; what can be done about
/// it comes last, after a semicolon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreFault(pub String);

impl StoreFault {
    /// The reason, and what can be done about it where the message says so.
    pub fn parts(&self) -> (&str, Option<&str>) {
        self.0.rsplit_once("; ").map_or((&self.0, None), |(why, next)| (why, Some(next)))
    }
}

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

    /// What is kept of a sign-in at an identity provider.
    async fn load_identity(&self, key: &IdentityKey) -> Result<Option<StoredIdentity>, StoreFault>;

    /// All sign-ins at identity providers, in the order of their keys.
    async fn identities(&self) -> Result<Vec<StoredIdentity>, StoreFault>;

    /// Writes a sign-in under its key, by the rule of [`save`](Self::save).
    async fn save_identity(&self, identity: &StoredIdentity, expected: u64) -> Result<u64, SaveFailed>;

    /// Forgets a sign-in, whatever its generation; says whether there was one.
    async fn remove_identity(&self, key: &IdentityKey) -> Result<bool, StoreFault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_about_a_fault_is_told_apart_from_its_reason() {
        let fault = StoreFault("no keychain, because it is locked; unlock it, or use a file: --passphrase-file".into());
        assert_eq!(
            fault.parts(),
            ("no keychain, because it is locked", Some("unlock it, or use a file: --passphrase-file"))
        );
        assert_eq!(StoreFault("no randomness".into()).parts(), ("no randomness", None));
    }
}

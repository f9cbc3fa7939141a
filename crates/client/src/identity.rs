//! A person's sign-in at an identity provider, which is kept: one of them is behind the logins at any number of servers.

use std::time::Duration;

use doorward_types::{
    ClientId, Issuer, Secret, Timestamp,
    metadata::{AuthorizationServerMetadata, ValidatedMetadata},
    secret,
};
use serde::{Deserialize, Serialize};

use crate::{CheckedIdToken, ClientRecord, RegisteredClient, bound::PreRegistered};

/// An ID token that ends this soon is not shown any more: it has to outlive the way there.
const AHEAD: Duration = Duration::from_secs(30);

/// What one sign-in is filed under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdentityKey {
    /// The identity provider.
    pub issuer: Issuer,
    /// This program as the identity provider knows it.
    pub client_id: ClientId,
    /// The user's own name for one of several accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// What tokens rest on that an identity provider's word has given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestsOn {
    /// Where the sign-in is kept.
    pub key: IdentityKey,
    /// Who had signed in, as the identity provider names them.
    pub subject: String,
}

/// A sign-in, and all that is needed to use and renew it without asking anybody. It is made of a [`CheckedIdToken`] or read from
/// sealed storage, and from nothing else.
#[derive(Clone, Debug)]
pub struct StoredIdentity {
    /// The identity provider, checked.
    pub provider: ValidatedMetadata,
    /// This program as the identity provider knows it.
    pub client: RegisteredClient,
    /// The user's own name for the account.
    pub account: Option<String>,
    /// Who signed in, as the identity provider names them.
    pub subject: String,
    /// Their address, if the identity provider says it.
    pub email: Option<String>,
    /// What the identity provider said at the sign-in, or when it was last renewed.
    pub(crate) id_token: Secret<secret::Assertion>,
    /// Until when that is good.
    pub until: Timestamp,
    pub(crate) nonce: Option<Secret<secret::Nonce>>,
    /// What renews the sign-in, if there is one.
    pub(crate) refresh_token: Option<Secret<secret::RefreshToken>>,
    /// When the person signed in.
    pub signed_in_at: Timestamp,
    /// How often this row was written; 0 when it never was. The store sets it.
    pub generation: u64,
}

impl StoredIdentity {
    /// What the sign-in is filed under.
    pub fn key(&self) -> IdentityKey {
        IdentityKey {
            issuer: self.provider.issuer().clone(),
            client_id: self.client.client_id().clone(),
            account: self.account.clone(),
        }
    }

    /// What the person is called: their address, else what the identity provider names them by.
    pub fn name(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.subject)
    }

    /// Whether its ID token can be shown.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.until > now.plus(AHEAD)
    }

    /// Whether there is something to renew it with.
    pub fn can_be_renewed(&self) -> bool {
        self.refresh_token.is_some()
    }

    /// This program as the identity provider knows it, for another sign-in there.
    pub fn own_client(&self) -> PreRegistered {
        PreRegistered::again(&self.client)
    }

    /// The same, with what the identity provider and the user say now of the provider and of this program there.
    pub(crate) fn at(self, provider: &ValidatedMetadata, client: &RegisteredClient) -> Self {
        Self { provider: provider.clone(), client: client.clone(), ..self }
    }

    /// Whether the stored forms say the same of the identity provider and of this program there.
    pub(crate) fn is_stored_like(&self, other: &Self) -> bool {
        let (own, other) = (self.to_stored(), other.to_stored());
        let client = |record: &IdentityRecord| serde_json::to_value(&record.client).ok();
        own.provider == other.provider && client(&own) == client(&other)
    }

    /// The same with a newer ID token of the same person.
    pub(crate) fn renewed(self, checked: CheckedIdToken) -> StoredIdentity {
        Self { id_token: checked.token, until: checked.until, email: checked.email.or(self.email), ..self }
    }

    /// The stored form, with the tokens in plain text: for sealed storage only.
    pub fn to_stored(&self) -> IdentityRecord {
        let document = self.provider.document();
        IdentityRecord {
            // Only what a renewal, a revocation or the next check needs.
            provider: AuthorizationServerMetadata {
                issuer: document.issuer.clone(),
                token_endpoint: document.token_endpoint.clone(),
                jwks_uri: document.jwks_uri.clone(),
                revocation_endpoint: document.revocation_endpoint.clone(),
                ..AuthorizationServerMetadata::default()
            },
            client: self.client.to_stored(),
            account: self.account.clone(),
            subject: self.subject.clone(),
            email: self.email.clone(),
            id_token: self.id_token.expose().to_owned(),
            until: self.until,
            nonce: self.nonce.as_ref().map(|nonce| nonce.expose().to_owned()),
            refresh_token: self.refresh_token.as_ref().map(|token| token.expose().to_owned()),
            signed_in_at: self.signed_in_at,
            generation: self.generation,
        }
    }

    /// Reads the stored form; every field is judged again, the provider's metadata included.
    ///
    /// # Errors
    /// Says what cannot be, without any value.
    pub fn from_stored(record: IdentityRecord) -> Result<Self, String> {
        let client = RegisteredClient::from_stored(record.client)?;
        let provider = record.provider.validate_for_tokens(client.issuer()).map_err(|e| e.to_string())?;
        Ok(Self {
            provider,
            client,
            account: record.account,
            subject: record.subject,
            email: record.email,
            id_token: Secret::parse(record.id_token).map_err(|e| e.to_string())?,
            until: record.until,
            nonce: record.nonce.map(Secret::parse).transpose().map_err(|e| e.to_string())?,
            refresh_token: record.refresh_token.map(Secret::parse).transpose().map_err(|e| e.to_string())?,
            signed_in_at: record.signed_in_at,
            generation: record.generation,
        })
    }
}

/// A sign-in as it is stored. Its tokens are plain text in it, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct IdentityRecord {
    provider: AuthorizationServerMetadata,
    client: ClientRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    id_token: String,
    until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    signed_in_at: Timestamp,
    generation: u64,
}

//! The sealed file as a store of credentials: each call is one look at the file, or one change of it.

use async_trait::async_trait;
use doorward_client::{
    CredentialStore, IdentityKey, Key, RegisteredClient, SaveFailed, StoreFault, StoredIdentity, StoredTokens,
};
use doorward_types::{ClientId, Issuer, ResourceId};

use super::SealedFile;
use crate::wallet::newest_first;

#[async_trait]
impl CredentialStore for SealedFile {
    async fn load(&self, key: &Key) -> Result<Option<StoredTokens>, StoreFault> {
        let key = key.clone();
        self.run(move |place| place.look(|wallet| wallet.find(&key))).await
    }

    async fn for_resource(&self, resource: &ResourceId) -> Result<Vec<StoredTokens>, StoreFault> {
        let resource = resource.clone();
        let mut all = self.list().await?;
        all.retain(|tokens| tokens.resource == resource);
        newest_first(&mut all);
        Ok(all)
    }

    async fn list(&self) -> Result<Vec<StoredTokens>, StoreFault> {
        self.run(|place| place.look(|wallet| wallet.tokens().0)).await
    }

    async fn save(&self, tokens: &StoredTokens, expected: u64) -> Result<u64, SaveFailed> {
        let tokens = tokens.clone();
        self.run(move |place| place.change(|wallet| wallet.save(&tokens, expected))).await
    }

    async fn remove(&self, key: &Key, generation: u64) -> Result<bool, StoreFault> {
        let key = key.clone();
        self.run(move |place| place.change(|wallet| Ok(wallet.remove(&key, generation)))).await
    }

    async fn load_client(&self, issuer: &Issuer) -> Result<Option<RegisteredClient>, StoreFault> {
        let issuer = issuer.clone();
        self.run(move |place| place.look(|wallet| wallet.client(&issuer))).await
    }

    async fn save_client(&self, client: &RegisteredClient) -> Result<(), StoreFault> {
        let client = client.clone();
        self.run(move |place| place.change(|wallet| wallet.save_client(&client))).await
    }

    async fn remove_client(&self, issuer: &Issuer, client_id: &ClientId) -> Result<bool, StoreFault> {
        let (issuer, client_id) = (issuer.clone(), client_id.clone());
        self.run(move |place| place.change(|wallet| Ok(wallet.remove_client(&issuer, &client_id)))).await
    }

    async fn load_identity(&self, key: &IdentityKey) -> Result<Option<StoredIdentity>, StoreFault> {
        let key = key.clone();
        self.run(move |place| place.look(|wallet| wallet.identity(&key))).await
    }

    async fn identities(&self) -> Result<Vec<StoredIdentity>, StoreFault> {
        self.run(|place| place.look(|wallet| wallet.identities().0)).await
    }

    async fn save_identity(&self, identity: &StoredIdentity, expected: u64) -> Result<u64, SaveFailed> {
        let identity = identity.clone();
        self.run(move |place| place.change(|wallet| wallet.save_identity(&identity, expected))).await
    }

    async fn remove_identity(&self, key: &IdentityKey) -> Result<bool, StoreFault> {
        let key = key.clone();
        self.run(move |place| place.change(|wallet| Ok(wallet.remove_identity(&key)))).await
    }
}

//! The store's contract in a hundred lines: rows in memory, all writes of a commit or none.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use doorward_authorization_server::{
    Write,
    facts::{
        Account, AccountId, Client, Code, CodeFacts, Grant, GrantId, Interaction, Refresh, RefreshFacts, Rotated,
        Session,
    },
    store::{Committed, Store, StoreFault},
};
use doorward_types::{
    ClientId, Digest,
    secret::{AuthorizationCode, InteractionToken, RefreshToken, SessionToken, SetupToken},
};

/// The rows.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) clients: HashMap<ClientId, Client>,
    pub(crate) interactions: HashMap<Digest<InteractionToken>, Interaction>,
    pub(crate) grants: HashMap<GrantId, Grant>,
    pub(crate) codes: HashMap<Digest<AuthorizationCode>, Code>,
    pub(crate) refreshes: HashMap<Digest<RefreshToken>, Refresh>,
    pub(crate) accounts: HashMap<AccountId, Account>,
    pub(crate) sessions: HashMap<Digest<SessionToken>, Session>,
    pub(crate) setup: Option<Digest<SetupToken>>,
}

impl Rows {
    fn is_live(&self, grant: &GrantId) -> bool {
        self.grants.get(grant).is_some_and(|grant| grant.revoked_at.is_none())
    }

    fn is_used(&self, token: &Digest<RefreshToken>) -> bool {
        self.refreshes.get(token).is_some_and(|refresh| refresh.rotated.is_some())
    }

    /// Applies one write; nothing when its guard does not hold.
    fn apply(&mut self, write: Write) -> Option<()> {
        let ensure = |holds: bool| holds.then_some(());
        match write {
            Write::InsertClient(client) => {
                ensure(!self.clients.contains_key(&client.id))?;
                self.clients.insert(client.id.clone(), client);
            }
            Write::InsertInteraction(interaction) => {
                self.interactions.insert(interaction.digest, interaction);
            }
            Write::RebindInteractions { from, to } => {
                let waiting = self.interactions.values_mut().filter(|row| row.browser == from && !row.spent);
                waiting.for_each(|row| row.browser = to);
            }
            Write::SpendInteraction(interaction) => {
                let row = self.interactions.get_mut(&interaction)?;
                ensure(!row.spent)?;
                row.spent = true;
            }
            Write::InsertGrant(grant) => {
                self.grants.insert(grant.id.clone(), grant);
            }
            Write::TouchGrant(grant, at) => {
                if let Some(row) = self.grants.get_mut(&grant) {
                    row.last_used_at = Some(at);
                }
            }
            Write::RevokeGrant { grant, at, .. } => {
                if let Some(row) = self.grants.get_mut(&grant) {
                    row.revoked_at.get_or_insert(at);
                }
            }
            Write::InsertCode(code) => {
                self.codes.insert(code.digest, code);
            }
            Write::RedeemCode { code, at } => {
                let row = self.codes.get(&code)?;
                ensure(row.redeemed_at.is_none() && self.is_live(&row.grant))?;
                self.codes.get_mut(&code)?.redeemed_at = Some(at);
            }
            Write::CountWrongVerifier(code) => self.codes.get_mut(&code)?.wrong_verifiers += 1,
            Write::InsertRefresh(refresh) => {
                self.refreshes.insert(refresh.digest, refresh);
            }
            Write::RotateRefresh { token, successor, at, answer } => {
                let row = self.refreshes.get(&token)?;
                ensure(row.rotated.is_none() && self.is_live(&row.grant))?;
                self.refreshes.get_mut(&token)?.rotated = Some(Rotated { at, successor, answer, replays: 0 });
            }
            Write::CountReplay { token, seen } => {
                let row = self.refreshes.get(&token)?;
                let rotated = row.rotated.as_ref()?;
                ensure(rotated.replays == seen && !self.is_used(&rotated.successor) && self.is_live(&row.grant))?;
                self.refreshes.get_mut(&token)?.rotated.as_mut()?.replays += 1;
            }
            Write::InsertAccount(account) => {
                ensure(!self.accounts.values().any(|row| row.name.eq_ignore_ascii_case(&account.name)))?;
                self.accounts.insert(account.id.clone(), account);
            }
            Write::SpendSetup(token) => ensure(self.setup.take() == Some(token))?,
            Write::ReplaceSetup(token) => self.setup = Some(token),
            Write::InsertSession(session) => {
                self.sessions.insert(session.digest, session);
            }
            Write::DeleteSession(session) => {
                self.sessions.remove(&session);
            }
            Write::DeleteSessions(account) => self.sessions.retain(|_, session| session.account != account),
        }
        Some(())
    }
}

/// A store in memory.
#[derive(Default)]
pub(crate) struct ModelStore(Mutex<Rows>);

impl ModelStore {
    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Store for ModelStore {
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreFault> {
        Ok(self.rows().clients.get(id).cloned())
    }
    async fn interaction(&self, digest: &Digest<InteractionToken>) -> Result<Option<Interaction>, StoreFault> {
        Ok(self.rows().interactions.get(digest).cloned())
    }
    async fn code(&self, digest: &Digest<AuthorizationCode>) -> Result<Option<CodeFacts>, StoreFault> {
        let rows = self.rows();
        Ok(rows.codes.get(digest).cloned().map(|code| {
            let grant = rows.grants[&code.grant].clone();
            let account = rows.accounts.get(&grant.account).cloned();
            CodeFacts { code, grant, account }
        }))
    }
    async fn refresh(&self, digest: &Digest<RefreshToken>) -> Result<Option<RefreshFacts>, StoreFault> {
        let rows = self.rows();
        Ok(rows.refreshes.get(digest).cloned().map(|token| {
            let grant = rows.grants[&token.grant].clone();
            let account = rows.accounts.get(&grant.account).cloned();
            let successor_used = token.rotated.as_ref().is_some_and(|rotated| rows.is_used(&rotated.successor));
            RefreshFacts { token, successor_used, grant, account }
        }))
    }
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreFault> {
        Ok(self.rows().grants.get(id).cloned())
    }
    async fn grants_of(&self, account: &AccountId) -> Result<Vec<(Grant, Option<Client>)>, StoreFault> {
        let rows = self.rows();
        let own = rows.grants.values().filter(|grant| grant.account == *account && grant.revoked_at.is_none());
        Ok(own.map(|grant| (grant.clone(), rows.clients.get(&grant.client).cloned())).collect())
    }
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreFault> {
        Ok(self.rows().accounts.get(id).cloned())
    }
    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreFault> {
        Ok(self.rows().accounts.values().find(|account| account.name.eq_ignore_ascii_case(name)).cloned())
    }
    async fn session(&self, digest: &Digest<SessionToken>) -> Result<Option<(Session, Account)>, StoreFault> {
        let rows = self.rows();
        Ok(rows.sessions.get(digest).map(|session| (session.clone(), rows.accounts[&session.account].clone())))
    }
    async fn has_accounts(&self) -> Result<bool, StoreFault> {
        Ok(!self.rows().accounts.is_empty())
    }
    async fn setup(&self) -> Result<Option<Digest<SetupToken>>, StoreFault> {
        Ok(self.rows().setup)
    }
    async fn revoked_grants(&self) -> Result<Vec<GrantId>, StoreFault> {
        let rows = self.rows();
        Ok(rows.grants.values().filter(|grant| grant.revoked_at.is_some()).map(|grant| grant.id.clone()).collect())
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault> {
        let mut rows = self.rows();
        let mut next = rows.clone();
        if writes.into_iter().try_for_each(|write| next.apply(write)).is_none() {
            return Ok(Committed::Conflict);
        }
        *rows = next;
        Ok(Committed::Done)
    }
}

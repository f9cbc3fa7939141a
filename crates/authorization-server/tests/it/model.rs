//! The store's contract in a few lines: rows in memory, all writes of a commit or none.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use doorward_authorization_server::{
    RevocationReason, Write,
    audit::{self, Event, Recorded, event_of},
    facts::{
        Account, AccountId, Client, ClientOrigin, Code, CodeFacts, Device, DeviceAnswer, DeviceFacts, ExternalIdentity,
        Grant, GrantId, Interaction, KeyRow, PushedRequest, Refresh, RefreshFacts, Rotated, Session,
    },
    store::{Committed, Store, StoreFault},
    waiting::Waiting,
};
use doorward_types::{
    ClientId, Digest, Timestamp,
    secret::{
        AuthorizationCode, DeviceCode, InteractionToken, RefreshToken, Registration, RequestReference, SessionToken,
        SetupToken, UsedOnce, UserCode,
    },
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
    pub(crate) pushed: HashMap<Digest<RequestReference>, PushedRequest>,
    pub(crate) devices: HashMap<Digest<DeviceCode>, Device>,
    pub(crate) used: HashSet<Digest<UsedOnce>>,
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) record: Vec<Recorded>,
}

impl Rows {
    fn is_live(&self, grant: &GrantId) -> bool {
        self.grants.get(grant).is_some_and(|grant| grant.revoked_at.is_none())
    }

    fn is_used(&self, token: &Digest<RefreshToken>) -> bool {
        self.refreshes.get(token).is_some_and(|refresh| refresh.rotated.is_some())
    }

    fn revoke(&mut self, grants: &[GrantId], at: Timestamp, reason: RevocationReason) {
        for grant in grants {
            if let Some(row) = self.grants.get_mut(grant).filter(|row| row.revoked_at.is_none()) {
                row.revoked_at = Some(at);
                self.note(event_of(&Write::RevokeGrant { grant: grant.clone(), at, reason }));
            }
        }
    }

    fn note(&mut self, event: Option<Event>) {
        let (number, digest) = self.record.last().map_or((0, audit::START), |row| (row.number, row.digest));
        self.record.extend(event.map(|event| Recorded::after(number, &digest, event)));
    }

    fn device_facts(&self, device: &Device) -> DeviceFacts {
        let grant = match &device.answer {
            DeviceAnswer::Allowed(grant) => self.grants.get(grant).cloned(),
            DeviceAnswer::None | DeviceAnswer::Denied => None,
        };
        let account = grant.as_ref().and_then(|grant| self.account_of(grant));
        DeviceFacts { device: device.clone(), grant, account }
    }

    fn account_of(&self, grant: &Grant) -> Option<Account> {
        self.accounts.get(grant.account.as_ref()?).cloned()
    }

    /// Applies one write and notes what it means; nothing when its guard does not hold.
    fn apply(&mut self, write: Write) -> Option<()> {
        let event = event_of(&write);
        let changed = self.change(write)?;
        self.note(event.filter(|_| changed));
        Some(())
    }

    /// Says whether a row was changed; nothing when a guard does not hold.
    #[allow(clippy::too_many_lines, reason = "one arm for each write")]
    fn change(&mut self, write: Write) -> Option<bool> {
        let ensure = |holds: bool| holds.then_some(());
        match write {
            Write::InsertClient(client) => {
                ensure(!self.clients.contains_key(&client.id))?;
                self.clients.insert(client.id.clone(), client);
            }
            Write::ReplaceClient { before, after, .. } => {
                let row = self.clients.get_mut(&before.id)?;
                ensure(*row == *before)?;
                *row = *after;
            }
            Write::TouchClient { client, at, expires_at } => {
                let Some(row) = self.clients.get_mut(&client) else { return Some(false) };
                row.last_used_at = row.last_used_at.max(Some(at));
                row.expires_at = row.expires_at.map(|end| end.max(expires_at.unwrap_or(end)));
            }
            Write::DeleteClient { client, at } => {
                let deleted = self.clients.remove(&client).is_some();
                self.note(event_of(&Write::DeleteClient { client: client.clone(), at }).filter(|_| deleted));
                let own = self.grants.values().filter(|grant| grant.client == client);
                let own: Vec<_> = own.map(|grant| grant.id.clone()).collect();
                self.revoke(&own, at, RevocationReason::ClientRemoved);
                return Some(false);
            }
            Write::HoldClient(client) => ensure(self.clients.contains_key(&client))?,
            Write::HoldAccount(account) => ensure(self.accounts.get(&account).is_some_and(|row| !row.disabled))?,
            Write::InsertPushedRequest(request) => {
                self.pushed.insert(request.digest, request);
            }
            Write::SpendPushedRequest(request) => {
                let row = self.pushed.get_mut(&request)?;
                ensure(!row.spent)?;
                row.spent = true;
            }
            Write::InsertDevice(device) => {
                ensure(!self.devices.values().any(|row| row.user_code == device.user_code))?;
                self.devices.insert(device.digest, device);
            }
            Write::AnswerDevice { device, answer, .. } => {
                let row = self.devices.get_mut(&device)?;
                ensure(row.answer == DeviceAnswer::None)?;
                row.answer = answer;
            }
            Write::PollDevice { device, seen, at, interval } => {
                let row = self.devices.get_mut(&device)?;
                ensure(row.polled_at == seen)?;
                (row.polled_at, row.interval) = (Some(at), interval);
            }
            Write::RedeemDevice { device, grant, at } => {
                let row = self.devices.get(&device)?;
                ensure(row.answer == DeviceAnswer::Allowed(grant.clone()))?;
                ensure(row.redeemed_at.is_none() && self.is_live(&grant))?;
                self.devices.get_mut(&device)?.redeemed_at = Some(at);
            }
            Write::UseOnce { id, .. } => ensure(self.used.insert(id))?,
            Write::InsertKey { key, seen } => {
                ensure(self.keys.len() == usize::try_from(seen).ok()?)?;
                ensure(!self.keys.iter().any(|row| row.kid == key.kid))?;
                self.keys.push(key);
            }
            Write::DeleteKey { kid, .. } => {
                let before = self.keys.len();
                self.keys.retain(|key| key.kid != kid);
                return Some(self.keys.len() < before);
            }
            Write::Record(_) => {}
            Write::BindGrant { grant, key } => {
                let row = self.grants.get_mut(&grant)?;
                ensure(row.dpop.as_ref().is_none_or(|bound| *bound == key))?;
                row.dpop = Some(key);
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
            Write::RevokeGrant { grant, at, reason } => {
                self.revoke(&[grant], at, reason);
                return Some(false);
            }
            Write::InsertCode(code) => {
                self.codes.insert(code.digest, code);
            }
            Write::RedeemCode { code, at, .. } => {
                let row = self.codes.get(&code)?;
                ensure(row.redeemed_at.is_none() && self.is_live(&row.grant))?;
                self.codes.get_mut(&code)?.redeemed_at = Some(at);
            }
            Write::CountWrongVerifier(code) => self.codes.get_mut(&code)?.wrong_verifiers += 1,
            Write::InsertRefresh(refresh) => {
                self.refreshes.insert(refresh.digest, refresh);
            }
            Write::RotateRefresh { token, successor, at, answer, .. } => {
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
                let name = |row: &Account| row.name.eq_ignore_ascii_case(&account.name);
                let person = |row: &Account| row.external.is_some() && row.external == account.external;
                ensure(!self.accounts.values().any(|row| name(row) || person(row)))?;
                self.accounts.insert(account.id.clone(), account);
            }
            Write::DisableAccount { account, at } => {
                let row = self.accounts.get_mut(&account).filter(|row| !row.disabled);
                let changed = row.map(|row| row.disabled = true).is_some();
                self.note(event_of(&Write::DisableAccount { account: account.clone(), at }).filter(|_| changed));
                self.sessions.retain(|_, session| session.account != account);
                let own = self.grants.values().filter(|grant| grant.account.as_ref() == Some(&account));
                let own: Vec<_> = own.map(|grant| grant.id.clone()).collect();
                self.revoke(&own, at, RevocationReason::Account);
                return Some(false);
            }
            Write::EnableAccount { account, .. } => {
                let row = self.accounts.get_mut(&account).filter(|row| row.disabled);
                return Some(row.map(|row| row.disabled = false).is_some());
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
        Some(true)
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
    async fn client_like(
        &self,
        registration: &Digest<Registration>,
        now: Timestamp,
    ) -> Result<Option<Client>, StoreFault> {
        let rows = self.rows();
        let alike = rows.clients.values().filter(|client| client.fingerprint.as_ref() == Some(registration));
        let living = alike.filter(|client| client.expires_at.is_none_or(|end| end > now));
        Ok(living.max_by_key(|client| client.created_at).cloned())
    }
    async fn clients(&self, after: Option<(Timestamp, &ClientId)>, most: u32) -> Result<Vec<Client>, StoreFault> {
        let mut all: Vec<_> = self.rows().clients.values().cloned().collect();
        all.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        all.retain(|client| after.is_none_or(|after| (client.created_at, &client.id) > after));
        all.truncate(usize::try_from(most).unwrap());
        Ok(all)
    }
    async fn exchangers(&self) -> Result<Vec<Client>, StoreFault> {
        let rows = self.rows();
        Ok(rows.clients.values().filter(|client| !client.exchanges_for.is_empty()).cloned().collect())
    }
    async fn count_strangers(&self) -> Result<u64, StoreFault> {
        let rows = self.rows();
        let strangers = rows.clients.values().filter(|client| client.origin != ClientOrigin::Administrator);
        Ok(u64::try_from(strangers.count()).unwrap())
    }
    async fn count_waiting(&self, kind: Waiting, most: u64) -> Result<u64, StoreFault> {
        let rows = self.rows();
        let count = match kind {
            Waiting::Answer => rows.interactions.len(),
            Waiting::Browser => rows.pushed.len(),
            Waiting::Code => rows.devices.len(),
        };
        Ok(u64::try_from(count).unwrap().min(most))
    }
    async fn pushed_request(&self, digest: &Digest<RequestReference>) -> Result<Option<PushedRequest>, StoreFault> {
        Ok(self.rows().pushed.get(digest).cloned())
    }
    async fn device(&self, digest: &Digest<DeviceCode>) -> Result<Option<DeviceFacts>, StoreFault> {
        let rows = self.rows();
        Ok(rows.devices.get(digest).map(|device| rows.device_facts(device)))
    }
    async fn device_by_user_code(&self, digest: &Digest<UserCode>) -> Result<Option<DeviceFacts>, StoreFault> {
        let rows = self.rows();
        Ok(rows.devices.values().find(|device| device.user_code == *digest).map(|device| rows.device_facts(device)))
    }
    async fn keys(&self) -> Result<Vec<KeyRow>, StoreFault> {
        Ok(self.rows().keys.clone())
    }
    async fn recorded(&self, after: u64, most: u32) -> Result<Vec<Recorded>, StoreFault> {
        let rows = self.rows();
        let wanted = rows.record.iter().filter(|row| row.number > after);
        Ok(wanted.take(usize::try_from(most).unwrap()).cloned().collect())
    }
    async fn is_used(&self, id: &Digest<UsedOnce>) -> Result<bool, StoreFault> {
        Ok(self.rows().used.contains(id))
    }
    async fn account_by_identity(&self, identity: &ExternalIdentity) -> Result<Option<Account>, StoreFault> {
        Ok(self.rows().accounts.values().find(|account| account.external.as_ref() == Some(identity)).cloned())
    }
    async fn ready(&self) -> Result<(), StoreFault> {
        Ok(())
    }
    /// There are no others.
    fn revocations_known_at(&self) -> Timestamp {
        Timestamp::from_unix(i64::from(u32::MAX))
    }
    async fn interaction(&self, digest: &Digest<InteractionToken>) -> Result<Option<Interaction>, StoreFault> {
        Ok(self.rows().interactions.get(digest).cloned())
    }
    async fn code(&self, digest: &Digest<AuthorizationCode>) -> Result<Option<CodeFacts>, StoreFault> {
        let rows = self.rows();
        Ok(rows.codes.get(digest).cloned().map(|code| {
            let grant = rows.grants[&code.grant].clone();
            let account = rows.account_of(&grant);
            CodeFacts { code, grant, account }
        }))
    }
    async fn refresh(&self, digest: &Digest<RefreshToken>) -> Result<Option<RefreshFacts>, StoreFault> {
        let rows = self.rows();
        Ok(rows.refreshes.get(digest).cloned().map(|token| {
            let grant = rows.grants[&token.grant].clone();
            let account = rows.account_of(&grant);
            let successor_used = token.rotated.as_ref().is_some_and(|rotated| rows.is_used(&rotated.successor));
            RefreshFacts { token, successor_used, grant, account }
        }))
    }
    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreFault> {
        Ok(self.rows().grants.get(id).cloned())
    }
    async fn grants_of(&self, account: &AccountId) -> Result<Vec<(Grant, Option<Client>)>, StoreFault> {
        let rows = self.rows();
        let own =
            rows.grants.values().filter(|grant| grant.account.as_ref() == Some(account) && grant.revoked_at.is_none());
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
        Ok(self.rows().accounts.values().any(|account| account.external.is_none()))
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

//! The store over an engine: which statement answers which question.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use doorward_authorization_server::{
    Write,
    audit::Recorded,
    facts::{
        Account, AccountId, Client, CodeFacts, DeviceFacts, ExternalIdentity, Grant, GrantId, Interaction, KeyRow,
        PushedRequest, RefreshFacts, Session,
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

use crate::{
    apply::name_key,
    driver::{Driver, fault},
    engine::{BackupError, Engine},
    record::signed,
    revoked::RevokedGrants,
    rows::{self, Unreadable},
    sql,
    statement::Statement,
    sweep::{self, Sweep},
};

/// The authorization server's store on one engine.
#[derive(Debug)]
pub struct Database<D> {
    pub(crate) driver: D,
    /// Where the last sweep stopped looking at grants.
    swept_to: Mutex<String>,
}

impl<D: Driver> Database<D> {
    pub(crate) fn new(driver: D) -> Self {
        Self { driver, swept_to: Mutex::default() }
    }

    fn swept_to(&self) -> MutexGuard<'_, String> {
        self.swept_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn one<T>(
        &self,
        statement: Statement,
        read: impl FnOnce(&D::Row) -> Result<T, Unreadable> + Send,
    ) -> Result<Option<T>, StoreFault> {
        self.driver.rows(statement).await?.first().map(read).transpose().map_err(fault)
    }

    async fn count(&self, statement: Statement) -> Result<u64, StoreFault> {
        let count = self.one(statement, |row| rows::number(row, "count")).await?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    async fn all<T>(
        &self,
        statement: Statement,
        read: impl Fn(&D::Row) -> Result<T, Unreadable> + Send,
    ) -> Result<Vec<T>, StoreFault> {
        self.driver.rows(statement).await?.iter().map(read).collect::<Result<_, _>>().map_err(fault)
    }
}

fn on(sql: &'static str) -> Statement {
    Statement::new(sql)
}

#[async_trait]
impl<D: Driver> Store for Database<D> {
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreFault> {
        self.one(on(sql::CLIENT).bind(id.as_str()), rows::client).await
    }

    async fn client_like(
        &self,
        registration: &Digest<Registration>,
        now: Timestamp,
    ) -> Result<Option<Client>, StoreFault> {
        self.one(on(sql::CLIENT_LIKE).bind(*registration).bind(now), rows::client).await
    }

    async fn clients(&self, after: Option<(Timestamp, &ClientId)>, most: u32) -> Result<Vec<Client>, StoreFault> {
        let statement = match after {
            None => on(sql::CLIENTS),
            Some((at, id)) => on(sql::CLIENTS_AFTER).bind(at).bind(id.as_str()),
        };
        self.all(statement.bind(most), rows::client).await
    }

    async fn exchangers(&self) -> Result<Vec<Client>, StoreFault> {
        self.all(on(sql::EXCHANGERS), rows::client).await
    }

    async fn count_strangers(&self) -> Result<u64, StoreFault> {
        self.count(on(sql::COUNT_STRANGERS)).await
    }

    async fn count_waiting(&self, kind: Waiting, most: u64) -> Result<u64, StoreFault> {
        let statement = match kind {
            Waiting::Answer => sql::COUNT_INTERACTIONS,
            Waiting::Browser => sql::COUNT_PUSHED_REQUESTS,
            Waiting::Code => sql::COUNT_DEVICES,
        };
        self.count(on(statement).bind(signed(most))).await
    }

    async fn pushed_request(&self, digest: &Digest<RequestReference>) -> Result<Option<PushedRequest>, StoreFault> {
        self.one(on(sql::PUSHED_REQUEST).bind(*digest), rows::pushed_request).await
    }

    async fn device(&self, digest: &Digest<DeviceCode>) -> Result<Option<DeviceFacts>, StoreFault> {
        self.one(on(sql::DEVICE).bind(*digest), rows::device).await
    }

    async fn device_by_user_code(&self, digest: &Digest<UserCode>) -> Result<Option<DeviceFacts>, StoreFault> {
        self.one(on(sql::DEVICE_BY_USER_CODE).bind(*digest), rows::device).await
    }

    async fn keys(&self) -> Result<Vec<KeyRow>, StoreFault> {
        self.all(on(sql::KEYS), rows::key).await
    }

    async fn recorded(&self, after: u64, most: u32) -> Result<Vec<Recorded>, StoreFault> {
        self.all(on(sql::RECORDED).bind(signed(after)).bind(most), rows::recorded).await
    }

    async fn is_used(&self, id: &Digest<UsedOnce>) -> Result<bool, StoreFault> {
        Ok(self.one(on(sql::IS_USED).bind(*id), |_| Ok(())).await?.is_some())
    }

    async fn interaction(&self, digest: &Digest<InteractionToken>) -> Result<Option<Interaction>, StoreFault> {
        self.one(on(sql::INTERACTION).bind(*digest), rows::interaction).await
    }

    async fn code(&self, digest: &Digest<AuthorizationCode>) -> Result<Option<CodeFacts>, StoreFault> {
        self.one(on(sql::CODE).bind(*digest), rows::code).await
    }

    async fn refresh(&self, digest: &Digest<RefreshToken>) -> Result<Option<RefreshFacts>, StoreFault> {
        self.one(on(sql::REFRESH).bind(*digest), rows::refresh).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreFault> {
        self.one(on(sql::GRANT).bind(id.0.as_str()), rows::grant).await
    }

    async fn grants_of(&self, account: &AccountId) -> Result<Vec<(Grant, Option<Client>)>, StoreFault> {
        let statement = on(sql::GRANTS_OF).bind(account.0.as_str());
        self.all(statement, |row| Ok((rows::grant(row)?, rows::maybe_client(row)?))).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreFault> {
        self.one(on(sql::ACCOUNT).bind(id.0.as_str()), rows::account).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreFault> {
        self.one(on(sql::ACCOUNT_BY_NAME).bind(name_key(name)), rows::account).await
    }

    async fn account_by_identity(&self, identity: &ExternalIdentity) -> Result<Option<Account>, StoreFault> {
        let statement = on(sql::ACCOUNT_BY_IDENTITY).bind(identity.issuer.as_str()).bind(identity.subject.as_str());
        self.one(statement, rows::account).await
    }

    async fn session(&self, digest: &Digest<SessionToken>) -> Result<Option<(Session, Account)>, StoreFault> {
        self.one(on(sql::SESSION).bind(*digest), rows::session).await
    }

    async fn has_accounts(&self) -> Result<bool, StoreFault> {
        Ok(self.one(on(sql::HAS_ACCOUNTS), |_| Ok(())).await?.is_some())
    }

    async fn setup(&self) -> Result<Option<Digest<SetupToken>>, StoreFault> {
        self.one(on(sql::SETUP), |row| rows::digest(row, "digest")).await
    }

    async fn revoked_grants(&self) -> Result<Vec<GrantId>, StoreFault> {
        self.all(on(sql::REVOKED_GRANTS), |row| Ok(GrantId(rows::revoked(row)?.0))).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault> {
        self.driver.commit(writes).await
    }

    async fn ready(&self) -> Result<(), StoreFault> {
        self.record_head().await.map(drop)
    }

    fn revocations_known_at(&self) -> Timestamp {
        self.driver.revocations_known_at()
    }
}

#[async_trait]
impl<D: Driver> Engine for Database<D> {
    fn revocations(&self) -> RevokedGrants {
        self.driver.revoked().clone()
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreFault> {
        let mut all = 0;
        loop {
            let rows = self.driver.sweep(Sweep::Expired(now)).await?.rows;
            all += rows;
            if rows == 0 {
                break;
            }
        }
        self.driver.revoked().forget_until(sweep::before(now, sweep::KEEP_ENDED_GRANT));
        for _ in 0..sweep::MOST_PAGES {
            let after = self.swept_to().clone();
            let swept = self.driver.sweep(Sweep::Unusable { now, after }).await?;
            all += swept.rows;
            let ended = swept.page_end.is_none();
            *self.swept_to() = swept.page_end.unwrap_or_default();
            if ended {
                break;
            }
        }
        Ok(all)
    }

    async fn close(&self) {
        self.driver.close().await;
    }

    async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        self.driver.backup(to).await
    }

    async fn record_head(&self) -> Result<(u64, [u8; 32]), StoreFault> {
        let head = self.one(on(sql::RECORD_HEAD), rows::record_head).await?;
        head.ok_or_else(|| StoreFault("the head of the record is missing; another program changed it".into()))
    }
}

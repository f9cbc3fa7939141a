use std::{path::Path, time::Duration};

use async_trait::async_trait;
use doorward_authorization_server::{
    Write,
    facts::{Account, AccountId, Client, CodeFacts, Grant, GrantId, Interaction, RefreshFacts, Session},
    store::{Committed, Store, StoreFault},
};
use doorward_types::{
    ClientId, Digest, Timestamp,
    secret::{AuthorizationCode, InteractionToken, RefreshToken, SessionToken, SetupToken},
};
use sqlx::{
    SqlitePool,
    sqlite::{SqlitePoolOptions, SqliteRow},
};

use crate::{
    apply::name_key,
    open::{self, OpenError},
    revoked::RevokedGrants,
    rows::{self, Unreadable},
    sql, sweep,
    watch::Watch,
    writer::Writer,
};

/// Look-ups that run at the same time; further ones wait for their turn.
const READERS: u32 = 4;

/// The authorization server's store in one SQLite file: write-ahead log, one writer with group commit, and
/// `synchronous=FULL`, so that what was acknowledged survives a loss of power.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    revoked: RevokedGrants,
    watch: Watch,
}

impl SqliteStore {
    /// Opens the file; makes it (mode 0600) and its directory (mode 0700) when there is none. Checks that the file is sound and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// Says what is wrong with the file and what to do.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let opened = open::open(path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(opened.reading.clone());
        let revoked = RevokedGrants::default();
        let failed = |error: Unreadable| OpenError::Damaged { path: path.to_owned(), evidence: error.to_string() };
        revoked.extend(read_revoked(&readers).await.map_err(failed)?);
        let writer = Writer::start(opened.writer, opened.writing, revoked.clone());
        let watch = Watch::start(opened.reading, revoked.clone());
        Ok(Self { writer, readers, revoked, watch })
    }

    /// The grants whose access tokens must be refused, for a look-up on each request. A commit that revokes is
    /// answered after the grant is in here; a revocation by another process on the same file arrives within a second.
    pub fn revocations(&self) -> RevokedGrants {
        self.revoked.clone()
    }

    /// Deletes what no decision needs any more: expired requests, codes, tokens and sessions, and grants that ended
    /// a day ago. Gives the number of rows that went.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreFault> {
        let mut all = 0;
        loop {
            let rows = self.writer.sweep(now).await?;
            all += rows;
            if rows == 0 {
                self.revoked.forget_until(sweep::before(now, sweep::KEEP_ENDED_GRANT));
                return Ok(all);
            }
        }
    }

    /// Finishes the commits that were accepted and closes the file. Everything after it fails.
    pub async fn close(&self) {
        self.watch.stop();
        self.readers.close().await;
        self.writer.close().await;
    }

    /// One row by one key, read in one statement and so of one moment.
    async fn look_up<T, K>(
        &self,
        statement: &'static str,
        key: K,
        read: impl FnOnce(&SqliteRow) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, StoreFault>
    where
        K: for<'q> sqlx::Encode<'q, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send,
    {
        let row = sqlx::query(statement).bind(key).fetch_optional(&self.readers).await.map_err(fault)?;
        row.as_ref().map(read).transpose().map_err(fault)
    }
}

async fn read_revoked(readers: &SqlitePool) -> Result<Vec<(String, Timestamp)>, Unreadable> {
    let rows = sqlx::query(sql::REVOKED_GRANTS).fetch_all(readers).await?;
    rows.iter().map(rows::revoked).collect()
}

fn fault(error: impl Into<Unreadable>) -> StoreFault {
    StoreFault(Box::new(error.into()))
}

#[async_trait]
impl Store for SqliteStore {
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreFault> {
        self.look_up(sql::CLIENT, id.as_str().to_owned(), rows::client).await
    }

    async fn interaction(&self, digest: &Digest<InteractionToken>) -> Result<Option<Interaction>, StoreFault> {
        self.look_up(sql::INTERACTION, digest.as_bytes().to_vec(), rows::interaction).await
    }

    async fn code(&self, digest: &Digest<AuthorizationCode>) -> Result<Option<CodeFacts>, StoreFault> {
        self.look_up(sql::CODE, digest.as_bytes().to_vec(), rows::code).await
    }

    async fn refresh(&self, digest: &Digest<RefreshToken>) -> Result<Option<RefreshFacts>, StoreFault> {
        self.look_up(sql::REFRESH, digest.as_bytes().to_vec(), rows::refresh).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreFault> {
        self.look_up(sql::GRANT, id.0.clone(), rows::grant).await
    }

    async fn grants_of(&self, account: &AccountId) -> Result<Vec<(Grant, Option<Client>)>, StoreFault> {
        let rows = sqlx::query(sql::GRANTS_OF).bind(account.0.clone()).fetch_all(&self.readers).await.map_err(fault)?;
        rows.iter().map(|row| Ok((rows::grant(row).map_err(fault)?, rows::maybe_client(row).map_err(fault)?))).collect()
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreFault> {
        self.look_up(sql::ACCOUNT, id.0.clone(), rows::account).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreFault> {
        self.look_up(sql::ACCOUNT_BY_NAME, name_key(name), rows::account).await
    }

    async fn session(&self, digest: &Digest<SessionToken>) -> Result<Option<(Session, Account)>, StoreFault> {
        self.look_up(sql::SESSION, digest.as_bytes().to_vec(), rows::session).await
    }

    async fn has_accounts(&self) -> Result<bool, StoreFault> {
        let any: i64 = sqlx::query_scalar(sql::HAS_ACCOUNTS).fetch_one(&self.readers).await.map_err(fault)?;
        Ok(any != 0)
    }

    async fn setup(&self) -> Result<Option<Digest<SetupToken>>, StoreFault> {
        let row = sqlx::query(sql::SETUP).fetch_optional(&self.readers).await.map_err(fault)?;
        row.as_ref().map(|row| rows::digest(row, "digest")).transpose().map_err(fault)
    }

    async fn revoked_grants(&self) -> Result<Vec<GrantId>, StoreFault> {
        let revoked = read_revoked(&self.readers).await.map_err(fault)?;
        Ok(revoked.into_iter().map(|(id, _)| GrantId(id)).collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreFault> {
        self.writer.commit(writes).await
    }
}

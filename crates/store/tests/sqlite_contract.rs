//! The store contract on real SQLite files.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod contract;

use contract::{Engine, contract_tests};
use doorward_store::SqliteStore;

struct Sqlite(tempfile::TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Engine for Sqlite {
    type Store = SqliteStore;
    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0.path().join("doorward.db")).await.unwrap()
    }
}

contract_tests!(Sqlite::new());

//! The store contract on real PostgreSQL databases.

#![allow(unreachable_pub, dead_code, reason = "a test is a crate of its own and uses a part of what tests share")]

mod contract;

use contract::{Engine, contract_tests};
use doorward_store::PostgresStore;
use doorward_testkit::postgres::Postgres;

struct Database(Postgres);

impl Engine for Database {
    type Store = PostgresStore;
    async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.0.url().parse().unwrap()).await.unwrap()
    }
}

contract_tests!(Database(Postgres::fresh()));

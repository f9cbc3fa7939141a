//! What every store must do, whatever lies behind it. `contract_tests!` makes one test of each function.

pub mod facts;
pub mod guards;
pub mod races;
pub mod reading;

use std::future::Future;

use doorward_authorization_server::{
    Write,
    store::{Committed, Store},
};

/// A database of its own that can be opened any number of times.
pub trait Engine {
    type Store: Store;
    fn open(&self) -> impl Future<Output = Self::Store>;
}

/// Commits and demands that it was done.
pub async fn done(store: &impl Store, writes: Vec<Write>) {
    assert_eq!(store.commit(writes).await.unwrap(), Committed::Done);
}

/// Commits and demands a conflict.
pub async fn conflict(store: &impl Store, writes: Vec<Write>) {
    assert_eq!(store.commit(writes).await.unwrap(), Committed::Conflict);
}

macro_rules! contract_tests {
    ($engine:expr, $($module:ident: $($name:ident),*;)*) => {
        $(mod $module {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                contract::$module::$name(&$engine).await;
            })*
        })*
    };
}
pub(crate) use contract_tests;

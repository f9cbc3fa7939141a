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

contract_tests! { Sqlite::new(),
    reading: an_empty_store_knows_nothing, clients, accounts, sessions, interactions, grants, codes, refresh_tokens,
        the_setup_value, text_is_never_sql;
    guards: a_code_is_redeemed_once, a_revoked_grant_takes_its_codes_and_tokens_along, a_refresh_token_is_rotated_once,
        a_family_has_one_live_head, replays_are_counted_while_the_successor_is_unused,
        an_interaction_is_answered_once_by_its_browser, what_points_nowhere_is_a_conflict,
        a_commit_happens_whole_or_not_at_all;
    races: of_64_redemptions_one_succeeds, of_32_rotations_one_succeeds, the_loser_sees_the_winner,
        of_16_set_ups_one_succeeds;
}

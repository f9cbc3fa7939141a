//! What every store must do, whatever lies behind it. `contract_tests!` makes one test of each function.

pub mod clients;
pub mod ending;
pub mod facts;
pub mod guards;
pub mod once;
pub mod races;
pub mod random;
pub mod reading;
pub mod record;

use std::future::Future;

use doorward_authorization_server::{
    Write,
    store::{Committed, Store},
};

/// A database of its own that can be opened any number of times.
pub trait Engine {
    type Store: doorward_store::Engine;
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

#[allow(unused_macros, reason = "tests of one engine use only what is beside it")]
macro_rules! contract_tests {
    ($engine:expr) => {
        crate::contract::contract_tests! { @tests $engine,
            reading: an_empty_store_knows_nothing, clients, accounts, sessions, interactions, grants, codes,
                refresh_tokens, the_setup_value, text_is_never_sql, a_nul_is_never_stored;
            clients: every_field_of_a_client_comes_back, a_client_is_replaced_as_it_was_seen, a_client_is_touched_forward,
                a_client_that_goes_takes_its_grants_along, the_same_registration_is_recognised, clients_are_listed_in_pages,
                a_client_that_loses_its_keys_begins_anew_once,
                strangers_are_counted, what_waits_is_counted_by_kind, people_are_known_by_their_provider;
            once: a_pushed_request_is_used_once, a_device_is_answered_once, a_device_polls_at_the_pace_that_was_seen,
                a_device_gets_its_tokens_once, a_user_code_names_one_device, what_may_be_used_once_is_used_once,
                a_key_is_made_by_whoever_saw_all_others, a_grant_is_bound_to_one_key;
            record: each_change_is_recorded_once, what_did_not_happen_is_not_recorded, the_record_is_a_chain_to_its_head,
                many_at_once_make_one_chain;
            ending: a_revocation_is_known_at_once_and_elsewhere_soon, sweeping_takes_what_is_over_and_nothing_else,
                a_client_that_expired_ends_its_grants,
                a_disabled_account_loses_all_it_has, who_is_gone_is_let_in_no_more, sweeping_takes_many_rows_in_small_steps;
            guards: a_code_is_redeemed_once, a_revoked_grant_takes_its_codes_and_tokens_along,
                a_refresh_token_is_rotated_once, a_family_has_one_live_head,
                replays_are_counted_while_the_successor_is_unused, an_interaction_is_answered_once_by_its_browser,
                what_points_nowhere_is_a_conflict, a_commit_happens_whole_or_not_at_all;
            races: of_64_redemptions_one_succeeds, of_32_rotations_one_succeeds, the_loser_sees_the_winner,
                of_16_set_ups_one_succeeds, of_16_first_keys_one_is_made, a_revocation_ends_what_races_with_it, a_removal_ends_what_races_with_it;
            random: no_order_of_writes_breaks_a_family;
        }
    };
    (@tests $engine:expr, $($module:ident: $($name:ident),*;)*) => {
        $(mod $module {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                contract::$module::$name(&$engine).await;
            })*
        })*
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use contract_tests;

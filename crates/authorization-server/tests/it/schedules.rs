//! Many requests with facts of any age, in any order: what must never happen does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use doorward_authorization_server::{
    RevocationReason, TokenRefusal, Write,
    facts::{CodeFacts, RefreshFacts},
    token_request::{CodeRequest, RefreshRequest},
};
use doorward_types::{CodeVerifier, Secret, messages::TokenResponse};
use proptest::prelude::*;

use crate::{
    flows::with_code,
    world::{CALLBACK, World},
};

#[derive(Clone, Debug)]
enum Step {
    /// A request arrives and its facts are loaded.
    Code { right_client: bool, right_verifier: bool },
    /// As above, with one of the refresh tokens that were ever issued.
    Refresh { which: usize, right_client: bool, narrow: bool },
    /// One of the requests is decided and answered.
    Answer { which: usize },
    /// Time passes.
    Wait { seconds: u64 },
    /// The person ends the grant.
    Revoke,
    /// The account is disabled.
    Disable,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8))
            .prop_map(|(right_client, right_verifier)| Step::Code { right_client, right_verifier }),
        8 => (any::<usize>(), prop::bool::weighted(0.9), any::<bool>())
            .prop_map(|(which, right_client, narrow)| Step::Refresh { which, right_client, narrow }),
        10 => any::<usize>().prop_map(|which| Step::Answer { which }),
        3 => prop_oneof![Just(1), Just(3), Just(20), Just(31), Just(700)].prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Revoke),
        1 => Just(Step::Disable),
    ]
}

enum Waiting {
    Code { client: String, request: CodeRequest, facts: Option<CodeFacts> },
    Refresh { client: String, request: RefreshRequest, facts: Option<RefreshFacts> },
}

/// All answers that were given, by what was presented.
#[derive(Default)]
struct Seen {
    codes: BTreeMap<String, BTreeSet<Vec<u8>>>,
    refreshes: BTreeMap<String, BTreeSet<Vec<u8>>>,
    tokens: Vec<String>,
}

impl Seen {
    fn check(&self, world: &World) {
        for (code, answers) in &self.codes {
            assert!(answers.len() <= 1, "the code {code} gave {} token pairs", answers.len());
        }
        for (token, answers) in &self.refreshes {
            assert!(answers.len() <= 1, "the refresh token {token} has {} successors", answers.len());
        }
        let rows = world.store.rows();
        for grant in rows.grants.keys() {
            let heads = rows.refreshes.values().filter(|row| row.grant == *grant && row.rotated.is_none()).count();
            assert!(heads <= 1, "{heads} live heads");
        }
    }

    fn issued(&mut self, world: &World, response: &TokenResponse, before_revoked: bool) {
        assert!(!before_revoked, "a token was issued under a revoked grant");
        self.tokens.extend(response.refresh_token.as_ref().map(|token| token.expose().to_owned()));
        let claims = world.claims(response);
        let rows = world.store.rows();
        let grant = rows.grants.values().find(|grant| grant.id.0 == claims.gid).expect("a token has a grant");
        let account = grant.account.as_ref().expect("a person allowed it");
        assert_eq!((&claims.sub, &claims.client_id, &claims.aud), (&account.0, &grant.client, &grant.resource));
        assert!(grant.scope.covers(&claims.scope) && response.scope.as_ref() == Some(&claims.scope));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_breaks_the_invariants(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..60)) {
        // proves: INV-1, INV-2, INV-4, CODE-04, RT-04, RT-18
        let (mut world, client, code, verifier) = with_code(seed);
        let thief = world.register(CALLBACK).client_id;
        let guess = CodeVerifier::generate(&mut world.entropy);
        let mut seen = Seen::default();
        let mut waiting: Vec<Waiting> = Vec::new();
        for step in steps {
            match step {
                Step::Code { right_client, right_verifier } => {
                    let request = CodeRequest {
                        code: Secret::parse(code.clone()).unwrap(),
                        verifier: if right_verifier { verifier.clone() } else { guess.clone() },
                        redirect_uri: None,
                        resources: Vec::new(),
                    };
                    let facts = world.code_facts(&request);
                    let client = if right_client { client.clone() } else { thief.clone() };
                    waiting.push(Waiting::Code { client, request, facts });
                }
                Step::Refresh { which, right_client, narrow } if !seen.tokens.is_empty() => {
                    let request = RefreshRequest {
                        token: Secret::parse(seen.tokens[which % seen.tokens.len()].clone()).unwrap(),
                        scope: narrow.then(|| "mcp:read".to_owned()),
                        resources: Vec::new(),
                    };
                    let facts = world.refresh_facts(&request);
                    let client = if right_client { client.clone() } else { thief.clone() };
                    waiting.push(Waiting::Refresh { client, request, facts });
                }
                Step::Answer { which } if !waiting.is_empty() => {
                    let revoked = world.store.rows().grants.values().any(|grant| grant.revoked_at.is_some());
                    match waiting.swap_remove(which % waiting.len()) {
                        Waiting::Code { client: from, request, facts } => {
                            let authenticated = world.client(&from);
                            if let Ok(response) = world.redeem(&authenticated, &request, facts) {
                                prop_assert!(from == client && request.verifier.expose() == verifier.expose());
                                seen.issued(&world, &response, revoked);
                                seen.codes.entry(code.clone()).or_default().insert(response.to_json());
                            }
                        }
                        Waiting::Refresh { client: from, request, facts } => {
                            let authenticated = world.client(&from);
                            if let Ok(response) = world.refresh(&authenticated, &request, facts) {
                                prop_assert!(from == client);
                                seen.issued(&world, &response, revoked);
                                let presented = request.token.expose().to_owned();
                                seen.refreshes.entry(presented).or_default().insert(response.to_json());
                            }
                        }
                    }
                }
                Step::Wait { seconds } => drop(world.clock.advance(Duration::from_secs(seconds))),
                Step::Revoke => {
                    let ids: Vec<_> = world.store.rows().grants.keys().cloned().collect();
                    let (at, reason) = (world.clock.now(), RevocationReason::Person);
                    world.commit(ids.into_iter().map(|grant| Write::RevokeGrant { grant, at, reason }).collect());
                }
                Step::Disable => world.store.rows().accounts.values_mut().for_each(|account| account.disabled = true),
                Step::Refresh { .. } | Step::Answer { .. } => {}
            }
            seen.check(&world);
        }
    }

    #[test]
    fn processes_that_share_a_token_never_lose_it(
        seed in any::<u64>(),
        rounds in prop::collection::vec(prop::collection::vec((0_u64..29, any::<bool>()), 1..33), 1..4),
    ) {
        // proves: RT-03, RT-04, RT-05, INV-2
        let (mut world, client, code, verifier) = with_code(seed);
        let authenticated = world.client(&client);
        let request = CodeRequest {
            code: Secret::parse(code).unwrap(),
            verifier,
            redirect_uri: None,
            resources: Vec::new(),
        };
        let facts = world.code_facts(&request);
        let mut stored = world.redeem(&authenticated, &request, facts).unwrap();
        for round in rounds {
            world.clock.advance(Duration::from_secs(600));
            let request = RefreshRequest {
                token: stored.refresh_token.clone().unwrap(),
                scope: None,
                resources: Vec::new(),
            };
            // Some load their facts before anybody is answered, the others when their turn comes.
            let early = world.refresh_facts(&request);
            let mut moments = round;
            moments.sort_unstable();
            let (mut answers, mut now) = (BTreeSet::new(), moments[0].0);
            for (moment, stale) in moments {
                world.clock.advance(Duration::from_secs(moment - now));
                now = moment;
                let facts = if stale { early.clone() } else { world.refresh_facts(&request) };
                stored = world.refresh(&authenticated, &request, facts).unwrap();
                answers.insert(stored.to_json());
            }
            prop_assert_eq!(answers.len(), 1);
        }
    }
}

#[test]
fn sixty_four_redemptions_of_one_code_give_one_pair() {
    // proves: CODE-04, INV-1
    let (mut world, client, code, verifier) = with_code(9);
    let authenticated = world.client(&client);
    let request =
        CodeRequest { code: Secret::parse(code).unwrap(), verifier, redirect_uri: None, resources: Vec::new() };
    let early = world.code_facts(&request);
    let answers: Vec<_> = (0..64).map(|_| world.redeem(&authenticated, &request, early.clone())).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|no| *no == TokenRefusal::RedeemedCode));
    let winner = answers.into_iter().find_map(Result::ok).unwrap();
    let request = RefreshRequest { token: winner.refresh_token.unwrap(), scope: None, resources: Vec::new() };
    let facts = world.refresh_facts(&request);
    assert!(world.refresh(&authenticated, &request, facts).is_ok());
}

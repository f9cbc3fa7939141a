use std::time::Duration;

use doorward_testkit::SeededEntropy;
use doorward_types::{
    Secret,
    jose::{self, AccessTokenClaims, KeySet, SigningKey},
    secret::{AuthorizationCode, RefreshToken},
};

use super::*;
use crate::{
    TokenError,
    facts::{Client, GrantId, Refresh},
    fixtures::{
        R1, R2, SIGNER, account, another_client, at, authenticated, client, entropy, form, fresh, grant, holding,
        policy, policy_of_two, scopes, seconds,
    },
    token_request::TokenRequest,
};

const MONTH: i64 = 30 * 86_400;

fn secret() -> Secret<RefreshToken> {
    Secret::generate(&mut SeededEntropy::new(5))
}

fn facts() -> RefreshFacts {
    let token = Refresh {
        digest: secret().digest(),
        grant: grant().id,
        issued_at: at(0),
        expires_at: at(MONTH),
        rotated: None,
    };
    RefreshFacts { token, successor_used: false, grant: grant(), account: Some(account()) }
}

fn request() -> RefreshRequest {
    RefreshRequest { token: secret(), scope: None, resources: Vec::new() }
}

fn decide_under(policy: &Policy, client: &Client, request: RefreshRequest, facts: RefreshFacts, now: i64) -> Decision {
    refresh(policy, &authenticated(client), request, Some(facts), at(now), fresh(&mut entropy()))
}

fn decide(client: &Client, request: RefreshRequest, facts: RefreshFacts, now: i64) -> Decision {
    decide_under(&policy_of_two(), client, request, facts, now)
}

fn issued(decision: Decision) -> (TokenResponse, Vec<Write>) {
    let Decision::Issue { response, writes } = decision else { panic!("{decision:?}") };
    (response, writes)
}

fn untouched(decision: Decision) -> TokenRefusal {
    let Decision::Deny { refusal, writes } = decision else { panic!("tokens were issued") };
    assert!(writes.is_empty(), "{writes:?}");
    refusal
}

fn revoked(decision: Decision) {
    let Decision::Deny { refusal, writes } = decision else { panic!("tokens were issued") };
    assert_eq!((refusal.code(), &refusal), (TokenError::InvalidGrant, &TokenRefusal::ReusedRefresh));
    let [Write::RevokeGrant { grant: id, reason: RevocationReason::RefreshReuse, .. }] = writes.as_slice() else {
        panic!("{writes:?}")
    };
    assert_eq!(*id, grant().id);
}

fn claims(response: &TokenResponse) -> AccessTokenClaims {
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    let verified = jose::verify(response.access_token.expose(), &keys, AccessTokenClaims::TYP).unwrap();
    serde_json::from_value(verified.claims().clone().into()).unwrap()
}

/// The facts after the token was exchanged at 100, and the answer that was given.
fn rotated() -> (RefreshFacts, TokenResponse) {
    let (response, writes) = issued(decide(&client(), request(), facts(), 100));
    let Some(Write::RotateRefresh { successor, at, answer, .. }) = writes.into_iter().next() else { panic!() };
    let mut facts = facts();
    facts.token.rotated = Some(Rotated { at, successor, answer, replays: 0 });
    (facts, response)
}

#[test]
fn each_token_is_exchanged_for_a_new_one_of_the_same_grant() {
    // proves: RT-01, OA21-38, OA21-39, MCP-AUTH-117
    let (response, writes) = issued(decide(&client(), request(), facts(), 100));
    let new = response.refresh_token.as_ref().unwrap();
    let [Write::RotateRefresh { token, successor, at: when, .. }, Write::InsertRefresh(row), Write::TouchGrant(..), ..] =
        writes.as_slice()
    else {
        panic!("{writes:?}")
    };
    assert_eq!((*token, *successor, *when), (secret().digest(), new.digest(), at(100)));
    assert_eq!((row.digest, &row.grant, row.expires_at), (new.digest(), &grant().id, at(100 + MONTH)));
    let claims = claims(&response);
    assert_eq!((claims.aud.as_str(), claims.exp), (R1, at(700)));
    assert_eq!((&claims.scope, response.scope.as_ref()), (&scopes("mcp:read mcp:write"), Some(&claims.scope)));
    assert!(!new.is(&secret()));
}

#[test]
fn inside_the_grace_the_same_answer_comes_again() {
    // proves: RT-03, RT-05
    let (mut facts, first) = rotated();
    for (replays, now) in [(0, 100), (1, 101), (63, 129)] {
        facts.token.rotated.as_mut().unwrap().replays = replays;
        let (again, writes) = issued(decide(&client(), request(), facts.clone(), now));
        assert_eq!(again.to_json(), first.to_json());
        let [Write::CountReplay { token, seen }] = writes.as_slice() else { panic!("{writes:?}") };
        assert_eq!((*token, *seen), (secret().digest(), replays));
    }
}

#[test]
fn a_client_that_gave_refreshing_up_gets_nothing_even_in_the_grace() {
    // proves: RT-03
    let without = Client { grant_types: vec!["authorization_code".into()], ..client() };
    for facts in [facts(), rotated().0] {
        assert_eq!(untouched(decide(&without, request(), facts, 101)), TokenRefusal::GrantTypeNotRegistered);
    }
}

#[test]
fn after_the_grace_a_second_use_ends_the_grant() {
    // proves: RT-02, RT-19, BCP-19, OA21-39
    for now in [130, 131, 10_000, 100 + 2 * MONTH] {
        revoked(decide(&client(), request(), rotated().0, now));
    }
    let mut policy = policy();
    policy.lifetimes.refresh_grace = Duration::ZERO;
    revoked(decide_under(&policy, &client(), request(), rotated().0, 100));
}

#[test]
fn the_grace_ends_when_the_successor_is_refreshed() {
    // proves: RT-05, RT-09
    let used = RefreshFacts { successor_used: true, ..rotated().0 };
    revoked(decide(&client(), request(), used, 101));
}

#[test]
fn the_grace_has_a_count() {
    // proves: RT-06
    let (mut facts, _) = rotated();
    facts.token.rotated.as_mut().unwrap().replays = MOST_REPLAYS;
    revoked(decide(&client(), request(), facts, 101));
}

#[test]
fn the_grace_does_not_outlive_the_token() {
    // proves: RT-07
    let (mut facts, _) = rotated();
    facts.token.expires_at = at(110);
    issued(decide(&client(), request(), facts.clone(), 109));
    assert_eq!(untouched(decide(&client(), request(), facts, 110)), TokenRefusal::ExpiredRefresh);
}

#[test]
fn a_clock_that_is_set_back_does_not_make_the_grace_endless() {
    // proves: RT-08
    issued(decide(&client(), request(), rotated().0, 80));
    revoked(decide(&client(), request(), rotated().0, 70));
}

#[test]
fn another_client_gets_nothing_and_ends_nothing() {
    // proves: RT-06, RT-13
    for facts in [facts(), rotated().0, RefreshFacts { successor_used: true, ..rotated().0 }] {
        for now in [101, 1000] {
            let refusal = untouched(decide(&another_client(), request(), facts.clone(), now));
            assert_eq!(refusal, TokenRefusal::RefreshOfAnotherClient);
            assert_eq!(refusal.description(), TokenRefusal::UnknownRefresh.description());
        }
    }
}

#[test]
fn a_token_of_another_kind_is_no_refresh_token() {
    // proves: RT-12
    let code = Secret::<AuthorizationCode>::generate(&mut entropy());
    for text in [code.expose(), "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "gho_upstream", "dwr_"] {
        let form = form(&[("grant_type", "refresh_token"), ("refresh_token", text)]);
        let Ok(TokenRequest::Refresh(request)) = TokenRequest::read(&form) else { panic!("{text}") };
        // Nothing lies under its digest; and the facts of another token do not count.
        for facts in [None, Some(facts())] {
            let decision =
                refresh(&policy(), &authenticated(&client()), request.clone(), facts, at(1), fresh(&mut entropy()));
            assert_eq!(untouched(decision), TokenRefusal::UnknownRefresh);
        }
    }
    // Nor does a grant count that the token is not of.
    let mut crossed = facts();
    crossed.grant.id = GrantId("dwg_other".into());
    assert_eq!(untouched(decide(&client(), request(), crossed, 1)), TokenRefusal::UnknownRefresh);
}

#[test]
fn scopes_narrow_and_never_grow() {
    // proves: RT-10, OA21-38
    let asking = |scope: &str| RefreshRequest { scope: Some(scope.into()), ..request() };
    for (sent, given) in [("mcp:read", "mcp:read"), ("mcp:write mcp:read mcp:write", "mcp:read mcp:write")] {
        let (response, writes) = issued(decide(&client(), asking(sent), facts(), 100));
        assert_eq!((claims(&response).scope, response.scope), (scopes(given), Some(scopes(given))));
        // The grant, and with it the next refresh, keeps all.
        let Some(Write::InsertRefresh(successor)) = writes.into_iter().nth(1) else { panic!() };
        let next = RefreshRequest { token: response.refresh_token.unwrap(), ..request() };
        let (later, _) = issued(decide(&client(), next, RefreshFacts { token: successor, ..facts() }, 200));
        assert_eq!(later.scope, Some(grant().scope));
    }
    for sent in
        ["mcp:danger", "mcp:read mcp:danger", "*", "mcp:read offline_access", "mcp:read  mcp:write", "é", "mcp:Read"]
    {
        assert_eq!(untouched(decide(&client(), asking(sent), facts(), 100)).error(), "invalid_scope", "{sent}");
    }
}

#[test]
fn another_resource_is_refused_without_rotating() {
    // proves: RT-11, AUD-03, R8707-06
    let asking = |resources: &[&str]| RefreshRequest {
        resources: resources.iter().map(ToString::to_string).collect(),
        ..request()
    };
    for good in [&[][..], &[R1]] {
        assert_eq!(claims(&issued(decide(&client(), asking(good), facts(), 100)).0).aud.as_str(), R1);
    }
    for bad in [&[R2][..], &[R1, R2], &[R1, R1], &["https://as.example/mcp/"], &["x"]] {
        for facts in [facts(), rotated().0] {
            assert_eq!(untouched(decide(&client(), asking(bad), facts, 100)).error(), "invalid_target", "{bad:?}");
        }
    }
}

#[test]
fn nothing_is_issued_when_grant_account_or_client_has_gone() {
    // proves: RT-14
    let ended = |change: &dyn Fn(&mut RefreshFacts)| {
        for mut facts in [facts(), rotated().0] {
            change(&mut facts);
            assert_eq!(untouched(decide(&client(), request(), facts, 101)).code(), TokenError::InvalidGrant);
        }
    };
    ended(&|facts| facts.grant.revoked_at = Some(at(50)));
    ended(&|facts| facts.grant.expires_at = Some(at(101)));
    ended(&|facts| facts.account = None);
    ended(&|facts| facts.account.as_mut().unwrap().disabled = true);
    let gone = refresh(&policy(), &authenticated(&client()), request(), None, at(1), fresh(&mut entropy()));
    assert_eq!(untouched(gone), TokenRefusal::UnknownRefresh);
    let without = Client { grant_types: vec!["authorization_code".into()], ..client() };
    assert_eq!(untouched(decide(&without, request(), facts(), 1)).error(), "unauthorized_client");
}

#[test]
fn an_unused_token_expires_and_none_outlives_the_grant() {
    // proves: RT-15, OA21-41
    issued(decide(&client(), request(), facts(), MONTH - 1));
    assert_eq!(untouched(decide(&client(), request(), facts(), MONTH)), TokenRefusal::ExpiredRefresh);
    let mut short = facts();
    short.grant.expires_at = Some(at(150));
    let (response, writes) = issued(decide(&client(), request(), short.clone(), 149));
    assert_eq!((claims(&response).exp, response.expires_in), (at(150), Some(1)));
    assert!(matches!(&writes[1], Write::InsertRefresh(row) if row.expires_at == at(150)));
    assert_eq!(policy().lifetimes.refresh_grace, seconds(30));
}

#[test]
fn the_row_alone_does_not_give_the_answer_away() {
    let (facts, response) = rotated();
    let rotated = facts.token.rotated.unwrap();
    let token = response.refresh_token.unwrap();
    let shown =
        rotated.answer.as_bytes().windows(8).any(|part| token.expose().as_bytes().windows(8).any(|t| t == part));
    assert!(!shown);
    assert!(rotated.answer.open(&token, SEALED_ANSWER).is_none());
    assert!(rotated.answer.open(&secret(), SEALED_ANSWER).is_some());
}

/// As [`decide`], by a client that proves to hold this key.
fn decide_with(key: Option<&SigningKey>, facts: RefreshFacts, now: i64) -> Decision {
    let client = authenticated(&client());
    let client = key.into_iter().fold(client, |client, key| holding(client, key, at(now)));
    refresh(&policy_of_two(), &client, request(), Some(facts), at(now), fresh(&mut entropy()))
}

#[test]
fn a_bound_family_is_refreshed_by_the_holder_of_its_key_only() {
    // proves: R9449-03, EXT-05, RT-06
    let (key, other) = (SigningKey::generate(), SigningKey::generate());
    let bound = |mut facts: RefreshFacts| {
        facts.grant.dpop = Some(doorward_types::jose::Thumbprint::parse(key.kid()).unwrap());
        facts
    };
    let (response, writes) = issued(decide_with(Some(&key), bound(facts()), 100));
    assert_eq!((response.token_type.as_str(), claims(&response).cnf.unwrap().jkt.as_str()), ("DPoP", key.kid()));
    assert!(writes.iter().any(|write| matches!(write, Write::UseOnce { .. })));
    // Without the key: nothing, and nothing ends, whether the token is fresh or in its grace.
    for (facts, now) in [(facts(), 101), (facts(), 10_000), (rotated().0, 101)] {
        assert_eq!(untouched(decide_with(None, bound(facts.clone()), now)), TokenRefusal::NoProof);
        assert_eq!(untouched(decide_with(Some(&other), bound(facts), now)), TokenRefusal::OtherKey);
    }
    // With it the grace and its end are as ever, and each replay needs a proof of its own.
    let (_, writes) = issued(decide_with(Some(&key), bound(rotated().0), 101));
    assert!(matches!(writes.as_slice(), [Write::CountReplay { .. }, Write::UseOnce { .. }]));
    revoked(decide_with(Some(&key), bound(rotated().0), 10_000));
}

#[test]
fn a_thief_cannot_hide_behind_a_key_of_its_own() {
    // proves: RT-02, RT-05, RT-19
    // The thief refreshed a token that was not bound yet with a proof, so the grant is bound to the thief's key. Then its
    // owner comes, who has no such key.
    let (thief, owner) = (SigningKey::generate(), SigningKey::generate());
    for (facts, now) in [(rotated().0, 10_000), (RefreshFacts { successor_used: true, ..rotated().0 }, 101)] {
        for key in [None, Some(&owner)] {
            let mut facts = facts.clone();
            facts.grant.dpop = Some(doorward_types::jose::Thumbprint::parse(thief.kid()).unwrap());
            revoked(decide_with(key, facts, now));
        }
    }
}

#[test]
fn a_family_is_bound_with_the_first_proof() {
    // proves: R9449-03
    let key = SigningKey::generate();
    let (_, writes) = issued(decide_with(Some(&key), facts(), 100));
    assert!(writes.iter().any(|write| matches!(write, Write::BindGrant { key: to, .. } if to.as_str() == key.kid())));
    assert!(!issued(decide_with(None, facts(), 100)).1.iter().any(|write| matches!(write, Write::BindGrant { .. })));
}

use doorward_testkit::SeededEntropy;
use doorward_types::{
    CodeVerifier, ResourceId, Secret,
    jose::{self, AccessTokenClaims, KeySet, SigningKey},
    messages::TokenResponse,
    secret::AuthorizationCode,
};

use super::*;
use crate::{
    TokenError,
    facts::{Account, AccountId, Client, Code, Grant},
    fixtures::{
        CALLBACK, R1, R2, SIGNER, account, another_client, at, authenticated, authenticated_service, client, entropy,
        form, fresh, grant, holding, policy, policy_of_two, proven, scopes, service, verifier,
    },
    token_request::TokenRequest,
};

fn secret() -> Secret<AuthorizationCode> {
    Secret::generate(&mut SeededEntropy::new(5))
}

fn facts() -> CodeFacts {
    let code = Code {
        digest: secret().digest(),
        grant: grant().id,
        client: client().id,
        redirect_uri: CALLBACK.into(),
        challenge: verifier().challenge(),
        dpop: None,
        expires_at: at(60),
        wrong_verifiers: 0,
        redeemed_at: None,
    };
    CodeFacts { code, grant: grant(), account: Some(account()) }
}

fn request() -> CodeRequest {
    CodeRequest { code: secret(), verifier: verifier(), redirect_uri: None, resources: Vec::new() }
}

fn wrong() -> CodeRequest {
    CodeRequest { verifier: CodeVerifier::generate(&mut entropy()), ..request() }
}

fn decide(client: &Client, request: CodeRequest, facts: CodeFacts, now: i64) -> Decision {
    redeem(&policy_of_two(), &authenticated(client), request, Some(facts), at(now), fresh(&mut entropy()))
}

fn issued(decision: Decision) -> (TokenResponse, Vec<Write>) {
    let Decision::Issue { response, writes } = decision else { panic!("{decision:?}") };
    (response, writes)
}

fn denied(decision: Decision) -> (TokenRefusal, Vec<Write>) {
    let Decision::Deny { refusal, writes } = decision else { panic!("tokens were issued") };
    (refusal, writes)
}

/// Denied with this refusal, and nothing changes.
fn untouched(decision: Decision) -> TokenRefusal {
    let (refusal, writes) = denied(decision);
    assert!(writes.is_empty(), "{writes:?}");
    refusal
}

fn claims(response: &TokenResponse) -> AccessTokenClaims {
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    let verified = jose::verify(response.access_token.expose(), &keys, AccessTokenClaims::TYP).unwrap();
    serde_json::from_value(verified.claims().clone().into()).unwrap()
}

#[test]
fn a_code_is_redeemed_for_exactly_what_was_granted() {
    // proves: CODE-01, OA21-24, OA21-31, R8707-04, R9068-03, R9700-05, INV-4
    let (response, writes) = issued(decide(&client(), request(), facts(), 1));
    let [
        Write::RedeemCode { code, at: when, .. },
        Write::InsertRefresh(refresh),
        Write::TouchGrant(id, _),
        Write::TouchClient { .. },
    ] = writes.as_slice()
    else {
        panic!("{writes:?}")
    };
    assert_eq!((*code, *when, id), (secret().digest(), at(1), &grant().id));
    assert_eq!(refresh.digest, response.refresh_token.as_ref().unwrap().digest());
    assert_eq!((&refresh.grant, refresh.expires_at), (&grant().id, at(1 + 30 * 86_400)));
    let claims = claims(&response);
    assert_eq!((claims.aud.as_str(), claims.client_id, claims.sub), (R1, client().id, account().id.0));
    assert_eq!((claims.iat, claims.exp, claims.gid), (at(1), at(601), grant().id.0));
    assert_eq!((&claims.scope, response.scope.as_ref()), (&scopes("mcp:read mcp:write"), Some(&claims.scope)));
    assert_eq!((response.token_type.as_str(), response.expires_in), ("Bearer", Some(600)));
}

#[test]
fn a_second_use_ends_the_grant_unless_it_comes_at_once() {
    // proves: CODE-01, CODE-04, BCP-03, OA21-34, R9700-05
    let redeemed = |when| {
        let mut facts = facts();
        facts.code.redeemed_at = Some(at(when));
        facts
    };
    for now in [-5, 10, 11, 12] {
        assert_eq!(untouched(decide(&client(), request(), redeemed(10), now)), TokenRefusal::RedeemedCode, "{now}");
    }
    for now in [13, 40, 100_000] {
        let (refusal, writes) = denied(decide(&client(), request(), redeemed(10), now));
        assert_eq!(refusal.code(), TokenError::InvalidGrant);
        let [Write::RevokeGrant { grant: id, at: when, reason: RevocationReason::CodeReplay }] = writes.as_slice()
        else {
            panic!("{writes:?}")
        };
        assert_eq!((id, *when), (&grant().id, at(now)));
    }
    // What has ended is not ended again: the record says when it did.
    let mut ended = redeemed(10);
    ended.grant.revoked_at = Some(at(20));
    assert_eq!(untouched(decide(&client(), request(), ended, 40)), TokenRefusal::RedeemedCode);
    // A replay that is not otherwise valid ends nothing.
    let other_uri = CodeRequest { redirect_uri: Some("https://evil.tld/".into()), ..request() };
    for (client, request) in [(client(), wrong()), (another_client(), request()), (client(), other_uri)] {
        assert_eq!(untouched(decide(&client, request, redeemed(10), 40)).code(), TokenError::InvalidGrant);
    }
}

#[test]
fn a_wrong_verifier_is_counted_and_uses_nothing_up() {
    // proves: CODE-02, CODE-03, BCP-06, R7636-05, OA21-33
    let with = |wrong_verifiers| {
        let mut facts = facts();
        facts.code.wrong_verifiers = wrong_verifiers;
        facts
    };
    for tries in 0..MOST_WRONG_VERIFIERS {
        let (refusal, writes) = denied(decide(&client(), wrong(), with(tries), 1));
        assert_eq!(refusal, TokenRefusal::WrongVerifier);
        assert!(matches!(writes.as_slice(), [Write::CountWrongVerifier(code)] if *code == secret().digest()));
        issued(decide(&client(), request(), with(tries), 1));
    }
    for request in [request(), wrong()] {
        assert_eq!(untouched(decide(&client(), request, with(MOST_WRONG_VERIFIERS), 1)), TokenRefusal::BurnedCode);
    }
    // The challenge is no verifier.
    let challenge = CodeVerifier::parse(verifier().challenge().as_str()).unwrap();
    let (refusal, _) = denied(decide(&client(), CodeRequest { verifier: challenge, ..request() }, facts(), 1));
    assert_eq!(refusal, TokenRefusal::WrongVerifier);
}

#[test]
fn another_client_gets_nothing_and_changes_nothing() {
    // proves: CODE-05, OA21-35
    let refusal = untouched(decide(&another_client(), request(), facts(), 1));
    assert_eq!(refusal, TokenRefusal::CodeOfAnotherClient);
    assert_eq!(refusal.description(), TokenRefusal::UnknownCode.description());
    let unknown = redeem(&policy(), &authenticated(&client()), request(), None, at(1), fresh(&mut entropy()));
    assert_eq!(untouched(unknown), TokenRefusal::UnknownCode);
    let another = CodeRequest { code: Secret::generate(&mut entropy()), ..request() };
    assert_eq!(untouched(decide(&client(), another, facts(), 1)), TokenRefusal::UnknownCode);
    // A code that says it is this client's does not open a grant that is not.
    let mut crossed = facts();
    crossed.grant.client = another_client().id;
    assert_eq!(untouched(decide(&client(), request(), crossed, 1)), TokenRefusal::CodeOfAnotherClient);
    // Nor the other way round, and the grant is the code's own.
    let mut crossed = facts();
    crossed.code.client = another_client().id;
    assert_eq!(untouched(decide(&client(), request(), crossed, 1)), TokenRefusal::CodeOfAnotherClient);
    let mut crossed = facts();
    crossed.code.grant = crate::facts::GrantId("dwg_other".into());
    assert_eq!(untouched(decide(&client(), request(), crossed, 1)), TokenRefusal::UnknownCode);
}

#[test]
fn a_code_lives_for_a_minute() {
    // proves: CODE-06
    issued(decide(&client(), request(), facts(), 59));
    for now in [60, 61, 600] {
        assert_eq!(untouched(decide(&client(), request(), facts(), now)), TokenRefusal::ExpiredCode);
        assert_eq!(untouched(decide(&client(), wrong(), facts(), now)), TokenRefusal::ExpiredCode);
    }
}

#[test]
fn a_redirect_uri_that_is_sent_is_the_one_of_the_request() {
    // proves: REDIR-01, REDIR-02, REDIR-03, REDIR-04, REDIR-05, REDIR-06, REDIR-20, OA21-36
    let sent = |uri: &str| CodeRequest { redirect_uri: Some(uri.into()), ..request() };
    issued(decide(&client(), sent(CALLBACK), facts(), 1));
    for uri in [
        "https://evil.tld/",
        "https://a.example/cb/",
        "https://a.example/CB",
        "https://a.example:443/cb",
        "https://a.example/cb#",
        "https://a.example/x/../cb",
        "https://u@a.example/cb",
        "HTTPS://a.example/cb",
        " https://a.example/cb",
    ] {
        assert_eq!(untouched(decide(&client(), sent(uri), facts(), 1)), TokenRefusal::OtherRedirectUri, "{uri}");
    }
}

#[test]
fn a_loopback_code_is_bound_to_the_port_of_its_request() {
    // proves: REDIR-10, REDIR-11, REDIR-20
    let mut facts = facts();
    facts.code.redirect_uri = "http://127.0.0.1:33418/cb".into();
    let sent = |uri: &str| CodeRequest { redirect_uri: Some(uri.into()), ..request() };
    issued(decide(&client(), sent("http://127.0.0.1:33418/cb"), facts.clone(), 1));
    for uri in ["http://127.0.0.1:33419/cb", "http://localhost:33418/cb", "http://127.0.0.1/cb"] {
        assert_eq!(untouched(decide(&client(), sent(uri), facts.clone(), 1)), TokenRefusal::OtherRedirectUri, "{uri}");
    }
}

#[test]
fn a_resource_that_was_not_granted_is_refused_and_the_code_kept() {
    // proves: AUD-03, CODE-19, R8707-05, MCP-AUTH-077
    let sent = |resources: &[&str]| CodeRequest {
        resources: resources.iter().map(ToString::to_string).collect(),
        ..request()
    };
    for good in [&[][..], &[R1], &["HTTPS://AS.EXAMPLE/mcp"]] {
        let (response, _) = issued(decide(&client(), sent(good), facts(), 1));
        assert_eq!(claims(&response).aud.as_str(), R1);
    }
    for bad in [&[R2][..], &[R1, R2], &[R1, R1], &["https://as.example/mcp/"], &["https://as.example/mcp#"], &["x"]] {
        assert_eq!(untouched(decide(&client(), sent(bad), facts(), 1)).error(), "invalid_target", "{bad:?}");
    }
}

#[test]
fn nothing_is_issued_when_grant_account_or_resource_has_gone() {
    // proves: CODE-17, CODE-18
    let ended = |change: &dyn Fn(&mut CodeFacts)| {
        let mut facts = facts();
        change(&mut facts);
        untouched(decide(&client(), request(), facts, 10))
    };
    assert_eq!(ended(&|facts| facts.grant.revoked_at = Some(at(5))), TokenRefusal::GrantEnded);
    assert_eq!(ended(&|facts| facts.grant.expires_at = Some(at(10))), TokenRefusal::GrantEnded);
    assert_eq!(ended(&|facts| facts.account = None), TokenRefusal::AccountGone);
    assert_eq!(ended(&|facts| facts.account.as_mut().unwrap().disabled = true), TokenRefusal::AccountGone);
    let other = Account { id: AccountId("dwa_bob".into()), ..account() };
    assert_eq!(ended(&|facts| facts.account = Some(other.clone())), TokenRefusal::AccountGone);
    let gone = ResourceId::parse("https://as.example/gone").unwrap();
    assert_eq!(ended(&|facts| facts.grant.resource = gone.clone()), TokenRefusal::OtherResource);
}

#[test]
fn no_token_outlives_its_grant_and_none_is_given_that_was_not_registered_for() {
    let short = CodeFacts { grant: Grant { expires_at: Some(at(100)), ..grant() }, ..facts() };
    let (response, writes) = issued(decide(&client(), request(), short, 1));
    assert_eq!((claims(&response).exp, response.expires_in), (at(100), Some(99)));
    assert!(matches!(writes.as_slice(), [_, Write::InsertRefresh(refresh), ..] if refresh.expires_at == at(100)));
    // A grant that lasts longer lends its refresh tokens nothing.
    let long = CodeFacts { grant: Grant { expires_at: Some(at(90 * 86_400)), ..grant() }, ..facts() };
    let (_, writes) = issued(decide(&client(), request(), long, 1));
    assert!(
        matches!(writes.as_slice(), [_, Write::InsertRefresh(refresh), ..] if refresh.expires_at == at(1 + 30 * 86_400))
    );
    // That a client is in use is noted once an hour, whatever it does meanwhile.
    for (last, noted) in [(Some(-3600), true), (Some(-3599), true), (Some(-3598), false), (Some(1), false)] {
        let used = Client { last_used_at: last.map(at), ..client() };
        let (_, writes) = issued(decide(&used, request(), facts(), 1));
        assert_eq!(writes.iter().any(|write| matches!(write, Write::TouchClient { .. })), noted, "{last:?}");
    }
    let without = Client { grant_types: vec!["authorization_code".into()], ..client() };
    let (response, writes) = issued(decide(&without, request(), facts(), 1));
    assert!(response.refresh_token.is_none());
    assert!(matches!(writes.as_slice(), [Write::RedeemCode { .. }, Write::TouchGrant(..), Write::TouchClient { .. }]));
}

#[test]
fn a_token_request_is_read_strictly() {
    // proves: CODE-09, BCP-26, OA21-21, OA21-33
    let read = |change: (&str, &str)| {
        let mut parameters = vec![("grant_type", "authorization_code"), ("code", "dwc_x"), ("x", "y")];
        let good = verifier();
        parameters.push(("code_verifier", good.expose()));
        parameters.retain(|(name, _)| *name != change.0);
        parameters.push(change);
        TokenRequest::read(&form(&parameters)).map(|_| ()).map_err(|refusal| refusal.error())
    };
    assert_eq!(read(("z", "")), Ok(()));
    let (short, long) = ("a".repeat(42), "a".repeat(129));
    for bad in ["", &short, &long, &format!("{short}+"), &format!("{short}é"), &format!("{short}\0")] {
        assert_eq!(read(("code_verifier", bad)), Err("invalid_request"), "{bad}");
    }
    assert_eq!(read(("code", "")), Err("invalid_request"));
    assert_eq!(read(("code", "é")), Err("invalid_grant"));
    assert_eq!(read(("grant_type", "")), Err("invalid_request"));
    for grant_type in ["password", "implicit", "CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "urn:x"] {
        assert_eq!(read(("grant_type", grant_type)), Err("unsupported_grant_type"));
    }
}

#[test]
fn a_code_that_names_a_key_is_redeemed_with_that_key_only() {
    // proves: R9449-03, R9449-10, EXT-05
    let (key, other) = (SigningKey::generate(), SigningKey::generate());
    let mut bound = facts();
    bound.code.dpop = Some(doorward_types::jose::Thumbprint::parse(key.kid()).unwrap());
    let with = |key: Option<&SigningKey>, facts: CodeFacts| {
        let client = authenticated(&client());
        let client = key.into_iter().fold(client, |client, key| holding(client, key, at(1)));
        redeem(&policy_of_two(), &client, request(), Some(facts), at(1), fresh(&mut entropy()))
    };
    // Neither without a proof nor with another key, and the code is not used up.
    assert_eq!(untouched(with(None, bound.clone())), TokenRefusal::NoProof);
    assert_eq!(untouched(with(Some(&other), bound.clone())), TokenRefusal::OtherKey);
    for facts in [bound, facts()] {
        let (response, writes) = issued(with(Some(&key), facts));
        assert_eq!((response.token_type.as_str(), claims(&response).cnf.unwrap().jkt.as_str()), ("DPoP", key.kid()));
        // A public client's refresh tokens are bound from now on, and the proof is used up in the same commit.
        assert!(
            writes.iter().any(|write| matches!(write, Write::BindGrant { key: to, .. } if to.as_str() == key.kid()))
        );
        assert!(writes.iter().any(|write| matches!(write, Write::UseOnce { .. })));
    }
    assert!(claims(&issued(with(None, facts())).0).cnf.is_none());
    // A grant that is bound by now yields nothing to anybody else, whatever its code says.
    let mut taken = facts();
    taken.grant.dpop = Some(doorward_types::jose::Thumbprint::parse(key.kid()).unwrap());
    assert_eq!(untouched(with(None, taken.clone())), TokenRefusal::NoProof);
    assert_eq!(untouched(with(Some(&other), taken)), TokenRefusal::OtherKey);
}

#[test]
fn a_confidential_client_is_bound_by_its_secret_and_not_by_a_key() {
    // proves: R9449-03
    let key = SigningKey::generate();
    let service = Client { id: client().id, ..service("authorization_code") };
    let client = holding(authenticated_service(&service), &key, at(1));
    let decision = redeem(&policy_of_two(), &client, request(), Some(facts()), at(1), fresh(&mut entropy()));
    let (response, writes) = issued(decision);
    assert_eq!(claims(&response).cnf.unwrap().jkt.as_str(), key.kid());
    assert!(!writes.iter().any(|write| matches!(write, Write::BindGrant { .. })));
}

#[test]
fn a_client_or_a_policy_that_wants_keys_takes_nothing_without_one() {
    // proves: R9449-04, EXT-DRAFT-005
    let bound = Client { dpop_bound: true, ..client() };
    let refusal = authenticated(&bound).holding(&policy(), None).map(|_| ()).unwrap_err();
    assert_eq!((refusal.error(), refusal.status().as_u16()), ("invalid_dpop_proof", 400));
    let only = crate::Policy { dpop_only: true, ..policy() };
    assert!(authenticated(&client()).holding(&only, None).is_err());
    let key = proven(&SigningKey::generate(), at(1));
    assert!(authenticated(&client()).holding(&only, Some(key)).is_ok());
    assert!(authenticated(&client()).holding(&policy(), None).is_ok());
}

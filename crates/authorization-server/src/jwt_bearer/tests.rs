use std::sync::LazyLock;

use doorward_types::{Issuer, jose::SigningKey};
use serde_json::json;

use super::*;
use crate::{
    facts::{Client, ClientAuthentication, ClientOrigin},
    fixtures::{
        CLIENT, ISSUER, R1, R2, account, at, authenticated, authenticated_service, claims_of, client, entropy, form,
        fresh, holding, issued, policy, policy_of_two, scopes, service, untouched,
    },
    token_request::TokenRequest,
};

static PROVIDER: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

const IDP: &str = "https://idp.example";
const NOW: i64 = 0;

fn enterprise() -> Enterprise {
    Enterprise { issuer: Issuer::parse(IDP).unwrap(), jwks_uri: None }
}

fn trusting(policy: Policy) -> Policy {
    Policy { enterprises: vec![enterprise()], ..policy }
}

/// The claims of a good assertion.
fn good() -> Value {
    json!({
        "iss": IDP, "sub": "00u1", "aud": ISSUER, "client_id": CLIENT, "jti": "one", "iat": at(NOW),
        "exp": at(NOW + 300), "resource": R1, "scope": "mcp:read", "email": "ann@corp.example",
    })
}

fn asking(assertion: String) -> JwtBearerRequest {
    JwtBearerRequest { assertion: Secret::parse(assertion).unwrap(), scope: None, resources: Vec::new() }
}

fn signed(claims: &Value) -> JwtBearerRequest {
    asking(PROVIDER.sign("oauth-id-jag+jwt", claims))
}

fn caller() -> AuthenticatedClient {
    authenticated_service(&service(GRANT_TYPE))
}

fn judge_for(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &JwtBearerRequest,
) -> Result<Believed, TokenRefusal> {
    let keys = KeySet::new(vec![PROVIDER.verifying_key()]);
    let enterprise = claimed_issuer(policy, request)?;
    believe(policy, client, request, enterprise, &keys, at(NOW))
}

fn judge(request: &JwtBearerRequest) -> Result<Believed, TokenRefusal> {
    judge_for(&trusting(policy()), &caller(), request)
}

fn with(claim: &str, value: Value) -> Value {
    let mut claims = good();
    claims[claim] = value;
    claims
}

fn refused(claims: &Value) -> TokenRefusal {
    judge(&signed(claims)).map(|_| ()).unwrap_err()
}

fn facts() -> JwtBearerFacts {
    JwtBearerFacts { used: false, account: None, name_taken: false }
}

fn known() -> Account {
    let external = Some(ExternalIdentity { issuer: IDP.into(), subject: "00u1".into() });
    Account { external, ..account() }
}

fn let_in(request: &JwtBearerRequest, facts: JwtBearerFacts) -> Decision {
    let believed = judge(request).unwrap();
    grant(&trusting(policy()), &caller(), &believed, facts, at(NOW), fresh(&mut entropy()))
}

#[test]
fn the_enterprise_lets_a_client_in_and_the_account_is_made_once() {
    // proves: EXT-EMA-001, EXT-EMA-014, EXT-EMA-016, IDJAG-06, IDJAG-07, R9068-02
    let (response, writes) = issued(let_in(&signed(&good()), facts()));
    let claims = claims_of(&response);
    assert_eq!((claims.aud.as_str(), &claims.scope, claims.client_id.as_str()), (R1, &scopes("mcp:read"), CLIENT));
    assert!(response.refresh_token.is_none());
    let [Write::UseOnce { until, .. }, Write::InsertAccount(made), Write::InsertGrant(grant), ..] = writes.as_slice()
    else {
        panic!("{writes:?}")
    };
    // The assertion is remembered longer than it lives.
    assert!(*until > at(NOW + 300));
    assert_eq!((made.name.as_str(), &made.external), ("ann@corp.example", &known().external));
    assert!(made.password.is_none() && !made.administrator);
    assert_eq!(
        (&grant.account, grant.kind, claims.sub),
        (&Some(made.id.clone()), GrantKind::JwtBearer, made.id.0.clone())
    );
    assert_eq!((grant.refreshes, grant.expires_at), (false, Some(claims.exp)));
    // The second time the person is known.
    let (again, writes) = issued(let_in(&signed(&good()), JwtBearerFacts { account: Some(known()), ..facts() }));
    assert_eq!(claims_of(&again).sub, account().id.0);
    assert!(!writes.iter().any(|write| matches!(write, Write::InsertAccount(_))));
    // Whoever disables the account or removes the client at this moment ends the grant, or there is none.
    assert!(writes.iter().any(|write| matches!(write, Write::HoldAccount(held) if *held == account().id)));
    assert!(writes.iter().any(|write| matches!(write, Write::HoldClient(held) if held.as_str() == CLIENT)));
    // Another account's name is not taken, and another identity's account is not used.
    let (_, writes) = issued(let_in(&signed(&good()), JwtBearerFacts { name_taken: true, ..facts() }));
    let Some(Write::InsertAccount(made)) = writes.get(1) else { panic!("{writes:?}") };
    assert!(made.name.starts_with("ann@corp.example-") && account::check_name(&made.name).is_ok(), "{}", made.name);
    let (other, _) = issued(let_in(&signed(&good()), JwtBearerFacts { account: Some(account()), ..facts() }));
    assert_ne!(claims_of(&other).sub, account().id.0);
    for (email, expected) in [(json!("no name"), "00u1"), (json!("\u{e9}@x"), "00u1"), (json!(null), "00u1")] {
        assert_eq!(judge(&signed(&with("email", email))).unwrap().name(), expected);
    }
}

#[test]
fn an_assertion_is_used_once_and_not_for_an_account_that_is_disabled() {
    // proves: EXT-01, EXT-EMA-025, R7523-02
    let used = untouched(let_in(&signed(&good()), JwtBearerFacts { used: true, ..facts() }));
    assert_eq!((used.error(), &used), ("invalid_grant", &AssertionRefusal::Used.into()));
    let disabled = Account { disabled: true, ..known() };
    let refusal = untouched(let_in(&signed(&good()), JwtBearerFacts { account: Some(disabled), ..facts() }));
    assert_eq!(refusal, TokenRefusal::AccountGone);
    // Each assertion has a name of its own, signed again or not; another provider's `jti` is another one.
    let named = |claims: &Value| judge(&signed(claims)).unwrap().used();
    assert_eq!(named(&good()), named(&good()));
    assert_ne!(named(&good()), named(&with("jti", json!("two"))));
}

#[test]
fn who_says_it_to_whom_and_for_whom_must_fit() {
    // proves: EXT-01, EXT-EMA-013, EXT-EMA-024, EXT-EMA-026, EXT-EMA-028, IDJAG-06, R7523-05, R7523-09
    for aud in [
        json!("https://as.example/"),
        json!("https://as.example/oauth/token"),
        json!("https://evil.example"),
        json!([]),
        json!([ISSUER, "https://evil.example"]),
        json!(""),
    ] {
        assert_eq!(refused(&with("aud", aud.clone())), AssertionRefusal::Audience.into(), "{aud}");
    }
    assert!(judge(&signed(&with("aud", json!([ISSUER])))).is_ok());
    for issuer in ["https://evil.example", "https://idp.example/", "", "https://IDP.example"] {
        assert_eq!(refused(&with("iss", json!(issuer))), AssertionRefusal::Issuer.into(), "{issuer}");
    }
    assert_eq!(refused(&with("client_id", json!("dwcl_other"))), AssertionRefusal::Client.into());
    for typ in ["JWT", "at+jwt", "dpop+jwt", "", "client-authentication+jwt"] {
        let refusal = judge(&asking(PROVIDER.sign(typ, &good()))).map(|_| ()).unwrap_err();
        assert_eq!(refusal, AssertionRefusal::Jws(JwsRefusal::Type).into(), "{typ}");
    }
    let forged = judge(&asking(SigningKey::generate().sign("oauth-id-jag+jwt", &good()))).map(|_| ()).unwrap_err();
    assert_eq!(forged.error(), "invalid_grant");
    for garbage in ["x", "a.b.c", "..", "e30.e30.", "eyJhbGciOiJub25lIn0.e30."] {
        let refusal = judge(&asking(garbage.to_owned())).map(|_| ()).unwrap_err();
        assert_eq!(refusal.error(), "invalid_grant", "{garbage}");
    }
    for claim in ["iss", "sub", "aud", "client_id", "jti", "exp", "iat"] {
        for value in [json!(null), json!(true), json!({}), json!(1.5)] {
            assert_eq!(refused(&with(claim, value.clone())).error(), "invalid_grant", "{claim} {value}");
        }
        let mut without = good();
        without.as_object_mut().unwrap().remove(claim);
        assert_eq!(refused(&without).error(), "invalid_grant", "{claim}");
    }
    for (claim, value) in [
        ("sub", String::new()),
        ("sub", "x".repeat(256)),
        ("sub", "\0".into()),
        ("jti", String::new()),
        ("jti", "\u{e9}".into()),
        ("jti", "x".repeat(513)),
    ] {
        assert_eq!(refused(&with(claim, json!(value))), AssertionRefusal::Claims.into(), "{claim}");
    }
    // It is printed nowhere.
    let request = signed(&good());
    assert!(!format!("{request:?} {:?}", judge(&request)).contains(request.assertion.expose()));
    // Nobody is trusted until the operator says so, and then the grant type does not exist.
    let refusal = claimed_issuer(&policy(), &signed(&good())).map(|_| ()).unwrap_err();
    assert_eq!(refusal.error(), "unsupported_grant_type");
}

#[test]
fn one_providers_keys_do_not_speak_for_another() {
    // proves: EXT-EMA-024, EXT-01
    let other = Enterprise { issuer: Issuer::parse("https://other.example").unwrap(), jwks_uri: None };
    let keys = KeySet::new(vec![PROVIDER.verifying_key()]);
    let policy = Policy { enterprises: vec![enterprise(), other.clone()], ..policy() };
    let judged = believe(&policy, &caller(), &signed(&good()), &other, &keys, at(NOW));
    assert_eq!(judged.map(|_| ()), Err(AssertionRefusal::Issuer.into()));
}

#[test]
fn an_assertion_is_short_lived() {
    // proves: EXT-03, EXT-EMA-025, R7523-02
    for (iat, exp, good) in [
        (0, 300, true),
        (30, 300, true),
        (31, 300, false),
        (-300, -29, true),
        (-300, -30, false),
        (0, 3600, true),
        (0, 3601, false),
        (10, 10, false),
        (10, 5, false),
    ] {
        let mut claims = with("iat", json!(at(iat)));
        claims["exp"] = json!(at(exp));
        let judged = judge(&signed(&claims));
        assert_eq!(judged.is_ok(), good, "{iat} {exp}");
        assert!(good || judged.map(|_| ()).unwrap_err() == AssertionRefusal::Time.into());
    }
    assert_eq!(refused(&with("nbf", json!(at(31)))), AssertionRefusal::Time.into());
    assert!(judge(&signed(&with("nbf", json!(at(30))))).is_ok());
    for far in [json!(i64::MAX), json!(i64::MIN)] {
        assert_eq!(refused(&with("exp", far.clone())), AssertionRefusal::Time.into());
        assert_eq!(refused(&with("iat", far)), AssertionRefusal::Time.into());
    }
}

#[test]
fn the_resource_and_scope_are_what_was_asserted_asked_for_and_can_be_had() {
    // proves: EXT-01, EXT-EMA-003, EXT-EMA-015, EXT-EMA-021, EXT-EMA-028
    for bad in
        [json!("https://evil.example/mcp"), json!("https://as.example/mcp/"), json!([R1, R2]), json!([]), json!("x")]
    {
        assert_eq!(refused(&with("resource", bad.clone())), AssertionRefusal::Resource.into(), "{bad}");
    }
    let mut without = good();
    without.as_object_mut().unwrap().remove("resource");
    assert_eq!(judge(&signed(&without)).unwrap().resource.as_str(), R1);
    let two = judge_for(&trusting(policy_of_two()), &caller(), &signed(&without)).map(|_| ()).unwrap_err();
    assert_eq!(two, AssertionRefusal::Resource.into());
    let named = |resource: &str| JwtBearerRequest { resources: vec![resource.into()], ..signed(&good()) };
    assert!(judge(&named(R1)).is_ok());
    assert_eq!(judge(&named(R2)).map(|_| ()).unwrap_err().error(), "invalid_target");
    let scoped = |asserted: Value, asked: Option<&str>| {
        let request = JwtBearerRequest { scope: asked.map(ToOwned::to_owned), ..signed(&with("scope", asserted)) };
        judge(&request).map(|believed| believed.scope.to_string()).map_err(|refusal| refusal.error())
    };
    assert_eq!(scoped(json!("mcp:read other"), None), Ok("mcp:read".into()));
    assert_eq!(scoped(json!("mcp:write"), Some("mcp:read mcp:danger")), Ok("mcp:read".into()));
    assert_eq!(scoped(json!("mcp:read"), Some("mcp:write")), Err("invalid_scope"));
    assert_eq!(scoped(json!("other"), None), Err("invalid_scope"));
    assert_eq!(scoped(json!(""), Some("mcp:read")), Err("invalid_scope"));
    assert_eq!(scoped(json!(null), Some("mcp:read")), Ok("mcp:read".into()));
    assert_eq!(scoped(json!(null), None), Err("invalid_scope"));
    assert_eq!(scoped(json!(null), Some("mcp:evil")), Err("invalid_scope"));
    assert_eq!(scoped(json!(7), None), Err("invalid_grant"));
}

#[test]
fn what_restricts_the_access_is_obeyed_or_refused() {
    // proves: EXT-01, IDJAG-08, R9449-03
    assert_eq!(refused(&with("authorization_details", json!([{"type": "x"}]))), AssertionRefusal::Unsupported.into());
    let key = SigningKey::generate();
    let bound = |cnf: Value| signed(&with("cnf", cnf));
    for cnf in [json!({"x5t#S256": "x"}), json!({"jkt": "x"}), json!({"jkt": key.kid(), "kid": "y"}), json!("x")] {
        let refusal = judge(&bound(cnf.clone())).map(|_| ()).unwrap_err();
        assert_eq!(refusal, AssertionRefusal::Unsupported.into(), "{cnf}");
    }
    let request = bound(json!({"jkt": key.kid()}));
    assert_eq!(judge(&request).map(|_| ()).unwrap_err(), TokenRefusal::NoProof);
    let with_key = |key: &SigningKey| judge_for(&trusting(policy()), &holding(caller(), key, at(NOW)), &request);
    assert_eq!(with_key(&SigningKey::generate()).map(|_| ()).unwrap_err(), TokenRefusal::OtherKey);
    let believed = with_key(&key).unwrap();
    // The proof of the key is used up with the assertion: neither is good again.
    let holder = holding(caller(), &key, at(NOW));
    let decision = grant(&trusting(policy()), &holder, &believed, facts(), at(NOW), fresh(&mut entropy()));
    let (_, writes) = issued(decision);
    assert_eq!(writes.iter().filter(|write| matches!(write, Write::UseOnce { .. })).count(), 2, "{writes:?}");
}

#[test]
fn only_clients_that_prove_who_they_are_and_registered_for_it() {
    // proves: EXT-EMA-020, EXT-03
    let public = Client { grant_types: vec![GRANT_TYPE.into()], ..client() };
    assert_eq!(public.authentication, ClientAuthentication::None);
    let policy = trusting(policy());
    let refusal = judge_for(&policy, &authenticated(&public), &signed(&good())).map(|_| ()).unwrap_err();
    assert_eq!(refusal.error(), "unauthorized_client");
    let without = authenticated_service(&service("authorization_code"));
    let refusal = judge_for(&policy, &without, &signed(&good())).map(|_| ()).unwrap_err();
    assert_eq!(refusal.error(), "unauthorized_client");
    let document = Client { origin: ClientOrigin::Document, ..service(GRANT_TYPE) };
    assert!(judge_for(&policy, &authenticated_service(&document), &signed(&good())).is_ok());
    let read = |parameters: &[(&str, &str)]| TokenRequest::read(&form(parameters)).map(|_| ()).map_err(|e| e.error());
    assert_eq!(read(&[("grant_type", GRANT_TYPE)]), Err("invalid_request"));
    assert_eq!(read(&[("grant_type", GRANT_TYPE), ("assertion", "x")]), Ok(()));
}

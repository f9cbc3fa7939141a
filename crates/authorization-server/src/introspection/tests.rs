use doorward_testkit::SeededEntropy;
use doorward_types::{
    jose::{AccessTokenClaims, SigningKey},
    secret::AuthorizationCode,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    facts::{Account, Client, Refresh, Rotated},
    fixtures::{
        R1, SIGNER, account, another_client, at, authenticated, authenticated_service, claims, client, entropy, form,
        grant, grant_facts, policy, service,
    },
    seal::Sealed,
};

fn signed(claims: &AccessTokenClaims) -> String {
    SIGNER.sign(AccessTokenClaims::TYP, claims)
}

fn refresh() -> (Secret<RefreshToken>, RefreshFacts) {
    let secret = Secret::<RefreshToken>::generate(&mut SeededEntropy::new(3));
    let token =
        Refresh { digest: secret.digest(), grant: grant().id, issued_at: at(0), expires_at: at(90), rotated: None };
    (secret, RefreshFacts { token, successor_used: false, grant: grant(), account: Some(account()) })
}

fn ask(client: &Client, token: &str, refresh: Option<&RefreshFacts>, grant: Option<&GrantFacts>, now: i64) -> String {
    let request = read(&form(&[("token", token), ("token_type_hint", "nonsense")])).unwrap();
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    let caller = authenticated_service(client);
    let answer = introspect(&policy(), &caller, &request, refresh, grant, &keys, at(now)).unwrap();
    String::from_utf8(answer.to_json()).unwrap()
}

/// The resource server of the resource.
fn gateway() -> Client {
    let protects = Some(grant().resource);
    Client { id: ClientId::parse("dwcl_gateway").unwrap(), protects, ..service("client_credentials") }
}

fn owner() -> Client {
    service("client_credentials")
}

const INACTIVE: &str = r#"{"active":false}"#;

#[test]
fn who_holds_or_gets_a_token_is_told_what_it_is_worth() {
    // proves: R7662-01, R7662-02, R9449-11
    for client in [owner(), gateway()] {
        let answer: Value =
            serde_json::from_str(&ask(&client, &signed(&claims()), None, Some(&grant_facts()), 10)).unwrap();
        let expected = json!({
            "active": true, "iss": policy().issuer, "sub": account().id.0, "aud": R1, "client_id": client_id(),
            "scope": "mcp:write", "iat": at(0), "exp": at(100), "jti": "x", "token_type": "Bearer",
        });
        assert_eq!(answer, expected);
    }
    let jkt = doorward_types::jose::Thumbprint::parse(SIGNER.kid()).unwrap();
    let bound = AccessTokenClaims { cnf: Some(Confirmation { jkt }), ..claims() };
    let answer: Value =
        serde_json::from_str(&ask(&gateway(), &signed(&bound), None, Some(&grant_facts()), 10)).unwrap();
    assert_eq!((&answer["token_type"], &answer["cnf"]["jkt"]), (&json!("DPoP"), &json!(SIGNER.kid())));
    let (secret, facts) = refresh();
    let answer: Value = serde_json::from_str(&ask(&owner(), secret.expose(), Some(&facts), None, 10)).unwrap();
    assert_eq!(
        (&answer["active"], &answer["scope"], &answer["exp"]),
        (&json!(true), &json!(grant().scope), &json!(at(90)))
    );
    assert!(answer.get("token_type").is_none());
}

fn client_id() -> String {
    client().id.to_string()
}

#[test]
fn all_else_is_inactive_and_looks_alike() {
    // proves: INT-01, INT-02, R7662-02, R7662-03, R7662-06, INV-3
    let (secret, facts) = refresh();
    let access = signed(&claims());
    let stranger = Client { id: another_client().id, ..owner() };
    let elsewhere =
        Client { protects: doorward_types::ResourceId::parse("https://as.example/other").ok(), ..stranger.clone() };
    // Foreign.
    for client in [&stranger, &elsewhere] {
        assert_eq!(ask(client, &access, None, Some(&grant_facts()), 10), INACTIVE);
        assert_eq!(ask(client, secret.expose(), Some(&facts), None, 10), INACTIVE);
    }
    // A resource server is never sent a refresh token, so it has none to ask about.
    assert_eq!(ask(&gateway(), secret.expose(), Some(&facts), None, 10), INACTIVE);
    // Expired, unknown, of another kind.
    assert_eq!(ask(&owner(), &access, None, Some(&grant_facts()), 100), INACTIVE);
    assert_eq!(ask(&owner(), secret.expose(), Some(&facts), None, 90), INACTIVE);
    let code = Secret::<AuthorizationCode>::generate(&mut entropy());
    let foreign = AccessTokenClaims { iss: Issuer::parse("https://evil.tld").unwrap(), ..claims() };
    for garbage in [
        "x",
        "\u{e9}",
        &"a".repeat(20_000),
        code.expose(),
        secret.expose(),
        &access[..access.len() - 2],
        &format!("{access}A"),
        &SigningKey::generate().sign(AccessTokenClaims::TYP, &claims()),
        &SIGNER.sign("jwt", &claims()),
        &signed(&foreign),
    ] {
        assert_eq!(ask(&owner(), garbage, None, Some(&grant_facts()), 10), INACTIVE, "{garbage}");
    }
    // Revoked, or nobody is behind it any more.
    for change in [
        |facts: &mut GrantFacts| facts.grant.revoked_at = Some(at(5)),
        |facts: &mut GrantFacts| facts.grant.expires_at = Some(at(10)),
        |facts: &mut GrantFacts| facts.account = None,
        |facts: &mut GrantFacts| facts.account = Some(Account { disabled: true, ..account() }),
        |facts: &mut GrantFacts| facts.grant.id = GrantId("dwg_2".into()),
    ] {
        let mut ended = grant_facts();
        change(&mut ended);
        assert_eq!(ask(&owner(), &access, None, Some(&ended), 10), INACTIVE);
        assert_eq!(ask(&owner(), &access, None, None, 10), INACTIVE);
        let facts = RefreshFacts { grant: ended.grant, account: ended.account, ..facts.clone() };
        assert_eq!(ask(&owner(), secret.expose(), Some(&facts), None, 10), INACTIVE);
    }
    // A refresh token that was used.
    let answer = Sealed::from_bytes(Vec::new());
    let rotated = Some(Rotated { at: at(1), successor: secret.digest(), answer, replays: 0 });
    let used = RefreshFacts { token: Refresh { rotated, ..facts.token.clone() }, ..facts.clone() };
    assert_eq!(ask(&owner(), secret.expose(), Some(&used), None, 10), INACTIVE);
    // The facts of another token do not count.
    let another = Secret::<RefreshToken>::generate(&mut SeededEntropy::new(4));
    assert_eq!(ask(&owner(), another.expose(), Some(&facts), None, 10), INACTIVE);
}

#[test]
fn a_client_that_cannot_prove_who_it_is_is_told_nothing() {
    // proves: INT-01, R7662-04
    let request = read(&form(&[("token", &signed(&claims()))])).unwrap();
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    let caller = authenticated(&client());
    let refusal = introspect(&policy(), &caller, &request, None, Some(&grant_facts()), &keys, at(10)).unwrap_err();
    assert_eq!((refusal.error(), refusal.status().as_u16()), ("invalid_client", 401));
    assert_eq!(read(&form(&[("token", "")])).map(|_| ()), Err(TokenRefusal::Missing("token")));
}

use doorward_types::jose::{Confirmation, SigningKey};

use super::*;
use crate::{
    facts::{Account, Client},
    fixtures::{
        R1, R2, SIGNER, account, another_client, at, authenticated, authenticated_service, claims, claims_of, client,
        entropy, form, fresh, grant, grant_facts, holding, issued, policy_of_two, resource, scopes, service, untouched,
    },
    token_request::TokenRequest,
};

fn asking(claims: &AccessTokenClaims, scope: Option<&str>, targets: &[&str]) -> ExchangeRequest {
    ExchangeRequest {
        subject_token: Secret::parse(SIGNER.sign(AccessTokenClaims::TYP, claims)).unwrap(),
        scope: scope.map(ToOwned::to_owned),
        targets: targets.iter().map(ToString::to_string).collect(),
    }
}

fn run(client: &AuthenticatedClient, request: &ExchangeRequest, facts: Option<GrantFacts>, now: i64) -> Decision {
    let policy = policy_of_two();
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    match subject(&policy, &keys, request, at(now)) {
        Ok(subject) => exchange(&policy, client, request, subject, facts, at(now), fresh(&mut entropy())),
        Err(refusal) => refusal.into(),
    }
}

fn own() -> AuthenticatedClient {
    authenticated_service(&allowed())
}

/// A client that may exchange for the second resource.
fn allowed() -> Client {
    Client { exchanges_for: vec![ResourceId::parse(R2).unwrap()], ..service(GRANT_TYPE) }
}

/// The resource server of the first resource.
fn gateway() -> Client {
    let id = another_client().id;
    Client { id, protects: Some(grant().resource), ..allowed() }
}

#[test]
fn a_token_is_exchanged_for_less_and_for_another_resource() {
    // proves: R8693-02, AUD-16, R9068-02
    let (response, writes) = issued(run(&own(), &asking(&claims(), Some("mcp:read"), &[R2]), Some(grant_facts()), 10));
    let issued_claims = claims_of(&response);
    assert_eq!((issued_claims.aud.as_str(), &issued_claims.scope), (R2, &scopes("mcp:read")));
    // It is the same person's under the same grant, and lasts no longer than the token it rests on.
    assert_eq!((issued_claims.sub, issued_claims.gid), (claims().sub, claims().gid));
    assert_eq!((issued_claims.exp, response.expires_in), (at(100), Some(90)));
    assert_eq!(response.issued_token_type.as_deref(), Some(ACCESS_TOKEN));
    assert_eq!((response.token_type.as_str(), response.scope), ("Bearer", Some(scopes("mcp:read"))));
    assert!(response.refresh_token.is_none() && issued_claims.act.is_none());
    let Some(Write::Record(event)) = writes.first() else { panic!("{writes:?}") };
    assert_eq!((event.kind, event.grant.as_ref()), (EventKind::Exchanged, Some(&grant().id)));
    assert_eq!((&event.account, event.client.as_ref()), (&grant().account, Some(own().id())));
    assert_eq!(event.resource.as_ref().map(ResourceId::as_str), Some(R2));
    // Nothing named: the same resource, and all that is implied there.
    let (same, _) = issued(run(&own(), &asking(&claims(), None, &[]), Some(grant_facts()), 10));
    assert_eq!((claims_of(&same).aud.as_str(), claims_of(&same).scope), (R1, scopes("mcp:read mcp:write")));
}

#[test]
fn scopes_never_grow_and_only_our_resources_are_targets() {
    // proves: AUD-16, R8693-03
    for bad in ["mcp:danger", "mcp:write mcp:danger", "*", "offline_access", "mcp:read  mcp:write", "other"] {
        let refusal = untouched(run(&own(), &asking(&claims(), Some(bad), &[R2]), Some(grant_facts()), 10));
        assert_eq!(refusal.error(), "invalid_scope", "{bad}");
    }
    for bad in [&["https://evil.example/mcp"][..], &[R1, R2], &["x"], &["https://as.example/mcp/"]] {
        let refusal = untouched(run(&own(), &asking(&claims(), Some("mcp:read"), bad), Some(grant_facts()), 10));
        assert_eq!(refusal.error(), "invalid_target", "{bad:?}");
    }
    // Where nothing of it exists, there is no token that allows nothing.
    let mut elsewhere = policy_of_two();
    elsewhere.resources[1].scopes = doorward_types::ScopeSet::none();
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    let request = asking(&claims(), None, &[R2]);
    let subject = subject(&elsewhere, &keys, &request, at(10)).unwrap();
    let facts = Some(grant_facts());
    let refusal = untouched(exchange(&elsewhere, &own(), &request, subject, facts, at(10), fresh(&mut entropy())));
    assert_eq!(refusal.error(), "invalid_scope");
    let limited = Client { scope: Some(scopes("mcp:read")), ..allowed() };
    let limited = authenticated_service(&limited);
    let refusal = untouched(run(&limited, &asking(&claims(), Some("mcp:write"), &[R2]), Some(grant_facts()), 10));
    assert_eq!(refusal.error(), "invalid_scope");
}

#[test]
fn another_resource_is_reached_only_where_the_operator_said_so() {
    // proves: INV-4, AUD-16
    let nowhere = |client: Client| Client { exchanges_for: Vec::new(), ..client };
    let wrong = |client: Client| Client { exchanges_for: vec![ResourceId::parse(R1).unwrap()], ..client };
    for client in [allowed(), gateway()] {
        for refused in [nowhere(client.clone()), wrong(client.clone())] {
            let caller = || authenticated_service(&refused);
            let refusal = untouched(run(&caller(), &asking(&claims(), None, &[R2]), Some(grant_facts()), 10));
            assert_eq!(refusal.error(), "invalid_target");
            // For the resource that the person agreed to it gets less, and not more.
            for same in [&[][..], &[R1]] {
                let (response, _) =
                    issued(run(&caller(), &asking(&claims(), Some("mcp:read"), same), Some(grant_facts()), 10));
                assert_eq!(claims_of(&response).aud.as_str(), R1);
            }
        }
        let there =
            issued(run(&authenticated_service(&client), &asking(&claims(), None, &[R2]), Some(grant_facts()), 10));
        assert_eq!(claims_of(&there.0).aud.as_str(), R2);
    }
    // Whatever a token says, it becomes none for more than its grant allows.
    let much = AccessTokenClaims { scope: scopes("mcp:read mcp:write mcp:danger"), ..claims() };
    let (response, _) = issued(run(&own(), &asking(&much, None, &[R2]), Some(grant_facts()), 10));
    assert_eq!(claims_of(&response).scope, grant_facts().grant.scope);
}

#[test]
fn people_can_be_told_how_far_a_token_goes() {
    // proves: INV-4
    let id = |text: &str| ResourceId::parse(text).unwrap();
    let r3 = "https://third.example/mcp";
    let policy = Policy { resources: [R1, R2, r3].map(resource).into(), ..policy_of_two() };
    let named = |name: &str, protects: Option<&str>, to: &[&str]| Client {
        id: ClientId::parse(name).unwrap(),
        protects: protects.map(id),
        exchanges_for: to.iter().map(|to| id(to)).collect(),
        ..service(GRANT_TYPE)
    };
    let all = [
        named("g", Some(R1), &[R2]),
        named("h", Some(R2), &[r3, R1]),
        named("own", None, &[r3, "https://old.example/"]),
    ];
    let told = |client: &str, at: &str, all: &[Client]| {
        let found = reach(&policy, &ClientId::parse(client).unwrap(), &id(at), all);
        found.into_iter().map(|resource| resource.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told("app", R1, &all), [R2, r3]);
    assert_eq!(told("app", R1, &all[..1]), [R2]);
    assert!(told("app", r3, &all).is_empty() && told("app", R1, &all[1..]).is_empty());
    assert_eq!(told("own", R1, &all[2..]), [r3]);
}

#[test]
fn only_a_live_token_of_ours_is_exchanged() {
    // proves: AUD-16, R8693-03, R8693-05
    let good = asking(&claims(), None, &[R2]);
    let refused = |request: &ExchangeRequest, facts, now| {
        let refusal = untouched(run(&own(), request, facts, now));
        assert_eq!(refusal.error(), "invalid_request");
        refusal.description().into_owned()
    };
    let mut told = vec![refused(&good, Some(grant_facts()), 100), refused(&good, None, 10)];
    for change in [
        |facts: &mut GrantFacts| facts.grant.revoked_at = Some(at(5)),
        |facts: &mut GrantFacts| facts.grant.expires_at = Some(at(10)),
        |facts: &mut GrantFacts| facts.account = None,
        |facts: &mut GrantFacts| facts.account = Some(Account { disabled: true, ..account() }),
        |facts: &mut GrantFacts| facts.grant.id = GrantId("dwg_2".into()),
    ] {
        let mut facts = grant_facts();
        change(&mut facts);
        told.push(refused(&good, Some(facts), 10));
    }
    let foreign = doorward_types::Issuer::parse("https://evil.tld").unwrap();
    for token in [
        "garbage".to_owned(),
        SigningKey::generate().sign(AccessTokenClaims::TYP, &claims()),
        SIGNER.sign("jwt", &claims()),
        SIGNER.sign("dpop+jwt", &claims()),
        SIGNER.sign(AccessTokenClaims::TYP, &AccessTokenClaims { iss: foreign, ..claims() }),
    ] {
        told.push(refused(
            &ExchangeRequest { subject_token: Secret::parse(token).unwrap(), ..good.clone() },
            Some(grant_facts()),
            10,
        ));
    }
    // A token of another client, which was not sent to this one either.
    let others = AccessTokenClaims { client_id: another_client().id, ..claims() };
    told.push(refused(&asking(&others, None, &[R2]), Some(grant_facts()), 10));
    // Nobody can tell one from the other.
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
}

#[test]
fn only_who_was_registered_for_it_exchanges() {
    // proves: R8693-05, AUD-16
    let public = Client { grant_types: vec![GRANT_TYPE.into()], ..client() };
    let request = asking(&claims(), None, &[R2]);
    assert_eq!(untouched(run(&authenticated(&public), &request, Some(grant_facts()), 10)), TokenRefusal::PublicClient);
    let without = authenticated_service(&service("client_credentials"));
    assert_eq!(untouched(run(&without, &request, Some(grant_facts()), 10)).error(), "unauthorized_client");
}

#[test]
fn a_resource_server_acts_for_the_person_and_says_so() {
    // proves: R8693-04, R8693-06, AUD-16
    let gateway = gateway();
    let caller = authenticated_service(&gateway);
    let (response, _) = issued(run(&caller, &asking(&claims(), Some("mcp:read"), &[R2]), Some(grant_facts()), 10));
    let issued_claims = claims_of(&response);
    assert_eq!((&issued_claims.client_id, issued_claims.sub.as_str()), (&gateway.id, account().id.0.as_str()));
    let act = issued_claims.act.unwrap();
    assert_eq!((act.sub.as_str(), act.act), (gateway.id.as_str(), None));
    // Who acted before stands inside, up to a bound.
    let chain = |depth: usize| {
        let actor = |act| Actor { sub: "dwcl_before".into(), act };
        (1..depth).fold(actor(None), |inner, _| actor(Some(Box::new(inner))))
    };
    for (depth, good) in [(1, true), (MOST_ACTORS - 1, true), (MOST_ACTORS, false)] {
        let before = AccessTokenClaims { act: Some(chain(depth)), ..claims() };
        let decision = run(&caller, &asking(&before, None, &[R2]), Some(grant_facts()), 10);
        if good {
            assert_eq!(claims_of(&issued(decision).0).act.unwrap().depth(), depth + 1);
        } else {
            assert_eq!(untouched(decision).error(), "invalid_request");
        }
    }
    // A token for another resource was not sent to it.
    let elsewhere = AccessTokenClaims { aud: ResourceId::parse(R2).unwrap(), ..claims() };
    assert_eq!(
        untouched(run(&caller, &asking(&elsewhere, None, &[]), Some(grant_facts()), 10)).error(),
        "invalid_request"
    );
}

#[test]
fn a_bound_token_stays_bound() {
    // proves: R9449-03, EXT-05
    let (key, other) = (SigningKey::generate(), SigningKey::generate());
    let jkt = doorward_types::jose::Thumbprint::parse(key.kid()).unwrap();
    let bound = AccessTokenClaims { cnf: Some(Confirmation { jkt }), ..claims() };
    let request = asking(&bound, None, &[R2]);
    assert_eq!(untouched(run(&own(), &request, Some(grant_facts()), 10)), TokenRefusal::NoProof);
    let wrong = holding(own(), &other, at(10));
    assert_eq!(untouched(run(&wrong, &request, Some(grant_facts()), 10)), TokenRefusal::OtherKey);
    let (response, writes) = issued(run(&holding(own(), &key, at(10)), &request, Some(grant_facts()), 10));
    assert_eq!((response.token_type.as_str(), claims_of(&response).cnf.unwrap().jkt.as_str()), ("DPoP", key.kid()));
    assert!(writes.iter().any(|write| matches!(write, Write::UseOnce { .. })));
    // The resource server cannot have the client's key; it needs one of its own.
    let caller = || authenticated_service(&gateway());
    assert_eq!(untouched(run(&caller(), &request, Some(grant_facts()), 10)), TokenRefusal::NoProof);
    let (response, _) = issued(run(&holding(caller(), &other, at(10)), &request, Some(grant_facts()), 10));
    assert_eq!(claims_of(&response).cnf.unwrap().jkt.as_str(), other.kid());
}

#[test]
fn an_exchange_is_read_strictly() {
    // proves: R8693-01, R8693-03
    let read = |change: (&str, &str)| {
        let mut parameters = vec![
            ("grant_type", GRANT_TYPE),
            ("subject_token", "x"),
            ("subject_token_type", ACCESS_TOKEN),
            ("resource", R2),
        ];
        parameters.retain(|(name, _)| *name != change.0);
        parameters.push(change);
        TokenRequest::read(&form(&parameters)).map_err(|refusal| refusal.error())
    };
    assert!(read(("x", "")).is_ok() && read(("requested_token_type", ACCESS_TOKEN)).is_ok());
    for bad in [
        ("subject_token", ""),
        ("subject_token", "\u{e9}"),
        ("subject_token_type", ""),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("actor_token", "x"),
        ("actor_token_type", ACCESS_TOKEN),
    ] {
        assert_eq!(read(bad).unwrap_err(), "invalid_request", "{bad:?}");
    }
    let Ok(TokenRequest::Exchange(request)) = read(("audience", R1)) else { panic!() };
    assert_eq!(request.targets, [R2, R1]);
}

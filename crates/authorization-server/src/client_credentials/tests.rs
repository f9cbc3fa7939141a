use doorward_types::{ResourceId, jose::SigningKey};

use super::*;
use crate::{
    facts::{Client, ClientAuthentication},
    fixtures::{
        R1, R2, at, authenticated, authenticated_service, claims_of, client, entropy, fresh, holding, issued, policy,
        policy_of_two, scopes, service, untouched,
    },
};

fn asking(scope: Option<&str>, resources: &[&str]) -> ClientCredentialsRequest {
    let resources = resources.iter().map(ToString::to_string).collect();
    ClientCredentialsRequest { scope: scope.map(ToOwned::to_owned), resources }
}

fn decide_for(client: &Client, request: &ClientCredentialsRequest) -> Decision {
    grant(&policy_of_two(), &authenticated_service(client), request, at(0), fresh(&mut entropy()))
}

#[test]
fn a_client_acts_for_itself_under_a_grant_that_ends_with_the_token() {
    // proves: EXT-02, EXT-CC-001, EXT-CC-006, R9068-02, R9068-03, R9068-08, R8707-04
    let service = service(GRANT_TYPE);
    let (response, writes) = issued(decide_for(&service, &asking(Some("mcp:read"), &[R2])));
    let claims = claims_of(&response);
    assert_eq!((claims.sub.as_str(), claims.client_id.as_str()), (service.id.as_str(), service.id.as_str()));
    assert_eq!((claims.aud.as_str(), claims.scope, claims.exp), (R2, scopes("mcp:read"), at(600)));
    assert_eq!(response.scope, Some(scopes("mcp:read")));
    assert!(response.refresh_token.is_none());
    let Some(Write::InsertGrant(grant)) = writes.first() else { panic!("{writes:?}") };
    assert_eq!((&grant.account, grant.kind, grant.expires_at), (&None, GrantKind::ClientCredentials, Some(at(600))));
    assert_eq!((grant.id.0.as_str(), grant.resource.as_str()), (claims.gid.as_str(), R2));
    assert!(!writes.iter().any(|write| matches!(write, Write::InsertRefresh(_) | Write::BindGrant { .. })));
    // Whoever removes the client at this moment ends the grant, or there is none.
    assert!(writes.iter().any(|write| matches!(write, Write::HoldClient(held) if *held == service.id)));
    // No refresh token even for a client that may use them.
    let both = Client { grant_types: vec![GRANT_TYPE.into(), "refresh_token".into()], ..service };
    assert!(issued(decide_for(&both, &asking(Some("mcp:read"), &[R2]))).0.refresh_token.is_none());
}

#[test]
fn only_who_was_registered_for_it_and_can_prove_who_it_is() {
    // proves: EXT-02, EXT-CC-001, EXT-CC-003, EXT-CC-008, OA21-37
    let public =
        Client { authentication: ClientAuthentication::None, grant_types: vec![GRANT_TYPE.into()], ..client() };
    let decision =
        grant(&policy(), &authenticated(&public), &asking(Some("mcp:read"), &[]), at(0), fresh(&mut entropy()));
    assert_eq!(untouched(decision), TokenRefusal::PublicClient);
    for origin in [ClientOrigin::Dynamic, ClientOrigin::Document] {
        let stranger = Client { origin, ..service(GRANT_TYPE) };
        let refusal = untouched(decide_for(&stranger, &asking(Some("mcp:read"), &[R1])));
        assert_eq!(refusal, TokenRefusal::UnregisteredByAdministrator);
        assert_eq!(refusal.error(), "unauthorized_client");
    }
    for other in ["authorization_code", "refresh_token", "Client_credentials", ""] {
        let refusal = untouched(decide_for(&service(other), &asking(Some("mcp:read"), &[R1])));
        assert_eq!((refusal.error(), refusal.status().as_u16()), ("unauthorized_client", 400), "{other}");
    }
}

#[test]
fn one_resource_and_no_more_than_was_registered() {
    // proves: EXT-02, AUD-02, AUD-05, R9068-04, R8707-05
    let service = service(GRANT_TYPE);
    for bad in [
        &[][..],
        &[R1, R2],
        &["https://evil.example/mcp"],
        &["https://as.example/mcp/"],
        &["https://as.example/mcp#x"],
        &["/mcp"],
        &["javascript:alert(1)"],
    ] {
        assert_eq!(
            untouched(decide_for(&service, &asking(Some("mcp:read"), bad))).error(),
            "invalid_target",
            "{bad:?}"
        );
    }
    let only = grant(
        &policy(),
        &authenticated_service(&service),
        &asking(Some("mcp:read"), &[]),
        at(0),
        fresh(&mut entropy()),
    );
    assert_eq!(claims_of(&issued(only).0).aud, ResourceId::parse(R1).unwrap());
    // Scopes that only a person can give, that the resource does not have, or that are none.
    for bad in ["offline_access", "openid", "mcp:read mcp:evil", "mcp:read  mcp:write", "*", "\u{e9}"] {
        assert_eq!(untouched(decide_for(&service, &asking(Some(bad), &[R1]))).error(), "invalid_scope", "{bad}");
    }
    let limited = Client { scope: Some(scopes("mcp:write")), ..service };
    for (sent, given) in
        [(Some("mcp:read"), "mcp:read"), (None, "mcp:read mcp:write"), (Some("mcp:write"), "mcp:write")]
    {
        assert_eq!(claims_of(&issued(decide_for(&limited, &asking(sent, &[R1]))).0).scope, scopes(given), "{sent:?}");
    }
    assert_eq!(untouched(decide_for(&limited, &asking(Some("mcp:danger"), &[R1]))).error(), "invalid_scope");
    let none = Client { scope: Some(scopes("other")), ..limited };
    assert_eq!(untouched(decide_for(&none, &asking(None, &[R1]))).error(), "invalid_scope");
}

#[test]
fn with_a_proof_the_token_is_bound_to_the_key() {
    // proves: R9449-03
    let key = SigningKey::generate();
    let client = holding(authenticated_service(&service(GRANT_TYPE)), &key, at(0));
    let decision = grant(&policy(), &client, &asking(Some("mcp:read"), &[]), at(0), fresh(&mut entropy()));
    let (response, writes) = issued(decision);
    assert_eq!((response.token_type.as_str(), claims_of(&response).cnf.unwrap().jkt.as_str()), ("DPoP", key.kid()));
    assert!(writes.iter().any(|write| matches!(write, Write::UseOnce { .. })));
}

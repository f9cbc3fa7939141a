//! Where a sign-in at an identity provider may go, what it may say, and what becomes of it later.

use std::time::Duration;

use doorward_types::{
    Issuer,
    outbound::{FetchFailed, Reach},
};
use serde_json::{Value, json};

use super::enterprise::{CONFIGURATION, IDP, back, believing, client, grown_old, metadata, world};
use crate::{
    Code, Revoke, StoredIdentity,
    scripted::{Counting, ISSUER, NOW, World, answer, parameter, query, resource, server, with},
    step::NotTaken,
    target::{AuthorizeParameter, Dpop, Enterprise, Grant},
};

#[test]
fn a_provider_on_this_computer_is_asked_by_a_server_that_is_here_alone() {
    // proves: DISC-02
    let (mut world, _) = world();
    let here = Enterprise::new(Issuer::parse("http://localhost:9000").unwrap(), client("at-idp"));
    world.target.grant = Grant::Enterprise(Box::new(here));
    assert_eq!(world.run().unwrap_err().code(), Code::Forbidden);
    assert!(world.sent.iter().all(|sent| sent.method == "GET" && !sent.url.contains("localhost")));

    let (mcp, issuer, provider) = ("http://localhost:8420/mcp", "http://localhost:8420", "http://localhost:9000");
    let mut here = World::empty(mcp);
    here.document("http://localhost:8420/.well-known/oauth-protected-resource/mcp", resource(mcp, &[issuer]));
    here.document("http://localhost:8420/.well-known/oauth-authorization-server", server(issuer));
    let keys = json!({ "jwks_uri": format!("{provider}/keys") });
    here.document("http://localhost:9000/.well-known/openid-configuration", with(server(provider), keys));
    here.route("POST http://localhost:9000/token", |_| {
        Ok(answer(200, &json!({ "access_token": "x", "token_type": "Bearer", "id_token": "a.b.c" })))
    });
    here.browser(move |url| {
        vec![query(&[("code", "c"), ("state", &parameter(url, "state").unwrap()), ("iss", provider)])]
    });
    here.target.clients = vec![client("at-as")];
    here.target.grant = world.target.grant;
    assert_eq!(here.run().unwrap_err().code(), Code::ServerFault);
    assert_eq!(here.urls().last(), Some(&"http://localhost:9000/keys"));
}

#[test]
fn a_provider_in_a_private_network_has_only_its_own_documents_read_there() {
    // proves: DISC-01
    let (mut world, _) = world();
    let Grant::Enterprise(inside) = &mut world.target.grant else { panic!() };
    inside.reach = Reach::Anywhere;
    world.run().unwrap();
    assert!(world.sent.iter().filter(|sent| sent.url.starts_with(IDP)).count() >= 4);
    for sent in &world.sent {
        assert_eq!(sent.reach == Reach::Anywhere, sent.url.starts_with(IDP), "{}", sent.url);
    }
}

#[test]
fn the_second_place_of_a_providers_metadata_is_asked_when_there_is_nothing_at_the_first() {
    let (mut world, _) = world();
    world.status(CONFIGURATION, 404);
    world.document("https://idp.example/.well-known/oauth-authorization-server", metadata());
    world.run().unwrap();
    // Keys that an error page shows are nobody's.
    let (mut world, idp) = self::world();
    let keys = json!({ "keys": [idp.borrow().key.public_jwk()] });
    world.route(&format!("GET {IDP}/keys"), move |_| Ok(answer(404, &keys)));
    assert_eq!(world.run().unwrap_err().code(), Code::ServerFault);
    assert!(world.identity.is_none());
}

#[test]
fn what_the_user_says_of_the_servers_own_page_is_not_said_to_the_provider() {
    let (mut world, _) = world();
    world.target.authorize = vec![AuthorizeParameter::parse("audience=https://api.example.com").unwrap()];
    world.run().unwrap();
    assert_eq!(parameter(&world.opened[0], "audience"), None);
}

#[test]
fn only_what_the_server_gives_is_bound_to_a_key_and_it_stays_bound() {
    // proves: EXT-05, R9449-03
    let (mut world, _) = world();
    let can = json!({ "dpop_signing_alg_values_supported": ["ES256"] });
    world.document("https://as.example/.well-known/oauth-authorization-server", with(believing(), can));
    world.tokens(json!({ "access_token": "at-1", "token_type": "DPoP" }));
    world.target.dpop = Dpop::Always;
    let tokens = world.run().unwrap().tokens;
    let key = tokens.proof_key.as_ref().unwrap().thumbprint();
    assert!(world.sent.iter().all(|sent| sent.headers.contains_key("dpop") == sent.url.ends_with("as.example/token")));
    assert_eq!(world.renew(tokens.clone()).unwrap().tokens.proof_key.unwrap().thumbprint(), key);
    world.tokens(json!({ "access_token": "at-2", "token_type": "Bearer" }));
    assert_eq!(world.renew(tokens).unwrap_err().code(), Code::NotBound);
}

#[test]
fn a_store_that_answers_with_another_accounts_sign_in_changes_nothing() {
    // proves: EXT-EMA-026
    let (mut world, _) = world();
    world.target.account = Some("admin".into());
    world.run().unwrap();
    (world.target.account, world.confused_store) = (None, true);
    let tokens = world.run().unwrap().tokens;
    assert_eq!((world.opened.len(), tokens.identity.unwrap().key.account), (2, None));
}

#[test]
fn each_change_of_the_provider_or_of_this_program_there_is_kept() {
    for secret in [true, false] {
        let (mut world, _) = world();
        world.run().unwrap();
        if secret {
            let Grant::Enterprise(enterprise) = &mut world.target.grant else { panic!() };
            enterprise.client.secret = doorward_types::Secret::parse("new-s3cret").ok();
        } else {
            world.document(CONFIGURATION, with(metadata(), json!({ "revocation_endpoint": format!("{IDP}/new") })));
        }
        let before = world.identity.as_ref().unwrap().generation;
        world.run().unwrap();
        assert_eq!(world.identity.as_ref().unwrap().generation, before + 1, "{secret}");
    }
}

#[test]
fn a_renewal_that_says_less_of_the_person_forgets_nothing() {
    let (mut world, idp) = world();
    idp.borrow_mut().spoilt = json!({ "email": "ada@corp.example" });
    let tokens = world.run().unwrap().tokens;
    assert!(world.identity.as_ref().unwrap().can_be_renewed());
    idp.borrow_mut().spoilt = json!({});
    world.now = NOW.plus(Duration::from_secs(700));
    idp.borrow_mut().now = world.now.as_unix();
    world.renew(tokens).unwrap();
    let kept = world.identity.as_ref().unwrap();
    assert!(kept.name() == "ada@corp.example" && kept.is_good(world.now));
}

#[test]
fn what_renews_a_sign_in_is_given_back_to_the_provider_and_its_answer_is_read() {
    let (mut world, _, _) = grown_old();
    let identity = world.identity.clone().unwrap();
    let sign_in = |identity: &StoredIdentity| Revoke::sign_in(identity, Reach::Public, NOW, &mut Counting(3)).unwrap();
    let request = sign_in(&identity).unwrap();
    let form = doorward_types::form::Form::parse(&request.body).unwrap();
    assert_eq!(request.url.as_str(), "https://idp.example/revoke");
    assert_eq!((form.get("token"), form.get("token_type_hint")), (Some("idp-rt"), Some("refresh_token")));
    assert!(request.headers.contains_key("authorization"));
    assert_eq!(Revoke::sign_in_confirmed(&identity, Ok(answer(200, &json!({})))), Ok(()));
    for bad in [Ok(answer(503, &json!({}))), Err(FetchFailed::Connect("reset".into()))] {
        assert!(Revoke::sign_in_confirmed(&identity, bad).is_err());
    }
    assert!(sign_in(&StoredIdentity { refresh_token: None, ..identity }).is_none());
    world.document(CONFIGURATION, with(metadata(), json!({ "revocation_endpoint": null })));
    let silent = (world.run(), world.identity.unwrap()).1;
    assert!(sign_in(&silent).is_none());
}

#[test]
fn another_persons_sign_in_renews_nothing() {
    let (mut world, _) = world();
    let tokens = world.run().unwrap().tokens;
    let kept = world.identity.clone().unwrap();
    let bobs = StoredIdentity { subject: "bob".into(), ..kept.clone() };
    let of_another_account = StoredIdentity { account: Some("work".into()), ..kept.clone() };
    for other in [Some(bobs), Some(of_another_account), None] {
        world.identity = other;
        assert_eq!(world.renew(tokens.clone()).unwrap_err().code(), Code::LoginNeeded);
    }
    // Two providers may call two people the same.
    let mut of_another_provider = tokens;
    of_another_provider.identity.as_mut().unwrap().key.issuer = Issuer::parse("https://other.example").unwrap();
    world.identity = Some(kept);
    let before = world.sent.len();
    assert_eq!(world.renew(of_another_provider).unwrap_err().code(), Code::LoginNeeded);
    assert_eq!(world.sent.len(), before);
}

#[test]
fn a_sign_in_survives_its_stored_form_and_is_judged_again() {
    // proves: EXT-EMA-026
    let (mut world, _) = world();
    world.run().unwrap();
    let identity = world.identity.unwrap();
    assert!(!format!("{identity:?}").contains("eyJ") && !format!("{identity:?}").contains("idp-rt"));
    let stored = serde_json::to_value(identity.to_stored()).unwrap();
    let read = |value: Value| StoredIdentity::from_stored(serde_json::from_value(value).unwrap());
    let back = read(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(back.to_stored()).unwrap(), stored);
    assert_eq!((back.key(), back.name()), (identity.key(), "ada"));
    for (pointer, value) in [
        ("/provider/issuer", json!("https://evil.example")),
        ("/provider/token_endpoint", json!("http://evil.example/token")),
        ("/client/issuer", json!("https://evil.example")),
        ("/id_token", json!("")),
    ] {
        let mut changed = stored.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(read(changed).is_err(), "{pointer}");
    }
}

#[test]
fn the_answer_of_another_server_is_not_taken_for_the_providers() {
    // proves: MIX-01, MIX-04
    let (mut world, idp) = world();
    world.browser(|url| vec![back(url, ISSUER), back(url, "https://evil.example")]);
    assert_eq!(world.run().unwrap_err().code(), Code::CallbackIssuer);
    assert_eq!(world.not_taken, [NotTaken::WrongIssuer; 2]);
    assert!(idp.borrow().seen.is_empty());
}

#[test]
fn a_second_server_needs_no_page_while_the_sign_in_is_good() {
    // proves: EXT-EMA-001
    let (mut world, idp) = world();
    world.run().unwrap();
    world.now = NOW.plus(Duration::from_secs(500));
    let tokens = world.run().unwrap().tokens;
    assert_eq!((world.opened.len(), tokens.identity.is_some()), (1, true));
    assert_eq!(idp.borrow().seen, ["authorization_code", "token-exchange", "token-exchange"]);
    // Another account of the same person is another sign-in.
    world.target.account = Some("admin".into());
    world.run().unwrap();
    assert_eq!(world.opened.len(), 2);
}

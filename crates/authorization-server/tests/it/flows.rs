use std::time::Duration;

use doorward_authorization_server::{
    PageRefusal, TokenRefusal, Write,
    authorize::Begin,
    consent::{Answer, Lasts},
};
use doorward_testkit::url_text;
use doorward_types::{CodeVerifier, Permission, Secret};

use crate::world::{AT_RUN_TIME, CALLBACK, ISSUER, Refused, World};

pub(crate) fn yes() -> Answer {
    Answer::Allow { scope: Permission::Read.set().union(&Permission::Write.set()), lasts: Lasts::UntilRevoked }
}

/// A world with one client and one code for it.
pub(crate) fn with_code(seed: u64) -> (World, String, String, CodeVerifier) {
    let mut world = World::new(seed);
    let client = world.register(CALLBACK).client_id;
    let verifier = CodeVerifier::generate(&mut world.entropy);
    let anonymous = world.browser();
    let waiting = world.waiting(&anonymous, &client, &verifier);
    let browser = world.set_up(&anonymous);
    let back = world.answer(&browser, &waiting, yes()).unwrap();
    let code = url_text::parameter(back.url(), "code").unwrap();
    (world, client, code, verifier)
}

fn redeem<'a>(client: &'a str, code: &'a str, verifier: &'a CodeVerifier) -> [(&'a str, &'a str); 4] {
    [("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("code_verifier", verifier.expose())]
}

fn refresh<'a>(client: &'a str, token: &'a str) -> [(&'a str, &'a str); 3] {
    [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]
}

#[test]
fn from_registration_to_revocation() {
    // proves: REDIR-10, CODE-01, RT-01, RT-02, RT-03, OA21-31, OA21-39, R7009-04, MCP-AUTH-117
    let (mut world, client, code, verifier) = with_code(1);
    let first = world.token(&redeem(&client, &code, &verifier)).unwrap();
    let claims = world.claims(&first);
    assert_eq!((claims.iss.as_str(), claims.client_id.as_str()), (ISSUER, client.as_str()));
    let first_refresh = first.refresh_token.as_ref().unwrap().expose().to_owned();
    world.clock.advance(Duration::from_secs(600));
    let second = world.token(&refresh(&client, &first_refresh)).unwrap();
    world.clock.advance(Duration::from_secs(29));
    let again = world.token(&refresh(&client, &first_refresh)).unwrap();
    assert_eq!(again.to_json(), second.to_json());
    let second_refresh = second.refresh_token.as_ref().unwrap().expose().to_owned();
    let third = world.token(&refresh(&client, &second_refresh)).unwrap();
    // The successor was used, so the first is theft now, inside the 30 seconds or not.
    assert_eq!(world.token(&refresh(&client, &first_refresh)).unwrap_err(), TokenRefusal::ReusedRefresh);
    let third_refresh = third.refresh_token.as_ref().unwrap().expose();
    assert_eq!(world.token(&refresh(&client, third_refresh)).unwrap_err(), TokenRefusal::GrantEnded);
    assert_eq!(world.claims(&third).gid, claims.gid);
    assert!(world.store.rows().grants.values().all(|grant| grant.revoked_at.is_some()));
}

#[test]
fn a_stolen_code_is_worth_nothing_and_costs_nothing() {
    // proves: CODE-02, CODE-03, CODE-05, BCP-06
    let (mut world, client, code, verifier) = with_code(2);
    let thief = world.register(CALLBACK).client_id;
    let guess = CodeVerifier::generate(&mut world.entropy);
    assert_eq!(world.token(&redeem(&thief, &code, &verifier)).unwrap_err(), TokenRefusal::CodeOfAnotherClient);
    for _ in 0..4 {
        assert_eq!(world.token(&redeem(&client, &code, &guess)).unwrap_err(), TokenRefusal::WrongVerifier);
    }
    let issued = world.token(&redeem(&client, &code, &verifier)).unwrap();
    for _ in 0..10 {
        assert_eq!(world.token(&redeem(&client, &code, &guess)).unwrap_err(), TokenRefusal::WrongVerifier);
    }
    let token = issued.refresh_token.unwrap();
    assert!(world.token(&refresh(&client, token.expose())).is_ok());

    let (mut world, client, code, verifier) = with_code(3);
    for _ in 0..5 {
        world.token(&redeem(&client, &code, &guess)).unwrap_err();
    }
    assert_eq!(world.token(&redeem(&client, &code, &verifier)).unwrap_err(), TokenRefusal::BurnedCode);
}

#[test]
fn a_replayed_code_ends_what_came_of_it() {
    // proves: CODE-01, BCP-03, OA21-34
    let (mut world, client, code, verifier) = with_code(4);
    let issued = world.token(&redeem(&client, &code, &verifier)).unwrap();
    let token = issued.refresh_token.as_ref().unwrap().expose().to_owned();
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.token(&redeem(&client, &code, &verifier)).unwrap_err(), TokenRefusal::RedeemedCode);
    assert!(world.token(&refresh(&client, &token)).is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.token(&redeem(&client, &code, &verifier)).unwrap_err(), TokenRefusal::RedeemedCode);
    let next = world.token(&refresh(&client, &token)).unwrap_err();
    assert_eq!(next, TokenRefusal::GrantEnded);
}

#[test]
fn one_request_has_one_answer() {
    // proves: WEB-02, WEB-05, OA21-49
    let mut world = World::new(5);
    let client = world.register(CALLBACK).client_id;
    let verifier = CodeVerifier::generate(&mut world.entropy);
    let anonymous = world.browser();
    let waiting = world.waiting(&anonymous, &client, &verifier);
    assert_eq!(world.answer(&anonymous, &waiting, yes()).unwrap_err(), Refused::NobodySignedIn);
    let other = world.browser();
    assert_eq!(world.answer(&other, &waiting, yes()).unwrap_err(), PageRefusal::OtherBrowser.into());
    let browser = world.set_up(&anonymous);
    // The cookie from before the sign-in, which somebody else may have planted, opens nothing.
    assert_eq!(world.answer(&anonymous, &waiting, yes()).unwrap_err(), PageRefusal::OtherBrowser.into());
    assert!(world.owner(&anonymous).is_none());
    let back = world.answer(&browser, &waiting, Answer::Deny).unwrap();
    assert!(back.url().starts_with(AT_RUN_TIME) && back.error().is_some());
    assert_eq!(world.answer(&browser, &waiting, yes()).unwrap_err(), PageRefusal::AlreadyAnswered.into());
    assert!(world.store.rows().grants.is_empty() && world.store.rows().codes.is_empty());
    let unknown = Secret::generate(&mut world.entropy);
    assert_eq!(world.answer(&browser, &unknown, yes()).unwrap_err(), PageRefusal::UnknownInteraction.into());
}

#[test]
fn two_answers_at_once_make_one_grant() {
    // proves: WEB-02
    let mut world = World::new(6);
    let client = world.register(CALLBACK).client_id;
    let verifier = CodeVerifier::generate(&mut world.entropy);
    let anonymous = world.browser();
    let waiting = world.waiting(&anonymous, &client, &verifier);
    let digest = waiting.digest();
    let browser = world.set_up(&anonymous);
    world.answer(&browser, &waiting, yes()).unwrap();
    // What a second node decided on facts from before is not committed any more.
    let late = world.commit(vec![Write::SpendInteraction(digest)]);
    assert_eq!(late, doorward_authorization_server::store::Committed::Conflict);
    assert_eq!(world.store.rows().grants.len(), 1);
}

#[test]
fn a_registration_that_changed_or_ended_stops_the_flow() {
    // proves: REDIR-01, CODE-18
    let mut world = World::new(7);
    let client = world.register(CALLBACK).client_id;
    let verifier = CodeVerifier::generate(&mut world.entropy);
    let anonymous = world.browser();
    let waiting = world.waiting(&anonymous, &client, &verifier);
    let browser = world.set_up(&anonymous);
    let saved = world.store.rows().clients.clone();
    world.store.rows().clients.values_mut().for_each(|client| client.redirect_uris.clear());
    let Err(Refused::Page(refusal)) = world.answer(&browser, &waiting, yes()) else { panic!() };
    assert_eq!(refusal, PageRefusal::ClientChanged);
    world.store.rows().clients.clear();
    assert_eq!(world.answer(&browser, &waiting, yes()).unwrap_err(), PageRefusal::UnknownClient.into());
    assert!(matches!(world.begin(&browser, &client, &verifier), Begin::Refuse(PageRefusal::UnknownClient)));
    world.store.rows().clients = saved;
    let back = world.answer(&browser, &waiting, yes()).unwrap();
    let code = url_text::parameter(back.url(), "code").unwrap();
    world.store.rows().clients.clear();
    assert_eq!(world.token(&redeem(&client, &code, &verifier)).unwrap_err(), TokenRefusal::UnknownClient);
}

#[test]
fn what_is_given_back_ends_at_once() {
    // proves: R7009-02, R7009-04, R7009-05, INT-03, RT-14
    let (mut world, client, code, verifier) = with_code(8);
    let thief = world.register(CALLBACK).client_id;
    let issued = world.token(&redeem(&client, &code, &verifier)).unwrap();
    let token = issued.refresh_token.as_ref().unwrap().expose().to_owned();
    assert_eq!(world.give_back(&thief, &token), Err(TokenRefusal::TokenOfAnotherClient));
    assert_eq!(world.give_back(&client, "garbage"), Ok(()));
    let next = world.token(&refresh(&client, &token)).unwrap();
    assert_eq!(world.give_back(&client, issued.access_token.expose()), Ok(()));
    let token = next.refresh_token.unwrap();
    assert_eq!(world.token(&refresh(&client, token.expose())).unwrap_err(), TokenRefusal::GrantEnded);
}

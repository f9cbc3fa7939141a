use std::time::Duration;

use doorward_types::{
    ScopeSet,
    form::Form,
    outbound::{FetchFailed, Inbound, Outbound, Reach},
};
use serde_json::{Value, json};

use crate::{
    Code, Failed, Refresh, Refreshed, Revoke, StoredTokens,
    scripted::{Counting, ISSUER, MCP, NOW, World, answer, server, shown, with},
    target::PreRegistered,
};

fn tokens() -> StoredTokens {
    let mut world = World::usual();
    world.challenge("Bearer scope=\"a b\"");
    let mut tokens = world.run().unwrap().tokens;
    tokens.generation = 4;
    tokens
}

fn form(request: &Outbound) -> Form {
    Form::parse(&request.body).unwrap()
}

fn start(tokens: StoredTokens, narrower: Option<ScopeSet>) -> Result<(Refresh, Outbound), Failed> {
    Refresh::start(tokens, narrower, Reach::Public, NOW, &mut Counting(1))
}

fn refresh(tokens: StoredTokens, answer: Result<Inbound, FetchFailed>) -> Refreshed {
    start(tokens, None).unwrap().0.on(answer, NOW, &mut Counting(2))
}

fn ok(body: &Value) -> Result<Inbound, FetchFailed> {
    Ok(answer(200, body))
}

#[test]
fn a_refresh_names_the_resource_and_no_scope() {
    // proves: MCP-AUTH-073, MCP-AUTH-119
    let (_, request) = start(tokens(), None).unwrap();
    assert_eq!(request.url.as_str(), "https://as.example/token");
    let sent = form(&request);
    assert_eq!(sent.names().collect::<Vec<_>>(), ["grant_type", "refresh_token", "resource", "client_id"]);
    assert_eq!(
        (sent.get("refresh_token"), sent.get("resource"), sent.get("client_id")),
        (Some("rt-1"), Some(MCP), Some("dyn-1"))
    );
    assert!(!format!("{request:?}").contains("rt-1"));
}

#[test]
fn scopes_are_sent_only_when_they_are_fewer() {
    for (wanted, sent) in [("a", Some("a")), ("a b", None), ("a c", None), ("c", None)] {
        let wanted = ScopeSet::parse(wanted).unwrap();
        let (_, request) = start(tokens(), Some(wanted)).unwrap();
        assert_eq!(form(&request).get("scope"), sent);
    }
}

#[test]
fn a_refresh_renews_what_came_and_keeps_the_rest() {
    // proves: MCP-AUTH-117, MCP-AUTH-122, OA21-40
    let rotated = json!({ "access_token": "at-2", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt-2", "scope": "a" });
    let Refreshed::New(new) = refresh(tokens(), ok(&rotated)) else { panic!() };
    assert_eq!(new.refresh_token.as_ref().unwrap().expose(), "rt-2");
    assert_eq!(new.granted.as_ref().unwrap().to_string(), "a");
    assert_eq!(new.requested.as_ref().unwrap().to_string(), "a b");
    assert_eq!((new.generation, new.key()), (4, tokens().key()));
    assert!(new.expires_within(Duration::from_secs(60), NOW) && !new.expires_within(Duration::from_secs(59), NOW));

    let kept = json!({ "access_token": "at-2", "token_type": "Bearer" });
    let Refreshed::New(new) = refresh(tokens(), ok(&kept)) else { panic!() };
    assert_eq!(new.refresh_token.as_ref().unwrap().expose(), "rt-1");
    assert_eq!(new.granted.as_ref().unwrap().to_string(), "a b");
    assert_eq!(new.expires_at, None);
    assert_eq!(shown(&new), "Bearer at-2");
}

#[test]
fn what_a_refresh_brings_begins_now_and_is_no_more_than_was_asked_for() {
    let (narrower, later) = (ScopeSet::parse("a").unwrap(), NOW.plus(Duration::from_secs(590)));
    let (refresh, _) = start(tokens(), Some(narrower.clone())).unwrap();
    let silent = json!({ "access_token": "at-2", "token_type": "Bearer", "expires_in": 600 });
    let Refreshed::New(new) = refresh.on(ok(&silent), later, &mut Counting(2)) else { panic!() };
    assert_eq!((new.issued_at, new.expires_at), (later, Some(later.plus(Duration::from_secs(600)))));
    assert_eq!((new.granted, new.requested), (Some(narrower), ScopeSet::parse("a b").ok()));
}

#[test]
fn only_the_servers_word_ends_a_login() {
    // proves: RT-22, FCL-03
    let Refreshed::Ended(failed) = refresh(tokens(), Ok(answer(400, &json!({ "error": "invalid_grant" })))) else {
        panic!()
    };
    assert_eq!((failed.code(), failed.hint()), (Code::LoginNeeded, "log in again"));
    let not_json = |status| {
        let mut page = answer(status, &json!(null));
        page.body = b"<html>captive portal, error: invalid_grant".to_vec();
        Ok(page)
    };
    for lost in [
        Err(FetchFailed::Timeout(Duration::from_secs(30))),
        Err(FetchFailed::Connect("refused".into())),
        Err(FetchFailed::Tls("bad".into())),
        Err(FetchFailed::TooLong(1)),
        Ok(answer(500, &json!({ "error": "invalid_grant" }))),
        Ok(answer(503, &json!({}))),
        Ok(answer(429, &json!({ "error": "invalid_grant" }))),
        Ok(answer(404, &json!({}))),
        Ok(answer(302, &json!({}))),
        Ok(answer(400, &json!({ "error": "invalid_request" }))),
        Ok(answer(400, &json!({ "error": "invalid_target" }))),
        Ok(answer(400, &json!({ "error": "temporarily_unavailable" }))),
        ok(&json!({ "access_token": "t", "token_type": "DPoP" })),
        ok(&json!({})),
        not_json(200),
        not_json(400),
    ] {
        let text = format!("{lost:?}");
        assert!(matches!(refresh(tokens(), lost), Refreshed::Later(_)), "{text}");
    }
}

#[test]
fn a_forgotten_client_is_told_apart() {
    let gone = || Ok(answer(401, &json!({ "error": "invalid_client" })));
    assert!(matches!(refresh(tokens(), gone()), Refreshed::ClientGone(_)));
    let mut world = World::usual();
    world.target.clients = vec![PreRegistered {
        issuer: None,
        client_id: doorward_types::ClientId::parse("mine").unwrap(),
        secret: None,
        key: None,
        auth_method: None,
        redirect_uri: None,
    }];
    let brought = world.run().unwrap().tokens;
    let Refreshed::Later(failed) = refresh(brought, gone()) else { panic!() };
    assert_eq!(failed.code(), Code::ClientUnknown);
}

#[test]
fn a_refusal_that_ends_no_login_says_how_another_one_is_made() {
    for error in ["invalid_request", "unauthorized_client", "temporarily_unavailable"] {
        let Refreshed::Later(failed) = refresh(tokens(), Ok(answer(400, &json!({ "error": error })))) else { panic!() };
        assert_eq!((failed.code(), failed.hint()), (Code::TokenRefused, "log in again"), "{error}");
    }
}

#[test]
fn without_a_refresh_token_a_person_is_needed() {
    // proves: MCP-AUTH-122
    let mut tokens = tokens();
    tokens.refresh_token = None;
    let failed = start(tokens, None).unwrap_err();
    assert_eq!((failed.code(), failed.exit() as u8), (Code::LoginNeeded, 3));
}

#[test]
fn both_tokens_are_given_back_and_the_answer_is_read() {
    let tokens = tokens();
    let revoke = Revoke::start(&tokens, Reach::Public, NOW, &mut Counting(3)).unwrap().unwrap();
    let sent: Vec<_> = revoke.requests.iter().map(form).collect();
    assert_eq!(
        sent.iter().map(|form| (form.get("token"), form.get("token_type_hint"))).collect::<Vec<_>>(),
        [(Some("rt-1"), Some("refresh_token")), (Some("at-1"), Some("access_token"))]
    );
    assert!(revoke.requests.iter().all(|request| request.url.as_str() == "https://as.example/revoke"));
    assert_eq!(Revoke::confirmed(&tokens, Ok(answer(200, &json!({})))), Ok(()));
    for refused in [Ok(answer(503, &json!({}))), Ok(answer(400, &json!({ "error": "unsupported_token_type" })))] {
        assert_eq!(Revoke::confirmed(&tokens, refused).unwrap_err().code(), Code::NotRevoked);
    }
    assert!(Revoke::confirmed(&tokens, Err(FetchFailed::Connect("x".into()))).is_err());

    let mut world = World::usual();
    let silent = with(server(ISSUER), json!({ "revocation_endpoint": null }));
    world.document("https://as.example/.well-known/oauth-authorization-server", silent);
    assert!(Revoke::start(&world.run().unwrap().tokens, Reach::Public, NOW, &mut Counting(3)).unwrap().is_none());
}

#[test]
fn tokens_are_renewed_ahead_of_their_end_and_not_all_at_once() {
    // life in seconds, jitter, how many seconds before the end it begins
    for (life, jitter, ahead) in
        [(600, 0, 30), (600, 255, 60), (600, 128, 45), (3600, 255, 60), (40, 0, 10), (40, 255, 20), (4, 0, 1)]
    {
        let mut tokens = tokens();
        let end = NOW.plus(Duration::from_secs(life));
        (tokens.issued_at, tokens.expires_at) = (NOW, Some(end));
        let before = |seconds| NOW.plus(Duration::from_secs(life - seconds));
        assert!(tokens.is_ending(jitter, before(ahead)), "{life} {jitter}");
        assert!(!tokens.is_ending(jitter, before(ahead + 1)), "{life} {jitter}");
        tokens.expires_at = None;
        assert!(!tokens.is_ending(jitter, end));
    }
}

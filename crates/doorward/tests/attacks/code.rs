//! Authorization codes and PKCE.

use std::time::Duration;

use doorward_testkit::url_text::parameter;

use crate::world::{App, CALLBACK, gateway, visitor};

const OTHER_VERIFIER: &str = "another-verifier-of-the-right-length-0123456789";

#[tokio::test]
async fn a_replayed_code_takes_back_what_it_gave() {
    // proves: CODE-01, R9700-17, R7636-04
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let code = app.code(&mut visitor(&gateway)).await;
    assert!(code.len() < 60 && !code.contains(&app.challenge), "a code holds nothing but chance");
    let first = app.redeem(&code, &[]).await;
    assert_eq!(app.call(first.access()).await, 200);
    // A client's own doubled request is no theft; a replay is one as soon as it comes later than that.
    tokio::time::sleep(Duration::from_secs(4)).await;
    app.redeem(&code, &[]).await.must_be("invalid_grant");
    assert_eq!(app.call(first.access()).await, 401);
    app.refresh(first.refresh(), &[]).await.must_be("invalid_grant");
}

#[tokio::test]
async fn a_wrong_verifier_neither_gets_nor_breaks_anything() {
    // proves: CODE-02
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let code = app.code(&mut visitor(&gateway)).await;
    app.redeem(&code, &[("code_verifier", Some(OTHER_VERIFIER))]).await.must_be("invalid_grant");
    let tokens = app.redeem(&code, &[]).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    app.redeem(&code, &[("code_verifier", Some(OTHER_VERIFIER))]).await.must_be("invalid_grant");
    assert_eq!(app.call(tokens.access()).await, 200, "the thief's attempt did not revoke");
}

#[tokio::test]
async fn verifiers_cannot_be_tried_one_after_the_other() {
    // proves: CODE-03
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let mut person = visitor(&gateway);
    let earlier = app.tokens(&mut person).await;
    let code = app.code(&mut person).await;
    for _ in 0..5 {
        app.redeem(&code, &[("code_verifier", Some(OTHER_VERIFIER))]).await.must_be("invalid_grant");
    }
    app.redeem(&code, &[]).await.must_be("invalid_grant");
    assert_eq!(app.call(earlier.access()).await, 200, "other grants are left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_at_once_one_wins() {
    // proves: CODE-04
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let code = app.code(&mut visitor(&gateway)).await;
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(64));
    let attempts: Vec<_> = (0..64)
        .map(|_| {
            let (app, code, start) = (app.clone(), code.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                app.redeem(&code, &[]).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for attempt in attempts {
        let answer = attempt.await.unwrap();
        if answer.status == 200 {
            winners.push(answer);
        } else {
            answer.must_be("invalid_grant");
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(app.call(winners[0].access()).await, 200, "the losers were the winner's own doubled requests");
}

#[tokio::test]
async fn a_code_is_worth_nothing_to_another_client() {
    // proves: CODE-05
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let thief = App::register(&gateway, &[CALLBACK]).await;
    let code = app.code(&mut visitor(&gateway)).await;
    thief.redeem(&code, &[("code_verifier", Some(&app.verifier))]).await.must_be("invalid_grant");
    assert_eq!(app.redeem(&code, &[]).await.status, 200);
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    // proves: CODE-06
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let code = app.code(&mut visitor(&gateway)).await;
    // A real minute: no clock of a running gateway can be moved.
    tokio::time::sleep(Duration::from_secs(61)).await;
    app.redeem(&code, &[]).await.must_be("invalid_grant");
}

#[tokio::test]
async fn without_a_proper_challenge_there_is_no_code() {
    // proves: BCP-09
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let short = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c";
    for change in [
        &[("code_challenge", None), ("code_challenge_method", None)][..],
        &[("code_challenge", None)],
        &[("code_challenge", Some(""))],
        &[("code_challenge_method", Some("plain"))],
        &[("code_challenge_method", Some("s256"))],
        &[("code_challenge_method", None)],
        &[("code_challenge", Some(short))],
        &[("code_challenge", Some("has+slash/and=padding0123456789012345678901"))],
    ] {
        let page = visitor(&gateway).open(&app.request(change)).await;
        assert!(!page.has_form("sign-in") && !page.has_form("consent"), "{change:?}: {}", page.body);
        // The answer goes to the client by a page of ours, never by a bare redirect.
        let back = page.link("continue").unwrap_or_else(|| panic!("{change:?}: {page:?}"));
        assert_eq!(parameter(&back, "error").as_deref(), Some("invalid_request"), "{change:?}: {back}");
        assert_eq!(parameter(&back, "code"), None);
        assert_eq!(parameter(&back, "state").as_deref(), Some("the-state"));
    }
    // The other half: a code with a challenge needs its verifier.
    let code = app.code(&mut visitor(&gateway)).await;
    let answer = app.redeem(&code, &[("code_verifier", None)]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(["invalid_request", "invalid_grant"].contains(&answer.error()), "{answer:?}");
}

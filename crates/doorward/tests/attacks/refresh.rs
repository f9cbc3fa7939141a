//! Refresh tokens: rotation, the grace time, reuse.

use crate::world::{App, CALLBACK, gateway, visitor};

#[tokio::test]
async fn a_refresh_rotates_inside_the_grant() {
    // proves: RT-01, MCP-AUTH-117, R9700-10
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let first = app.tokens(&mut visitor(&gateway)).await;
    let second = app.refresh(first.refresh(), &[]).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert_ne!(second.refresh(), first.refresh());
    assert_ne!(second.access(), first.access());
    assert_eq!(second.body["scope"], first.body["scope"]);
    assert_eq!(app.call(second.access()).await, 200);
    let more = app.refresh(second.refresh(), &[("scope", Some("mcp:read mcp:danger"))]).await;
    more.must_be("invalid_scope");
    app.refresh(second.refresh(), &[("resource", Some("https://other.example/mcp"))]).await.must_be("invalid_target");
    assert_eq!(app.refresh(second.refresh(), &[]).await.status, 200, "mistakes do not rotate");
}

#[tokio::test]
async fn reuse_ends_the_family_at_once_when_the_successor_was_used() {
    // proves: RT-02, RT-05, R9700-20
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let first = app.tokens(&mut visitor(&gateway)).await;
    let second = app.refresh(first.refresh(), &[]).await;
    // That the successor's access token was used is no sign of theft.
    assert_eq!(app.call(second.access()).await, 200);
    assert_eq!(app.refresh(first.refresh(), &[]).await.refresh(), second.refresh());
    let third = app.refresh(second.refresh(), &[]).await;
    assert_eq!(third.status, 200);
    app.refresh(first.refresh(), &[]).await.must_be("invalid_grant");
    app.refresh(third.refresh(), &[]).await.must_be("invalid_grant");
    assert_eq!(app.call(third.access()).await, 401);
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    // proves: RT-03
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let first = app.tokens(&mut visitor(&gateway)).await;
    let second = app.refresh(first.refresh(), &[]).await;
    let again = app.refresh(first.refresh(), &[]).await;
    assert_eq!((again.refresh(), again.access()), (second.refresh(), second.access()));
    assert_eq!(app.refresh(second.refresh(), &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_at_once_get_the_same_successor() {
    // proves: RT-04
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let first = app.tokens(&mut visitor(&gateway)).await;
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(32));
    let attempts: Vec<_> = (0..32)
        .map(|_| {
            let (app, token, start) = (app.clone(), first.refresh().to_owned(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                app.refresh(&token, &[]).await
            })
        })
        .collect();
    let mut successors = std::collections::BTreeSet::new();
    for attempt in attempts {
        let answer = attempt.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        successors.insert((answer.refresh().to_owned(), answer.access().to_owned()));
    }
    assert_eq!(successors.len(), 1, "one successor");
    let (refresh, access) = successors.pop_first().unwrap();
    assert_eq!(app.call(&access).await, 200);
    assert_eq!(app.refresh(&refresh, &[]).await.status, 200, "it is live");
}

#[tokio::test]
async fn the_grace_is_for_its_own_client_and_not_endless() {
    // proves: RT-06
    let gateway = gateway();
    let app = App::register(&gateway, &[CALLBACK]).await;
    let thief = App::register(&gateway, &[CALLBACK]).await;
    let first = app.tokens(&mut visitor(&gateway)).await;
    let second = app.refresh(first.refresh(), &[]).await;
    thief.refresh(first.refresh(), &[]).await.must_be("invalid_grant");
    assert_eq!(app.call(second.access()).await, 200, "a stranger cannot revoke");
    let mut repeats = 0;
    loop {
        let again = app.refresh(first.refresh(), &[]).await;
        if again.status != 200 {
            again.must_be("invalid_grant");
            break;
        }
        assert_eq!(again.refresh(), second.refresh());
        repeats += 1;
        assert!(repeats < 200, "no end to the repeats");
    }
    assert_eq!(app.call(second.access()).await, 401, "too many repeats end the family");
}

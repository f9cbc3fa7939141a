//! Connected apps: everybody sees and ends their own, and ending takes effect.

use crate::{
    app::{App, Tokens},
    html,
    world::{LOCAL, World, advance},
};

fn grants(html: &str) -> Vec<String> {
    html::tags(html, "li").into_iter().filter_map(|mut tag| tag.remove("data-grant")).collect()
}

#[tokio::test]
async fn nobody_sees_or_ends_the_grants_of_another_person() {
    // proves: WEB-19
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let (mut ann, mut bob) = (world.browser(), world.browser());
    let tokens = app.tokens(&mut ann).await;
    let page = bob.consent_as("bob", &app.request(&[])).await;
    let code = bob.answer(&page, "allow").await.sent_back("code").unwrap();
    let his = Tokens::of(&app.redeem(&code, &[]).await);
    let (ann_page, bob_page) = (ann.get("/apps").await, bob.get("/apps").await);
    let (hers, own) = (grants(ann_page.text()), grants(bob_page.text()));
    assert_eq!((hers.len(), own.len()), (1, 1));
    assert!(!bob_page.text().contains(&hers[0]) && !ann_page.text().contains(&own[0]));

    let form = html::forms(bob_page.text()).into_iter().find(|form| form.get("grant").is_some()).unwrap();
    let before = world.state().await;
    for foreign in [hers[0].as_str(), "dwg_", "1", "../1", "' OR 1=1 --", ""] {
        bob.submit(&form, &[("grant", foreign)]).await.must_be_page(404, "OA-123");
    }
    let account = world.table("grants").await.join(" ");
    assert!(account.contains("account='dwa_"));
    for extra in [("account", "ann"), ("user_id", "ann"), ("all", "no")] {
        bob.submit(&form, &[("grant", &hers[0]), extra]).await.must_be_page(404, "OA-123");
    }
    assert_eq!(world.state().await, before, "nothing was changed");
    // All of one's own is not all.
    let all = html::forms(bob_page.text()).into_iter().find(|form| form.get("all").is_some()).unwrap();
    let answer = bob.submit(&all, &[]).await;
    assert_eq!(answer.header("location"), Some("/apps?done=all"));
    assert!(his.is_revoked(&world) && !tokens.is_revoked(&world));
    assert_eq!(grants(ann.get("/apps").await.text()), hers);
    assert_eq!(app.refresh(&tokens.refresh, &[]).await.status, 200);
}

#[tokio::test]
async fn what_a_person_ends_is_over() {
    // proves: WEB-20, INV-9
    // proves: OA21-50
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut ann = world.browser();
    let ended = app.tokens(&mut ann).await;
    advance(1);
    let kept = app.tokens(&mut ann).await;
    let code = app.code(&mut ann).await;
    let page = ann.get("/apps").await;
    let gid = ended.claims()["gid"].as_str().unwrap().to_owned();
    let forms = html::forms(page.text());
    let form = forms.iter().find(|form| form.get("grant") == Some(&gid)).unwrap();
    let answer = ann.submit(form, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/apps?done=one")));
    let after = ann.follow(answer).await;
    assert!(after.text().contains("id=\"notice\""));
    assert!(!grants(after.text()).contains(&gid) && grants(after.text()).len() == 2);
    let row = world.table("grants").await.into_iter().find(|row| row.contains(&gid)).unwrap();
    assert!(row.contains("revoked_reason='person'"), "{row}");
    // Neither the refresh token nor the access token is worth anything, from this moment on.
    assert!(ended.is_revoked(&world) && !kept.is_revoked(&world));
    app.refresh(&ended.refresh, &[]).await.must_be(400, "invalid_grant");
    // A second press says what is so.
    ann.submit(form, &[]).await.must_be_page(404, "OA-123");
    // A code that was not redeemed yet ends with its grant.
    let all = forms.iter().find(|form| form.get("all").is_some()).unwrap();
    ann.submit(all, &[]).await;
    app.redeem(&code, &[]).await.must_be(400, "invalid_grant");
    app.refresh(&kept.refresh, &[]).await.must_be(400, "invalid_grant");
    assert!(ann.get("/apps").await.text().contains("id=\"empty\""));
}

#[tokio::test]
async fn what_nobody_uses_any_more_is_not_shown_for_ever() {
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut ann = world.browser();
    // A code that nobody redeemed leaves nothing to revoke.
    app.code(&mut ann).await;
    assert_eq!(grants(ann.get("/apps").await.text()).len(), 1);
    advance(61);
    let page = ann.get("/apps").await;
    assert!(grants(page.text()).is_empty() && !page.text().contains("id=\"ended\""), "{page:?}");
    app.tokens(&mut ann).await;
    assert_eq!(grants(ann.get("/apps").await.text()).len(), 1);
    advance(30 * 24 * 3600);
    ann.sign_in("ann").await;
    let page = ann.get("/apps").await;
    assert!(grants(page.text()).is_empty() && page.text().contains("id=\"ended\""), "{page:?}");
    advance(14 * 24 * 3600);
    ann.sign_in("ann").await;
    assert!(!ann.get("/apps").await.text().contains("id=\"ended\""));
}

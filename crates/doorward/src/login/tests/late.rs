//! Answers that come at the end of the time for them, or after it.

use super::*;
use crate::login::browser::Way;

const FIRST: &str = "Bearer scope=\"read\"";

/// A browser that notes the address in a file and goes nowhere.
fn noting(world: &World) -> (Way, std::path::PathBuf) {
    let file = world.page().with_file_name("address");
    let note = format!("printf %s \"$0\" > {0}.part && mv {0}.part {0}", file.display());
    (Way::Command(vec!["sh".into(), "-c".into(), note]), file)
}

/// The address that such a browser was given.
async fn noted(file: &std::path::Path) -> url::Url {
    let there = async {
        loop {
            if let Ok(text) = std::fs::read_to_string(file) {
                let _ = std::fs::remove_file(file);
                return url::Url::parse(&text).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("a page is opened")
}

/// Goes to the address and on to where it leads; gives the last page, unless nobody answers there.
async fn go(address: &url::Url) -> Option<String> {
    let mut curl = tokio::process::Command::new("curl");
    let output = curl.args(["-sSL", "--max-time", "30", address.as_str()]).output().await.unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn an_answer_that_comes_too_late_does_nothing() {
    // proves: BRW-14
    // Between two logins somebody else may get the port.
    for _ in 0..20 {
        if a_late_answer_meets_the_next_login().await {
            return;
        }
    }
    panic!("the second login never got the first one's port");
}

/// Whether the second login was at the place of the first, and so the late answer's end was seen.
async fn a_late_answer_meets_the_next_login() -> bool {
    let world = World::new().await;
    let target = || doorward_client::Target::new(&world.url(), "tests").unwrap();
    let place = world.place().await;
    let (browser, file) = noting(&world);
    let hasty = crate::login::Manner::with(browser.clone(), Duration::from_millis(200));
    let headers = challenge(FIRST);
    let failed = crate::login::flow::log_in(&place, target(), Some(&headers), &hasty).await.unwrap_err();
    assert_eq!(failed.code(), Code::LoginTimedOut);
    let late = noted(&file).await;
    // Nobody is there any more, and the port is given back.
    assert_eq!(go(&late).await, None);
    assert_eq!((world.count("authorize"), world.count("code")), (1, 0));

    // The next login is at the same place, where the late answer is told from its own.
    let patient = crate::login::Manner::with(browser, PATIENCE);
    let (other, next) = (world.place().await, target());
    let login = tokio::spawn(async move {
        let headers = challenge(FIRST);
        crate::login::flow::log_in(&other, next, Some(&headers), &patient).await.map(|_| ())
    });
    let page = noted(&file).await;
    let at = |url: &url::Url| url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let met = at(&page) == at(&late);
    if met {
        assert!(go(&late).await.unwrap().contains("This is not the awaited answer"));
    }
    assert_eq!(world.count("code"), 0);
    assert!(go(&page).await.unwrap().contains("You are signed in"));
    login.await.unwrap().unwrap();
    assert_eq!(world.count("code"), 1);
    met
}

#[tokio::test]
async fn an_answer_at_the_very_deadline_has_one_outcome() {
    // proves: FCL-07
    let limit = Duration::from_millis(300);
    let mut outcomes = Vec::new();
    for wait in ["0", "0.15", "0.25", "0.27", "0.29", "0.3", "0.31", "0.6"] {
        let world = World::new().await;
        // Two tabs that come back at once.
        let twice = format!("sleep {wait}; curl -sL -o /dev/null \"$0\" & curl -sL -o /dev/null \"$0\"; wait");
        let browser = Way::Command(vec!["sh".into(), "-c".into(), twice]);
        let manner = crate::login::Manner::with(browser, limit);
        let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
        let (place, headers) = (world.place().await, challenge(FIRST));
        let outcome = crate::login::flow::log_in(&place, target, Some(&headers), &manner).await;
        let good = match &outcome {
            Ok(tokens) => tokens.access_token.expose() == "a1",
            Err(failed) => {
                assert_eq!(failed.code(), Code::LoginTimedOut, "{failed}");
                false
            }
        };
        assert_eq!(world.count("code"), usize::from(good), "after {wait} s: {outcome:?}");
        assert_eq!(world.stored().await.is_some(), good, "after {wait} s: {outcome:?}");
        outcomes.push(good);
    }
    assert_eq!(outcomes.last(), Some(&false), "twice the time is too late");
}

#[tokio::test]
async fn a_page_that_is_only_for_whoever_has_a_session_costs_nobody_their_sign_in() {
    // proves: KEY-12
    let world = World::new().await;
    let headers = challenge(FIRST);
    world.manager(world.curl()).await.bearer(Why::Rejected { serial: None, headers: &headers }).await.unwrap();
    let (before, place) = (world.count("authorize"), world.place().await);
    world.seen().guests_refused = true;
    let (browser, file) = noting(&world);
    let manner = crate::login::Manner::with(browser, PATIENCE);
    let manner = crate::login::Manner { look_after: Duration::from_millis(50), ..manner };
    let target = doorward_client::Target::new(&world.url(), "tests").unwrap();
    let login = crate::login::flow::log_in(&place, target, Some(&headers), &manner);
    let person = async {
        let address = noted(&file).await;
        // They are still typing their password when it is looked.
        while world.count("authorize") == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.seen().guests_refused = false;
        go(&address).await
    };
    let (tokens, page) = tokio::join!(login, person);
    tokens.unwrap();
    assert!(page.is_some(), "the port is still held");
    assert_eq!(world.count("register"), 1, "the client lives");
}

//! Secrets stay where they belong: not in the log, not in the store, and in no answer but the one that delivers them.

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::json;

use crate::{
    app::{App, Tokens},
    html,
    world::{Answer, LOCAL, PASSWORD, PUBLIC, World, advance, seed},
};

/// What the program says to its log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A secret, and the answers that may hold it.
struct Canary {
    name: &'static str,
    text: String,
    allowed: fn(&Answer) -> bool,
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// One person's dealings with the gateway from beginning to end, with mistakes; what was secret in them.
async fn story(world: &World) -> Vec<Canary> {
    const NEVER: fn(&Answer) -> bool = |_| false;
    const WAY_BACK: fn(&Answer) -> bool =
        |answer| answer.asked == "POST /consent" && answer.text().contains("id=\"continue\"");
    const TOKEN: fn(&Answer) -> bool = |answer| answer.asked == "POST /oauth/token" && answer.status == 200;
    let mut canaries = Vec::new();
    let mut note = |name, text: &str, allowed| canaries.push(Canary { name, text: text.to_owned(), allowed });

    let setup = world.setup_token().await;
    note("set-up token", &setup, |answer| answer.asked.contains(" /setup") && answer.status != 403);
    let mut person = world.browser();
    let page = person.get(&format!("/setup?token={setup}")).await;
    let form = html::form(page.text(), "setup");
    let mut sessions = vec![person.cookies.clone()];
    person.submit(&form, &[("name", "ann"), ("password", "tiny-canary")]).await;
    person.submit(&form, &[("name", "not a name"), ("password", PASSWORD)]).await;
    assert_eq!(person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await.status, 303);
    sessions.push(person.cookies.clone());
    note("password", PASSWORD, NEVER);
    note("a wrong password", "not the canary", NEVER);
    note("a short password", "tiny-canary", NEVER);
    let mut other = world.browser();
    let page = other.get("/sign-in?password=not the canary".replace(' ', "+").as_str()).await;
    let form = html::form(page.text(), "sign-in");
    other.submit(&form, &[("name", "ann"), ("password", "not the canary")]).await;
    other.submit(&form, &[("name", "nobody"), ("password", PASSWORD)]).await;
    sessions.push(other.cookies.clone());

    let app = App::new(world).await;
    let confidential = App::registered(world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let secret = confidential.secret.clone().unwrap();
    note("client secret", &secret, |answer| answer.asked == "POST /oauth/register");
    note("code verifier", &app.verifier, NEVER);
    let state = "the-state-is-a-canary";
    note("state", state, WAY_BACK);
    let page = person.consent(&app.request(&[("state", Some(state))])).await;
    let interaction = html::form(page.text(), "consent").get("interaction").unwrap().to_owned();
    note("interaction", &interaction, |answer| {
        answer.is_html() || answer.header("location").is_some_and(|to| to.starts_with("/consent?interaction="))
    });
    let form_token = html::form(page.text(), "consent").get("form_token").unwrap().to_owned();
    note("form token", &form_token, |answer| answer.asked.starts_with("GET /consent"));
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    note("code", &code, WAY_BACK);
    person.answer(&page, "allow").await.must_be_page(400, "OA-108");

    // Each secret in a wrong place, where an answer or the log could give it away.
    let wrong = "A".repeat(43);
    app.redeem(&code, &[("code_verifier", Some(&wrong))]).await.must_be(400, "invalid_grant");
    app.redeem(&code, &[("redirect_uri", Some(&code))]).await.must_be(400, "invalid_grant");
    app.redeem(&code, &[("grant_type", Some(&app.verifier))]).await.must_be(400, "unsupported_grant_type");
    app.redeem(&code, &[("resource", Some(&app.verifier))]).await.must_be(400, "invalid_target");
    confidential.redeem(&code, &[("client_secret", Some("dwk_wrong"))]).await.must_be(401, "invalid_client");
    confidential.redeem(&code, &[("client_secret", Some(&secret))]).await.must_be(400, "invalid_grant");
    let tokens = Tokens::of(&app.redeem(&code, &[]).await);
    let next = Tokens::of(&app.refresh(&tokens.refresh, &[]).await);
    assert_eq!(Tokens::of(&app.refresh(&tokens.refresh, &[]).await), next);
    for pair in [&tokens, &next] {
        note("access token", &pair.access, TOKEN);
        note("refresh token", &pair.refresh, TOKEN);
    }
    let query = format!("?access_token={}&code={code}&refresh_token={}", next.access, next.refresh);
    for path in ["/", "/apps", "/nowhere", "/oauth/jwks", "/oauth/authorize", "/setup", "/healthz"] {
        person.get(&format!("{path}{query}")).await;
    }
    app.refresh(&next.access, &[]).await.must_be(400, "invalid_grant");
    app.refresh(&code, &[]).await.must_be(400, "invalid_grant");
    world.json("/oauth/register", json!({"redirect_uris": [format!("x{}:/", next.access)]}).to_string()).await;
    app.revoke(&next.refresh, &[("client_id", Some(&confidential.id))]).await.must_be(401, "invalid_client");
    let page = person.get("/apps").await;
    let revoke = html::forms(page.text()).into_iter().find(|form| form.get("grant").is_some()).unwrap();
    person.submit(&revoke, &[("grant", &next.refresh)]).await.must_be_page(404, "OA-123");
    advance(60);
    app.refresh(&tokens.refresh, &[]).await.must_be(400, "invalid_grant");
    app.redeem(&code, &[]).await.must_be(400, "invalid_grant");
    person.submit(&html::form(page.text(), "sign-out"), &[]).await;
    sessions.push(person.cookies.clone());
    for cookies in sessions {
        for value in cookies.into_values() {
            note("session", &value, |answer| answer.header("set-cookie").is_some() && !answer.text().contains("dws_"));
        }
    }
    canaries
}

#[tokio::test]
async fn no_secret_is_where_it_must_not_be() {
    // proves: LEAK-01, LEAK-02, INV-5
    seed(0x1eac);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_thread_names(true)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads, since the store has its own; what this test says bears its name.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let own = std::thread::current().name().unwrap().to_owned();
    for origin in [LOCAL, PUBLIC] {
        let world = World::empty(origin, |_| ()).await;
        let canaries = story(&world).await;
        let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        for expected in
            ["the first account is made", "a token request was refused", "ReusedRefresh", "a sign-in failed", "OA-108"]
        {
            let said = |line: &&str| line.contains(&own) && line.contains(expected);
            assert!(logged.lines().any(|line| said(&line)), "the log is not caught: {expected}");
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(world.folder()).unwrap() {
            let path = entry.unwrap().path();
            files.push((path.clone(), fs::read(path).unwrap()));
        }
        assert!(files.iter().any(|(_, bytes)| contains(bytes, b"argon2id")), "the files are not the store's");
        let answers = world.answers.lock().unwrap().clone();
        for Canary { name, text, allowed } in &canaries {
            // Without the prefix of a secret of ours; an access token may have that character anywhere.
            let bare = text.get(..4).filter(|prefix| prefix.ends_with('_')).map_or(text.as_str(), |_| &text[4..]);
            let bytes = Base64UrlUnpadded::decode_vec(bare).unwrap_or_else(|_| bare.as_bytes().to_vec());
            assert!(!logged.contains(bare), "{name} is in the log");
            for (path, file) in &files {
                let there = contains(file, bare.as_bytes()) || contains(file, &bytes);
                assert!(!there, "{name} lies in {}", path.display());
            }
            let mut delivered = 0;
            for answer in &answers {
                let in_headers = answer.headers.values().any(|value| contains(value.as_bytes(), bare.as_bytes()));
                if in_headers || contains(&answer.body, bare.as_bytes()) {
                    assert!(allowed(answer), "{name} is in {answer:?}");
                    delivered += 1;
                }
            }
            let secret = matches!(*name, "password" | "a wrong password" | "code verifier" | "a short password");
            assert_eq!(delivered == 0, secret, "{name} was seen {delivered} times");
        }
    }
}

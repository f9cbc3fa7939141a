//! How a person signs in where no browser can come back, as whom, and what the commands say about it.

use doorward_testkit::process::{Browser, Running, Visitor, http};
use serde_json::{Value, json};

use crate::world::{NAME, PASSWORD, PATIENCE, Person, World, post, spied};

/// Signs in with a browser on another computer, and pastes where it ended. Gives what was said.
async fn log_in_by_pasting(person: &Person, world: &World, more: &[&str], name: &str) -> String {
    let mut login = Running::start(&mut person.doorward_alone(&[&["login", "--paste"], more].concat()));
    let said = login.errors_until(PATIENCE, |text| text.contains("Waiting "));
    let lines = said.lines().map(str::trim);
    let address = lines.into_iter().find(|line| line.contains("code_challenge=")).expect("the page's address");
    let mut visitor = Visitor::new(world.gateway.public_url());
    let end = visitor.authorize(address, name, PASSWORD, "allow").await;
    login.write_line("what am I to paste?");
    login.write_line(&end.replace("state=", "state=not"));
    login.write_line(&end.replace("iss=", "iss=not"));
    login.write_line(&end);
    let status = login.wait(PATIENCE);
    assert!(status.success(), "{status}\n{}", login.errors());
    login.errors()
}

/// What changes from run to run is given a name.
fn steady(text: &str, person: &Person, world: &World) -> String {
    let text = text.replace(world.gateway.mcp_url(), "URL").replace(world.gateway.public_url(), "ISSUER");
    let text = text.replace(&person.client_dir().display().to_string(), "FOLDER").replace("in 10 h", "in 9 h");
    let line =
        |line: &str| if line.starts_with("  client ") { "  client   CLIENT".to_owned() } else { line.to_owned() };
    without_the_warning(&text).lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Each command says that logins lie in plain files, because the tests' person asked for it.
fn without_the_warning(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("lie in plain files, as was asked for"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The same for JSON, each member of which is described in docs/json.md.
fn steady_json(text: &str, person: &Person, world: &World) -> String {
    const DESCRIPTION: &str = include_str!("../../../../docs/json.md");
    fn walk(value: &mut Value) {
        if let Value::Object(object) = value {
            for (name, value) in object.iter_mut() {
                let is_described = ['`', '"'].iter().any(|mark| DESCRIPTION.contains(&format!("{mark}{name}{mark}")));
                assert!(is_described, "{name}");
                match (name.as_str(), &value) {
                    ("expires_at", Value::Number(_)) => *value = json!("TIME"),
                    ("client_id", Value::String(_)) => *value = json!("CLIENT"),
                    _ => walk(value),
                }
            }
        } else if let Value::Array(values) = value {
            values.iter_mut().for_each(walk);
        }
    }
    let text = without_the_warning(text);
    let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    walk(&mut value);
    let text = serde_json::to_string_pretty(&value).unwrap();
    text.replace(world.gateway.mcp_url(), "URL")
        .replace(world.gateway.public_url(), "ISSUER")
        .replace(&person.client_dir().display().to_string(), "FOLDER")
}

#[tokio::test]
async fn two_accounts_are_pasted_shown_renewed_and_ended() {
    // proves: BRW-04, KEY-08
    let world = World::new(&["--access-token-seconds", "36000"]);
    for name in [NAME, "grace"] {
        world.gateway.add_user(name, PASSWORD);
    }
    let (person, url) = (Person::new(), world.gateway.mcp_url());
    let said = log_in_by_pasting(&person, &world, &[url], NAME).await;
    for sentence in ["That is not the address", "belongs to another sign-in", "Logged in to"] {
        assert!(said.contains(sentence), "{sentence} is missing in {said}");
    }
    log_in_by_pasting(&person, &world, &["--account", "work", url], "grace").await;
    let (code, _, said) = person.run(&["login", "--account", "work", url]);
    assert_eq!(code, Some(0), "{said}");
    let again = person.login_command(url).replacen("login", "login --force --account work", 1);
    assert!(said.contains(&format!("again: {again}")), "{said}");

    let (code, status, errors) = person.run(&["status", url]);
    assert_eq!(code, Some(0), "{errors}");
    insta::assert_snapshot!("status", steady(&status, &person, &world));
    let (_, status, _) = person.run(&["status", "--account", "work", "--json"]);
    insta::assert_snapshot!("status_json", steady_json(&status, &person, &world));
    let (_, list, _) = person.run(&["list", "--json"]);
    insta::assert_snapshot!("list_json", steady_json(&list, &person, &world));

    let token = |more: &[&str]| person.run(&[&["token", url], more].concat());
    let shown: Value = serde_json::from_str(&steady_json(&token(&["--json"]).1, &person, &world)).unwrap();
    assert_eq!(shown["scopes"], "mcp:read mcp:write offline_access");
    let (mine, work) = (token(&[]).1, token(&["--account", "work"]).1);
    assert!(mine != work && !mine.is_empty() && !work.is_empty(), "each account has its own");
    let (code, _, errors) = token(&["--account", "home"]);
    assert_eq!(code, Some(3));
    assert!(errors.contains("--account work") && errors.contains("login --account home"), "{errors}");

    let (code, _, errors) = person.run(&["refresh", url, "--account", "work"]);
    assert_eq!(code, Some(0), "{errors}");
    insta::assert_snapshot!("refresh", steady(&errors, &person, &world));
    let (_, renewed, _) = person.run(&["refresh", url, "--json"]);
    insta::assert_snapshot!("refresh_json", steady_json(&renewed, &person, &world));
    let newest = token(&["--account", "work"]).1;
    assert_ne!(newest, work);
    assert_eq!(post(url, Some(newest.trim()), "tools/list", json!({})).await.status, 200);

    let (code, told, errors) = person.run(&["logout", "--all", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    insta::assert_snapshot!("logout_all_json", steady_json(&told, &person, &world));
    assert_eq!(post(url, Some(newest.trim()), "tools/list", json!({})).await.status, 401, "the server knows");
    let (code, _, errors) = person.run(&["status", url]);
    assert_eq!(code, Some(3));
    insta::assert_snapshot!("status_of_none", steady(&errors, &person, &world));
    let (code, _, errors) = person.run(&["status", "--json"]);
    assert_eq!(code, Some(3));
    insta::assert_snapshot!("status_of_none_json", steady_json(&errors, &person, &world));
    assert_eq!(person.run(&["logout", "--all"]).0, Some(0), "nothing to do is no failure");
    assert_eq!(person.run(&["logout"]).0, Some(2));
    assert_eq!(person.run(&["refresh", url]).0, Some(3));
}

#[tokio::test]
async fn a_code_that_is_typed_on_another_device_lets_this_one_in() {
    // proves: BRW-04
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let (person, url) = (Person::new(), world.gateway.mcp_url());
    for (answer, code) in [("deny", 5), ("allow", 0)] {
        let mut login = Running::start(&mut person.doorward_alone(&["login", "--device", url]));
        let said = login.errors_until(PATIENCE, |text| text.contains("Waiting "));
        let after = |words: &str| {
            let (_, rest) = said.split_once(words).unwrap_or_else(|| panic!("{words} is missing in {said}"));
            rest.lines().nth(1).unwrap().trim().to_owned()
        };
        let (page, typed) = (after("open this page on any device:"), after("type this code there:"));
        let mut visitor = Visitor::new(world.gateway.public_url());
        let seen = visitor.open(&page).await;
        let mut seen = visitor.submit(&seen, "device", &[("user_code", &typed)]).await;
        if seen.has_form("sign-in") {
            seen = visitor.submit(&seen, "sign-in", &[("name", NAME), ("password", PASSWORD)]).await;
        }
        visitor.submit(&seen, "consent", &[("answer", answer)]).await;
        assert_eq!(login.wait(PATIENCE).code(), Some(code), "{}", login.errors());
    }
    assert_eq!(post(url, Some(&person.token(&world.gateway)), "tools/list", json!({})).await.status, 200);
}

#[test]
fn with_nobody_there_it_says_at_once_what_to_type() {
    // proves: BRW-04
    // A server that takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", silent.local_addr().unwrap());
    silent.set_nonblocking(true).unwrap();
    let person = Person::new();
    for command in [&["login", &url][..], &["token", &url], &["refresh", &url], &["status", &url]] {
        let (code, output, errors) = person.run(command);
        assert_eq!((code, output.as_str()), (Some(3), ""), "{command:?} {errors}");
        assert!(errors.contains(&person.login_command(&url)), "{command:?} {errors}");
    }
    assert!(silent.accept().is_err(), "no server was waited for");
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_login_and_is_said_to_be_away() {
    // proves: FCL-03
    let mut world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let (person, url) = (Person::new(), world.gateway.mcp_url().to_owned());
    log_in_by_pasting(&person, &world, &[&url], NAME).await;
    world.gateway.stop();
    let (code, output, errors) = person.run(&["status"]);
    assert_eq!(code, Some(4), "{errors}");
    assert!(output.contains("did not say"), "{output}");
    assert_eq!(person.run(&["refresh", &url]).0, Some(4));
    assert_eq!(person.run(&["status", "--offline"]).0, Some(0), "the login is still there");
    let (code, told, _) = person.run(&["logout", "--all", "--json"]);
    assert_eq!(code, Some(4), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["logins"][0]["removed"], &told["logins"][0]["revoked"]), (&json!(true), &json!(false)));
    assert_eq!(person.run(&["status", "--offline"]).0, Some(3), "it is gone here all the same");
}

#[tokio::test]
async fn the_last_page_says_how_it_went_and_fits_a_telephone() {
    // proves: BRW-08, BRW-13
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let (browser, person) = (Browser::start().await, Person::new());
    browser.driver.set_window_rect(0, 0, 500, 800).await.unwrap();
    for (answer, kind, heading) in [("deny", "bad", "Access was not given"), ("allow", "good", "You are signed in")] {
        let mut login = Running::start(&mut person.doorward(&["login", world.gateway.mcp_url()]));
        let address = person.opener.opened_by(&mut login, PATIENCE);
        browser.consent_page(&address, NAME, PASSWORD).await;
        browser.answer(answer).await;
        let page = browser.find(&format!("main.{kind}")).await;
        assert!(page.text().await.unwrap().contains(heading));
        let styled = page.css_value("border-radius").await.unwrap();
        assert_ne!(styled, "0px", "the policy lets the page's own style be applied");
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(browser.driver.execute(fits, vec![]).await.unwrap().json(), &json!(true));
        let code = login.wait(PATIENCE).code();
        assert_eq!(code, Some(if answer == "allow" { 0 } else { 5 }), "{}", login.errors());
    }
    browser.quit().await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_pushed_requests_only_gets_one() {
    // proves: R9126-01
    let gateway = spied(&["--require-par"], &[]);
    gateway.add_user(NAME, PASSWORD);
    let (person, url) = (Person::new(), gateway.mcp_url());
    let mut login = Running::start(&mut person.doorward(&["login", url]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    let shown = url::Url::parse(&address).unwrap();
    let names: Vec<_> = shown.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"], "{address}");
    let back = Visitor::new(gateway.public_url()).authorize(&address, NAME, PASSWORD, "allow").await;
    assert!(http().get(&back).send().await.unwrap().status().is_success());
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    assert_eq!(post(url, Some(&person.token(&gateway)), "tools/list", json!({})).await.status, 200);
    // By a code for another device, nothing is pushed and nothing has to be.
    let mut login = Running::start(&mut person.doorward_alone(&["login", "--device", "--force", url]));
    let said = login.errors_until(PATIENCE, |text| text.contains("Waiting "));
    assert!(said.contains("type this code there:"), "{said}");
    login.terminate(PATIENCE);
}

//! What is told of a login over a bad network, of one that is stopped in the middle, and of two at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use doorward_testkit::process::{Fault, Running};
use serde_json::Value;

use crate::world::{ACCESS, CODE, PATIENCE, Person, REFRESH, RESOURCE, SERVER, World, visit};

/// What `doorward trace` prints.
fn trace(person: &Person, arguments: &[&str]) -> String {
    let output = person.doorward(&[&["trace"], arguments].concat()).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn objects(person: &Person, arguments: &[&str]) -> Vec<Value> {
    let text = trace(person, &[arguments, &["--json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}"))).collect()
}

#[test]
fn the_step_that_failed_is_shown() {
    for (path, part) in
        [("/mcp", "POST"), (RESOURCE, ""), (SERVER, ""), ("/register", ""), ("/token", ""), ("/mcp", "Bearer at-")]
    {
        let (world, person) = (World::new(3600), Person::new());
        world.proxy.spoil(path, part, usize::MAX, Fault::CutInHeaders);
        let (code, errors) = person.run(&["login", &world.mcp_url()], PATIENCE);
        assert!(world.proxy.mend() && code != Some(0), "{path}: {errors}");
        let objects = objects(&person, &["--last"]);
        let (end, steps) = objects.split_last().unwrap();
        let request = &steps.last().unwrap()["step"]["did"]["request"];
        assert!(request["url"].as_str().is_some_and(|url| url.ends_with(path)), "{path}: {request}");
        assert!(request["outcome"]["not_answered"]["why"].is_string(), "{path}: {request}");
        // The error is the one that the person was told.
        let error = &end["end"]["failed"]["error"];
        let of = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no {name} in {end}")).to_owned();
        for text in [of("code"), of("message"), of("reason"), of("hint")] {
            assert!(errors.contains(&text), "{path}: {text} is not in {errors}");
        }
        let shown = trace(&person, &["--last"]);
        let at = format!("at step {}", steps.last().unwrap()["step"]["number"]);
        assert!(shown.contains("failed after") && shown.contains(&at) && shown.contains("try:"), "{shown}");
    }
}

#[test]
fn a_login_that_is_killed_leaves_what_it_did() {
    let (world, person) = (World::new(3600), Person::new());
    world.proxy.spoil("/token", "", usize::MAX, Fault::Stall);
    let url = world.mcp_url();
    let mut login = Running::start(&mut person.doorward(&["login", &url]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    // The page comes after the token, so nobody waits for it here.
    thread::spawn(move || visit(&address));
    let end = Instant::now() + PATIENCE;
    while !trace(&person, &["--last"]).contains("<- nothing yet") {
        assert!(Instant::now() < end, "{}", trace(&person, &["--last"]));
        thread::sleep(Duration::from_millis(50));
    }
    let kill = std::process::Command::new("kill").args(["-9", &login.id().to_string()]).status().unwrap();
    assert!(kill.success());
    login.wait(PATIENCE);
    let shown = trace(&person, &["--last"]);
    assert!(shown.contains("/token") && shown.contains("<- nothing yet") && shown.contains("not finished"), "{shown}");
}

#[test]
fn two_logins_at_once_are_told_apart() {
    let (one, other, person) = (World::new(3600), World::new(3600), Person::new());
    let mut logins = [&one, &other].map(|world| Running::start(&mut person.doorward(&["login", &world.mcp_url()])));
    for _ in 0..2 {
        assert!(person.follow(PATIENCE));
    }
    for login in &mut logins {
        assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    }
    for (world, stranger) in [(&one, &other), (&other, &one)] {
        let shown = trace(&person, &["--last=5", &world.mcp_url()]);
        assert_eq!(shown.matches("Login at").count(), 1, "{shown}");
        assert!(shown.contains("done after") && !shown.contains(&format!(":{}", stranger.proxy.port())), "{shown}");
    }
    assert_eq!(trace(&person, &["--last=5"]).matches("done after").count(), 2);
}

/// The values that must never be shown, from what was on the wire.
fn secrets(world: &World) -> Vec<String> {
    let mut secrets = vec![CODE.to_owned(), ACCESS.to_owned(), REFRESH.to_owned()];
    for request in &world.seen.lock().unwrap().wire {
        let query = request.split(' ').nth(1).and_then(|target| target.split_once('?')).map_or("", |(_, query)| query);
        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        for pair in [query, body].iter().flat_map(|text| text.split('&')) {
            let Some((name, value)) = pair.split_once('=') else { continue };
            if ["code", "state", "code_verifier", "code_challenge", "refresh_token", "token"].contains(&name) {
                secrets.push(value.to_owned());
            }
            if let Some((_, end)) = value.rsplit_once("%2Fcallback%2F") {
                secrets.push(end.to_owned());
            }
        }
    }
    secrets.sort();
    secrets.dedup();
    secrets
}

#[test]
fn no_secret_of_any_request_is_shown_or_kept() {
    // proves: LEAK-01, LEAK-02, LEAK-08
    for (path, part, fault) in [
        ("/nowhere", "", Fault::Garbage),
        ("/token", "authorization_code", Fault::Unavailable),
        ("/token", "authorization_code", Fault::CutInBody),
        ("/mcp", "Bearer at-", Fault::Unavailable),
        ("/token", "refresh_token", Fault::Garbage),
    ] {
        let (world, person) = (World::new(1), Person::new());
        let url = world.mcp_url();
        world.proxy.spoil(path, part, usize::MAX, fault.clone());
        let mut said = String::new();
        for command in ["login", "refresh", "status", "list", "logout"] {
            let arguments = if command == "list" { vec![command, "-vv"] } else { vec![command, "-vv", &url] };
            said += &person.run(&arguments, PATIENCE).1;
        }
        // The address of the sign-in page is for the person, who may have to type it.
        let said: Vec<_> = said.lines().filter(|line| !line.trim_start().starts_with("http://")).collect();
        let mut all = said.join("\n");
        for arguments in [&["--last=16"][..], &["--last=16", "-v"], &["--last=16", "--json"]] {
            all += &trace(&person, arguments);
        }
        for file in std::fs::read_dir(person.client_dir().join("trace")).unwrap() {
            all += &std::fs::read_to_string(file.unwrap().path()).unwrap();
        }
        let secrets = secrets(&world);
        assert!(secrets.len() >= 6, "the requests were seen: {secrets:?}");
        for secret in secrets {
            assert!(secret.len() >= 16 && !all.contains(&secret), "{path} {fault:?}: {secret} is shown in\n{all}");
        }
        assert!(all.contains("code_verifier=***"), "{all}");
    }
}

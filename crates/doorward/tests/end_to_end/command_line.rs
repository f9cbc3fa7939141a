//! The commands that keep a person's logins, and the account made without a browser.

use std::os::unix::fs::PermissionsExt;

use doorward_testkit::process::{Browser, Port, Running, Visitor, http};
use serde_json::{Value, json};

use crate::world::{DOORWARD, NAME, PASSWORD, PATIENCE, Person, World, post};

#[tokio::test]
async fn login_list_token_and_logout_work_on_one_store() {
    // proves: MCP-AUTH-118
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    let url = world.gateway.mcp_url();

    assert_eq!(person.run(&["token", url]).0, Some(3), "no login yet");
    person.log_in(&world.gateway, &browser).await;

    let (code, output, errors) = person.run(&["list", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains(url), "{output}");
    let listed: Value = serde_json::from_str(&output).expect("list --json prints JSON");
    assert!(!listed.is_null());

    let token = person.token(&world.gateway);
    assert!(!output.contains(&token), "list shows a token");
    assert_eq!(post(url, Some(&token), "tools/list", json!({})).await.status, 200);
    let (_, header, _) = person.run(&["token", url, "--header"]);
    assert_eq!(header.trim(), format!("Authorization: Bearer {token}"));

    let (code, _, errors) = person.run(&["logout", url]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(person.run(&["token", url]).0, Some(3), "logged out");
    assert!(!person.run(&["list", "--json"]).1.contains(url), "still listed");
    browser.quit().await.unwrap();
}

#[tokio::test]
async fn no_file_of_a_login_is_open_to_others() {
    // proves: MCP-AUTH-118
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let browser = Browser::start().await;
    let person = Person::new();
    person.log_in(&world.gateway, &browser).await;
    let mut seen = 0;
    for folder in [person.client_dir(), world.gateway.data_dir()] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let others = metadata.permissions().mode() & 0o077;
            assert_eq!(others, 0, "{} is open to others", entry.path().display());
            seen += usize::from(metadata.is_file());
        }
    }
    assert!(seen > 1, "there are files to look at");
    browser.quit().await.unwrap();
}

#[test]
fn an_account_is_made_once() {
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let mut again = std::process::Command::new(DOORWARD);
    again.args(["user", "add", NAME, "--password-file", "-", "--data-dir"]).arg(world.gateway.data_dir());
    let mut again = Running::start(&mut again);
    again.write_line("another good password, quite long");
    again.close_input();
    assert_eq!(again.wait(PATIENCE).code(), Some(1), "{}", again.errors());
    assert!(again.errors().contains(NAME), "{}", again.errors());
}

#[test]
fn what_nobody_answers_is_unreachable() {
    let person = Person::new();
    // Nothing listens there.
    let held = Port::hold();
    let free = format!("127.0.0.1:{}", held.number());
    let mut login = Running::start(&mut person.doorward(&["login", &format!("http://{free}/mcp")]));
    assert_eq!(login.wait(PATIENCE).code(), Some(4), "{}", login.errors());
    assert!(login.errors().contains(&free), "{}", login.errors());
    assert_eq!(person.opener.opened(std::time::Duration::ZERO), None);
    assert_eq!(person.run(&["login"]).0, Some(2));
    assert_eq!(person.run(&["no-such-command"]).0, Some(2));
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_like_any_other_error() {
    let person = Person::new();
    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut running = Running::start(person.doorward_alone(arguments).envs(variables.iter().copied()));
        running.close_input();
        (running.wait(PATIENCE).code(), running.errors())
    };
    for (arguments, why, next) in [
        (&["login"][..], "<URL>", "doorward login --help"),
        (&["-v", "user", "ad"], "'ad'; a similar subcommand exists: 'add'", "doorward user --help"),
        (&["login", "http://localhost:9/mcp", "--timeout", "soon"], "'soon'", "doorward login --help"),
        (&["no-such-command"], "no-such-command", "doorward --help"),
    ] {
        let (code, errors) = with(&[], arguments);
        let lines: Vec<_> = errors.lines().collect();
        assert!(code == Some(2) && lines.len() == 3 && lines[0].ends_with("[CLI-03]"), "{arguments:?}: {errors}");
        assert!(lines[1].contains(why) && lines[2] == format!("  try: {next}"), "{arguments:?}: {errors}");
        for (variables, flag) in [(&[][..], Some("--json")), (&[("DOORWARD_JSON", "1")], None)] {
            let arguments: Vec<_> = flag.into_iter().chain(arguments.iter().copied()).collect();
            let (code, errors) = with(variables, &arguments);
            let told: Value = serde_json::from_str(&errors).unwrap_or_else(|_| panic!("{arguments:?}: {errors}"));
            assert_eq!(
                (code, &told["error"]["code"], &told["error"]["hint"]),
                (Some(2), &json!("CLI-03"), &json!(next))
            );
        }
    }
    // Switches of the environment take what people write there.
    for (value, is_json) in [("1", true), ("yes", true), ("true", true), ("0", false), ("", false), ("off", false)] {
        let mut list = Running::start(person.doorward_alone(&["list"]).env("DOORWARD_JSON", value));
        assert_eq!(list.maybe_line(PATIENCE).is_some(), is_json, "DOORWARD_JSON={value}");
        assert_eq!(list.wait(PATIENCE).code(), Some(0), "{value}: {}", list.errors());
    }
    let (code, errors) = with(&[("DOORWARD_QUIET", "perhaps")], &["list"]);
    assert!(code == Some(2) && errors.contains("--quiet") && errors.contains("true"), "{errors}");
}

#[test]
fn an_odd_environment_is_no_mystery() {
    // proves: FCL-15
    let odd = tempfile::TempDir::new().unwrap();
    let file = odd.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let url = "http://127.0.0.1:9/mcp";
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = std::process::Command::new(DOORWARD);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(variables.iter().copied());
        let mut running = Running::start(command.args(arguments));
        running.close_input();
        let output: Vec<String> = std::iter::from_fn(|| running.maybe_line(PATIENCE)).collect();
        (running.wait(PATIENCE).code(), output.join("\n"), running.errors())
    };
    // Where nothing can be kept: no home, an empty one, one that is a file, one where nobody can make anything.
    for (home, code, word) in [
        (None, 6, "HOME is not set"),
        (Some(""), 6, "HOME is not set"),
        (Some(file.to_str().unwrap()), 1, "file"),
        (Some("/proc/nothing"), 1, "/proc/nothing"),
    ] {
        for command in ["list", "status", "token", "login", "logout"] {
            let arguments = if command == "list" { vec![command] } else { vec![command, url] };
            let home: Vec<_> = home.map(|home| ("HOME", home)).into_iter().collect();
            let (got, output, errors) = run(&home, &arguments);
            assert_eq!((got, output.as_str()), (Some(code), ""), "{home:?} {command}: {errors}");
            assert!(errors.contains(word) && errors.contains("DOORWARD_CLIENT_DIR"), "{home:?} {command}: {errors}");
            assert!(errors.lines().count() == 3 && !errors.contains("panicked"), "{home:?} {command}: {errors}");
        }
    }
    // Another language, writing from right to left, another time: the same words.
    let folder = odd.path().join("client");
    let plain = [("DOORWARD_CLIENT_DIR", folder.to_str().unwrap()), ("DOORWARD_PLAIN_CREDENTIALS", "1")];
    let mut said = Vec::new();
    for more in [
        &[][..],
        &[("LANG", "ar_EG.UTF-8"), ("TZ", "Pacific/Kiritimati")],
        &[("LC_ALL", "tr_TR.ISO-8859-9"), ("TZ", "No/Such"), ("TERM", "dumb"), ("HOME", "/")],
        &[("SUDO_USER", "ada"), ("USER", "root"), ("LC_ALL", "C")],
    ] {
        let (code, _, errors) = run(&[&plain[..], more].concat(), &["token", url]);
        assert_eq!(code, Some(3), "{more:?}: {errors}");
        said.push(errors.lines().filter(|line| !line.contains("WARN")).collect::<Vec<_>>().join("\n"));
    }
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
}

#[tokio::test]
async fn a_crash_writes_no_memory_to_a_file() {
    // proves: LEAK-03
    let mut world = World::new(&[]);
    let person = Person::new();
    let mut bridge = person.connect(&world.gateway);
    for process in [world.gateway.process().id(), bridge.process().id()] {
        let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    }
}

#[tokio::test]
async fn each_step_is_told_without_its_secrets() {
    // proves: LEAK-08
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let person = Person::new();
    let url = world.gateway.mcp_url();
    let mut login = Running::start(&mut person.doorward(&["-vv", "login", url]));
    let address = person.opener.opened_by(&mut login, PATIENCE);
    let back = Visitor::new(world.gateway.public_url()).authorize(&address, NAME, PASSWORD, "allow").await;
    http().get(&back).send().await.unwrap();
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    let back = url::Url::parse(&back).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let first = person.token(&world.gateway);
    let (status, _, refresh) = person.run(&["-vv", "refresh", url]);
    assert_eq!(status, Some(0), "{refresh}");
    let second = person.token(&world.gateway);
    let (status, _, logout) = person.run(&["-vv", "logout", url]);
    assert_eq!(status, Some(0), "{logout}");
    let all = [login.errors(), refresh, logout].join("\n");
    assert!(all.contains("/oauth/token") && all.contains("/oauth/revoke"), "the steps are told: {all}");
    for (name, secret) in [("code", &code), ("first token", &first), ("second token", &second)] {
        assert!(!all.contains(secret.as_str()), "the {name} is in {all}");
    }
    for name in ["refresh_token=", "code_verifier=", "access_token=", " token="] {
        let shown: Vec<_> = all.split(name).skip(1).map(|rest| &rest[..3]).collect();
        assert!(!shown.is_empty() && shown.iter().all(|shown| *shown == "***"), "{name}: {shown:?} in {all}");
    }
}

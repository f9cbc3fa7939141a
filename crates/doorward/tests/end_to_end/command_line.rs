//! The commands that keep a person's logins, and the account made without a browser.

use std::os::unix::fs::PermissionsExt;

use doorward_testkit::process::{Browser, Port, Running};
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

//! Copies of the state, and whether a gateway is ready.

use std::os::unix::fs::PermissionsExt as _;

use doorward_testkit::process::http;
use serde_json::Value;

use crate::{
    engine::{World, get, until},
    world::{App, CALLBACK, NAME, PASSWORD, message, visitor},
};

#[tokio::test]
async fn a_copy_made_while_the_gateway_runs_has_all_of_it() {
    // proves: FLT-04
    let world = World::sqlite();
    let app = App::register(&world.gateway, &[CALLBACK]).await;
    app.tokens(&mut visitor(&world.gateway)).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("doorward.sqlite");
    let made = world.json(&format!("backup {}", copy.display()));
    assert_eq!(made["operator_key"].as_str().unwrap(), world.gateway.data_dir().join("operator.key").to_str().unwrap());
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o077, 0, "others can read it");
    assert_eq!(world.failure(&format!("backup {}", copy.display())).1["code"], "STO-03", "it replaces nothing");

    let of_copy = |command: &str| {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.extend(["--json", "--data-dir", folder.path().to_str().unwrap()]);
        let (code, output, errors) = world.gateway.run(&words);
        assert_eq!(code, Some(0), "{errors}");
        serde_json::from_str::<Value>(&output).unwrap()
    };
    for command in ["audit-log verify", "audit-log show", "key list"] {
        assert_eq!(of_copy(command), world.json(command), "{command}");
    }
    assert!(of_copy("audit-log show").to_string().contains(NAME));
    // The key that is needed is the one that is used.
    let (copy, key) = (folder.path().join("another"), folder.path().join("elsewhere.key"));
    let made = world.json(&format!("backup {} --key-file {}", copy.display(), key.display()));
    assert_eq!(made["operator_key"].as_str(), key.to_str());
}

#[test]
fn where_no_state_is_there_is_nothing_to_look_at_or_to_copy() {
    // proves: FLT-04
    let world = World::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let (nowhere, copy) = (folder.path().join("mistyped"), folder.path().join("copy"));
    let backup = format!("backup {}", copy.display());
    for command in [backup.as_str(), "audit-log verify", "key list", "client list", "client revoke x", "user disable x"]
    {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.extend(["--json", "--data-dir", nowhere.to_str().unwrap()]);
        let (code, output, errors) = world.gateway.run(&words);
        assert_eq!((code, output.as_str()), (Some(6), ""), "{command}");
        assert!(errors.contains("STO-04"), "{command}: {errors}");
    }
    assert!(!nowhere.exists() && !copy.exists(), "nothing is made by looking");
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once() {
    // proves: INV-9
    for world in World::each() {
        let app = App::register(&world.gateway, &[CALLBACK]).await;
        let mut person = visitor(&world.gateway);
        let tokens = app.tokens(&mut person).await;
        assert_eq!(app.call(tokens.access()).await, 200);
        assert_eq!(world.failure("user disable eve").1["code"], "USR-05");
        assert_eq!(world.json("user disable ADA")["disabled"], true);
        until("the gateway has heard of it", || async { app.call(tokens.access()).await == 401 }).await;
        app.refresh(tokens.refresh(), &[]).await.must_be("invalid_grant");
        let page = person.open(&app.request(&[])).await;
        assert!(page.has_form("sign-in"), "the browser is signed out");
        let again = person.submit(&page, "sign-in", &[("name", NAME), ("password", PASSWORD)]).await;
        assert!((400..500).contains(&again.status) && !again.has_form("consent"), "{}", again.status);
        world.json("user enable ada");
        app.refresh(tokens.refresh(), &[]).await.must_be("invalid_grant");
        assert_eq!(app.call(app.tokens(&mut person).await.access()).await, 200);
    }
}

#[tokio::test]
async fn a_probe_learns_whether_and_nothing_else() {
    // proves: ADM-04
    let world = World::sqlite();
    let address = world.gateway.public_url();
    for (path, says) in [("healthz", "ok\n"), ("readyz", "ready\n")] {
        let (status, headers, body) = get(&format!("{address}/{path}")).await;
        assert_eq!((status, body.as_str()), (200, says));
        assert!(!headers.contains_key("server"), "{headers:?}");
    }
    for path in ["metrics", "debug", "debug/pprof", "status", "health", "server-status", "actuator", ".env"] {
        assert_eq!(get(&format!("{address}/{path}")).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_the_operator_adds_works_until_it_is_removed() {
    // proves: R7591-11
    for world in World::each() {
        let added = world.json("client add Job --auth basic --grant client-credentials --scope mcp:read");
        let (id, secret) = (added["client_id"].as_str().unwrap(), added["client_secret"].as_str().unwrap());
        let ask = || async {
            let form = [("grant_type", "client_credentials"), ("resource", world.gateway.mcp_url())];
            let request =
                http().post(format!("{}/oauth/token", world.gateway.public_url())).basic_auth(id, Some(secret));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let response = request.body(doorward_testkit::url_text::form(&form)).send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        let (status, tokens) = ask().await;
        assert_eq!(status, 200, "{tokens}");
        let token = tokens["access_token"].as_str().unwrap();
        let call = || message(world.gateway.mcp_url(), token, "tools/list", serde_json::json!({}), &[]);
        assert_eq!(call().await.status, 200);
        let listed = world.json("client list");
        assert_eq!(listed["clients"][0]["client_id"], added["client_id"]);
        assert!(!listed.to_string().contains(secret), "the secret is shown once");
        assert_eq!(
            world.failure(&format!("client add Job --redirect-uri http://127.0.0.1/cb --id {id}")).1["code"],
            "CLT-02"
        );
        assert_eq!(world.failure("client add Job --redirect-uri http://evil.example/cb").1["code"], "CLT-01");
        assert_eq!(world.failure("client revoke nobody").1["code"], "CLT-03");
        world.json(&format!("client revoke {id}"));
        assert_eq!(ask().await.0, 401);
        until("its tokens are refused", || async { call().await.status == 401 }).await;
    }
}

//! The audit record: each thing once, and no change to it stays hidden.

use doorward_testkit::{process::http, url_text::form};
use serde_json::{Value, json};

use crate::{
    engine::{World, until},
    world::{App, CALLBACK, message, visitor},
};

/// A sign-in, a grant, its tokens, a call that is not allowed, and the end of it.
async fn a_life(world: &World) -> App {
    let app = App::register(&world.gateway, &[CALLBACK]).await;
    let first = app.tokens(&mut visitor(&world.gateway)).await;
    let second = app.refresh(first.refresh(), &[]).await;
    for _ in 0..3 {
        let called =
            message(&app.resource, second.access(), "tools/call", json!({"name": "echo", "arguments": {}}), &[]);
        assert_eq!(called.await.status, 403);
    }
    let fields = [("token", second.refresh()), ("client_id", &app.id)];
    let revoke = http().post(format!("{}/oauth/revoke", app.issuer)).body(form(&fields));
    let revoked = revoke.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(revoked.status(), 200);
    assert_eq!(app.call(second.access()).await, 401);
    app
}

fn events(world: &World, filter: &str) -> Vec<Value> {
    let shown = world.json(&format!("audit-log show --most 1000{filter}"));
    shown["events"].as_array().unwrap().clone()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_thing_that_happens_is_recorded_once() {
    // proves: INV-12
    for world in World::each() {
        let app = a_life(&world).await;
        // Refused calls are written off the request's path.
        until("the second refusal is recorded", || async { events(&world, " --kind call_denied").len() == 2 }).await;
        let all = events(&world, "");
        let told: Vec<_> = kinds(&all).into_iter().filter(|kind| *kind != "call_denied").collect();
        let lived =
            ["key_added", "account_added", "client_added", "signed_in", "granted", "issued", "refreshed", "revoked"];
        assert_eq!(told, lived);
        let granted = &events(&world, " --kind granted")[0];
        assert_eq!(granted["client"], json!(app.id));
        assert_eq!(
            (granted["resource"].as_str(), granted["detail"].as_str()),
            (Some(&*app.resource), Some("mcp:read"))
        );
        let of_ada = events(&world, " --account ada --since 1h");
        assert!(of_ada.iter().all(|event| event["account"] == granted["account"]) && of_ada.len() >= 3, "{of_ada:?}");
        let denied = events(&world, " --kind call_denied");
        assert!(denied[0]["detail"].as_str().unwrap().contains("insufficient_scope"), "{denied:?}");
        assert_eq!((denied[1]["detail"].as_str(), &denied[1]["grant"]), (Some("revoked"), &granted["grant"]));
        assert!(events(&world, " --since 2099-01-01").is_empty());
        let numbers: Vec<_> = all.iter().map(|event| event["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
        // Nothing in it opens a door.
        let (_, exported, _) = world.gateway.run(&["audit-log", "export"]);
        assert_eq!(exported.lines().count(), all.len());
        for prefix in ["dwc_", "dwr_", "dws_", "dwi_", "dwk_", "dwx_", "eyJ"] {
            assert!(!exported.contains(prefix), "{prefix} in {exported}");
        }
    }
}

#[tokio::test]
async fn the_rest_of_equal_refusals_is_counted() {
    let mut world = World::sqlite();
    a_life(&world).await;
    // Stopping writes what is still counted.
    world.gateway.stop();
    let (denied, count) = (events(&world, " --kind call_denied"), |event: &Value| {
        event["detail"]
            .as_str()
            .unwrap()
            .rsplit_once(", ")
            .and_then(|(_, times)| times.strip_suffix(" times")?.parse().ok())
    });
    let scope = denied.iter().filter(|event| event["detail"].as_str().unwrap().starts_with("insufficient_scope"));
    assert_eq!(scope.map(|event| count(event).unwrap_or(1)).sum::<u64>(), 3, "{denied:?}");
}

#[tokio::test]
async fn whatever_is_done_to_the_record_shows() {
    // proves: INV-12
    for world in World::each() {
        a_life(&world).await;
        until("all is recorded", || async { events(&world, " --kind call_denied").len() == 2 }).await;
        let good = world.json("audit-log verify");
        let (last, digest) = (good["events"].as_u64().unwrap(), good["digest"].as_str().unwrap().to_owned());
        assert_eq!(good["unbroken"], true);
        let expect = format!("audit-log verify --expect {last}:{digest}");
        world.json(&expect);
        // What is done, and what undoes it; and the event that is named.
        let tampered = [
            (
                "UPDATE audit SET detail = 'mcp:danger' WHERE kind = 'granted'",
                "UPDATE audit SET detail = 'mcp:read' WHERE kind = 'granted'",
                "is not what was recorded".to_owned(),
            ),
            (
                "UPDATE audit SET number = number + 100000 WHERE number = 4",
                "UPDATE audit SET number = 4 WHERE number = 100004",
                "event 4 is missing".to_owned(),
            ),
            (
                "UPDATE audit SET number = 100000 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 5; \
                 UPDATE audit SET number = 5 WHERE number = 100000",
                "UPDATE audit SET number = 100000 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 5; \
                 UPDATE audit SET number = 5 WHERE number = 100000",
                "event 4 is not what was recorded".to_owned(),
            ),
            (
                "UPDATE audit SET kind = 'signed_out' WHERE number = 4",
                "UPDATE audit SET kind = 'signed_in' WHERE number = 4",
                "event 4 is not what was recorded".to_owned(),
            ),
        ];
        for (change, undo, named) in &tampered {
            world.rows.run(change).await;
            let (code, error) = world.failure("audit-log verify");
            assert_eq!((code, error["code"].as_str()), (1, Some("AUD-01")), "{change}");
            assert!(error["reason"].as_str().unwrap().contains(named), "{change}: {error}");
            world.rows.run(undo).await;
            world.json(&expect);
        }
        // The end goes, and cannot come back.
        world.rows.run(&format!("DELETE FROM audit WHERE number = {last}")).await;
        let (_, error) = world.failure("audit-log verify");
        assert!(error["reason"].as_str().unwrap().contains(&format!("ends with event {}", last - 1)), "{error}");
        // Whoever can write rows can write the end anew too; only what was kept elsewhere shows it.
        let head = "UPDATE audit_head SET number = number - 1, \
                    digest = (SELECT digest FROM audit WHERE number = (SELECT max(number) FROM audit))";
        world.rows.run(head).await;
        world.json("audit-log verify");
        let (_, error) = world.failure(&expect);
        assert!(error["reason"].as_str().unwrap().contains(&format!("but {last} were recorded")), "{error}");
    }
}

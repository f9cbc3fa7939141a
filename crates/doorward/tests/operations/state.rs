//! Copies of the state, and whether a gateway is ready.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::{
    engine::{World, get},
    world::{App, CALLBACK, NAME, visitor},
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

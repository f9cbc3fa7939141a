//! Programs that act for themselves, written with libraries of others, as clients that an operator added by command.

use std::process::Command;

use doorward_testkit::process::{Gateway, Running, foreign, repository};
use serde_json::{Value, json};

use crate::{
    web_site::said,
    world::{PATIENCE, spied},
};

/// The program of a library: `authlib`, or one for Node.
fn program(library: &str) -> Command {
    let scripts = repository().join("tests/clients");
    if library == "authlib" {
        let mut command = Command::new(foreign("pypi/.venv/bin/python"));
        command.arg(scripts.join("authlib_robot.py"));
        return command;
    }
    foreign("npm/node_modules/openid-client");
    let mut command = Command::new("node");
    command.arg(scripts.join("robots.mjs"));
    command
}

/// Starts the robot, adds it as a client, and gives what it got and its identifier.
fn run(gateway: &Gateway, library: &str, key: bool) -> (Value, String) {
    let options = json!({"library": library, "key": key});
    let mut command = program(library);
    command.args([gateway.public_url(), gateway.mcp_url(), &options.to_string()]);
    let mut robot = Running::start(&mut command);
    let jwks = said(&mut robot)["jwks"].to_string();
    let file = gateway.data_dir().join("robot.json");
    std::fs::write(&file, jwks).unwrap();
    let proof: &[&str] = if key { &["private-key-jwt", "--jwks-file", file.to_str().unwrap()] } else { &["basic"] };
    let grant = ["--grant", "client-credentials", "--scope", "mcp:read mcp:write", "--json"];
    let (status, output, errors) = gateway.run(&[&["client", "add", library, "--auth"], proof, &grant].concat());
    assert_eq!(status, Some(0), "{errors}");
    let client: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(client["client_secret"].is_string(), !key, "{client}");
    robot.write_line(&client.to_string());
    let done = said(&mut robot)["done"].clone();
    assert!(robot.wait(PATIENCE).success());
    (done, client["client_id"].as_str().unwrap().to_owned())
}

#[test]
fn three_libraries_get_tokens_for_programs_by_a_secret_and_by_a_key() {
    // proves: EXT-CC-001, EXT-CC-004, EXT-CC-005, OA21-13, OA21-17, R7523-02
    let gateway = spied(&[], &[]);
    for library in ["openid-client", "oauth4webapi", "authlib"] {
        for key in [false, true] {
            let (done, id) = run(&gateway, library, key);
            let expected = json!({
                "token": {"type": "bearer", "scope": "mcp:read", "expires_in": 600, "refresh": false},
                "call": 200,
                "stolen": "invalid_client",
                "more": "invalid_scope",
                "elsewhere": "invalid_target",
            });
            assert_eq!(done, expected, "{library}, key: {key}");
            // What the operator takes back is gone.
            let (status, _, errors) = gateway.run(&["client", "revoke", &id]);
            assert_eq!(status, Some(0), "{errors}");
        }
    }
}

//! What somebody without a token meets.

use doorward_testkit::process::http;
use serde_json::{Value, json};

use crate::world::{World, challenge_parameter, post};

async fn get_json(url: &str) -> Value {
    let response = http().get(url).send().await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_challenge_leads_to_everything_a_client_needs() {
    // proves: MCP-AUTH-007, MCP-AUTH-008, MCP-AUTH-009, MCP-AUTH-010, MCP-AUTH-021, MCP-AUTH-029, MCP-AUTH-088
    let world = World::new(&[]);
    let url = world.gateway.mcp_url();
    let refused = post(url, None, "tools/list", json!({})).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.challenge.expect("a challenge");
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    assert!(challenge_parameter(&challenge, "scope").is_some(), "{challenge}");

    let metadata_url = challenge_parameter(&challenge, "resource_metadata").expect("resource_metadata");
    let resource = get_json(&metadata_url).await;
    assert_eq!(resource["resource"], url);
    let inserted = format!("{}/.well-known/oauth-protected-resource/mcp", world.gateway.public_url());
    assert_eq!(get_json(&inserted).await, resource);

    let issuer = resource["authorization_servers"][0].as_str().expect("an authorization server");
    assert_eq!(issuer, world.gateway.public_url());
    let server = get_json(&format!("{issuer}/.well-known/oauth-authorization-server")).await;
    assert_eq!(server["issuer"], issuer);
    for document in [&server, &get_json(&format!("{issuer}/.well-known/openid-configuration")).await] {
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    }
    for endpoint in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
        assert!(server[endpoint].as_str().is_some_and(|url| url.starts_with(issuer)), "{endpoint} in {server}");
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_opens_nothing() {
    // proves: MCP-AUTH-128, MCP-AUTH-133, MCP-AUTH-138, MCP-AUTH-002
    let world = World::new(&[]);
    let url = world.gateway.mcp_url();
    for token in ["x", "eyJhbGciOiJub25lIn0.e30.", "a.b.c"] {
        let refused = post(url, Some(token), "tools/list", json!({})).await;
        assert_eq!(refused.status, 401, "{token}");
        let challenge = refused.challenge.expect("a challenge");
        assert_eq!(challenge_parameter(&challenge, "error").as_deref(), Some("invalid_token"), "{challenge}");
    }
    assert_eq!(post(&format!("{url}?access_token=x"), None, "tools/list", json!({})).await.status, 401);
}

#[tokio::test]
async fn a_foreign_origin_or_host_is_refused() {
    // proves: MCPP-01, MCP-HTTP-001, MCP-HTTP-002
    let world = World::new(&[]);
    let url = world.gateway.mcp_url();
    let with = |name: &'static str, value: &'static str| {
        http().post(url).header(name, value).header("content-type", "application/json").body("{}").send()
    };
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "chrome-extension://abc"] {
        assert_eq!(with("origin", origin).await.unwrap().status(), 403, "{origin}");
    }
    for host in ["attacker.example", "127.0.0.1.nip.io", "attacker.example:8420"] {
        let status = with("host", host).await.unwrap().status().as_u16();
        assert!([403, 421].contains(&status), "{host}: {status}");
    }
    assert_eq!(with("accept", "application/json").await.unwrap().status(), 401, "no Origin is no fault");
}

#[tokio::test]
async fn it_says_that_it_is_well_and_stops_when_asked() {
    let mut world = World::new(&[]);
    let health = http().get(format!("{}/healthz", world.gateway.public_url())).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(world.gateway.stop().code(), Some(0));
}

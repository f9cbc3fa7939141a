//! The straight way through: both eras of callers, both eras of servers.

mod support;

use serde_json::json;
use support::*;

#[tokio::test]
async fn callers_of_both_eras_reach_servers_of_both_eras() {
    // proves: MCP-PX-10
    for era in ["legacy", "modern"] {
        let world = World::new(&[era]);
        let caller = world.caller("ann");
        let (status, answer) = caller.post(&modern("x", "server/discover", json!({}))).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["id"], "x");
        let (status, answer) = caller.post(&modern(1, "tools/list", json!({}))).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(caller.tool("echo", json!({ "a": 1 })).await, r#"{"a": 1}"#);
        let mut caller = world.caller("ann");
        let answer = caller.initialize("2025-11-25").await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
        assert_eq!(caller.tool("echo", json!({ "b": 2 })).await, r#"{"b": 2}"#);
        world.gateway.shutdown().await;
    }
}

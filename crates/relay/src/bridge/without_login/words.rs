//! What a host is told in the server's place while a login is missing.

use doorward_client::Failed;
use doorward_types::Revision;
use serde_json::{Value, json};

use crate::{
    envelope::{Members, Reply, raw},
    era::{Era, Identity, META_CAPABILITIES, META_SERVER, client_info},
    translate::{self, Translation},
};

/// The one tool that there is until somebody has logged in.
pub(super) const OWN_TOOL: &str = "doorward_login";

/// What happened, why, and what to type, in a paragraph for a model to hand on.
pub(super) fn paragraph(failed: &Failed) -> String {
    format!(
        "{} [{}]: {}. Tell the person what to do: {}. Then call this again; nothing has to be restarted.",
        failed.what(),
        failed.code().as_str(),
        failed.why(),
        failed.hint()
    )
}

/// A result of `tools/call`.
pub(super) fn tool_result(text: &str, is_error: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}

/// What stands in for the server in the answer to `initialize` and `server/discover`. What it can do is not known yet,
/// and a host asks for nothing that was not declared at the beginning.
pub(super) fn identity(failed: &Failed) -> Identity {
    let changes = json!({ "listChanged": true });
    let said = json!({
        "capabilities": { "tools": changes, "prompts": changes, "resources": changes },
        "instructions": paragraph(failed),
        "_meta": { META_SERVER: client_info() },
    });
    Identity { era: Era::Modern, said: Members::parse(&said.to_string()).unwrap_or_default() }
}

/// The revision in which a session is begun for a host that asks for this one.
pub(super) fn revision(stand_in: &Identity, initialize: &Members) -> Revision {
    stand_in.revision_for(initialize.text("protocolVersion").as_deref())
}

/// The answer to a request for a list; `None` when it is not one.
pub(super) fn list(method: &str, failed: &Failed) -> Option<Value> {
    let tool = || {
        json!({
            "name": OWN_TOOL,
            "title": "Log in",
            "description": paragraph(failed),
            "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false },
            "annotations": { "readOnlyHint": true, "idempotentHint": true, "openWorldHint": true },
        })
    };
    match method {
        "tools/list" => Some(json!({ "tools": [tool()] })),
        _ => empty_list(method),
    }
}

/// A list of what not every server has; `None` when it is not one.
pub(super) fn empty_list(method: &str) -> Option<Value> {
    match method {
        "prompts/list" => Some(json!({ "prompts": [] })),
        "resources/list" => Some(json!({ "resources": [] })),
        "resources/templates/list" => Some(json!({ "resourceTemplates": [] })),
        _ => None,
    }
}

/// A result in the words of the host's era.
pub(super) fn reply(era: Era, result: &Value, cacheable: bool) -> Reply {
    let reply = Reply::Result(raw(result));
    match era {
        Era::Legacy => reply,
        Era::Modern => translate::reply(reply, Translation::ToModern { cacheable }),
    }
}

/// Whether a host with these capabilities can send a person to a page.
///
/// Source: MCP 2025-11-25 elicitation, "Capabilities"; MCP 2026-07-28 elicitation, "Capabilities".
pub(super) fn shows_pages(capabilities: &Members) -> bool {
    capabilities.object("elicitation").and_then(|own| own.object("url")).is_some()
}

/// What a host of the newer era can do, as this request says.
pub(super) fn capabilities(params: &Members) -> Members {
    params.object("_meta").and_then(|meta| meta.object(META_CAPABILITIES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use doorward_client::Code;

    use super::*;

    fn failed() -> Failed {
        Failed::new(Code::LoginNeeded, "X needs a login first", "nobody is here", "type: doorward login X")
    }

    #[test]
    fn a_host_hears_what_to_do_wherever_it_looks() {
        let identity = identity(&failed());
        let params = |text: &str| Members::parse(text).unwrap();
        for (asked, agreed) in [("2025-06-18", "2025-06-18"), ("2026-07-28", "2025-11-25"), ("x", "2025-11-25")] {
            let wanted = params(&json!({ "protocolVersion": asked }).to_string());
            assert_eq!(revision(&identity, &wanted).as_str(), agreed);
        }
        let initialized: Value = serde_json::from_str(identity.initialize_result(Revision::V2025_11_25).get()).unwrap();
        assert_eq!(initialized["serverInfo"]["name"], "doorward");
        assert_eq!(initialized["capabilities"]["prompts"]["listChanged"], true);
        assert!(initialized["instructions"].as_str().unwrap().contains("type: doorward login X"));
        let tools = list("tools/list", &failed()).unwrap();
        assert!(tools["tools"][0]["description"].as_str().unwrap().contains("type: doorward login X"));
        assert!(list("resources/list", &failed()).is_some() && list("tools/call", &failed()).is_none());
    }

    #[test]
    fn only_a_host_that_says_so_is_sent_to_a_page() {
        for (capabilities, shows) in [
            (r#"{"elicitation":{"url":{}}}"#, true),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, true),
            (r#"{"elicitation":{"form":{}}}"#, false),
            (r#"{"elicitation":{}}"#, false),
            (r#"{"elicitation":{"url":true}}"#, false),
            ("{}", false),
        ] {
            assert_eq!(shows_pages(&Members::parse(capabilities).unwrap()), shows, "{capabilities}");
        }
    }
}

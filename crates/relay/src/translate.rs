use serde_json::{json, value::RawValue};

use crate::{
    envelope::{INTERNAL_ERROR, INVALID_PARAMS, Members, Reply, RpcError, raw},
    era::{self, Era, META_CAPABILITIES, META_CLIENT, META_LOG_LEVEL, META_VERSION},
};

/// How a server's reply is written for a caller of the other era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Translation {
    /// Not at all: both are legacy.
    None,
    /// Both are modern; only what is said about caching is looked at.
    Private,
    /// A legacy server's reply for a modern caller.
    ToModern {
        /// Whether results of this method say how long they may be kept.
        cacheable: bool,
    },
    /// A modern server's reply for a legacy caller.
    ToLegacy,
}

/// What a legacy caller said once and a modern server wants to hear with each request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    /// `clientInfo` of `initialize`.
    pub(crate) client_info: Option<Box<RawValue>>,
    /// `capabilities` of `initialize`, where the server may hear of them.
    pub(crate) capabilities: Option<Box<RawValue>>,
    /// The level of `logging/setLevel`.
    pub(crate) log_level: Option<String>,
}

/// Writes a request's `_meta` for the server's era.
///
/// Source: MCP 2026-07-28 basic, "Per-request metadata".
pub(crate) fn metadata(caller: Era, server: Era, session: &Remembered, meta: &mut Members) {
    match (caller, server) {
        (Era::Modern, Era::Legacy) => {
            [META_VERSION, META_CAPABILITIES, META_CLIENT, META_LOG_LEVEL].iter().for_each(|name| meta.remove(name));
        }
        (Era::Legacy, Era::Modern) => {
            for name in [META_VERSION, META_CAPABILITIES, META_CLIENT] {
                let value = era::own_meta().get(name).expect("our own metadata is complete").to_owned();
                meta.set(name, value);
            }
            if let Some(info) = &session.client_info {
                meta.set(META_CLIENT, info.clone());
            }
            if let Some(capabilities) = &session.capabilities {
                meta.set(META_CAPABILITIES, capabilities.clone());
            }
            if let Some(level) = &session.log_level {
                meta.set(META_LOG_LEVEL, raw(level));
            }
        }
        _ => {}
    }
}

/// A server's reply as a caller of the other era expects it.
pub(crate) fn reply(reply: Reply, translation: Translation) -> Reply {
    match (translation, reply) {
        (Translation::None, reply) => reply,
        (Translation::Private, Reply::Result(result)) => Reply::Result(to_private(result)),
        (Translation::Private, reply) => reply,
        (Translation::ToModern { cacheable }, Reply::Result(result)) => Reply::Result(to_modern(result, cacheable)),
        (Translation::ToModern { .. }, Reply::Error(error)) => Reply::Error(error_to_modern(error)),
        (Translation::ToLegacy, Reply::Result(result)) if asks_for_input(&result) => {
            let why = "the server asks for more input before it can go on, which is not possible over this connection: \
                       connect with a client of MCP 2026-07-28";
            Reply::Error(RpcError::new(INTERNAL_ERROR, why).to_raw())
        }
        (Translation::ToLegacy, Reply::Result(result)) => Reply::Result(to_legacy(result)),
        (Translation::ToLegacy, reply) => reply,
    }
}

/// Source: MCP 2026-07-28 basic, "Results"; caching.
fn to_modern(result: Box<RawValue>, cacheable: bool) -> Box<RawValue> {
    let Some(mut members) = Members::parse(result.get()) else { return result };
    let mut add = |name: &str, value: Box<RawValue>| {
        if members.get(name).is_none() {
            members.set(name, value);
        }
    };
    add("resultType", raw(&"complete"));
    if cacheable {
        add("ttlMs", raw(&0));
        add("cacheScope", raw(&"private"));
    }
    members.to_raw()
}

/// Each subject has a server of its own, so what it says may be kept for nobody else, whatever it says itself.
///
/// Source: MCP 2026-07-28 caching, "Security".
fn to_private(result: Box<RawValue>) -> Box<RawValue> {
    if !result.get().contains("cacheScope") {
        return result;
    }
    let Some(mut members) = Members::parse(result.get()) else { return result };
    if members.get("cacheScope").is_none() {
        return result;
    }
    members.set("cacheScope", raw(&"private"));
    members.to_raw()
}

/// Modern codes mean one thing each, so a legacy server's own codes in their range do not pass.
///
/// Source: MCP 2026-07-28 basic, "Error Codes".
fn error_to_modern(error: Box<RawValue>) -> Box<RawValue> {
    let Some(mut members) = Members::parse(error.get()) else { return error };
    let Some(code) = members.get("code").and_then(|code| code.get().parse::<i64>().ok()) else { return error };
    match code {
        -32002 => members.set("code", raw(&INVALID_PARAMS)),
        -32099..=-32020 => members.set("code", raw(&INTERNAL_ERROR)),
        _ => return error,
    }
    if members.get("data").is_none() {
        members.set("data", raw(&json!({ "originalCode": code })));
    }
    members.to_raw()
}

/// Takes out of a result what only the newer era has: older readers are strict about some of it.
///
/// Source: MCP 2025-11-25 schema, `CallToolResult`, `Tool`.
fn to_legacy(result: Box<RawValue>) -> Box<RawValue> {
    const NEWER: [&str; 5] = ["resultType", "ttlMs", "cacheScope", "structuredContent", "outputSchema"];
    if !NEWER.iter().any(|name| result.get().contains(name)) {
        return result;
    }
    let Some(mut members) = Members::parse(result.get()) else { return result };
    ["resultType", "ttlMs", "cacheScope"].iter().for_each(|name| members.remove(name));
    // In the older era both are objects, always.
    if members.get("structuredContent").is_some() && members.object("structuredContent").is_none() {
        members.remove("structuredContent");
    }
    let tools = members.get("tools").and_then(|tools| serde_json::from_str::<Vec<Members>>(tools.get()).ok());
    if let Some(mut tools) = tools {
        for tool in &mut tools {
            let of_object = |schema: Members| schema.text("type").as_deref() == Some("object");
            if tool.get("outputSchema").is_some() && !tool.object("outputSchema").is_some_and(of_object) {
                tool.remove("outputSchema");
            }
        }
        let tools: Vec<Box<RawValue>> = tools.iter().map(Members::to_raw).collect();
        members.set("tools", raw(&tools));
    }
    members.to_raw()
}

fn asks_for_input(result: &RawValue) -> bool {
    result.get().contains("input_required")
        && Members::parse(result.get()).and_then(|members| members.text("resultType")).as_deref()
            == Some("input_required")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn translated(value: Value, translation: Translation, error: bool) -> (bool, Value) {
        let given = if error { Reply::Error(raw(&value)) } else { Reply::Result(raw(&value)) };
        match reply(given, translation) {
            Reply::Result(result) => (false, serde_json::from_str(result.get()).unwrap()),
            Reply::Error(error) => (true, serde_json::from_str(error.get()).unwrap()),
        }
    }

    #[test]
    fn a_legacy_servers_reply_is_completed_for_a_modern_caller() {
        // proves: MCPP-12, MCP-ADJ-004
        let list = Translation::ToModern { cacheable: true };
        let call = Translation::ToModern { cacheable: false };
        assert_eq!(
            translated(json!({ "tools": [] }), list, false).1,
            json!({ "tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private" })
        );
        assert_eq!(translated(json!({ "x": 1 }), call, false).1, json!({ "x": 1, "resultType": "complete" }));
        assert_eq!(translated(json!({ "resultType": "complete", "ttlMs": 5 }), list, false).1["ttlMs"], 5);
        let public = json!({ "tools": [], "ttlMs": 5, "cacheScope": "public" });
        assert_eq!(translated(public, Translation::Private, false).1["cacheScope"], "private");
        let inner = json!({ "contents": [{ "cacheScope": "public" }] });
        assert_eq!(translated(inner.clone(), Translation::Private, false).1, inner);
    }

    #[test]
    fn a_modern_servers_reply_holds_nothing_that_an_older_caller_trips_over() {
        // proves: MCP-PX-10
        let object = json!({ "type": "object", "properties": { "a": { "x-mcp-header": "A" } } });
        for (given, wanted) in [
            (json!({ "content": [], "resultType": "complete" }), json!({ "content": [] })),
            (
                json!({ "tools": [{ "name": "a", "inputSchema": object, "outputSchema": object }], "ttlMs": 5,
                        "cacheScope": "public", "nextCursor": "2", "_meta": { "x": 1 } }),
                json!({ "tools": [{ "name": "a", "inputSchema": object, "outputSchema": object }],
                        "nextCursor": "2", "_meta": { "x": 1 } }),
            ),
            (
                json!({ "tools": [{ "name": "a", "outputSchema": { "type": "array" } }, { "name": "b", "outputSchema": true }] }),
                json!({ "tools": [{ "name": "a" }, { "name": "b" }] }),
            ),
            (json!({ "structuredContent": [1], "content": [] }), json!({ "content": [] })),
            (json!({ "structuredContent": { "ttlMs": 1.50 } }), json!({ "structuredContent": { "ttlMs": 1.50 } })),
            (json!({ "x": 1 }), json!({ "x": 1 })),
            (json!(["ttlMs"]), json!(["ttlMs"])),
        ] {
            assert_eq!(translated(given, Translation::ToLegacy, false), (false, wanted));
        }
    }

    #[test]
    fn codes_keep_their_one_meaning() {
        // proves: MCP-PX-15
        let call = Translation::ToModern { cacheable: false };
        let code = |code: i64, translation| translated(json!({ "code": code, "message": "m" }), translation, true).1;
        assert_eq!(code(-32002, call)["code"], INVALID_PARAMS);
        assert_eq!(
            code(-32042, call),
            json!({ "code": INTERNAL_ERROR, "message": "m", "data": { "originalCode": -32042 } })
        );
        assert_eq!(code(-32020, call)["code"], INTERNAL_ERROR);
        assert_eq!(code(-32601, call)["code"], -32601);
        assert_eq!(code(-32042, Translation::None)["code"], -32042);
        assert_eq!(code(7, call)["code"], 7);
    }

    #[test]
    fn a_question_that_a_legacy_caller_cannot_answer_is_an_error() {
        // proves: MCP-PX-10
        let asks = json!({ "resultType": "input_required", "requestState": "s" });
        let (is_error, error) = translated(asks.clone(), Translation::ToLegacy, false);
        assert!(is_error && error["message"].as_str().unwrap().contains("more input"));
        assert_eq!(translated(asks.clone(), Translation::None, false), (false, asks));
        let says = json!({ "text": "input_required" });
        assert_eq!(translated(says.clone(), Translation::ToLegacy, false), (false, says));
    }
}

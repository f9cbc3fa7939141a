use serde_json::{json, value::RawValue};

use crate::{
    envelope::{INTERNAL_ERROR, INVALID_PARAMS, Members, Reply, RpcError, raw},
    plan::Translation,
};

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

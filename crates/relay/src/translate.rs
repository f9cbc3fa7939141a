use serde_json::{json, value::RawValue};

use crate::{
    envelope::{INTERNAL_ERROR, INVALID_PARAMS, Members, Reply, RpcError, raw},
    plan::Translation,
};

/// A server's reply as a caller of the other era expects it.
pub(crate) fn reply(reply: Reply, translation: Translation) -> Reply {
    match (translation, reply) {
        (Translation::None, reply) => reply,
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

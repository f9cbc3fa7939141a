//! Which tools may be offered to a host: those whose wishes about headers can be met.
//!
//! Source: MCP 2026-07-28 server/tools, "x-mcp-header".

use std::collections::HashSet;

use serde_json::{Value, value::RawValue};

use crate::envelope::{Members, raw};

const WISH: &str = "x-mcp-header";

/// Keywords whose value is a schema, an array of schemas, or an object of them. Data and references are not among them.
const ONE: [&str; 13] = [
    "items",
    "additionalItems",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
];
const SOME: [&str; 5] = ["prefixItems", "items", "anyOf", "oneOf", "allOf"];
const NAMED: [&str; 5] = ["$defs", "definitions", "patternProperties", "dependentSchemas", "dependencies"];

/// A result of `tools/list` without the tools whose schemas break the rules; `None` when there is none such.
pub(super) fn without_invalid(result: &RawValue) -> Option<Box<RawValue>> {
    if !result.get().contains(WISH) {
        return None;
    }
    let mut members = Members::parse(result.get())?;
    let tools: Vec<&RawValue> = serde_json::from_str(members.get("tools")?.get()).ok()?;
    let all = tools.len();
    let kept: Vec<&RawValue> = tools.into_iter().filter(|tool| is_valid(tool)).collect();
    if kept.len() == all {
        return None;
    }
    let kept = raw(&kept);
    members.set("tools", kept);
    Some(members.to_raw())
}

fn is_valid(tool: &RawValue) -> bool {
    let Ok(tool) = serde_json::from_str::<Value>(tool.get()) else { return true };
    match broken_rule(&tool["inputSchema"]) {
        None => true,
        Some(why) => {
            let name = tool["name"].as_str().unwrap_or_default();
            let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
            tracing::warn!("the tool {name:?} is not offered: its {WISH} {why}");
            false
        }
    }
}

/// Which rule the wishes of a schema break, if any.
pub(super) fn broken_rule(schema: &Value) -> Option<&'static str> {
    broken(schema, Place::Root, &mut HashSet::new())
}

/// Where in a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// Only `properties` lead here.
    Property,
    /// Something else leads here as well.
    Elsewhere,
}

fn broken(schema: &Value, place: Place, names: &mut HashSet<String>) -> Option<&'static str> {
    let schema = schema.as_object()?;
    if let Some(wish) = schema.get(WISH) {
        if place != Place::Property {
            return Some("stands where no argument always is");
        }
        let Some(name) = wish.as_str() else { return Some("is no text") };
        if name.is_empty() || !name.bytes().all(is_token) {
            return Some("is no name of a header");
        }
        if !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Some("belongs to an argument that is neither string nor integer nor boolean");
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return Some("names a header twice");
        }
    }
    let below = if place == Place::Elsewhere { Place::Elsewhere } else { Place::Property };
    if let Some(why) = values(schema.get("properties")).find_map(|property| broken(property, below, names)) {
        return Some(why);
    }
    let one = ONE.iter().filter_map(|keyword| schema.get(*keyword));
    let some = SOME.iter().filter_map(|keyword| schema.get(*keyword)?.as_array()).flatten();
    let named = NAMED.iter().flat_map(|keyword| values(schema.get(*keyword)));
    one.chain(some).chain(named).find_map(|schema| broken(schema, Place::Elsewhere, names))
}

fn values(object: Option<&Value>) -> impl Iterator<Item = &Value> {
    object.and_then(Value::as_object).into_iter().flat_map(|all| all.values())
}

/// Source: RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn argument(property: Value) -> Value {
        json!({ "type": "object", "properties": { "a": property } })
    }

    fn wish(name: &str) -> Value {
        json!({ "type": "string", WISH: name })
    }

    #[test]
    fn wishes_that_can_be_met_are_told_from_those_that_cannot() {
        // proves: MCP-HTTP-012
        for valid in [
            json!({}),
            json!(true),
            argument(wish("Region")),
            argument(wish("!#$%&'*+-.^_`|~9")),
            argument(json!({ "type": "integer", WISH: "X" })),
            argument(json!({ "type": "boolean", WISH: "X" })),
            argument(argument(wish("Deep"))),
            argument(json!({ "type": "number" })),
            argument(json!({ "default": { WISH: "" }, "enum": [{ WISH: "" }] })),
            json!({ "properties": { WISH: { "type": "string" }, "b": wish("B") } }),
        ] {
            assert_eq!(broken_rule(&valid), None, "{valid}");
        }
        let two = |one: &str, other: &str| json!({ "properties": { "a": wish(one), "b": argument(wish(other)) } });
        for invalid in [
            argument(wish("")),
            argument(wish("My Region")),
            argument(wish("Region:Primary")),
            argument(wish("Région")),
            argument(wish("Region\t1")),
            argument(wish("a\r\nb")),
            argument(json!({ "type": "string", WISH: 7 })),
            argument(json!({ "type": "string", WISH: null })),
            argument(json!({ "type": "number", WISH: "X" })),
            argument(json!({ "type": "object", WISH: "X" })),
            argument(json!({ "type": "array", WISH: "X" })),
            argument(json!({ "type": "null", WISH: "X" })),
            argument(json!({ "type": ["string", "integer"], WISH: "X" })),
            argument(json!({ WISH: "X" })),
            two("Region", "Region"),
            two("MyField", "myfield"),
            json!({ "type": "string", WISH: "Root" }),
            argument(json!({ "type": "array", "items": wish("X") })),
            argument(json!({ "type": "array", "items": [wish("X")] })),
            json!({ "anyOf": [argument(wish("X"))] }),
            json!({ "$defs": { "x": argument(wish("X")) } }),
            json!({ "if": { "not": argument(wish("X")) } }),
            json!({ "additionalProperties": wish("X") }),
            json!({ "patternProperties": { "^a": wish("X") } }),
        ] {
            assert!(broken_rule(&invalid).is_some(), "{invalid}");
        }
    }

    #[test]
    fn a_wish_is_found_wherever_a_schema_has_another_in_it() {
        // proves: MCP-HTTP-012
        let one = "items additionalItems contains additionalProperties propertyNames unevaluatedItems unevaluatedProperties \
                   contentSchema not if then else dependencies";
        let some = "prefixItems items anyOf oneOf allOf";
        let named = "$defs definitions patternProperties dependentSchemas dependencies";
        let hidden = argument(wish("X"));
        let places = (one.split_whitespace().map(|keyword| json!({ keyword: hidden })))
            .chain(some.split_whitespace().map(|keyword| json!({ keyword: [{}, hidden] })))
            .chain(named.split_whitespace().map(|keyword| json!({ keyword: { "a": {}, "b": hidden } })));
        for place in places {
            assert!(broken_rule(&place).is_some(), "{place}");
            assert!(broken_rule(&argument(place.clone())).is_some(), "below an argument: {place}");
        }
    }

    #[test]
    fn one_bad_tool_takes_no_other_with_it() {
        let tool = |name: &str, schema: Value| json!({ "name": name, "inputSchema": schema, "x": [1.50] });
        let (good, bad) = (tool("good", argument(wish("A"))), tool("bad", argument(wish(""))));
        let list = |tools: Value| raw(&json!({ "ttlMs": 5, "tools": tools, "nextCursor": "c" }));
        let kept = without_invalid(&list(json!([bad, good]))).unwrap();
        let kept: Value = serde_json::from_str(kept.get()).unwrap();
        assert_eq!(kept, json!({ "ttlMs": 5, "tools": [good], "nextCursor": "c" }));
        assert!(without_invalid(&list(json!([good]))).is_none());
        assert!(without_invalid(&list(json!("no list"))).is_none());
        assert!(without_invalid(&raw(&json!({ "tools": [{ "name": "plain" }] }))).is_none());
    }
}

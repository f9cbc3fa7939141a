use doorward_types::Permission;
use serde_json::Value;

use crate::era::Era;

/// What a method needs before it is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// This permission, whatever the parameters.
    Permission(Permission),
    /// What the tool that the parameters name needs.
    Tool,
    /// The method is not served. What is not listed is not let through.
    NotServed,
}

/// What a call of `method` needs.
pub(crate) fn of_request(method: &str, era: Era) -> Needs {
    match (method, era) {
        ("tools/call", _) => Needs::Tool,
        (
            "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
            | "completion/complete",
            _,
        )
        | ("server/discover" | "subscriptions/listen", Era::Modern)
        | ("initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe", Era::Legacy) => {
            Needs::Permission(Permission::Read)
        }
        _ => Needs::NotServed,
    }
}

/// What a tool needs, by the hints it gives about itself. A tool that says nothing is taken for the worst.
///
/// Source: MCP 2025-11-25 and 2026-07-28 schema, `ToolAnnotations` (defaults of `readOnlyHint` and `destructiveHint`).
pub(crate) fn of_tool(annotations: Option<&Value>) -> Permission {
    let hint = |name: &str| annotations.and_then(|own| own.get(name)).and_then(Value::as_bool);
    match (hint("readOnlyHint"), hint("destructiveHint")) {
        (Some(true), _) => Permission::Read,
        (_, Some(false)) => Permission::Write,
        _ => Permission::Danger,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_needs_what_its_hints_say_and_else_the_most() {
        // proves: STEP-02
        for (annotations, needed) in [
            (None, Permission::Danger),
            (Some(json!({})), Permission::Danger),
            (Some(json!({ "readOnlyHint": true })), Permission::Read),
            (Some(json!({ "readOnlyHint": "true" })), Permission::Danger),
            (Some(json!({ "readOnlyHint": false })), Permission::Danger),
            (Some(json!({ "readOnlyHint": false, "destructiveHint": false })), Permission::Write),
            (Some(json!({ "destructiveHint": false })), Permission::Write),
            (Some(json!({ "destructiveHint": true, "readOnlyHint": false })), Permission::Danger),
            (Some(json!([])), Permission::Danger),
        ] {
            assert_eq!(of_tool(annotations.as_ref()), needed, "{annotations:?}");
        }
    }

    #[test]
    fn a_method_that_is_not_listed_is_not_served() {
        // proves: MCPP-13
        for method in ["x/y", "Tools/call", "tools/call ", "tasks/get", "sampling/createMessage", "roots/list", ""] {
            for era in [Era::Modern, Era::Legacy] {
                assert_eq!(of_request(method, era), Needs::NotServed, "{method}");
            }
        }
        for gone in ["initialize", "ping", "logging/setLevel", "resources/subscribe"] {
            assert_eq!(of_request(gone, Era::Modern), Needs::NotServed, "{gone}");
        }
        for new in ["server/discover", "subscriptions/listen"] {
            assert_eq!(of_request(new, Era::Legacy), Needs::NotServed, "{new}");
        }
        assert_eq!(of_request("tools/call", Era::Modern), Needs::Tool);
        assert_eq!(of_request("resources/read", Era::Legacy), Needs::Permission(Permission::Read));
    }
}

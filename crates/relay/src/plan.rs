use doorward_resource_server::{Authorized, AuthorizedRequest};
use serde_json::value::RawValue;

use crate::{
    envelope::{INVALID_PARAMS, Id, METHOD_NOT_FOUND, Members, Reply, Request, RpcError, raw},
    era::{Era, Identity},
    listen::Filter,
    translate::{self, Remembered, Translation},
};

/// Where a request comes from and where it goes.
pub(crate) struct Route<'a> {
    /// How the caller speaks.
    pub(crate) caller: Era,
    /// What the server said of itself.
    pub(crate) server: &'a Identity,
    /// What a session remembers for its caller.
    pub(crate) session: Remembered,
}

/// A call that may go to the server. For a caller's request only [`plan`] makes one, and it takes an
/// [`AuthorizedRequest`] to do so.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The method.
    pub(crate) method: String,
    /// The parameters, without a progress token.
    pub(crate) params: Members,
    /// The caller's progress token.
    pub(crate) progress: Option<Box<RawValue>>,
}

impl Outgoing {
    /// A call of the gateway's own.
    pub(crate) fn own(method: &str, params: Members) -> Self {
        Self { method: method.to_owned(), params, progress: None }
    }
}

/// What is done about a request.
#[derive(Debug)]
pub(crate) enum Plan {
    /// It goes to the server; the answer is written for the caller's era.
    Forward(Outgoing, Translation),
    /// The gateway answers by itself.
    Answer(Reply),
    /// A modern caller listens to changes of a legacy server.
    Listen(Filter),
    /// A legacy caller wants to hear (or no longer) when a resource changes.
    Watch {
        /// The resource.
        uri: String,
        /// Whether it starts or ends.
        on: bool,
    },
    /// A legacy caller chose what is logged.
    SetLevel(String),
}

/// Decides what is done about an authorized request.
pub(crate) fn plan(route: &Route<'_>, request: AuthorizedRequest<Request>) -> (Authorized, Id, Plan) {
    let (authorized, _, Request { id, method, params }) = request.into_parts();
    let plan = decide(route, method, params).unwrap_or_else(|error| Plan::Answer(Reply::Error(error.to_raw())));
    (authorized, id, plan)
}

fn decide(route: &Route<'_>, method: String, mut params: Members) -> Result<Plan, RpcError> {
    if let Some(member) = name_member(&method)
        && params.text(member).is_none()
    {
        return Err(RpcError::new(INVALID_PARAMS, format!("{method} needs params.{member}, a string")));
    }
    let translation = match (route.caller, route.server.era) {
        (Era::Legacy, Era::Legacy) => Translation::None,
        (Era::Modern, Era::Modern) => Translation::Private,
        (Era::Modern, Era::Legacy) => Translation::ToModern { cacheable: is_cacheable(&method) },
        (Era::Legacy, Era::Modern) => Translation::ToLegacy,
    };
    match (method.as_str(), route.caller, route.server.era) {
        ("server/discover", Era::Modern, Era::Legacy) => {
            return Ok(Plan::Answer(Reply::Result(route.server.discover_result())));
        }
        ("subscriptions/listen", Era::Modern, Era::Legacy) => {
            let filter = params.get("notifications").and_then(|raw| Filter::parse(raw.get()));
            return filter
                .map(Plan::Listen)
                .ok_or_else(|| RpcError::new(INVALID_PARAMS, "subscriptions/listen needs params.notifications"));
        }
        ("ping", ..) => return Ok(Plan::Answer(Reply::Result(raw(&Members::default().to_raw())))),
        ("resources/subscribe" | "resources/unsubscribe", ..) => {
            if !route.server.has("resources", "subscribe") {
                return Err(RpcError::new(METHOD_NOT_FOUND, "this server does not tell when resources change"));
            }
            let uri = params.text("uri").ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.uri is missing"))?;
            return Ok(Plan::Watch { uri, on: method == "resources/subscribe" });
        }
        ("logging/setLevel", ..) => {
            let level = params.text("level").filter(|level| LEVELS.contains(&level.as_str()));
            return level
                .map(Plan::SetLevel)
                .ok_or_else(|| RpcError::new(INVALID_PARAMS, format!("params.level is one of {}", LEVELS.join(", "))));
        }
        _ => {}
    }
    let mut meta = params.object("_meta").unwrap_or_default();
    let progress = meta.get("progressToken").map(ToOwned::to_owned);
    meta.remove("progressToken");
    translate::metadata(route.caller, route.server.era, &route.session, &mut meta);
    match meta.is_empty() {
        true => params.remove("_meta"),
        false => params.set("_meta", meta.to_raw()),
    }
    Ok(Plan::Forward(Outgoing { method, params, progress }, translation))
}

/// The member of the parameters that says what a method acts on.
pub(crate) fn name_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    }
}

/// Whether results of a method say how long they may be kept.
pub(crate) fn is_cacheable(method: &str) -> bool {
    method.ends_with("/list") || method == "resources/read"
}

/// The levels of `logging/setLevel`, the most talkative first.
///
/// Source: MCP 2025-11-25 logging, "Log Levels".
pub(crate) const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        envelope::INVALID_PARAMS,
        era::{META_CAPABILITIES, META_CLIENT, META_LOG_LEVEL, META_VERSION},
    };

    fn server(era: Era) -> Identity {
        let capabilities = json!({ "tools": {}, "resources": { "subscribe": true } });
        let said = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities });
        Identity { era, said: Members::parse(&said.to_string()).unwrap() }
    }

    fn decided(caller: Era, upstream: Era, method: &str, params: Value) -> Result<Plan, RpcError> {
        let session = Remembered {
            client_info: Some(raw(&json!({ "name": "c" }))),
            capabilities: None,
            log_level: Some("error".into()),
        };
        let server = server(upstream);
        let route = Route { caller, server: &server, session };
        decide(&route, method.into(), Members::parse(&params.to_string()).unwrap())
    }

    fn forwarded(caller: Era, upstream: Era, params: Value) -> (String, Option<String>, Translation) {
        match decided(caller, upstream, "tools/call", params) {
            Ok(Plan::Forward(outgoing, translation)) => {
                let progress = outgoing.progress.map(|token| token.get().to_owned());
                (outgoing.params.to_string(), progress, translation)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn metadata_is_written_for_the_servers_era() {
        // proves: MCP-PX-10, MCP-HTTP-006
        let own = json!({ "name": "t", "extra": [1.50], "_meta": { "progressToken": "p", "traceparent": "00-x" } });
        // As a value: whether a map keeps its members' order depends on what else is built along.
        let value = |params: &str| serde_json::from_str::<Value>(params).unwrap();
        let same =
            (json!({ "name": "t", "extra": [1.50], "_meta": { "traceparent": "00-x" } }), Some(r#""p""#.to_owned()));
        let (params, progress, translation) = forwarded(Era::Legacy, Era::Legacy, own.clone());
        assert_eq!(((value(&params), progress), translation), (same.clone(), Translation::None));

        let mut modern = own.clone();
        modern["_meta"][META_VERSION] = "2026-07-28".into();
        modern["_meta"][META_CAPABILITIES] = json!({ "sampling": {} });
        modern["_meta"][META_CLIENT] = json!({ "name": "c" });
        modern["_meta"][META_LOG_LEVEL] = "info".into();
        let (params, progress, translation) = forwarded(Era::Modern, Era::Legacy, modern.clone());
        assert_eq!(((value(&params), progress), translation), (same, Translation::ToModern { cacheable: false }));

        let (params, _, translation) = forwarded(Era::Modern, Era::Modern, modern.clone());
        assert_eq!(translation, Translation::Private);
        modern["_meta"].as_object_mut().unwrap().remove("progressToken");
        assert_eq!(serde_json::from_str::<Value>(&params).unwrap(), modern);

        let (params, _, translation) = forwarded(Era::Legacy, Era::Modern, own);
        assert_eq!(translation, Translation::ToLegacy);
        assert_eq!(
            serde_json::from_str::<Value>(&params).unwrap()["_meta"],
            json!({
                "traceparent": "00-x", META_VERSION: "2026-07-28", META_CAPABILITIES: {},
                META_CLIENT: { "name": "c" }, META_LOG_LEVEL: "error",
            })
        );
    }

    #[test]
    fn what_the_server_has_no_word_for_is_answered_here() {
        // proves: MCP-PX-10
        for (caller, upstream, method, params, wanted) in [
            (Era::Modern, Era::Legacy, "server/discover", json!({}), "Answer"),
            (Era::Modern, Era::Modern, "server/discover", json!({}), "Forward"),
            (Era::Modern, Era::Legacy, "subscriptions/listen", json!({ "notifications": {} }), "Listen"),
            (Era::Modern, Era::Modern, "subscriptions/listen", json!({ "notifications": {} }), "Forward"),
            (Era::Legacy, Era::Legacy, "resources/subscribe", json!({ "uri": "a:" }), "Watch"),
            (Era::Legacy, Era::Modern, "resources/unsubscribe", json!({ "uri": "a:" }), "Watch"),
            (Era::Legacy, Era::Modern, "logging/setLevel", json!({ "level": "alert" }), "SetLevel"),
            (Era::Legacy, Era::Legacy, "tools/list", json!({}), "Forward"),
        ] {
            let plan = format!("{:?}", decided(caller, upstream, method, params).unwrap());
            assert!(plan.starts_with(wanted), "{method}: {plan}");
        }
    }

    #[test]
    fn a_request_that_names_nothing_goes_nowhere() {
        // proves: MCPP-05, MCPP-13
        for (method, params) in [
            ("tools/call", json!({})),
            ("tools/call", json!({ "name": 7 })),
            ("tools/call", json!({ "Name": "x" })),
            ("prompts/get", json!({ "name": null })),
            ("resources/read", json!({ "uri": {} })),
            ("resources/subscribe", json!({})),
            ("logging/setLevel", json!({ "level": "loud" })),
            ("subscriptions/listen", json!({ "notifications": 7 })),
        ] {
            let caller = if method == "subscriptions/listen" { Era::Modern } else { Era::Legacy };
            let refused = decided(caller, Era::Legacy, method, params).unwrap_err();
            assert_eq!(refused.code, INVALID_PARAMS, "{method}");
        }
    }
}

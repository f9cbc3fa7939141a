//! Which era the server takes messages of, found out from what it answers to the host's own, and remembered.
//!
//! Source: MCP 2026-07-28 lifecycle, "Backward Compatibility"; docs/decisions/0030-eras-are-translated-only-when-they-differ.md.

use std::sync::{Arc, Mutex};

use doorward_types::Revision;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::{
    envelope::{
        HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY, Members, Reply, UNSUPPORTED_VERSION,
    },
    era::{Era, Identity},
};

/// How the messages of a host of one era go to the server.
#[derive(Clone, Debug, Default)]
pub(super) enum Way {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// As they are: the server takes that era.
    AsTheyAre,
    /// In the words of the other era, which this server speaks.
    Translated(Arc<Identity>),
}

/// What is known of the server's eras. A server may take both.
#[derive(Default)]
pub(super) struct Eras {
    of_modern: Mutex<Way>,
    of_legacy: Mutex<Way>,
    /// One at a time finds out.
    pub(super) finding: tokio::sync::Mutex<()>,
}

impl Eras {
    fn slot(&self, host: Era) -> &Mutex<Way> {
        match host {
            Era::Modern => &self.of_modern,
            Era::Legacy => &self.of_legacy,
        }
    }

    /// How the messages of a host of this era go.
    pub(super) fn way(&self, host: Era) -> Way {
        self.slot(host).lock().expect("nobody panics with it in hand").clone()
    }

    /// Remembers it.
    pub(super) fn set(&self, host: Era, way: Way) {
        *self.slot(host).lock().expect("nobody panics with it in hand") = way;
    }
}

/// What an answer says about the server's era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It takes messages like this one.
    Same,
    /// It did not understand: the other era is tried. The message has not run.
    Other,
    /// It may have understood: `server/discover` tells.
    Ask,
    /// Nothing: it is about something else.
    Nothing,
}

/// What the answer to a message of a host's own era says about the server. `reply` is `None` when the answer held no
/// JSON-RPC message.
pub(super) fn verdict(host: Era, method: &str, status: StatusCode, reply: Option<&Reply>) -> Verdict {
    let about_something_else = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    let refused = status.is_client_error() && !about_something_else.contains(&status);
    if !refused && !status.is_success() {
        return Verdict::Nothing;
    }
    let discovers = method == "server/discover";
    match (host, reply) {
        // It may not know what it says: no revision of the newer era begins like this.
        (Era::Legacy, Some(Reply::Result(result))) if agrees_on_a_newer_one(result) => Verdict::Other,
        (Era::Legacy, Some(Reply::Result(_))) => Verdict::Same,
        (Era::Legacy, Some(Reply::Error(_))) => Verdict::Other,
        // A server of the newer era says in JSON that it knows no such method; an older one still has no POST here.
        (Era::Legacy, None) => match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::OK => Verdict::Nothing,
            _ if refused => Verdict::Other,
            _ => Verdict::Nothing,
        },
        (Era::Modern, Some(Reply::Result(result))) if discovers && modern_version(result).is_none() => Verdict::Other,
        (Era::Modern, Some(Reply::Result(_))) => Verdict::Same,
        (Era::Modern, Some(Reply::Error(error))) => match code(error) {
            UNSUPPORTED_VERSION if supported(error).is_some() => Verdict::Same,
            HEADER_MISMATCH | MISSING_CAPABILITY => Verdict::Same,
            METHOD_NOT_FOUND if status == StatusCode::NOT_FOUND && !discovers => Verdict::Same,
            _ if discovers => Verdict::Other,
            INVALID_PARAMS => Verdict::Ask,
            _ if refused => Verdict::Other,
            _ => Verdict::Ask,
        },
        (Era::Modern, None) if refused => Verdict::Other,
        (Era::Modern, None) => Verdict::Nothing,
    }
}

fn agrees_on_a_newer_one(initialized: &RawValue) -> bool {
    let version = Members::parse(initialized.get()).and_then(|result| result.text("protocolVersion"));
    version.and_then(|version| Revision::parse(&version)).is_some_and(Revision::is_stateless)
}

/// The code of an error; 0 when it has none.
pub(super) fn code(error: &RawValue) -> i64 {
    let code = Members::parse(error.get()).and_then(|error| error.get("code")?.get().parse().ok());
    code.unwrap_or_default()
}

/// The revision without sessions that an error names as served.
pub(super) fn supported(error: &RawValue) -> Option<Revision> {
    newest_stateless(&Members::parse(error.get())?.object("data")?, "supported")
}

/// The revision without sessions that a result of `server/discover` offers.
pub(super) fn modern_version(discovered: &RawValue) -> Option<Revision> {
    newest_stateless(&Members::parse(discovered.get())?, "supportedVersions")
}

fn newest_stateless(members: &Members, name: &str) -> Option<Revision> {
    let versions: Vec<String> = serde_json::from_str(members.get(name)?.get()).ok()?;
    versions.iter().filter_map(|version| Revision::parse(version)).filter(|version| version.is_stateless()).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::envelope::raw;

    #[test]
    fn an_answer_tells_the_servers_era_or_nothing() {
        // proves: MCP-PX-10
        let error = |code: i64| Some(Reply::Error(raw(&json!({ "code": code, "message": "m" }))));
        let versions = |list: &[&str]| {
            let data = json!({ "supported": list, "requested": "2026-07-28" });
            Some(Reply::Error(raw(&json!({ "code": -32022, "message": "m", "data": data }))))
        };
        let result = |value: serde_json::Value| Some(Reply::Result(raw(&value)));
        for (host, method, status, reply, wanted) in [
            // A host that begins with initialize.
            (Era::Legacy, "initialize", 200, result(json!({})), Verdict::Same),
            (Era::Legacy, "initialize", 200, result(json!({ "protocolVersion": "2025-06-18" })), Verdict::Same),
            (Era::Legacy, "initialize", 200, result(json!({ "protocolVersion": "2026-07-28" })), Verdict::Other),
            (Era::Legacy, "initialize", 404, error(-32601), Verdict::Other),
            (Era::Legacy, "initialize", 400, error(-32022), Verdict::Other),
            (Era::Legacy, "initialize", 400, error(-32020), Verdict::Other),
            (Era::Legacy, "initialize", 200, error(-32601), Verdict::Other),
            (Era::Legacy, "initialize", 400, None, Verdict::Other),
            (Era::Legacy, "initialize", 404, None, Verdict::Nothing),
            (Era::Legacy, "initialize", 405, None, Verdict::Nothing),
            (Era::Legacy, "initialize", 200, None, Verdict::Nothing),
            (Era::Legacy, "initialize", 401, error(-32001), Verdict::Nothing),
            (Era::Legacy, "initialize", 503, error(-32603), Verdict::Nothing),
            // A host that asks first what there is.
            (
                Era::Modern,
                "server/discover",
                200,
                result(json!({ "supportedVersions": ["2026-07-28"] })),
                Verdict::Same,
            ),
            (
                Era::Modern,
                "server/discover",
                200,
                result(json!({ "supportedVersions": ["2025-11-25"] })),
                Verdict::Other,
            ),
            (Era::Modern, "server/discover", 200, result(json!({ "echo": 1 })), Verdict::Other),
            (Era::Modern, "server/discover", 200, error(-32601), Verdict::Other),
            (Era::Modern, "server/discover", 404, error(-32601), Verdict::Other),
            (Era::Modern, "server/discover", 400, error(-32000), Verdict::Other),
            (Era::Modern, "server/discover", 400, versions(&["2026-07-28"]), Verdict::Same),
            (Era::Modern, "server/discover", 400, versions(&["2025-11-25"]), Verdict::Other),
            (Era::Modern, "server/discover", 404, None, Verdict::Other),
            (Era::Modern, "server/discover", 405, None, Verdict::Other),
            (Era::Modern, "server/discover", 502, None, Verdict::Nothing),
            (Era::Modern, "server/discover", 429, None, Verdict::Nothing),
            // A host that begins with what it wants.
            (Era::Modern, "tools/list", 200, result(json!({ "tools": [] })), Verdict::Same),
            (Era::Modern, "tools/call", 400, error(-32020), Verdict::Same),
            (Era::Modern, "tools/call", 400, error(-32021), Verdict::Same),
            (Era::Modern, "tools/call", 400, versions(&["2026-07-28"]), Verdict::Same),
            (Era::Modern, "nonsense", 404, error(-32601), Verdict::Same),
            (Era::Modern, "tools/list", 404, error(-32001), Verdict::Other),
            (Era::Modern, "tools/list", 400, error(-32600), Verdict::Other),
            (Era::Modern, "tools/list", 400, None, Verdict::Other),
            (Era::Modern, "tools/list", 422, None, Verdict::Other),
            (Era::Modern, "tools/list", 400, error(-32602), Verdict::Ask),
            (Era::Modern, "tools/call", 200, error(-32602), Verdict::Ask),
            (Era::Modern, "tools/list", 200, error(-32601), Verdict::Ask),
            (Era::Modern, "tools/list", 403, error(-32600), Verdict::Nothing),
            (Era::Modern, "tools/list", 307, None, Verdict::Nothing),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(verdict(host, method, status, reply.as_ref()), wanted, "{host:?} {method} {status} {reply:?}");
        }
    }
}

//! The two eras of MCP, and the names that tell them apart.
//!
//! Source: MCP 2026-07-28 basic, "Per-request metadata"; lifecycle, "Versioning".

use doorward_types::Revision;
use serde_json::{Value, json, value::RawValue};

use crate::envelope::{Members, raw};

/// `_meta` member: the revision that a request is written in.
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` member: what the client can do.
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` member: who the client says it is.
pub(crate) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// `_meta` member: how much the client wants logged.
pub(crate) const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// `_meta` member: who the server says it is.
pub(crate) const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
/// `_meta` member: the subscription that a notification belongs to.
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// How a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Each request stands alone (2026-07-28).
    Modern,
    /// A session that starts with `initialize` (2025-11-25 and before).
    Legacy,
}

/// The revisions that the HTTP front serves, newest first.
pub(crate) fn served() -> Vec<&'static str> {
    Revision::ALL.into_iter().rev().filter(|r| *r >= Revision::V2025_03_26).map(Revision::as_str).collect()
}

/// What a server said of itself when it started.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// How it speaks.
    pub(crate) era: Era,
    /// The result of its `initialize` (legacy) or `server/discover` (modern), whole.
    pub(crate) said: Members,
}

impl Identity {
    /// A capability that the server declared.
    pub(crate) fn capability(&self, name: &str) -> Option<Members> {
        self.said.object("capabilities")?.object(name)
    }

    /// Whether a capability has a flag set, such as `tools` and `listChanged`.
    pub(crate) fn has(&self, capability: &str, flag: &str) -> bool {
        self.capability(capability).is_some_and(|own| own.get(flag).is_some_and(|value| value.get() == "true"))
    }

    /// The capabilities as they are told to callers. Tasks are not offered: a task outlives the call that a
    /// token was checked for.
    fn capabilities(&self) -> Box<RawValue> {
        let mut capabilities = self.said.object("capabilities").unwrap_or_default();
        capabilities.remove("tasks");
        capabilities.to_raw()
    }

    fn server_info(&self) -> Option<Box<RawValue>> {
        match self.era {
            Era::Legacy => self.said.get("serverInfo").map(ToOwned::to_owned),
            // Drafts of the newer era had it where the older one has it.
            Era::Modern => {
                let meta = self.said.object("_meta").unwrap_or_default();
                meta.get(META_SERVER).or_else(|| self.said.get("serverInfo")).map(ToOwned::to_owned)
            }
        }
    }

    /// The revision that an `initialize` which asks for `requested` gets: that one, unless the server is older.
    pub(crate) fn revision_for(&self, requested: Option<&str>) -> Revision {
        let own = match self.era {
            Era::Modern => Revision::LATEST_WITH_INITIALIZE,
            Era::Legacy => self
                .said
                .text("protocolVersion")
                .and_then(|text| Revision::parse(&text))
                .map_or(Revision::LATEST_WITH_INITIALIZE, |own| own.min(Revision::LATEST_WITH_INITIALIZE)),
        };
        requested.and_then(Revision::parse).filter(|revision| !revision.is_stateless()).map_or(own, |r| r.min(own))
    }

    /// The result of a caller's `initialize`.
    ///
    /// Source: MCP 2025-11-25 lifecycle, "Initialization".
    pub(crate) fn initialize_result(&self, revision: Revision) -> Box<RawValue> {
        let mut result = Members::default();
        result.set("protocolVersion", raw(&revision.as_str()));
        result.set("capabilities", self.capabilities());
        let info = self.server_info().unwrap_or_else(|| raw(&json!({ "name": "server", "version": "0" })));
        result.set("serverInfo", info);
        if let Some(instructions) = self.said.get("instructions") {
            result.set("instructions", instructions.to_owned());
        }
        result.to_raw()
    }

    /// The result of a caller's `server/discover` at a server that knows no such method.
    ///
    /// Source: MCP 2026-07-28 server/discover.
    pub(crate) fn discover_result(&self) -> Box<RawValue> {
        let mut result = Members::default();
        result.set("resultType", raw(&"complete"));
        result.set("supportedVersions", raw(&served()));
        result.set("capabilities", self.capabilities());
        if let Some(instructions) = self.said.get("instructions") {
            result.set("instructions", instructions.to_owned());
        }
        result.set("ttlMs", raw(&0));
        result.set("cacheScope", raw(&"private"));
        if let Some(info) = self.server_info() {
            let mut meta = Members::default();
            meta.set(META_SERVER, info);
            result.set("_meta", meta.to_raw());
        }
        result.to_raw()
    }
}

/// Who the gateway is to the servers that it starts.
pub(crate) fn client_info() -> Value {
    json!({ "name": "doorward", "version": env!("CARGO_PKG_VERSION") })
}

/// The `_meta` of a modern request for which nobody else gave one.
pub(crate) fn own_meta() -> Members {
    let mut meta = Members::default();
    meta.set(META_VERSION, raw(&Revision::LATEST.as_str()));
    meta.set(META_CAPABILITIES, raw(&json!({})));
    meta.set(META_CLIENT, raw(&client_info()));
    meta
}

/// `params` of a modern request of the gateway's own.
pub(crate) fn own_params() -> Members {
    let mut params = Members::default();
    params.set("_meta", own_meta().to_raw());
    params
}

/// The parameters of the gateway's `initialize`. It declares no capabilities: many callers share the server,
/// so there is nobody whom the server could ask.
pub(crate) fn initialize_params() -> Members {
    let mut params = Members::default();
    params.set("protocolVersion", raw(&Revision::LATEST_WITH_INITIALIZE.as_str()));
    params.set("capabilities", raw(&json!({})));
    params.set("clientInfo", raw(&client_info()));
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(era: Era, said: Value) -> Identity {
        Identity { era, said: Members::parse(&said.to_string()).unwrap() }
    }

    #[test]
    fn the_agreed_revision_is_the_older_one() {
        // proves: MCP-PX-10
        let old = server(Era::Legacy, json!({ "protocolVersion": "2025-03-26" }));
        let odd = server(Era::Legacy, json!({ "protocolVersion": "2030-01-01" }));
        let new = server(Era::Modern, json!({}));
        for (asked, from_old, from_odd, from_new) in [
            (Some("2025-11-25"), "2025-03-26", "2025-11-25", "2025-11-25"),
            (Some("2024-11-05"), "2024-11-05", "2024-11-05", "2024-11-05"),
            (Some("2026-07-28"), "2025-03-26", "2025-11-25", "2025-11-25"),
            (Some("nonsense"), "2025-03-26", "2025-11-25", "2025-11-25"),
            (None, "2025-03-26", "2025-11-25", "2025-11-25"),
        ] {
            let agreed = [&old, &odd, &new].map(|server| server.revision_for(asked).as_str());
            assert_eq!(agreed, [from_old, from_odd, from_new], "{asked:?}");
        }
    }

    #[test]
    fn each_era_hears_of_the_server_in_its_own_words() {
        // proves: MCP-PX-10
        let said = json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {}, "tasks": {} },
            "serverInfo": { "name": "n", "x": 1 }, "instructions": "i",
        });
        let legacy = server(Era::Legacy, said);
        assert_eq!(
            legacy.initialize_result(Revision::V2025_06_18).get(),
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"n","x":1},"instructions":"i"}"#
        );
        let discovered: Value = serde_json::from_str(legacy.discover_result().get()).unwrap();
        assert_eq!(
            discovered,
            json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
                "capabilities": { "tools": {} }, "instructions": "i", "ttlMs": 0, "cacheScope": "private",
                "_meta": { META_SERVER: { "name": "n", "x": 1 } },
            })
        );
        let modern = server(Era::Modern, json!({ "capabilities": {}, "_meta": { META_SERVER: { "name": "m" } } }));
        assert_eq!(
            modern.initialize_result(Revision::V2025_11_25).get(),
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"m"}}"#
        );
    }
}

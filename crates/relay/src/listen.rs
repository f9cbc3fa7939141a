use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    envelope::{Members, raw},
    era::{Identity, META_SUBSCRIPTION},
};

/// Something that a server offers has changed.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The notification's method.
    pub(crate) method: String,
    /// Its parameters.
    pub(crate) params: Members,
}

/// Which changes a caller wants to hear of.
///
/// Source: MCP 2026-07-28 subscriptions/listen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Filter {
    /// `notifications/tools/list_changed`.
    pub(crate) tools_list_changed: bool,
    /// `notifications/prompts/list_changed`.
    pub(crate) prompts_list_changed: bool,
    /// `notifications/resources/list_changed`.
    pub(crate) resources_list_changed: bool,
    /// `notifications/resources/updated` of these.
    pub(crate) resource_subscriptions: Vec<String>,
}

/// The most resources that one caller watches.
pub(crate) const MOST_WATCHED: usize = 1000;

impl Filter {
    /// Reads a filter; `None` when it is none, or watches too much.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|filter: &Self| filter.resource_subscriptions.len() <= MOST_WATCHED)
    }

    /// All lists, and these resources.
    pub(crate) fn all(resources: impl IntoIterator<Item = String>) -> Self {
        Self {
            tools_list_changed: true,
            prompts_list_changed: true,
            resources_list_changed: true,
            resource_subscriptions: resources.into_iter().collect(),
        }
    }

    /// What of it a server can give.
    pub(crate) fn granted_by(mut self, server: &Identity) -> Self {
        self.tools_list_changed &= server.has("tools", "listChanged");
        self.prompts_list_changed &= server.has("prompts", "listChanged");
        self.resources_list_changed &= server.has("resources", "listChanged");
        if !server.has("resources", "subscribe") {
            self.resource_subscriptions.clear();
        }
        self
    }

    /// Whether a server has anything to tell, now or once a resource is watched.
    pub(crate) fn is_possible(server: &Identity) -> bool {
        Self::all([]).granted_by(server) != Self::default() || server.has("resources", "subscribe")
    }

    /// Whether a change is asked for.
    pub(crate) fn wants(&self, change: &Change) -> bool {
        match change.method.as_str() {
            "notifications/tools/list_changed" => self.tools_list_changed,
            "notifications/prompts/list_changed" => self.prompts_list_changed,
            "notifications/resources/list_changed" => self.resources_list_changed,
            "notifications/resources/updated" => {
                change.params.text("uri").is_some_and(|uri| self.resource_subscriptions.contains(&uri))
            }
            _ => false,
        }
    }

    /// A change of everything that it asks for, for when it is not known what changed.
    pub(crate) fn all_changes(&self) -> Vec<Change> {
        let lists = [
            (self.tools_list_changed, "tools"),
            (self.prompts_list_changed, "prompts"),
            (self.resources_list_changed, "resources"),
        ];
        let lists = lists.into_iter().filter(|(on, _)| *on).map(|(_, what)| Change {
            method: format!("notifications/{what}/list_changed"),
            params: Members::default(),
        });
        let resources = self.resource_subscriptions.iter().map(|uri| {
            let mut params = Members::default();
            params.set("uri", raw(uri));
            Change { method: "notifications/resources/updated".to_owned(), params }
        });
        lists.chain(resources).collect()
    }

    /// The filter as it is written.
    pub(crate) fn to_json(&self) -> Value {
        let mut filter = json!({});
        for (name, on) in [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ] {
            if on {
                filter[name] = on.into();
            }
        }
        if !self.resource_subscriptions.is_empty() {
            filter["resourceSubscriptions"] = self.resource_subscriptions.clone().into();
        }
        filter
    }
}

/// `params` with the subscription named in its `_meta`, or with nothing of it when `id` is `None`.
pub(crate) fn tagged(mut params: Members, id: Option<&serde_json::value::RawValue>) -> Members {
    let mut meta = params.object("_meta").unwrap_or_default();
    match id {
        Some(id) => meta.set(META_SUBSCRIPTION, id.to_owned()),
        None => meta.remove(META_SUBSCRIPTION),
    }
    match meta.is_empty() {
        true => params.remove("_meta"),
        false => params.set("_meta", meta.to_raw()),
    }
    params
}

/// The method of the first message of a listening stream.
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// The first message of a listening stream.
pub(crate) fn acknowledged(filter: &Filter, id: &serde_json::value::RawValue) -> Change {
    let mut params = Members::default();
    params.set("notifications", raw(&filter.to_json()));
    Change { method: ACKNOWLEDGED.into(), params: tagged(params, Some(id)) }
}

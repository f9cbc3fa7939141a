use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use doorward_types::Permission;
use http::HeaderName;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{CallFailed, Child};
use crate::{
    envelope::{Members, Reply, raw},
    era::{self, Era},
    permission,
};

/// A tool of a server, as a person is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSummary {
    /// The name it is called by.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What it does, in the server's own words.
    pub description: Option<String>,
    /// What a call of it needs, by the hints it gives about itself.
    pub permission: Permission,
}

/// A tool as the gateway judges calls of it.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) summary: ToolSummary,
    /// The arguments that modern callers repeat in headers.
    pub(crate) mirrored: Vec<Mirrored>,
}

/// An argument that is repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirrored {
    /// The header.
    pub(crate) header: HeaderName,
    /// Where the argument stands in `arguments`.
    pub(crate) path: Vec<String>,
}

/// A server's tools, asked for once and again after the server said that they changed.
#[derive(Default)]
pub(super) struct ToolCache {
    generation: AtomicU64,
    known: Mutex<Option<(u64, Arc<Vec<Tool>>)>>,
}

/// The most pages that a list may have, and the most tools.
const MOST_PAGES: usize = 100;
const MOST_TOOLS: usize = 10_000;

impl ToolCache {
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, SeqCst);
    }
}

impl Child {
    /// The server's tools.
    pub(crate) async fn tools(self: &Arc<Self>) -> Result<Arc<Vec<Tool>>, CallFailed> {
        let cache = self.tool_cache();
        let mut known = cache.known.lock().await;
        let generation = cache.generation.load(SeqCst);
        if let Some((of, tools)) = &*known
            && *of == generation
        {
            return Ok(tools.clone());
        }
        let tools = Arc::new(self.list_tools().await?);
        *known = Some((generation, tools.clone()));
        Ok(tools)
    }

    async fn list_tools(self: &Arc<Self>) -> Result<Vec<Tool>, CallFailed> {
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        if self.identity().capability("tools").is_none() {
            return Ok(tools);
        }
        for _ in 0..MOST_PAGES {
            let mut params = match self.identity().era {
                Era::Modern => era::own_params(),
                Era::Legacy => Members::default(),
            };
            if let Some(cursor) = &cursor {
                params.set("cursor", raw(cursor));
            }
            // A server that cannot list its tools has none that we know of.
            let Reply::Result(result) = self.ask("tools/list", params).await? else { break };
            let result: Value = serde_json::from_str(result.get()).unwrap_or_else(|_| json!({}));
            tools.extend(result["tools"].as_array().into_iter().flatten().filter_map(read));
            let next = result["nextCursor"].as_str().map(ToOwned::to_owned);
            if next.is_none() || next == cursor || tools.len() >= MOST_TOOLS {
                break;
            }
            cursor = next;
        }
        tools.truncate(MOST_TOOLS);
        Ok(tools)
    }
}

fn read(tool: &Value) -> Option<Tool> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let summary = ToolSummary {
        name: text(&tool["name"])?,
        title: text(&tool["title"]).or_else(|| text(&tool["annotations"]["title"])),
        description: text(&tool["description"]),
        permission: permission::of_tool(tool.get("annotations")),
    };
    Some(Tool { summary, mirrored: Mirrored::of(&tool["inputSchema"]) })
}

impl Mirrored {
    /// The arguments that a tool's input schema wants repeated.
    pub(crate) fn of(schema: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        find_mirrored(schema, &mut Vec::new(), &mut found);
        found
    }
}

/// Finds the properties that say `x-mcp-header`. Only those that `properties` alone lead to can have one.
///
/// Source: MCP 2026-07-28 server/tools, "x-mcp-header".
fn find_mirrored(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirrored>) {
    let header = schema["x-mcp-header"].as_str().filter(|_| !path.is_empty());
    if let Some(Ok(header)) = header.map(|name| HeaderName::try_from(format!("mcp-param-{name}"))) {
        found.push(Mirrored { header, path: path.clone() });
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        find_mirrored(property, path, found);
        path.pop();
    }
}

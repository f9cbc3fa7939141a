use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use doorward_types::Permission;
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

/// A server's tools, asked for once and again after the server said that they changed.
#[derive(Default)]
pub(super) struct ToolCache {
    generation: AtomicU64,
    known: Mutex<Option<(u64, Arc<Vec<ToolSummary>>)>>,
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
    pub(crate) async fn tools(self: &Arc<Self>) -> Result<Arc<Vec<ToolSummary>>, CallFailed> {
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

    async fn list_tools(self: &Arc<Self>) -> Result<Vec<ToolSummary>, CallFailed> {
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
            tools.extend(result["tools"].as_array().into_iter().flatten().filter_map(summary));
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

fn summary(tool: &Value) -> Option<ToolSummary> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    Some(ToolSummary {
        name: text(&tool["name"])?,
        title: text(&tool["title"]).or_else(|| text(&tool["annotations"]["title"])),
        description: text(&tool["description"]),
        permission: permission::of_tool(tool.get("annotations")),
    })
}

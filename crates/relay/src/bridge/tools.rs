//! Which arguments a server wants repeated in headers: as its list of tools says.
//!
//! Source: MCP 2026-07-28 Streamable HTTP, "Custom Headers".

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use http::HeaderMap;
use serde_json::{Value, value::RawValue};

use super::{headers::safe, tool_rules};
use crate::{envelope::Members, upstream::stdio::Mirrored};

/// The most tools that are remembered.
const MOST_TOOLS: usize = 10_000;

/// The tools that want arguments repeated, as far as lists of them have passed.
#[derive(Default)]
pub(super) struct KnownTools(Mutex<HashMap<String, Vec<Mirrored>>>);

impl KnownTools {
    fn tools(&self) -> MutexGuard<'_, HashMap<String, Vec<Mirrored>>> {
        self.0.lock().expect("nobody panics with the tools in hand")
    }

    /// Remembers what a result of `tools/list` says; gives what the host may see of it.
    pub(super) fn take(&self, result: Box<RawValue>) -> Box<RawValue> {
        self.learn(&result);
        tool_rules::without_invalid(&result).unwrap_or(result)
    }

    /// Remembers what a result of `tools/list` says; gives the cursor of the next page.
    pub(super) fn learn(&self, result: &RawValue) -> Option<String> {
        let list: Value = serde_json::from_str(result.get()).ok()?;
        let mut tools = self.tools();
        for tool in list["tools"].as_array().into_iter().flatten() {
            let Some(name) = tool["name"].as_str() else { continue };
            let mirrored = Mirrored::of(&tool["inputSchema"]);
            if mirrored.is_empty() {
                tools.remove(name);
            } else if tools.len() < MOST_TOOLS {
                tools.insert(name.to_owned(), mirrored);
            }
        }
        list["nextCursor"].as_str().map(str::to_owned)
    }

    /// Adds the headers that a call of a tool needs.
    pub(super) fn repeat(&self, params: &Members, headers: &mut HeaderMap) {
        let Some(name) = params.text("name") else { return };
        let Some(mirrored) = self.tools().get(&name).cloned() else { return };
        let arguments = params.get("arguments").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let arguments = arguments.unwrap_or_default();
        for Mirrored { header, path } in mirrored {
            let argument = path.iter().try_fold(&arguments, |value, name| value.get(name));
            let text = match argument {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(value)) => value.to_string(),
                // A whole number that every reader can hold; of others there is no agreed text.
                Some(Value::Number(number)) if number.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53) => {
                    number.to_string()
                }
                _ => continue,
            };
            headers.insert(header, safe(&text));
        }
    }
}

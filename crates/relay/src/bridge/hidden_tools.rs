//! Tools that the user does not want the host to have.

use serde_json::{Value, value::RawValue};

use crate::envelope::{Members, raw};

/// The tools that are neither offered to the host nor called for it, by patterns of their names. In a pattern `*` stands
/// for any characters or none; upper and lower case are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenTools(Vec<Vec<char>>);

impl HiddenTools {
    /// The tools of which a pattern is the name.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self(patterns.into_iter().map(|pattern| letters(pattern.as_ref())).collect())
    }

    /// Whether a tool is one of them.
    pub(super) fn hides(&self, name: &str) -> bool {
        !self.0.is_empty() && {
            let name = letters(name);
            self.0.iter().any(|pattern| matches(pattern, &name))
        }
    }

    /// A result of `tools/list` without them; `None` when there is none of them in it.
    pub(super) fn without(&self, result: &RawValue) -> Option<Box<RawValue>> {
        if self.0.is_empty() {
            return None;
        }
        let mut members = Members::parse(result.get())?;
        let tools: Vec<&RawValue> = serde_json::from_str(members.get("tools")?.get()).ok()?;
        let all = tools.len();
        let kept: Vec<&RawValue> = tools.into_iter().filter(|tool| !self.is_hidden(tool)).collect();
        if kept.len() == all {
            return None;
        }
        let kept = raw(&kept);
        members.set("tools", kept);
        Some(members.to_raw())
    }

    fn is_hidden(&self, tool: &RawValue) -> bool {
        let tool: Value = serde_json::from_str(tool.get()).unwrap_or_default();
        tool["name"].as_str().is_some_and(|name| self.hides(name))
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Compares without going back further than to the last star, so that no pattern and no name of a server's takes long.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(letter) if *letter == name[in_name] => (at, in_name) = (at + 1, in_name + 1),
            _ => match star {
                Some((back, from)) => {
                    star = Some((back, from + 1));
                    (at, in_name) = (back + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_is_a_whole_name_with_stars_in_it() {
        for (pattern, hidden, shown) in [
            ("delete*", &["delete", "deleteTask", "DELETE_all"][..], &["undelete", "delet"][..]),
            ("*account", &["account", "getAccount"], &["accounts"]),
            ("exactTool", &["exactTool", "exacttool"], &["exactTool2", "anExactTool", ""]),
            ("a*b*c", &["abc", "a-b-b-c", "aXbYbZc"], &["ab", "abcd", "acb"]),
            ("*", &["", "anything"], &[]),
            ("a.c", &["a.c"], &["abc"]),
            ("", &[""], &["x"]),
            ("**x", &["x", "ax"], &["xa"]),
        ] {
            let tools = HiddenTools::new([pattern]);
            for name in hidden {
                assert!(tools.hides(name), "{pattern} {name}");
            }
            for name in shown {
                assert!(!tools.hides(name), "{pattern} {name}");
            }
        }
        assert!(!HiddenTools::default().hides(""));
        let slow = HiddenTools::new([format!("{}b", "a*".repeat(1000))]);
        assert!(!slow.hides(&"a".repeat(10_000)));
    }

    #[test]
    fn a_list_keeps_everything_else_as_it_was_written() {
        let tool = |name: &str| json!({ "name": name, "x": [1.50] });
        let list = |tools: Value| raw(&json!({ "tools": tools, "nextCursor": "c" }));
        let hidden = HiddenTools::new(["delete*", "other"]);
        let kept = hidden.without(&list(json!([tool("deleteAll"), tool("read"), tool("other")]))).unwrap();
        let kept: Value = serde_json::from_str(kept.get()).unwrap();
        assert_eq!(kept, json!({ "tools": [tool("read")], "nextCursor": "c" }));
        for untouched in [json!([tool("read")]), json!([]), json!("no list"), json!([7, {"name": 3}])] {
            assert!(hidden.without(&list(untouched)).is_none());
        }
    }
}

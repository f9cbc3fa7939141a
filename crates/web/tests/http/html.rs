//! A reader of our own pages, as far as a browser without a screen needs one.

use std::collections::BTreeMap;

/// A form on a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) id: Option<String>,
    pub(crate) action: String,
    pub(crate) method: String,
    /// What a browser would send if nothing was touched; buttons are left out.
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The same form with these fields in the place of its own.
    pub(crate) fn with(&self, values: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = self.fields.iter().filter(|(name, _)| !values.iter().any(|(replaced, _)| replaced == name)).cloned();
        own.chain(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
    }
}

/// Every form of a page.
pub(crate) fn forms(html: &str) -> Vec<Form> {
    html.split("<form ")
        .skip(1)
        .map(|after| {
            let (attributes, inside) = attributes(after);
            let inside = inside.split("</form>").next().unwrap_or_default();
            let fields = tags(inside, "input").into_iter().filter_map(|input| {
                let kind = input.get("type").map_or("text", String::as_str);
                let sent = !matches!(kind, "checkbox" | "radio") || input.contains_key("checked");
                sent.then(|| Some((input.get("name")?.clone(), input.get("value").cloned().unwrap_or_default())))?
            });
            Form {
                id: attributes.get("id").cloned(),
                action: attributes.get("action").cloned().unwrap_or_default(),
                method: attributes.get("method").cloned().unwrap_or_default(),
                fields: fields.collect(),
            }
        })
        .collect()
}

/// The form of this id.
#[track_caller]
pub(crate) fn form(html: &str, id: &str) -> Form {
    let found = forms(html).into_iter().find(|form| form.id.as_deref() == Some(id));
    found.unwrap_or_else(|| panic!("no form {id} in {html}"))
}

/// The target of the link of this id.
pub(crate) fn link(html: &str, id: &str) -> Option<String> {
    tags(html, "a").into_iter().find(|tag| tag.get("id").is_some_and(|found| found == id))?.remove("href")
}

/// The `value` of the tag of this name and id.
pub(crate) fn value_of(html: &str, tag: &str, id: &str) -> Option<String> {
    tags(html, tag).into_iter().find(|tag| tag.get("id").is_some_and(|found| found == id))?.remove("value")
}

/// The attributes of each tag of this name.
pub(crate) fn tags(html: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    html.split(&format!("<{name} ")).skip(1).map(|after| attributes(after).0).collect()
}

/// Reads attributes up to the end of the tag; returns them and what follows the tag. Our templates quote every value.
fn attributes(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start();
        if let Some(after) = text.strip_prefix('>') {
            return (found, after);
        }
        let end = text.find(|c: char| c == '=' || c == '>' || c.is_whitespace()).expect("a tag ends");
        let (name, after) = text.split_at(end);
        assert!(!name.is_empty(), "not an attribute: {}", text.chars().take(60).collect::<String>());
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').expect("a quoted value ends"),
            None => ("", after),
        };
        found.insert(name.to_owned(), unescape(value));
        text = after;
    }
}

/// Undoes character references.
pub(crate) fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').expect("a reference ends");
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            number => {
                let digits = number.strip_prefix('#').expect("a numeric reference");
                char::from_u32(digits.parse().expect("decimal")).expect("a character")
            }
        });
        out.push_str(rest);
    }
    out
}

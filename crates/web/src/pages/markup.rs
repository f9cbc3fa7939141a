//! A reader of our own HTML for tests: start tags with their attributes, and text. It follows the tokenizer of browsers
//! as far as our templates go, and panics where they leave that.

/// A start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    /// The text up to the next tag, be it a start or an end.
    pub(super) text: String,
    /// The text between the end tags after that and the next start tag.
    pub(super) after: String,
}

impl Tag {
    pub(super) fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == attribute).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, attribute: &str) -> bool {
        self.get(attribute).is_some()
    }

    pub(super) fn is(&self, name: &str, attribute: &str, value: &str) -> bool {
        self.name == name && self.get(attribute) == Some(value)
    }
}

/// The start tags in document order.
pub(super) fn tags(html: &str) -> Vec<Tag> {
    let mut rest = html.strip_prefix("<!doctype html>").expect("a doctype");
    let mut found: Vec<Tag> = Vec::new();
    let mut closed = false;
    while let Some(open) = rest.find('<') {
        if let Some(tag) = found.last_mut() {
            if closed { &mut tag.after } else { &mut tag.text }.push_str(&decode(&rest[..open]));
        }
        rest = &rest[open + 1..];
        closed = rest.starts_with('/');
        if closed {
            rest = &rest[rest.find('>').expect("an end tag ends") + 1..];
            continue;
        }
        let (tag, after) = start_tag(rest);
        found.push(tag);
        rest = after;
    }
    found
}

/// The names of tags and attributes: what must not change with the texts in a page.
pub(super) fn skeleton(html: &str) -> Vec<(String, Vec<String>)> {
    let names = |tag: Tag| (tag.name, tag.attributes.into_iter().map(|(name, _)| name).collect());
    tags(html).into_iter().map(names).collect()
}

/// The text of the whole page, as a person would copy it.
pub(super) fn text(html: &str) -> String {
    let apart = |name: &str| if ["dt", "dd", "li"].contains(&name) { " " } else { "" };
    let joined: String =
        tags(html).iter().flat_map(|tag| [apart(&tag.name), &tag.text, &tag.after].map(str::to_owned)).collect();
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn start_tag(input: &str) -> (Tag, &str) {
    let name_end = input.find(|c: char| !c.is_ascii_alphanumeric()).expect("a tag ends");
    assert!(name_end > 0, "a bare '<' before {:?}", input.chars().take(40).collect::<String>());
    let mut attributes = Vec::new();
    let mut rest = &input[name_end..];
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>').or_else(|| rest.strip_prefix("/>")) {
            return (
                Tag { name: input[..name_end].to_owned(), attributes, text: String::new(), after: String::new() },
                after,
            );
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').expect("an attribute ends");
        assert!(end > 0, "not an attribute: {:?}", rest.chars().take(40).collect::<String>());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').expect("a quoted value ends");
            value = decode(&quoted[..close]);
            rest = &quoted[close + 1..];
        }
        attributes.push((name, value));
    }
}

/// Undoes character references.
fn decode(text: &str) -> String {
    let mut parts = text.split('&');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (reference, after) = part.split_once(';').expect("a bare '&'");
        let c = match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            number => {
                let number = number.strip_prefix('#').expect("a numeric reference").parse().expect("decimal");
                char::from_u32(number).expect("a character")
            }
        };
        decoded.push(c);
        decoded.push_str(after);
    }
    decoded
}

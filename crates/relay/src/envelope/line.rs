use std::borrow::Cow;

/// A JSON string, with the characters escaped that some readers of lines take for a line's end.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a string serialises");
    if !json.contains(LINE_ENDS) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 16), |mut out, c| {
        match LINE_ENDS.contains(&c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
        out
    })
}

/// What some readers take for a line's end.
const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The same JSON without line breaks: space between tokens goes, a string that holds escapes is written
/// anew. `text` must be valid JSON.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b < 0x20 || b == b'\\' || b == 0xc2 || b == 0xe2) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (between, string) = rest.split_at(start);
        out.extend(between.split_ascii_whitespace());
        let end = string_end(string);
        let (literal, after) = string.split_at(end);
        // A lone surrogate has no text to write anew; its escape is left.
        match serde_json::from_str::<String>(literal) {
            Ok(decoded) => out.push_str(&quoted(&decoded)),
            Err(_) => out.push_str(literal),
        }
        rest = after;
    }
    out.extend(rest.split_ascii_whitespace());
    Cow::Owned(out)
}

/// Where the string literal at the start of `text` ends.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn one_line_is_one_line_and_means_the_same(value in any_json()) {
            // proves: STDIO-11
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let line = one_line(&text);
                prop_assert!(!line.contains(['\n', '\r']) && !line.contains(LINE_ENDS), "{line}");
                prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value.clone());
            }
        }
    }
}

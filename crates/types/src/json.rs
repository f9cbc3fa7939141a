//! JSON, read strictly: no member twice, and not deeper than a limit.
//!
//! Two parsers that disagree on which of two equal members counts is how one message says different
//! things to the checker and to the one who acts on it.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep documents and messages may nest.
pub const MOST_DEPTH: usize = 64;

/// Why a text was refused: a sentence without any of the text in it beyond a member's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidJson(String);

/// Reads one JSON value and nothing after it.
///
/// # Errors
/// When the text is not JSON, repeats a member of an object, or nests deeper than [`MOST_DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<Value, InvalidJson> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { left: MOST_DEPTH }.deserialize(&mut reader).map_err(refusal)?;
    reader.end().map_err(refusal)?;
    Ok(value)
}

/// Reads one JSON value of a known shape, just as strictly.
///
/// # Errors
/// As [`parse`], and when the shape is another.
pub fn parse_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, InvalidJson> {
    serde_json::from_value(parse(bytes)?).map_err(|error| InvalidJson(without_values(&error.to_string())))
}

/// What serde says of a shape, without the value that it repeats: that may be a token which stands in the wrong place.
fn without_values(error: &str) -> String {
    let told = |kind: &str| {
        let value = error.strip_prefix(kind)?;
        let expected = value.rfind(", expected ").map_or("", |at| &value[at..]);
        let what = value.split([' ', ',', '`', '"']).next()?;
        Some(format!("{kind}{what}{expected}"))
    };
    let known = ["invalid type: ", "invalid value: "].into_iter().find_map(told);
    let known = known.or_else(|| error.starts_with("unknown variant").then(|| "unknown variant".to_owned()));
    known.unwrap_or_else(|| error.to_owned()).chars().filter(|c| !c.is_control()).take(200).collect()
}

fn refusal(error: serde_json::Error) -> InvalidJson {
    InvalidJson(error.to_string().chars().filter(|c| !c.is_control()).take(200).collect())
}

struct Strict {
    left: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(format!("it nests deeper than {MOST_DEPTH}")))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(self.deeper()?)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if out.contains_key(&name) {
                return Err(A::Error::custom("a member of an object is repeated"));
            }
            let value = members.next_value_seed(self.deeper()?)?;
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        // proves: LEAK-05
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only what is wrong with it is looked at")]
        struct Shape {
            text: String,
            number: Option<u64>,
            kind: Option<Kind>,
        }
        #[derive(Debug, serde::Deserialize)]
        enum Kind {
            One,
        }
        for (text, told) in [
            (r#""s3cret""#, "invalid type: string, expected struct Shape"),
            (r#""s3cret, expected \"s3cret\"""#, "invalid type: string, expected struct Shape"),
            (r#"{"text":7777}"#, "invalid type: integer, expected a string"),
            (r#"{"text":["s3cret"]}"#, "invalid type: sequence, expected a string"),
            (r#"{"text":"","number":"s3cret"}"#, "invalid type: string, expected u64"),
            (r#"{"text":"","number":-7777}"#, "invalid value: integer, expected u64"),
            (r#"{"text":"","kind":"s3cret"}"#, "unknown variant"),
            (r#"{"number":1}"#, "missing field `text`"),
        ] {
            assert_eq!(parse_as::<Shape>(text.as_bytes()).unwrap_err().to_string(), told, "{text}");
        }
    }

    #[test]
    fn json_is_read_strictly() {
        // MCPP-05, JWT-09
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"x":{"b":1,"b":1}}]"#,
            "{} {}",
            "{}x",
            "\u{feff}{}",
            "NaN",
            "1e999",
            "// c\n1",
            "",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes()).is_ok());
        assert!(parse(format!("{}{}", "[".repeat(66), "]".repeat(66)).as_bytes()).is_err());
        assert_eq!(
            parse(br#"{"a":[1,-2,0.5,null,true,"x"]}"#).unwrap(),
            serde_json::json!({"a":[1,-2,0.5,null,true,"x"]})
        );
    }
}

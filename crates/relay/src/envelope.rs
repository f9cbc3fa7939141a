//! The JSON-RPC envelope: read strictly, carried whole, written on one line.
//!
//! What the relay does not understand stays as the text it was: members keep their order, numbers their
//! digits, and an id comes back byte for byte. Only what must change on the way is replaced.

mod line;
mod members;

use std::fmt;

use doorward_types::json;
use serde_json::{Value, value::RawValue};

pub(crate) use line::one_line;
use line::quoted;
pub(crate) use members::Members;

/// Not JSON.
pub(crate) const PARSE_ERROR: i64 = -32700;
/// JSON, but no JSON-RPC message that may be sent here.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// A method that is not served.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// Parameters that do not fit the method.
pub(crate) const INVALID_PARAMS: i64 = -32602;
/// The server could not do its part.
pub(crate) const INTERNAL_ERROR: i64 = -32603;
/// A header differs from what the body says, is missing or cannot be read.
///
/// Source: MCP 2026-07-28 basic, "Error Codes".
pub(crate) const HEADER_MISMATCH: i64 = -32020;
/// The caller cannot do what the request needs it to do.
pub(crate) const MISSING_CAPABILITY: i64 = -32021;
/// A revision that is not served.
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;

/// The most bytes of an id: it is kept for as long as the call is open.
const MOST_ID_BYTES: usize = 1024;

/// A request's id: a string or a number, kept as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Id(Box<RawValue>);

impl Id {
    /// Takes an id; `None` when it is neither a string nor a number, or too long to keep.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let scalar = text.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        (scalar && text.len() <= MOST_ID_BYTES).then(|| Self(raw.to_owned()))
    }

    /// An id of the relay's own.
    pub(crate) fn own(text: &str) -> Self {
        Self(raw(&text))
    }

    /// The text, as it was written.
    pub(crate) fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// The id's value, to find it again by: two spellings of one string are one id.
    pub(crate) fn key(&self) -> String {
        match serde_json::from_str::<String>(self.0.get()) {
            Ok(text) => format!("\"{text}"),
            Err(_) => self.0.get().to_owned(),
        }
    }
}

/// A call that wants an answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The caller's id.
    pub(crate) id: Id,
    /// The method.
    pub(crate) method: String,
    /// The parameters; empty when there were none.
    pub(crate) params: Members,
}

/// One JSON-RPC message.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A call.
    Request(Request),
    /// A message that wants no answer.
    Notification {
        /// The method.
        method: String,
        /// The parameters; empty when there were none.
        params: Members,
    },
    /// An answer to a call of ours.
    Response {
        /// The id of the call; `None` when it names none.
        id: Option<Id>,
        /// What came of it.
        reply: Reply,
    },
}

/// What a call came to, as the server wrote it.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The `result`.
    Result(Box<RawValue>),
    /// The `error`.
    Error(Box<RawValue>),
}

/// A JSON-RPC error that the relay itself answers with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    /// The code.
    pub(crate) code: i64,
    /// What happened, in a sentence.
    pub(crate) message: String,
    /// More, for programs.
    pub(crate) data: Option<Value>,
}

impl RpcError {
    /// An error without data.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The error object.
    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        let mut object = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            object["data"] = data.clone();
        }
        raw(&object)
    }
}

/// A text that is no message, and whatever can be said in the answer.
#[derive(Clone, Debug)]
pub(crate) struct NotAMessage {
    /// The id, when it could be read.
    pub(crate) id: Option<Id>,
    /// Why.
    pub(crate) error: RpcError,
}

impl NotAMessage {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { id: None, error: RpcError::new(code, message) }
    }
}

/// What one body or line holds.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    /// One message.
    Single(Message),
    /// An array of messages, as revision 2025-03-26 allows it.
    Batch(Vec<Message>),
}

/// Reads what a caller sent. Every object in it must name its members once, the message's own members must
/// be spelled exactly, and a batch may hold `most` messages.
///
/// # Errors
/// Says what is wrong with it; nothing of a refused text is acted on.
/// Source: JSON-RPC 2.0 sections 4 to 6; MCP 2025-03-26 basic, "Batching".
pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Incoming, NotAMessage> {
    json::parse(bytes).map_err(|why| NotAMessage::new(PARSE_ERROR, format!("the body is not strict JSON: {why}")))?;
    let text = std::str::from_utf8(bytes).map_err(|_| NotAMessage::new(PARSE_ERROR, "the body is not UTF-8"))?;
    if !text.trim_start().starts_with('[') {
        return message(text).map(Incoming::Single);
    }
    let items: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|_| NotAMessage::new(PARSE_ERROR, "the body is not JSON"))?;
    if items.is_empty() || items.len() > most {
        return Err(NotAMessage::new(INVALID_REQUEST, format!("a batch holds 1 to {most} messages")));
    }
    items.into_iter().map(|item| message(item.get())).collect::<Result<_, _>>().map(Incoming::Batch)
}

/// Reads one message. The members of inner objects are not looked at.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn message(text: &str) -> Result<Message, NotAMessage> {
    let Some(members) = Members::parse(text) else {
        return Err(NotAMessage::new(INVALID_REQUEST, "a message is a JSON object"));
    };
    let id = members.get("id").and_then(Id::read);
    let refuse = |message: String| NotAMessage { id: id.clone(), error: RpcError::new(INVALID_REQUEST, message) };
    for name in members.names() {
        let exact = MEMBERS.iter().find(|member| folded(member) == folded(name));
        if exact.is_some_and(|exact| *exact != name) {
            return Err(refuse("a member of the message is spelled in another case".into()));
        }
    }
    if members.text("jsonrpc").as_deref() != Some("2.0") {
        return Err(refuse("the message does not say \"jsonrpc\":\"2.0\"".into()));
    }
    if members.get("id").is_some() && id.is_none() && members.get("method").is_some() {
        return Err(refuse(format!("an id is a string or a number of at most {MOST_ID_BYTES} bytes")));
    }
    // Many servers write both members, and null in the one that does not count.
    let outcome = match (members.get("result"), members.get("error")) {
        (result @ Some(_), Some(error)) if error.get() == "null" => (result, None),
        (Some(result), error @ Some(_)) if result.get() == "null" => (None, error),
        outcome => outcome,
    };
    if members.get("method").is_none() {
        let reply = match outcome {
            (Some(result), None) => Reply::Result(result.to_owned()),
            (None, Some(error)) => Reply::Error(error.to_owned()),
            _ => return Err(refuse("the message has neither a method nor exactly one of result and error".into())),
        };
        return Ok(Message::Response { id, reply });
    }
    if outcome.0.is_some() || outcome.1.is_some() {
        return Err(refuse("the message has a method and an outcome".into()));
    }
    let method = members.text("method").filter(|method| !method.is_empty() && method.len() <= 256);
    let method = method.ok_or_else(|| refuse("the method is not a string of 1 to 256 bytes".into()))?;
    let params = match members.get("params") {
        None => Members::default(),
        Some(params) => Members::parse(params.get()).ok_or_else(|| refuse("the params are not an object".into()))?,
    };
    // Some readers ignore case. What we decide on must be what they act on.
    let mut names: Vec<String> = params.names().map(folded).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(refuse("two of the params differ only in case".into()));
    }
    Ok(match id {
        Some(id) => Message::Request(Request { id, method, params }),
        None => Message::Notification { method, params },
    })
}

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

fn folded(name: &str) -> String {
    name.to_uppercase()
}

/// The answer to a call.
pub(crate) fn response(id: Option<&Id>, reply: &Reply) -> String {
    let id = id.map_or("null", |id| id.0.get());
    let (name, value) = match reply {
        Reply::Result(value) => ("result", value),
        Reply::Error(value) => ("error", value),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"{name}":{}}}"#, one_line(value.get()))
}

/// The answer to a call that the relay refuses.
pub(crate) fn error_response(id: Option<&Id>, error: &RpcError) -> String {
    response(id, &Reply::Error(error.to_raw()))
}

/// A call, on one line.
pub(crate) fn request(id: &impl fmt::Display, method: &str, params: &Members) -> String {
    let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{}{params}}}"#, quoted(method))
}

/// A notification, on one line.
pub(crate) fn notification(method: &str, params: &Members) -> String {
    let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
    format!(r#"{{"jsonrpc":"2.0","method":{}{params}}}"#, quoted(method))
}

/// A message, on one line.
pub(crate) fn written(message: &Message) -> String {
    match message {
        Message::Request(own) => request(&own.id.as_raw(), &own.method, &own.params),
        Message::Notification { method, params } => notification(method, params),
        Message::Response { id, reply } => response(id.as_ref(), reply),
    }
}

/// A value's text, kept as it is from here on.
pub(crate) fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a value of ours serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &[u8]) -> i64 {
        read(text, 50).unwrap_err().error.code
    }

    #[test]
    fn a_message_means_one_thing_or_is_refused() {
        // proves: MCPP-05, MCPP-06
        for bad in [
            &br#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#[..],
            br#"{"jsonrpc":"2.0","id":1,"method":"a","\u006dethod":"b"}"#,
            br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","name":"y"}}"#,
            br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"x":{"y":1,"y":2}}}}"#,
            b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}",
            br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":NaN}}"#,
            br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e999}}"#,
            br#"{"jsonrpc":"2.0","id":1,"method":"a"} // x"#,
            br#"{"jsonrpc":"2.0","id":1,"method":"a"}{}"#,
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
            b"",
        ] {
            assert_eq!(code(bad), PARSE_ERROR, "{}", String::from_utf8_lossy(bad));
        }
        for bad in [
            r#"{"jsonrpc":"2.0","id":1,"Method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","METHOD":"b"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","Params":{}}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"param\u{17f}\":{}}",
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","Name":"y"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":null}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"a"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            r#"{"id":1,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":""}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#,
            r#""x""#,
            "7",
            "null",
            "[]",
            "[[]]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"a"},7]"#,
        ] {
            assert_eq!(code(bad.as_bytes()), INVALID_REQUEST, "{bad}");
        }
        let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"a"}"#; 51].join(","));
        assert_eq!(code(many.as_bytes()), INVALID_REQUEST);
        let nested = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{}}}"#, "[".repeat(1_000_000));
        assert_eq!(code(nested.as_bytes()), PARSE_ERROR);
    }

    #[test]
    fn an_outcome_that_is_null_does_not_count_beside_another() {
        // proves: MCPP-05
        let reply = |outcome: &str| match message(&format!(r#"{{"jsonrpc":"2.0","id":1,{outcome}}}"#)) {
            Ok(Message::Response { reply, .. }) => response(None, &reply),
            other => panic!("{outcome}: {other:?}"),
        };
        for (outcome, kept) in [
            (r#""result":{},"error":null"#, r#""result":{}"#),
            (r#""error": null, "result":{}"#, r#""result":{}"#),
            (r#""result":null,"error":{"code":1}"#, r#""error":{"code":1}"#),
            (r#""result":null,"error":null"#, r#""result":null"#),
            (r#""result":null"#, r#""result":null"#),
        ] {
            assert!(reply(outcome).contains(kept), "{outcome}");
        }
        assert!(message(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#).is_err());
    }

    #[test]
    fn what_is_not_understood_is_kept() {
        // proves: MCP-PX-10
        let text = "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041\\/\",\"method\":\"a\",\n \"params\": {\"n\": 123456789012345678901234567890, \
                    \"f\":1.10, \"z\":[ 1 , {\"a\" : \"\\u006e\\n\u{2028}\"} ],\r\n\"_meta\":{\"x/y\":-0.0}}}";
        let Ok(Incoming::Single(Message::Request(request))) = read(text.as_bytes(), 1) else { panic!("a request") };
        assert_eq!(request.id.as_raw().get(), r#""\u0041\/""#);
        assert_eq!(
            super::request(&7, &request.method, &request.params),
            r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"n":123456789012345678901234567890,"f":1.10,"z":[1,{"a":"n\n\u2028"}],"_meta":{"x/y":-0.0}}}"#
        );
        let reply = Reply::Result(raw(&1));
        assert_eq!(response(Some(&request.id), &reply), r#"{"jsonrpc":"2.0","id":"\u0041\/","result":1}"#);
    }

    #[test]
    fn every_legal_id_is_kept_and_found_again() {
        // proves: MCPP-09
        let id = |text: &str| Id::read(&RawValue::from_string(text.into()).unwrap());
        for text in ["1", "-1", "0.5", "1e2", "99999999999999999999", r#""""#, r#""a\u0000b""#, "\"\u{1f600}\""] {
            assert_eq!(id(text).unwrap().as_raw().get(), text);
        }
        assert_eq!(id(r#""\u0041""#).unwrap().key(), id(r#""A""#).unwrap().key());
        assert_ne!(id(r#""1""#).unwrap().key(), id("1").unwrap().key());
        assert!(id(&format!("\"{}\"", "a".repeat(2000))).is_none());
    }
}

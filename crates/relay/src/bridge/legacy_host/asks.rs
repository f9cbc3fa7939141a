//! What a server of the newer era needs to know before it can go on with a call, as questions to a host of the older
//! era; and the host's answers as parameters of the call's next try.
//!
//! Source: MCP 2026-07-28 patterns, "Multi Round-Trip Requests"; docs/decisions/0031-questions-across-eras.md.

use serde_json::{json, value::RawValue};

use super::said::is_text;
use crate::envelope::{INTERNAL_ERROR, Members, Reply, RpcError, raw};

/// The most questions in one round.
const MOST_QUESTIONS: usize = 16;

/// A question to the host.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The name that the server gave it.
    pub(super) key: String,
    pub(super) method: String,
    pub(super) params: Members,
}

/// What a server asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asks {
    pub(super) questions: Vec<Question>,
    /// Goes back as it came; nobody but the server reads it.
    state: Option<Box<RawValue>>,
}

/// Reads a reply; `None` when it is the last one.
///
/// # Errors
/// When the host cannot be asked that, or nothing can be made of it.
pub(super) fn read(reply: &Reply, host: &Members) -> Result<Option<Asks>, RpcError> {
    let Reply::Result(result) = reply else { return Ok(None) };
    // Most results are long and say nothing of the kind.
    if !result.get().contains("resultType") {
        return Ok(None);
    }
    let Some(members) = Members::parse(result.get()) else { return Ok(None) };
    match members.get("resultType").map(RawValue::get) {
        None | Some(r#""complete""#) => return Ok(None),
        Some(r#""input_required""#) => {}
        Some(_) => return Err(failed("its result is of a kind that is not known here")),
    }
    let state = members.get("requestState").map(ToOwned::to_owned);
    if state.as_deref().is_some_and(|state| !is_text(state)) {
        return Err(failed("its requestState is no text"));
    }
    let requests = members.object("inputRequests").unwrap_or_default();
    let mut questions = Vec::new();
    for key in requests.names() {
        let request = requests.object(key).unwrap_or_default();
        let method = request.text("method").unwrap_or_default();
        if !can_be_asked(host, &method) {
            return Err(failed(&format!("it asks for {}, which this host does not offer", short(&method))));
        }
        let mut params = request.object("params").unwrap_or_default();
        let is_page = params.text("mode").as_deref() == Some("url");
        if method == "elicitation/create" && is_page && params.get("elicitationId").is_none() {
            // The older era names each page that a person is sent to.
            params.set("elicitationId", raw(&format!("doorward-{key}")));
        }
        questions.push(Question { key: key.to_owned(), method, params });
    }
    match (questions.len(), &state) {
        (0, None) => Err(failed("it asks for input and does not say for which")),
        (count, _) if count > MOST_QUESTIONS => Err(failed("it asks for too much at once")),
        _ => Ok(Some(Asks { questions, state })),
    }
}

impl Asks {
    /// Writes the answers, in the questions' order, into the parameters of the call's next try.
    pub(super) fn answer(self, answers: Vec<Box<RawValue>>, params: &mut Members) {
        let mut responses = Members::default();
        for (question, answer) in self.questions.iter().zip(answers) {
            responses.set(&question.key, answer);
        }
        match responses.is_empty() {
            true => params.remove("inputResponses"),
            false => params.set("inputResponses", responses.to_raw()),
        }
        match self.state {
            Some(state) => params.set("requestState", state),
            None => params.remove("requestState"),
        }
    }
}

/// Whether a host that declares these capabilities can be asked this.
pub(in crate::bridge) fn can_be_asked(host: &Members, method: &str) -> bool {
    let capability = match method {
        "elicitation/create" => "elicitation",
        "sampling/createMessage" => "sampling",
        "roots/list" => "roots",
        _ => return false,
    };
    host.object(capability).is_some()
}

fn failed(why: &str) -> RpcError {
    let message = format!("the server needs more input before it can go on, but {why}");
    RpcError { code: INTERNAL_ERROR, message, data: Some(json!({ "code": "input_required" })) }
}

fn short(method: &str) -> String {
    method.chars().filter(|c| c.is_ascii_graphic()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn host() -> Members {
        Members::parse(&json!({ "elicitation": {}, "roots": { "listChanged": true } }).to_string()).unwrap()
    }

    fn asked(result: &Value) -> Result<Option<Asks>, RpcError> {
        read(&Reply::Result(raw(result)), &host())
    }

    #[test]
    fn what_is_asked_becomes_questions_and_their_answers_the_next_try() {
        // proves: MCP-ADJ-011, MCP-PX-10
        let state = "b64:\u{e9}/+== \\\"x\\\"";
        let asks = asked(&json!({
            "resultType": "input_required", "requestState": state,
            "inputRequests": {
                "who": { "method": "elicitation/create", "params": { "message": "Who?", "requestedSchema": {} } },
                "where": { "method": "roots/list" },
                "page": { "method": "elicitation/create", "params": { "mode": "url", "url": "https://x.example" } },
            },
        }));
        let asks = asks.unwrap().unwrap();
        let mut questions = asks.questions.clone();
        questions.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(
            questions.iter().map(|q| q.method.as_str()).collect::<Vec<_>>(),
            ["elicitation/create", "roots/list", "elicitation/create"]
        );
        assert_eq!(questions[0].params.text("elicitationId").as_deref(), Some("doorward-page"));
        assert_eq!(questions[2].params.get("elicitationId").map(RawValue::get), None);

        let mut params = Members::parse(r#"{"name":"t","arguments":{"x":1.0},"requestState":"old"}"#).unwrap();
        let answers = asks.questions.iter().map(|q| raw(&json!({ "to": q.key }))).collect();
        asks.answer(answers, &mut params);
        let written: Value = serde_json::from_str(&params.to_string()).unwrap();
        assert_eq!(written["requestState"], state);
        assert_eq!(
            written["inputResponses"],
            json!({
                "who": { "to": "who" }, "where": { "to": "where" }, "page": { "to": "page" },
            })
        );
        assert!(params.to_string().contains(r#""arguments":{"x":1.0}"#), "{params}");
    }

    #[test]
    fn a_state_that_was_not_given_is_not_sent() {
        // proves: MCP-ADJ-011
        let mut params = Members::parse(r#"{"name":"t","requestState":"old","inputResponses":{"a":{}}}"#).unwrap();
        let asks =
            asked(&json!({ "resultType": "input_required", "inputRequests": { "w": { "method": "roots/list" } } }));
        asks.unwrap().unwrap().answer(vec![raw(&json!({ "roots": [] }))], &mut params);
        assert_eq!(params.to_string(), r#"{"name":"t","inputResponses":{"w":{"roots":[]}}}"#);
        let asks = asked(&json!({ "resultType": "input_required", "requestState": "later" }));
        asks.unwrap().unwrap().answer(Vec::new(), &mut params);
        assert_eq!(params.to_string(), r#"{"name":"t","requestState":"later"}"#);
    }

    #[test]
    fn what_nobody_can_answer_is_an_error_and_what_is_complete_is_none() {
        // proves: MCP-PX-10
        for complete in [
            json!({ "content": [] }),
            json!({ "resultType": "complete", "requestState": "x" }),
            json!({ "content": [{ "text": "\"resultType\":\"input_required\"" }] }),
            json!([1]),
        ] {
            assert!(asked(&complete).unwrap().is_none(), "{complete}");
        }
        assert!(read(&Reply::Error(raw(&json!({ "resultType": "input_required" }))), &host()).unwrap().is_none());
        let many: serde_json::Map<_, _> = (0..17).map(|n| (n.to_string(), json!({ "method": "roots/list" }))).collect();
        for bad in [
            json!({ "resultType": "input_required" }),
            json!({ "resultType": "input_required", "inputRequests": {} }),
            json!({ "resultType": "input_required", "inputRequests": 7 }),
            json!({ "resultType": "input_required", "requestState": 7 }),
            json!({ "resultType": "input_required", "inputRequests": many }),
            json!({ "resultType": "input_required", "inputRequests": { "s": { "method": "sampling/createMessage" } } }),
            json!({ "resultType": "input_required", "inputRequests": { "s": { "method": "tools/call" } } }),
            json!({ "resultType": "input_required", "inputRequests": { "s": "roots/list" } }),
            json!({ "resultType": "task", "taskId": "1" }),
            json!({ "resultType": 1 }),
        ] {
            assert_eq!(asked(&bad).unwrap_err().code, INTERNAL_ERROR, "{bad}");
        }
    }
}

//! A call of a newer host that an older server cannot go on with before the host has answered its questions.
//!
//! The host is told what is asked in the answer to its request, and asks again with the answers: between the two the
//! call waits here, under a name that nobody can guess.
//!
//! Source: MCP 2026-07-28 patterns, "Multi Round-Trip Requests"; docs/decisions/0031-questions-across-eras.md.

use std::sync::Arc;

use serde_json::{json, value::RawValue};

use super::running::Asked;
use crate::{
    bridge::{legacy_host::can_be_asked, room::Held},
    envelope::{INVALID_PARAMS, Members, Reply, RpcError, raw},
};

/// The person has to open a page first.
///
/// Source: MCP 2025-11-25 elicitation, "URL Elicitation Required Error".
const PAGE_REQUIRED: i64 = -32042;
/// The most pages that one such error may name.
const MOST_PAGES: usize = 16;

/// A question of the server.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The server's request; `None` when the server does not wait for the answer itself.
    pub(super) asked: Option<Asked>,
    pub(super) method: String,
    pub(super) params: Members,
    /// The room that it takes as long as it waits.
    pub(super) held: Option<Arc<Held>>,
}

/// A call that waits, and with it whatever keeps it open.
#[derive(Debug)]
pub(super) struct Parked<C> {
    pub(super) questions: Vec<Question>,
    /// What the call was: only the same call can go on.
    pub(super) call: String,
    /// The open call; `None` when it has not been sent, or is to be sent again.
    pub(super) open: Option<C>,
}

/// What is done with the host's answers.
pub(super) struct Answers {
    /// These go to the server, each for its request.
    pub(super) replies: Vec<(Asked, Box<RawValue>)>,
    /// Whether the person declined what has to be done before the call can be sent again.
    pub(super) declined: bool,
    /// These are still unanswered.
    pub(super) missing: Vec<Question>,
}

impl<C> Parked<C> {
    /// What the host is told instead of a result, when the call waits under this name.
    pub(super) fn result(&self, name: &str) -> Reply {
        let mut requests = Members::default();
        for (at, question) in self.questions.iter().enumerate() {
            let mut request = Members::default();
            request.set("method", raw(&question.method));
            if !question.params.is_empty() {
                request.set("params", question.params.to_raw());
            }
            requests.set(&key(at), request.to_raw());
        }
        let mut result = Members::default();
        result.set("resultType", raw(&"input_required"));
        result.set("inputRequests", requests.to_raw());
        result.set("requestState", raw(&name));
        Reply::Result(result.to_raw())
    }

    /// Reads the answers out of the parameters of the host's next try.
    pub(super) fn answers(&self, params: &Members) -> Answers {
        let given = params.object("inputResponses").unwrap_or_default();
        let mut answers = Answers { replies: Vec::new(), declined: false, missing: Vec::new() };
        for (at, question) in self.questions.iter().enumerate() {
            match (given.object(&key(at)), &question.asked) {
                (None, _) => answers.missing.push(question.clone()),
                (Some(answer), Some(asked)) => answers.replies.push((asked.clone(), answer.to_raw())),
                (Some(answer), None) => answers.declined |= answer.text("action").as_deref() != Some("accept"),
            }
        }
        answers
    }
}

fn key(at: usize) -> String {
    format!("question-{}", at + 1)
}

/// What a call is, whatever is said with it about the answers to questions.
pub(super) fn identity(method: &str, params: &Members) -> String {
    let mut params = params.clone();
    ["_meta", "inputResponses", "requestState"].iter().for_each(|name| params.remove(name));
    format!("{method} {params}")
}

/// The pages that a person has to open before a call is sent again, as questions to a host that can show pages.
pub(super) fn pages(reply: &Reply, host: &Members) -> Option<Vec<Question>> {
    let Reply::Error(error) = reply else { return None };
    if !error.get().contains("-32042") || !can_be_asked(host, "elicitation/create") {
        return None;
    }
    host.object("elicitation")?.object("url")?;
    let error = Members::parse(error.get())?;
    (error.get("code")?.get() == PAGE_REQUIRED.to_string()).then_some(())?;
    let pages: Vec<Members> = serde_json::from_str(error.object("data")?.get("elicitations")?.get()).ok()?;
    let are_pages = pages.iter().all(|page| page.text("mode").as_deref() == Some("url") && page.text("url").is_some());
    (are_pages && (1..=MOST_PAGES).contains(&pages.len())).then(|| {
        let question = |params| Question { asked: None, method: "elicitation/create".to_owned(), params, held: None };
        pages.into_iter().map(question).collect()
    })
}

/// The host goes on with a call that does not wait here.
pub(super) fn unknown() -> RpcError {
    RpcError {
        code: INVALID_PARAMS,
        message: "no such call waits for an answer: it took too long, was answered, or is another call; make it anew"
            .to_owned(),
        data: Some(json!({ "code": "requestState" })),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{bridge::session::Which, envelope::Id};

    fn members(value: &Value) -> Members {
        Members::parse(&value.to_string()).unwrap()
    }

    fn parked(questions: &[(Option<&str>, &str, Value)]) -> Parked<()> {
        let questions = questions.iter().map(|(id, method, params)| Question {
            asked: id.map(|id| Asked { id: Id::own(id), session: Which::of(1) }),
            method: (*method).to_owned(),
            params: members(params),
            held: None,
        });
        Parked { questions: questions.collect(), call: String::new(), open: None }
    }

    #[test]
    fn questions_are_told_and_their_answers_find_back() {
        // proves: MCP-PX-10, MCP-ADJ-008
        let parked = parked(&[
            (Some("a"), "roots/list", json!({})),
            (Some("b"), "elicitation/create", json!({ "message": "m" })),
            (None, "elicitation/create", json!({ "mode": "url" })),
        ]);
        let Reply::Result(result) = parked.result("name") else { panic!("a result") };
        let result: Value = serde_json::from_str(result.get()).unwrap();
        assert_eq!(
            result,
            json!({
                "resultType": "input_required", "requestState": "name",
                "inputRequests": {
                    "question-1": { "method": "roots/list" },
                    "question-2": { "method": "elicitation/create", "params": { "message": "m" } },
                    "question-3": { "method": "elicitation/create", "params": { "mode": "url" } },
                },
            })
        );
        for (given, replies, declined, missing) in [
            (
                json!({ "question-1": { "roots": [] }, "question-2": { "action": "cancel" }, "question-3": { "action": "accept" } }),
                2,
                false,
                0,
            ),
            (json!({ "question-1": { "roots": [] }, "question-3": { "action": "decline" } }), 1, true, 1),
            (json!({ "question-2": "accept", "question-9": {} }), 0, false, 3),
            (json!({}), 0, false, 3),
            (json!(7), 0, false, 3),
        ] {
            let answers = parked.answers(&members(&json!({ "inputResponses": given })));
            assert_eq!(
                (answers.replies.len(), answers.declined, answers.missing.len()),
                (replies, declined, missing),
                "{given}"
            );
        }
    }

    #[test]
    fn a_call_is_the_same_whatever_is_answered_with_it() {
        // proves: MCP-ADJ-009
        let first = json!({ "name": "t", "arguments": { "a": 1 }, "_meta": { "progressToken": 1 } });
        let again = json!({ "name": "t", "arguments": { "a": 1 }, "inputResponses": {}, "requestState": "x" });
        let other = json!({ "name": "t", "arguments": { "a": 2 }, "requestState": "x" });
        let of = |value: &Value| identity("tools/call", &members(value));
        assert_eq!(of(&first), of(&again));
        assert_ne!(of(&first), of(&other));
        assert_ne!(of(&first), identity("prompts/get", &members(&first)));
    }

    #[test]
    fn pages_that_must_be_opened_first_are_questions() {
        // proves: MCP-PX-10
        let shows_pages = members(&json!({ "elicitation": { "url": {} } }));
        let page = json!({ "mode": "url", "elicitationId": "1", "url": "https://x.example", "message": "m" });
        let error = |code: i64, pages: Value| {
            Reply::Error(raw(&json!({ "code": code, "message": "m", "data": { "elicitations": pages } })))
        };
        let found = pages(&error(-32042, json!([page])), &shows_pages).unwrap();
        assert_eq!((found.len(), found[0].params.text("url").as_deref()), (1, Some("https://x.example")));
        for (reply, host) in [
            (error(-32042, json!([page])), json!({ "elicitation": {} })),
            (error(-32042, json!([page])), json!({})),
            (error(-32042, json!([])), json!({ "elicitation": { "url": {} } })),
            (error(-32042, json!([{ "mode": "form" }])), json!({ "elicitation": { "url": {} } })),
            (error(-32041, json!([page])), json!({ "elicitation": { "url": {} } })),
            (Reply::Result(raw(&json!({ "code": -32042 }))), json!({ "elicitation": { "url": {} } })),
        ] {
            assert!(pages(&reply, &members(&host)).is_none(), "{reply:?} {host}");
        }
    }
}

//! Pages that a person is sent to by the host, to log in there.
//!
//! Source: MCP 2025-11-25 elicitation, "URL Mode"; MCP 2026-07-28 patterns, "Multi Round-Trip Requests".

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    bridge::bearer::LoginPage,
    envelope::{Members, Request},
};

/// How long nobody is sent to a page again who did not want to go.
const PAUSE: Duration = Duration::from_secs(120);
/// The most calls whose host has been told of a page and has not come back.
const MOST: usize = 64;
/// What the question is called in the answer to a call.
const KEY: &str = "doorward-login";

/// A page that a person is sent to, and which login there was before.
pub(super) struct Visit {
    pub(super) page: LoginPage,
    pub(super) before: Option<u64>,
}

/// What is known of them.
#[derive(Default)]
pub(super) struct Pages {
    declined: Mutex<Option<Instant>>,
    /// The pages that a host of the newer era was told of, by the name of the state that it comes back with.
    told: Mutex<HashMap<String, Visit>>,
}

impl Pages {
    fn told(&self) -> MutexGuard<'_, HashMap<String, Visit>> {
        self.told.lock().expect("nobody panics with it in hand")
    }

    /// The person did not want to go to a page.
    pub(super) fn declined(&self) {
        *self.declined.lock().expect("nobody panics with it in hand") = Some(Instant::now());
    }

    /// Whether that was a moment ago.
    pub(super) fn were_declined(&self) -> bool {
        self.were_declined_before(Instant::now())
    }

    fn were_declined_before(&self, now: Instant) -> bool {
        let declined = *self.declined.lock().expect("nobody panics with it in hand");
        declined.is_some_and(|at| now.duration_since(at) < PAUSE)
    }

    /// The answer to a call of a host of the newer era, with which it comes back.
    pub(super) fn ask(&self, visit: Visit, what: &str) -> Value {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's generator works");
        let name = format!("{KEY}-{:032x}", u128::from_be_bytes(bytes));
        let params = question(&visit.page, what);
        let mut told = self.told();
        if told.len() >= MOST {
            // Their hosts are told of a page anew.
            told.clear();
        }
        told.insert(name.clone(), visit);
        let question = json!({ "method": "elicitation/create", "params": params });
        json!({ "resultType": "input_required", "inputRequests": { KEY: question }, "requestState": name })
    }

    /// The page that this call comes back from, and whether the person went there.
    pub(super) fn back(&self, request: &Request) -> Option<(Visit, bool)> {
        let visit = self.told().remove(&request.params.text("requestState")?)?;
        let answer = request.params.object("inputResponses").and_then(|answers| answers.object(KEY));
        Some((visit, answer.is_some_and(|answer| went(&answer))))
    }
}

/// The parameters of the question to the host.
pub(super) fn question(page: &LoginPage, what: &str) -> Value {
    json!({ "mode": "url", "url": page.url.as_str(), "message": format!("{what}. {}", page.message) })
}

/// Whether an answer says that the person agreed.
pub(super) fn went(answer: &Members) -> bool {
    answer.text("action").as_deref() == Some("accept")
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::envelope::Id;

    #[test]
    fn a_page_is_come_back_from_once_and_a_refusal_is_remembered_for_a_while() {
        // proves: STEP-04, MCP-ADJ-010, MCP-ADJ-018
        let pages = Pages::default();
        let visit = || {
            let page = LoginPage {
                url: "https://as.example/device".parse().unwrap(),
                message: "Type the code A there".to_owned(),
                ended: CancellationToken::new(),
            };
            Visit { page, before: None }
        };
        let asked = pages.ask(visit(), "X needs a login");
        let url = &asked["inputRequests"][KEY]["params"]["url"];
        assert_eq!((url, &asked["resultType"]), (&json!("https://as.example/device"), &json!("input_required")));
        let back = |state: &Value, action: &str| {
            let params = json!({ "requestState": state, "inputResponses": { KEY: { "action": action } } });
            let params = Members::parse(&params.to_string()).unwrap();
            Request { id: Id::own("1"), method: "tools/call".to_owned(), params }
        };
        assert!(pages.back(&back(&json!("another"), "accept")).is_none());
        assert!(pages.back(&back(&asked["requestState"], "accept")).is_some_and(|(_, went)| went));
        assert!(pages.back(&back(&asked["requestState"], "accept")).is_none(), "a name is good once");
        let asked = pages.ask(visit(), "X needs a login");
        assert!(pages.back(&back(&asked["requestState"], "decline")).is_some_and(|(_, went)| !went));
        for _ in 0..3 * MOST {
            pages.ask(visit(), "X needs a login");
        }
        assert!(pages.told().len() <= MOST);
        assert!(!pages.were_declined());
        pages.declined();
        assert!(pages.were_declined());
        assert!(!pages.were_declined_before(Instant::now() + PAUSE));
    }
}

//! The ids of a server's questions, of one session after another: a server that begins anew counts anew, and the answer to a
//! question of the session before must not be one to another question.

use serde_json::value::RawValue;

use super::session::Which;
use crate::envelope::{self, Id, Message};

/// What an id of another session than the first one begins with, before the session's number and the server's own id.
const MARK: &str = "doorward-session-";

/// What the host is told instead of a message that the server sent in this session; `None` when it is told as it is.
pub(super) fn outward(session: Which, message: &Message) -> Option<String> {
    if session.is_first() {
        return None;
    }
    match message {
        Message::Request(request) => {
            let id = marked(session, &request.id);
            Some(envelope::request(&id.as_raw(), &request.method, &request.params))
        }
        Message::Notification { method, params } if method == "notifications/cancelled" => {
            let id = Id::read(params.get("requestId")?)?;
            let mut params = params.clone();
            params.set("requestId", marked(session, &id).as_raw().to_owned());
            Some(envelope::notification(method, &params))
        }
        _ => None,
    }
}

/// The server's own id of a question that the host answers; `None` when it was asked in another session than this one.
pub(super) fn inward(session: Which, id: &Id) -> Option<Id> {
    let text = serde_json::from_str::<String>(id.as_raw().get()).unwrap_or_default();
    let Some(rest) = text.strip_prefix(MARK) else { return session.is_first().then(|| id.clone()) };
    let (number, own) = rest.split_once(':')?;
    (number.parse() == Ok(session.number())).then_some(())?;
    Id::read(&RawValue::from_string(own.to_owned()).ok()?)
}

fn marked(session: Which, id: &Id) -> Id {
    Id::own(&format!("{MARK}{}:{}", session.number(), id.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_back_to_its_own_session_or_nowhere() {
        // proves: MCP-PX-14
        let (first, second, third) = (Which::of(1), Which::of(2), Which::of(3));
        let read = |text: &str| envelope::message(text).unwrap();
        for own in [r#"0"#, r#""a""#, r#""\u0041:\"""#, "1.50"] {
            let question = read(&format!(r#"{{"jsonrpc":"2.0","id":{own},"method":"roots/list"}}"#));
            assert!(outward(first, &question).is_none());
            let Message::Request(asked) = read(&outward(second, &question).unwrap()) else { panic!("a question") };
            assert_eq!(inward(second, &asked.id).unwrap().as_raw().get(), own);
            assert!(inward(first, &asked.id).is_none() && inward(third, &asked.id).is_none(), "{own}");
            let Message::Request(unmarked) = question else { panic!("a question") };
            assert_eq!(inward(first, &unmarked.id).unwrap().as_raw().get(), own);
            assert!(inward(second, &unmarked.id).is_none(), "{own}");
        }
        let taken_back =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":0,"reason":"r"}}"#;
        let told = outward(second, &read(taken_back)).unwrap();
        assert!(told.contains(r#""requestId":"doorward-session-2:0""#) && told.contains(r#""reason":"r""#), "{told}");
        assert!(outward(second, &read(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#)).is_none());
        for odd in [r#""doorward-session-2""#, r#""doorward-session-2:""#, r#""doorward-session-2:{}""#] {
            assert!(inward(second, &Id::read(&RawValue::from_string(odd.into()).unwrap()).unwrap()).is_none(), "{odd}");
        }
    }
}

//! Reading what a well-known URL answers.

use doorward_types::{
    json,
    outbound::{FetchFailed, Inbound},
};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    Failed, busy,
    failed::{no_answer, place},
};

/// What lies at a URL where a document may lie.
pub(crate) enum Document<T> {
    /// The document, not yet to be believed.
    Found(T),
    /// Nothing is here; the next candidate may be asked.
    Absent(String),
    /// Something is here, and it is not the document.
    Unreadable(String),
}

/// Reads an answer. Only a clear "not here" lets the search go on: a server that is down or cannot be reached ends it,
/// since the next candidate could be a weaker one.
///
/// # Errors
/// When there is no answer, or the server's own fault is the answer.
pub(crate) fn read<T: DeserializeOwned>(
    what: &str,
    url: &Url,
    answer: Result<Inbound, FetchFailed>,
) -> Result<Document<T>, Failed> {
    let answer = answer.map_err(|failed| no_answer(&format!("{what} could not be fetched"), url, &failed))?;
    let status = answer.status;
    if let Some(failed) = busy::failed(&format!("{what} could not be fetched"), url, &answer) {
        return Err(failed);
    }
    if status != http::StatusCode::OK {
        return Ok(Document::Absent(format!("{} answered {status}", place(url))));
    }
    Ok(match json::parse_as(&answer.body) {
        Ok(document) => Document::Found(document),
        Err(_) if looks_like_a_page(&answer) => {
            Document::Unreadable(format!("{} answered with a web page instead of JSON", place(url)))
        }
        Err(error) => Document::Unreadable(format!("{} is not the expected JSON: {error}", place(url))),
    })
}

/// Why an answer is not the JSON that was awaited, in words for people where it is a page for people.
pub(crate) fn or_page(why: String, answer: &Inbound) -> String {
    if looks_like_a_page(answer) { "it answered with a web page instead of JSON".to_owned() } else { why }
}

/// Whether an answer calls itself a page for people.
pub fn is_page(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

fn looks_like_a_page(answer: &Inbound) -> bool {
    is_page(&answer.headers) || answer.body.trim_ascii_start().starts_with(b"<")
}

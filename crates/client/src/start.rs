//! What a login begins with: the target, and what the challenge says.

use doorward_types::{ScopeSet, challenge};
use http::HeaderMap;
use url::Url;

use crate::{Code, Failed, Note, Step, Target, connect::State, discovery::AwaitResource, scope};

/// What is known from the start on and stays with the login until its end.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) target: Target,
    pub(crate) challenged: Option<ScopeSet>,
    /// Whether the MCP server was seen to ask for a login.
    pub(crate) asked: bool,
    /// Whether the MCP server says that it takes only tokens that are bound to a key.
    pub(crate) wants_bound: bool,
    pub(crate) notes: Vec<Note>,
}

pub(crate) fn start(target: Target, headers: Option<&HeaderMap>) -> Result<(State, Step), Failed> {
    let named = headers.and_then(challenge::bearer).and_then(|c| c.get("resource_metadata").map(str::to_owned));
    let challenged = headers.and_then(scope::of_challenge);
    let wants_bound = headers.is_some_and(challenge::wants_bound);
    let mut flow = Flow { target, challenged, asked: headers.is_some(), wants_bound, notes: Vec::new() };
    // A text that is no URL at all says nothing; the well-known places are asked as if it were not there.
    match named.and_then(|text| Url::parse(&text).ok()) {
        Some(url) => {
            check_place(&url, &mut flow)?;
            Ok(AwaitResource::named(flow, url))
        }
        None => Ok(AwaitResource::well_known(flow)),
    }
}

/// Checks where a challenge says that the metadata lies.
///
/// Source: RFC 9728 sections 7.3 and 7.7, MCP security best practices, "Server-Side Request Forgery".
fn check_place(url: &Url, flow: &mut Flow) -> Result<(), Failed> {
    let resource = flow.target.resource.url();
    let refuse = |why: String, next: &str| {
        let what = "the server says that its metadata lies where it is not fetched from";
        Err(Failed::new(Code::Forbidden, what, why, next))
    };
    let operator = "ask the operator of the server to publish it at its own origin";
    if let Err(refusal) = doorward_types::web_url::parse(url.as_str()) {
        return refuse(format!("resource_metadata: {refusal}"), operator);
    }
    if url.origin() == resource.origin() {
        return Ok(());
    }
    let elsewhere = format!("resource_metadata is at {}", url.origin().ascii_serialization());
    let loopback = doorward_types::web_url::is_loopback(url) && !flow.target.is_here();
    if loopback {
        return refuse(elsewhere, operator);
    }
    if !flow.target.lenient.foreign_metadata {
        let tolerate = "if that is the operator's own, too, add: --tolerate foreign-metadata";
        return refuse(elsewhere, tolerate);
    }
    flow.notes.push(Note::ForeignMetadata);
    Ok(())
}

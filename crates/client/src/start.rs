//! What a login begins with: the target, and what the challenge says.

use doorward_types::challenge;
use http::HeaderMap;
use url::Url;

use crate::{Code, Failed, Note, Target, discovery::resource, found::Flow, scope, state::Next};

pub(crate) fn start(target: Target, headers: Option<&HeaderMap>) -> Next {
    let named = headers.and_then(challenge::bearer).and_then(|c| c.get("resource_metadata").map(str::to_owned));
    let challenged = headers.and_then(scope::of_challenge);
    let wants_bound = headers.is_some_and(challenge::wants_bound);
    let mut flow = Flow { target, challenged, asked: headers.is_some(), wants_bound, notes: Vec::new() };
    // A text that is no URL at all says nothing; the well-known places are asked as if it were not there.
    match named.and_then(|text| Url::parse(&text).ok()) {
        Some(url) => {
            check_place(&url, &mut flow)?;
            Ok(resource::named(flow, url))
        }
        None => Ok(resource::well_known(flow)),
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
        let next = match same_computer(url, &resource) {
            Some(there) => format!("this server calls this computer by another name: give {there} instead"),
            None => "if that is the operator's own, too, add: --tolerate foreign-metadata".to_owned(),
        };
        return refuse(elsewhere, &next);
    }
    flow.notes.push(Note::ForeignMetadata);
    Ok(())
}

/// The server's URL with the name by which the server itself calls this computer.
fn same_computer(url: &Url, resource: &Url) -> Option<Url> {
    use doorward_types::web_url::is_loopback;
    let same = is_loopback(url)
        && is_loopback(resource)
        && (url.scheme(), url.port_or_known_default()) == (resource.scheme(), resource.port_or_known_default());
    let mut there = resource.clone();
    there.set_host(url.host_str()).ok()?;
    same.then_some(there)
}

//! The MCP server's metadata.

use std::collections::VecDeque;

use doorward_types::{
    Issuer, ResourceId,
    metadata::{MetadataRefusal, ProtectedResourceMetadata},
    outbound::{FetchFailed, Inbound, Outbound},
};
use url::Url;

use super::server;
use crate::{
    Code, Failed, Note, Step,
    document::{self, Document},
    failed::place,
    found::Flow,
    scope,
    state::{AwaitResource, Next, State},
};

/// Looks at the place that the challenge named, and nowhere else.
pub(crate) fn named(flow: Flow, url: Url) -> (State, Step) {
    AwaitResource { flow, url, named: true, rest: VecDeque::new(), absent: Vec::new(), refused: None }.ask()
}

/// Looks at the well-known places: path inserted, then root.
///
/// Source: RFC 9728 section 3.1, MCP 2026-07-28 authorization, "Protected Resource Metadata Discovery".
pub(crate) fn well_known(flow: Flow) -> (State, Step) {
    let mut rest: VecDeque<Url> = flow.target.resource.metadata_candidates().into();
    let url = rest.pop_front().expect("a resource has at least one place for its metadata");
    AwaitResource { flow, url, named: false, rest, absent: Vec::new(), refused: None }.ask()
}

/// Goes on with what lies where it was looked.
pub(crate) fn answered(mut waiting: AwaitResource, answer: Result<Inbound, FetchFailed>) -> Next {
    match document::read::<ProtectedResourceMetadata>("the MCP server's metadata", &waiting.url, answer)? {
        Document::Absent(why) => waiting.absent.push(why),
        Document::Unreadable(why) => waiting.refuse(Failed::new(
            Code::BadResourceMetadata,
            "the MCP server's metadata cannot be read",
            why,
            "check that the URL is the one of the MCP endpoint",
        )),
        Document::Found(document) => match waiting.check(&document) {
            Ok((servers, note)) => {
                waiting.flow.notes.extend(note);
                waiting.flow.wants_bound |= document.dpop_bound_access_tokens_required;
                let listed = scope::readable(document.scopes_supported.iter().map(String::as_str));
                return server::first(waiting.flow, document.resource, listed, servers);
            }
            Err(refusal) => {
                let failed = waiting.explain(&refusal);
                waiting.refuse(failed);
            }
        },
    }
    match waiting.rest.pop_front() {
        Some(next) => {
            waiting.url = next;
            Ok(waiting.ask())
        }
        None if waiting.refused.is_none() && !waiting.named => server::old(waiting.flow, waiting.absent),
        None => Err(waiting.give_up()),
    }
}

impl AwaitResource {
    fn ask(self) -> (State, Step) {
        let step = Step::Send(self.request());
        (State::Resource(self), step)
    }

    /// The request as it is sent.
    pub(crate) fn request(&self) -> Outbound {
        Outbound::metadata(self.url.clone(), self.flow.target.reach)
    }

    fn refuse(&mut self, failed: Failed) {
        self.refused.get_or_insert(failed);
    }

    /// The document must describe the very URL that the user named. A document at the root of the origin was found
    /// by the identifier of the origin, so it may describe the origin, of which the MCP server is a part.
    ///
    /// Source: RFC 9728 section 3.3.
    fn check(&self, document: &ProtectedResourceMetadata) -> Result<(Vec<Issuer>, Option<Note>), MetadataRefusal> {
        let wanted = &self.flow.target.resource;
        let exact = match document.validate(wanted) {
            Ok(servers) => return Ok((servers, None)),
            Err(refusal @ MetadataRefusal::Resource { .. }) => refusal,
            Err(refusal) => return Err(refusal),
        };
        let Ok(found) = ResourceId::parse(document.resource.as_str()) else { return Err(exact) };
        let (mine, theirs) = (wanted.url(), found.url());
        if theirs == mine {
            // The two spellings of a bare origin.
            return Ok((document.validate(&found)?, None));
        }
        if theirs.origin() != mine.origin() || theirs.query().is_some() {
            return Err(exact);
        }
        if theirs.path() == "/" && self.url.path() == "/.well-known/oauth-protected-resource" && !self.named {
            return Ok((document.validate(&found)?, Some(Note::WholeOrigin)));
        }
        if self.flow.target.lenient.parent_resource && is_parent(theirs.path(), mine.path()) {
            return Ok((document.validate(&found)?, Some(Note::ParentResource)));
        }
        Err(exact)
    }

    fn explain(&self, refusal: &MetadataRefusal) -> Failed {
        let why = format!("{}: {refusal}", place(&self.url));
        match refusal {
            MetadataRefusal::Resource { found, .. } => {
                let parent = ResourceId::parse(found.as_str()).is_ok_and(|found| {
                    let (mine, theirs) = (self.flow.target.resource.url(), found.url());
                    mine.origin() == theirs.origin() && is_parent(theirs.path(), mine.path())
                });
                let or = if parent { "; if it stands for all below it, add: --tolerate parent-resource" } else { "" };
                Failed::new(
                    Code::ResourceMismatch,
                    "the MCP server's metadata is for another address than the one that was given",
                    why,
                    format!("if {found} is the server that you mean, give that address instead{or}"),
                )
            }
            _ => Failed::new(
                Code::BadResourceMetadata,
                "the MCP server's metadata cannot be used",
                why,
                "ask the operator of the server",
            ),
        }
    }

    fn give_up(self) -> Failed {
        self.refused.unwrap_or_else(|| {
            Failed::new(
                Code::NoResourceMetadata,
                "the MCP server asks for a login and does not say where",
                self.absent.join("; "),
                "check that the URL is the one of the MCP endpoint; a server that takes an API key needs no login",
            )
        })
    }
}

fn is_parent(parent: &str, child: &str) -> bool {
    child.strip_prefix(parent.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

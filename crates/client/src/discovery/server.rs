//! The authorization server's metadata.

use std::collections::VecDeque;

use doorward_types::{
    Issuer, ScopeSet,
    metadata::{AuthorizationServerMetadata, MetadataRefusal, ValidatedMetadata},
    outbound::{FetchFailed, Inbound, Outbound},
    web_url,
};
use url::Url;

use super::Found;
use crate::{
    Code, Failed, Note, Step,
    connect::State,
    document::{self, Document},
    dpop,
    failed::place,
    registration, scope,
    start::Flow,
    target::Grant,
    token_request::Fresh,
};

/// Waits for the metadata of an authorization server.
#[derive(Debug)]
pub(crate) struct AwaitServer {
    flow: Flow,
    audience: String,
    listed: ScopeSet,
    issuer: Issuer,
    url: Url,
    /// Where else this issuer's metadata may lie.
    rest: VecDeque<Url>,
    /// The issuers after this one.
    issuers: VecDeque<Issuer>,
    absent: Vec<String>,
    refused: Option<Failed>,
}

impl AwaitServer {
    /// Starts with the issuer of the last login when it is still listed, else with the first one.
    pub(crate) fn first(
        flow: Flow,
        audience: String,
        listed: ScopeSet,
        mut servers: Vec<Issuer>,
    ) -> Result<(State, Step), Failed> {
        let here = flow.target.is_here();
        servers.retain(|issuer| here || !web_url::is_loopback(&issuer.url()));
        if let Some(known) = &flow.target.known_issuer {
            servers.sort_by_key(|issuer| issuer != known);
        }
        let mut issuers = VecDeque::from(servers);
        let Some(issuer) = issuers.pop_front() else {
            return Err(Failed::new(
                Code::Forbidden,
                "the MCP server names this computer as its authorization server",
                format!("{} is not on this computer, its only authorization server is", flow.target.resource),
                "ask the operator of the server",
            ));
        };
        let mut rest = VecDeque::from(issuer.metadata_candidates());
        let url = rest.pop_front().expect("an issuer has at least two places for its metadata");
        let waiting = Self { flow, audience, listed, issuer, url, rest, issuers, absent: Vec::new(), refused: None };
        Ok(waiting.ask())
    }

    fn ask(self) -> (State, Step) {
        let step = Step::Send(Outbound::metadata(self.url.clone(), self.flow.target.reach));
        (State::Server(self), step)
    }

    pub(crate) fn on(
        mut self,
        answer: Result<Inbound, FetchFailed>,
        fresh: &mut Fresh<'_>,
    ) -> Result<(State, Step), Failed> {
        let what = "the authorization server's metadata";
        match document::read::<AuthorizationServerMetadata>(what, &self.url, answer)? {
            Document::Absent(why) => self.absent.push(why),
            Document::Unreadable(why) => {
                self.refused.get_or_insert(Failed::new(
                    Code::BadServerMetadata,
                    "the authorization server's metadata cannot be read",
                    why,
                    "ask the operator of the server",
                ));
            }
            Document::Found(document) => match self.check(document) {
                Ok(server) => {
                    let Self { mut flow, audience, listed, .. } = self;
                    if let Some(from) = flow.target.known_issuer.clone().filter(|known| known != server.issuer()) {
                        flow.notes.push(Note::IssuerChanged { from });
                    }
                    let lists = &server.document().scopes_supported;
                    let scope = scope::choose(&flow.target, flow.challenged.as_ref(), &listed, lists);
                    let key = dpop::choose(&flow, &server)?;
                    return registration::choose(Found { flow, audience, server, listed, scope, key }, fresh);
                }
                Err(refusal) => {
                    let failed = explain(&self.url, &refusal);
                    self.refused.get_or_insert(failed);
                }
            },
        }
        self.next()
    }

    /// Only a login with a code has to be protected with PKCE.
    fn check(&self, document: AuthorizationServerMetadata) -> Result<ValidatedMetadata, MetadataRefusal> {
        match self.flow.target.grant {
            Grant::Code => document.validate(&self.issuer),
            _ => document.validate_for_tokens(&self.issuer),
        }
    }

    /// Goes on to the next place, and after the last one to the next issuer.
    fn next(mut self) -> Result<(State, Step), Failed> {
        if self.rest.is_empty()
            && let Some(issuer) = self.issuers.pop_front()
        {
            self.rest = issuer.metadata_candidates().into();
            self.issuer = issuer;
        }
        match self.rest.pop_front() {
            Some(url) => {
                self.url = url;
                Ok(self.ask())
            }
            None => Err(self.refused.unwrap_or_else(|| {
                Failed::new(
                    Code::NoServerMetadata,
                    "the authorization server publishes no metadata",
                    self.absent.join("; "),
                    "ask the operator of the server",
                )
            })),
        }
    }
}

fn explain(url: &Url, refusal: &MetadataRefusal) -> Failed {
    let (code, what) = match refusal {
        MetadataRefusal::Issuer { .. } => {
            (Code::IssuerMismatch, "the authorization server's metadata is that of another server")
        }
        MetadataRefusal::NoS256(_) => {
            (Code::NoPkce, "the authorization server does not say that it protects the login with PKCE (S256)")
        }
        _ => (Code::BadServerMetadata, "the authorization server's metadata cannot be used"),
    };
    Failed::new(code, what, format!("{}: {refusal}", place(url)), "no login is started; ask the operator of the server")
}

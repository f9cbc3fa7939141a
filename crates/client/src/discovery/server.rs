//! The authorization server's metadata.

use std::collections::VecDeque;

use doorward_types::{
    Issuer, ScopeSet,
    metadata::{AuthorizationServerMetadata, MetadataRefusal, Tolerated, ValidatedMetadata},
    outbound::{FetchFailed, Inbound, Outbound},
    providers::Provider,
    web_url,
};
use url::Url;

use super::old;
use crate::{
    Code, Failed, Note, Step,
    document::{self, Document},
    dpop,
    failed::place,
    found::{Flow, Found},
    identifier, provider, scope,
    state::{AwaitServer, Next, State},
    target::{Grant, PreRegistered},
    token_request::Fresh,
};

/// Starts with the issuer of the last login when it is still listed, else with the first one.
pub(crate) fn first(flow: Flow, audience: String, listed: ScopeSet, mut servers: Vec<Issuer>) -> Next {
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
    let (absent, refused) = (Vec::new(), None);
    Ok(AwaitServer { flow, audience, listed, issuer, url, rest, issuers, absent, refused, old: false }.ask())
}

/// Looks at the origin of the MCP server itself, which says nothing of where to log in.
pub(super) fn old(flow: Flow, absent: Vec<String>) -> Next {
    let issuer = old::issuer(&flow, &absent)?;
    let (audience, url) = (flow.target.resource.to_string(), old::place(&issuer));
    let (rest, issuers, refused) = (VecDeque::new(), VecDeque::new(), None);
    let listed = ScopeSet::default();
    Ok(AwaitServer { flow, audience, listed, issuer, url, rest, issuers, absent, refused, old: true }.ask())
}

/// Goes on with what lies where it was looked.
pub(crate) fn answered(mut waiting: AwaitServer, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Next {
    let what = "the authorization server's metadata";
    match document::read::<AuthorizationServerMetadata>(what, &waiting.url, answer)? {
        Document::Absent(why) => waiting.absent.push(why),
        Document::Unreadable(why) => {
            waiting.refused.get_or_insert(Failed::new(
                Code::BadServerMetadata,
                "the authorization server's metadata cannot be read",
                why,
                "ask the operator of the server",
            ));
        }
        Document::Found(document) => match waiting.check(document) {
            Ok(server) => return waiting.found(server, false, fresh),
            Err(refusal) => {
                let failed = explain(&waiting.url, &waiting.issuer, &refusal);
                waiting.refused.get_or_insert(failed);
            }
        },
    }
    // Only where a login was asked for, or every open server would be taken for one.
    if waiting.old && waiting.refused.is_none() && waiting.flow.asked {
        let server = AuthorizationServerMetadata::of_2025_03_26(&waiting.issuer).validate(&waiting.issuer);
        return match server {
            Ok(server) => waiting.found(server, true, fresh),
            Err(refusal) => Err(explain(&waiting.url, &waiting.issuer, &refusal)),
        };
    }
    waiting.next()
}

impl AwaitServer {
    fn ask(self) -> (State, Step) {
        let step = Step::Send(self.request());
        (State::Server(self), step)
    }

    /// The request as it is sent.
    pub(crate) fn request(&self) -> Outbound {
        let mut request = Outbound::metadata(self.url.clone(), self.flow.target.reach);
        if self.old {
            let (name, value) = old::VERSION;
            request.headers.insert(name, value);
        }
        request
    }

    /// Only a login with a code has to be protected with PKCE. What is tolerated is noted where it makes a difference.
    fn check(&mut self, document: AuthorizationServerMetadata) -> Result<ValidatedMetadata, MetadataRefusal> {
        if self.old {
            self.issuer = old::spelling(self.issuer.clone(), &document);
        }
        let lenient = self.flow.target.lenient;
        let tolerated = Tolerated { other_issuer: lenient.other_issuer, unlisted_pkce: lenient.unlisted_pkce };
        let other = document.issuer != self.issuer.as_str();
        let unlisted = document.code_challenge_methods_supported.is_none();
        let named = document.issuer.clone();
        let with_code = matches!(self.flow.target.grant, Grant::Code | Grant::TakenOver(_));
        let server = match with_code {
            true => document.validate_tolerating(&self.issuer, tolerated)?,
            false => document.validate_for_tokens(&self.issuer)?,
        };
        self.flow.notes.extend((other).then_some(Note::OtherIssuer { named }));
        self.flow.notes.extend((with_code && unlisted && lenient.unlisted_pkce).then_some(Note::UnlistedPkce));
        Ok(server)
    }

    fn found(self, server: ValidatedMetadata, guessed: bool, fresh: &mut Fresh<'_>) -> Next {
        let Self { mut flow, mut audience, listed, old, .. } = self;
        if let Some(from) = flow.target.known_issuer.clone().filter(|known| known != server.issuer()) {
            flow.notes.push(Note::IssuerChanged { from });
        }
        let is_here = |own: &PreRegistered| own.issuer.as_ref().is_none_or(|own| own == server.issuer());
        if !flow.target.clients_elsewhere.is_empty() && !flow.target.brought().any(is_here) {
            flow.notes.push(Note::NoneIsForHere { issuer: server.issuer().clone() });
        }
        if old {
            flow.notes.push(Note::OldServer { guessed });
        }
        if flow.target.lenient.no_resource || provider::refuses_resource(server.issuer()) {
            flow.notes.push(Note::NoResource);
            audience.clear();
        } else if let Some(own) = flow.target.audience.as_ref().filter(|own| own.as_str() != audience) {
            flow.notes.push(Note::OtherAudience { named: own.to_string() });
            audience = own.to_string();
        }
        flow.notes.extend(two_hosts(&server));
        let lists = &server.document().scopes_supported;
        let scope = scope::choose(&flow.target, flow.challenged.as_ref(), &listed, lists);
        let key = dpop::choose(&flow, &server)?;
        let found = Found { flow, audience, server, listed, scope, guessed, key, identity: None, sign_in: None };
        identifier::choose(found, fresh)
    }

    /// Goes on to the next place, and after the last one to the next issuer.
    fn next(mut self) -> Next {
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
                if self.old {
                    return Failed::new(
                        Code::NoResourceMetadata,
                        "the MCP server asks for a login and does not say where",
                        self.absent.join("; "),
                        "check that the URL is the one of the MCP endpoint; a server that takes an API key needs no \
                         login",
                    );
                }
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

/// A page that is trusted, and tokens from elsewhere: so a code is led astray. Some providers are like that, too.
fn two_hosts(server: &ValidatedMetadata) -> Option<Note> {
    let page = server.authorization_endpoint()?.host_str()?;
    let tokens = server.token_endpoint().host_str()?;
    // Software that everybody runs under a name of their own vouches for nobody.
    let known = doorward_types::providers::of(server.issuer()).is_some_and(Provider::has_hosts_of_its_own);
    (page != tokens && !known).then(|| Note::TwoHosts { page: page.to_owned(), tokens: tokens.to_owned() })
}

fn explain(url: &Url, issuer: &Issuer, refusal: &MetadataRefusal) -> Failed {
    let (code, what) = match refusal {
        MetadataRefusal::Issuer { .. } => {
            (Code::IssuerMismatch, "the authorization server's metadata is that of another server")
        }
        MetadataRefusal::NoS256(_) => {
            (Code::NoPkce, "the authorization server does not say that it protects the login with PKCE (S256)")
        }
        _ => (Code::BadServerMetadata, "the authorization server's metadata cannot be used"),
    };
    let next = match refusal {
        MetadataRefusal::Issuer { .. } => {
            "no login is started; ask the operator of the server. Only if you know that both names are of one server, add: \
             --tolerate other-issuer"
                .to_owned()
        }
        MetadataRefusal::NoS256(_) => match doorward_types::providers::of(issuer).filter(|known| known.pkce_unlisted) {
            Some(known) => format!("{} supports it without saying so; add: --tolerate unlisted-pkce", known.name),
            None => "no login is started; ask the operator of the server. If it is known to support S256, add: \
                     --tolerate unlisted-pkce"
                .to_owned(),
        },
        _ => "no login is started; ask the operator of the server".to_owned(),
    };
    Failed::new(code, what, format!("{}: {refusal}", place(url)), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_provider_at_hosts_of_its_own_has_two_hosts_untold() {
        // proves: MIX-09
        for (issuer, told) in [
            ("https://accounts.google.com", false),
            ("https://as.example", true),
            ("https://evil.example/realms/one", true),
            ("https://evil.example/auth/realms/one", true),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            let mut document = AuthorizationServerMetadata::of_2025_03_26(&issuer);
            document.token_endpoint = Some("https://tokens.example/token".into());
            let server = document.validate(&issuer).unwrap();
            assert_eq!(two_hosts(&server).is_some(), told, "{issuer}");
        }
    }
}

//! The identity provider's metadata.

use std::collections::VecDeque;

use doorward_types::{
    metadata::{AuthorizationServerMetadata, MetadataRefusal, Tolerated, ValidatedMetadata},
    outbound::{FetchFailed, Inbound, Outbound, Reach},
    web_url,
};

use super::person;
use crate::{
    Code, Failed, IssuerBound, RegisteredClient, Step, brought,
    command::login_command,
    document::{self, Document},
    failed::place,
    found::{Errand, Found, Provider},
    state::{AwaitProvider, Next, State},
    target::{Grant, Target, Who},
    token_request::Fresh,
};

/// What a server lists that takes such assertions. One that lists nothing at all is asked: few list anything.
const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
/// The grant by which the assertion becomes a token.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Looks for the identity provider.
///
/// # Errors
/// When it lies where it is not asked, or when what it says would be of no use. Nobody is asked to sign in then.
pub(crate) fn look(found: Box<Found>, client: RegisteredClient) -> Next {
    let Grant::Enterprise(enterprise) = &found.flow.target.grant else {
        unreachable!("the grant is looked at by the caller")
    };
    let enterprise = (**enterprise).clone();
    let profiles = &found.server.document().authorization_grant_profiles_supported;
    if !profiles.is_empty() && !profiles.iter().any(|profile| profile == PROFILE) {
        return Err(Failed::new(
            Code::NoAssertion,
            "the authorization server takes no assertions of identity providers",
            format!("{} lists {profiles:?} and not {PROFILE}", found.server.issuer()),
            "log in without --enterprise-idp, or ask the operator of the server",
        ));
    }
    let issuer = enterprise.issuer.url();
    if web_url::is_loopback(&issuer) && !found.flow.target.is_here() {
        return Err(Failed::new(
            Code::Forbidden,
            "the identity provider is this computer, and the MCP server is not",
            format!("{} and {}", enterprise.issuer, found.flow.target.resource),
            "give the identity provider's own address",
        ));
    }
    let listed = &found.server.document().grant_types_supported;
    if !listed.is_empty() && !listed.iter().any(|grant| grant == JWT_BEARER) {
        let theirs = Target { grant: Grant::Code, ..found.flow.target.clone() };
        return Err(Failed::new(
            Code::NoAssertion,
            "the MCP server's authorization server takes no identity provider's word",
            format!("{} lists {listed:?} and not {JWT_BEARER}", found.server.issuer()),
            format!("log in there yourself, without --enterprise-idp: {}", login_command(&theirs)),
        ));
    }
    // It is an OpenID provider first of all.
    let mut candidates = enterprise.issuer.metadata_candidates();
    candidates.sort_by_key(|url| !url.path().contains("openid-configuration"));
    let mut rest = VecDeque::from(candidates);
    let url = rest.pop_front().expect("an issuer has at least two places for its metadata");
    Ok(AwaitProvider { found, client, enterprise, url, rest, absent: Vec::new(), unlisted_pkce: false }.ask())
}

/// Goes on with what lies where it was looked.
pub(crate) fn answered(
    mut waiting: AwaitProvider,
    answer: Result<Inbound, FetchFailed>,
    fresh: &mut Fresh<'_>,
) -> Next {
    let bad = |why: String| {
        let what = "the identity provider's metadata cannot be used";
        Err(Failed::new(Code::BadServerMetadata, what, why, "check the address of the identity provider"))
    };
    let what = "the identity provider's metadata";
    match document::read::<AuthorizationServerMetadata>(what, &waiting.url, answer)? {
        Document::Absent(why) => waiting.absent.push(why),
        Document::Unreadable(why) => return bad(why),
        Document::Found(document) => match waiting.check(document) {
            Ok(server) => return waiting.found(server, fresh),
            Err(refusal) => return bad(format!("{}: {refusal}", place(&waiting.url))),
        },
    }
    match waiting.rest.pop_front() {
        Some(next) => {
            waiting.url = next;
            Ok(waiting.ask())
        }
        None => bad(waiting.absent.join("; ")),
    }
}

impl AwaitProvider {
    /// Where the MCP server may be, its identity provider may be as well.
    fn reach(&self) -> Reach {
        match self.enterprise.reach {
            Reach::Anywhere => Reach::Anywhere,
            Reach::Public => self.found.flow.target.reach,
        }
    }

    fn ask(self) -> (State, Step) {
        let step = Step::Send(self.request());
        (State::Provider(self), step)
    }

    /// The request as it is sent.
    pub(crate) fn request(&self) -> Outbound {
        Outbound::metadata(self.url.clone(), self.reach())
    }

    /// Its sign-in page is used only where it is protected with PKCE; all else needs none.
    fn check(&mut self, document: AuthorizationServerMetadata) -> Result<ValidatedMetadata, MetadataRefusal> {
        let unlisted_pkce = self.found.flow.target.lenient.unlisted_pkce;
        let tolerated = Tolerated { unlisted_pkce, ..Tolerated::default() };
        // Of what was validated it cannot be told any more.
        self.unlisted_pkce = unlisted_pkce && document.code_challenge_methods_supported.is_none();
        match document.clone().validate_tolerating(&self.enterprise.issuer, tolerated) {
            Err(MetadataRefusal::NoS256(_) | MetadataRefusal::Missing("authorization_endpoint")) => {
                document.validate_for_tokens(&self.enterprise.issuer)
            }
            judged => judged,
        }
    }

    fn found(self, server: ValidatedMetadata, fresh: &mut Fresh<'_>) -> Next {
        let (reach, unlisted_pkce) = (self.reach(), self.unlisted_pkce);
        let Self { found, client, enterprise, .. } = self;
        let own = IssuerBound::new(server.issuer().clone(), brought::given(&enterprise.client, &server)?);
        let by = match enterprise.who {
            Who::Given(_) => None,
            Who::SignsIn(by) => Some(by),
        };
        let provider = Provider { server, client: own, reach, unlisted_pkce, by };
        person::identify(Errand { found, client, provider }, &enterprise.who, fresh)
    }
}

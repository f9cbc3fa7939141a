//! The organisation's identity provider decides: what it said at sign-in becomes an assertion for the MCP server's
//! authorization server, and that becomes a token.

use std::collections::VecDeque;

use doorward_types::{
    Secret, Timestamp,
    metadata::{AuthorizationServerMetadata, ValidatedMetadata},
    outbound::{FetchFailed, Inbound, Outbound},
    secret, web_url,
};
use serde_json::Value;
use url::Url;

use crate::{
    Code, Failed, IssuerBound, RegisteredClient, Step, assertion,
    authorization::words,
    connect::State,
    discovery::Found,
    document::{self, Document},
    failed::{no_answer, place},
    registration,
    target::{Enterprise, Grant},
    token_request::{self, Fresh, Parameters},
};

/// What a server lists that takes such assertions. One that lists nothing at all is asked: few list anything.
const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
/// What the identity provider is asked for.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
/// What is shown to it.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Waits for the identity provider's metadata.
#[derive(Debug)]
pub(crate) struct AwaitProvider {
    found: Box<Found>,
    /// The client at the MCP server's authorization server.
    client: RegisteredClient,
    url: Url,
    rest: VecDeque<Url>,
    absent: Vec<String>,
}

/// Looks for the identity provider.
pub(crate) fn look(found: Box<Found>, client: RegisteredClient) -> Result<(State, Step), Failed> {
    let provider = enterprise(&found);
    let profiles = &found.server.document().authorization_grant_profiles_supported;
    if !profiles.is_empty() && !profiles.iter().any(|profile| profile == PROFILE) {
        return Err(Failed::new(
            Code::NoAssertion,
            "the authorization server takes no assertions of identity providers",
            format!("{} lists {profiles:?} and not {PROFILE}", found.server.issuer()),
            "log in without --enterprise-idp, or ask the operator of the server",
        ));
    }
    if web_url::is_loopback(&provider.issuer.url()) && !found.flow.target.is_here() {
        return Err(Failed::new(
            Code::Forbidden,
            "the identity provider is this computer, and the MCP server is not",
            format!("{} and {}", provider.issuer, found.flow.target.resource),
            "give the identity provider's own address",
        ));
    }
    let mut rest = VecDeque::from(provider.issuer.metadata_candidates());
    let url = rest.pop_front().expect("an issuer has at least two places for its metadata");
    Ok(AwaitProvider { found, client, url, rest, absent: Vec::new() }.ask())
}

fn enterprise(found: &Found) -> &Enterprise {
    match &found.flow.target.grant {
        Grant::Enterprise(enterprise) => enterprise,
        _ => unreachable!("the grant is looked at by the caller"),
    }
}

impl AwaitProvider {
    fn ask(self) -> (State, Step) {
        let step = Step::Send(Outbound::metadata(self.url.clone(), self.found.flow.target.reach));
        (State::Provider(self), step)
    }

    pub(crate) fn on(
        mut self,
        answer: Result<Inbound, FetchFailed>,
        fresh: &mut Fresh<'_>,
    ) -> Result<(State, Step), Failed> {
        let bad = |why: String| {
            let what = "the identity provider's metadata cannot be used";
            Err(Failed::new(Code::BadServerMetadata, what, why, "check the address of the identity provider"))
        };
        let what = "the identity provider's metadata";
        match document::read::<AuthorizationServerMetadata>(what, &self.url, answer)? {
            Document::Absent(why) => self.absent.push(why),
            Document::Unreadable(why) => return bad(why),
            Document::Found(document) => match document.validate_for_tokens(&enterprise(&self.found).issuer) {
                Ok(provider) => return exchange(self.found, self.client, provider, fresh),
                Err(refusal) => return bad(format!("{}: {refusal}", place(&self.url))),
            },
        }
        match self.rest.pop_front() {
            Some(next) => {
                self.url = next;
                Ok(self.ask())
            }
            None => bad(self.absent.join("; ")),
        }
    }
}

/// Asks the identity provider for an assertion that is for the MCP server's authorization server alone.
///
/// Source: RFC 8693 section 2.1, draft-ietf-oauth-identity-assertion-authz-grant section 4.3.
fn exchange(
    found: Box<Found>,
    client: RegisteredClient,
    provider: ValidatedMetadata,
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    let enterprise = enterprise(&found);
    check_id_token(&enterprise.id_token, fresh.now)?;
    let scope = found.scope.as_ref().map(ToString::to_string);
    let parameters = Parameters::new(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", ID_JAG),
        ("audience", found.server.issuer().as_str()),
        ("resource", &found.audience),
        ("subject_token", enterprise.id_token.expose()),
        ("subject_token_type", ID_TOKEN),
    ])
    .and("scope", scope.as_deref());
    let own = IssuerBound::new(provider.issuer().clone(), registration::given(&enterprise.client, &provider)?);
    let reach = found.flow.target.reach;
    let endpoint = provider.token_endpoint().clone();
    let request = token_request::authenticated(&endpoint, &provider, &own, &parameters, reach, fresh)?;
    Ok((State::Exchange(AwaitExchange { found, client, endpoint }), Step::Send(request)))
}

/// An ID token that has expired is not sent anywhere.
fn check_id_token(id_token: &Secret<secret::Assertion>, now: Timestamp) -> Result<(), Failed> {
    let until = assertion::claims(id_token).and_then(|claims| claims.get("exp").and_then(Value::as_f64));
    if until.is_some_and(|until| Timestamp::from_unix(until as i64) <= now) {
        return Err(Failed::new(
            Code::NoAssertion,
            "the ID token has expired",
            "its exp is past",
            "sign in at the identity provider again and give the new ID token",
        ));
    }
    Ok(())
}

/// Waits for the assertion.
#[derive(Debug)]
pub(crate) struct AwaitExchange {
    found: Box<Found>,
    client: RegisteredClient,
    endpoint: Url,
}

impl AwaitExchange {
    pub(crate) fn on(
        self,
        answer: Result<Inbound, FetchFailed>,
        fresh: &mut Fresh<'_>,
    ) -> Result<(State, Step), Failed> {
        let what = "the identity provider gave no assertion for this server";
        let answer = answer.map_err(|failed| no_answer(what, &self.endpoint, &failed))?;
        let tokens = token_request::read(what, &self.endpoint, &answer)?.map_err(|error| {
            Failed::new(
                Code::ProviderRefused,
                what,
                format!("{} answered {}", place(&self.endpoint), words(&error)),
                "sign in there again, or ask whoever runs the identity provider to allow this server",
            )
        })?;
        let bad = |why: &str| {
            let why = format!("{}: {why}", place(&self.endpoint));
            Failed::new(Code::BadTokenAnswer, what, why, "ask whoever runs the identity provider")
        };
        if tokens.issued_token_type.as_deref() != Some(ID_JAG) {
            return Err(bad("issued_token_type is not that of an ID-JAG"));
        }
        let jag = Secret::<secret::Assertion>::parse(tokens.access_token.expose());
        let jag = jag.map_err(|_| bad("the assertion is too long"))?;
        // One for another server would be replayed there by this one.
        let claims = assertion::claims(&jag).ok_or_else(|| bad("the assertion is not a JWT"))?;
        let issuer = self.found.server.issuer().as_str();
        let fits = |audience: &Value| match audience {
            Value::String(one) => one == issuer,
            Value::Array(several) => matches!(several.as_slice(), [Value::String(one)] if one == issuer),
            _ => false,
        };
        if !claims.get("aud").is_some_and(fits) {
            return Err(bad("the assertion is for another authorization server"));
        }
        assertion::show(self.found, self.client, &jag, fresh)
    }
}

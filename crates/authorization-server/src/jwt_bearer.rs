//! Enterprise-managed authorization: an identity provider's word (ID-JAG) lets a client in without asking the person.

pub(crate) mod refusal;

use std::time::Duration;

use doorward_types::{
    ClientId, Permission, ScopeSet, Secret, Timestamp,
    jose::{self, Confirmation, JwsRefusal, KeySet},
    secret::{Assertion, UsedOnce},
};
use serde::Deserialize;
use serde_json::Value;

pub use self::refusal::AssertionRefusal;
use crate::{
    Policy, TokenRefusal, Write, account,
    client_auth::AuthenticatedClient,
    facts::{Account, AccountId, ExternalIdentity, Grant, GrantId, GrantKind},
    policy::Enterprise,
    random,
    token::{Decision, Fresh, check_key, issue, narrowed},
};

/// The grant type's name.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How far the identity provider's clock may be from ours.
const SKEW: Duration = Duration::from_secs(30);

/// The longest time between an assertion's `iat` and its `exp`: each is remembered until then.
const MOST_LIFETIME: Duration = Duration::from_secs(3600);

/// What a client asks with an assertion.
#[derive(Clone, Debug)]
pub struct JwtBearerRequest {
    /// The assertion.
    pub assertion: Secret<Assertion>,
    /// The scopes, as text.
    pub scope: Option<String>,
    /// Every `resource` that was sent, as text.
    pub resources: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMore,
    client_id: ClientId,
    jti: String,
    exp: Timestamp,
    iat: Timestamp,
    nbf: Option<Timestamp>,
    resource: Option<OneOrMore>,
    scope: Option<ScopeSet>,
    email: Option<String>,
    cnf: Option<Value>,
    authorization_details: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    /// The text, when there is exactly one.
    fn only(&self) -> Option<&str> {
        match self {
            Self::One(text) => Some(text),
            Self::More(texts) => match texts.as_slice() {
                [text] => Some(text),
                _ => None,
            },
        }
    }
}

/// What an identity provider said of a person and a client, checked in all that needs no look-up. Only [`believe`] makes one.
#[derive(Debug)]
pub struct Believed {
    identity: ExternalIdentity,
    name: String,
    resource: doorward_types::ResourceId,
    scope: ScopeSet,
    used: doorward_types::Digest<UsedOnce>,
    until: Timestamp,
}

impl Believed {
    /// The person, to find the account.
    pub fn identity(&self) -> &ExternalIdentity {
        &self.identity
    }

    /// The name that a new account would get, to see whether it is free.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names the assertion, to see whether it was used before.
    pub fn used(&self) -> doorward_types::Digest<UsedOnce> {
        self.used
    }
}

/// The configured identity provider that an assertion claims to come from, to load its keys. The claim is believed
/// only once a signature with one of them is.
///
/// # Errors
/// When there is none, and when none is configured at all: then this grant type does not exist here.
pub fn claimed_issuer<'a>(policy: &'a Policy, request: &JwtBearerRequest) -> Result<&'a Enterprise, TokenRefusal> {
    if policy.enterprises.is_empty() {
        return Err(TokenRefusal::UnsupportedGrantType);
    }
    let claimed = jose::claimed(request.assertion.expose(), "iss").ok_or(JwsRefusal::Malformed);
    let claimed = claimed.map_err(AssertionRefusal::Jws)?;
    let found = policy.enterprises.iter().find(|enterprise| enterprise.issuer.as_str() == claimed);
    Ok(found.ok_or(AssertionRefusal::Issuer)?)
}

/// Judges an assertion with the keys of the identity provider.
///
/// # Errors
/// Names the first check that failed.
/// Source: ID-JAG section 4.4.1, RFC 7523 section 3, RFC 7521 section 5.2.
pub fn believe(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &JwtBearerRequest,
    enterprise: &Enterprise,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Believed, TokenRefusal> {
    if client.is_public() {
        return Err(TokenRefusal::PublicClient);
    }
    if !client.may_use(GRANT_TYPE) {
        return Err(TokenRefusal::GrantTypeNotRegistered);
    }
    let verified = jose::verify(request.assertion.expose(), keys, "oauth-id-jag+jwt").map_err(AssertionRefusal::Jws)?;
    let claims: Claims =
        serde_json::from_value(Value::Object(verified.claims().clone())).map_err(|_| AssertionRefusal::Claims)?;
    if claims.iss != enterprise.issuer.as_str() {
        return Err(AssertionRefusal::Issuer.into());
    }
    if claims.aud.only() != Some(policy.issuer.as_str()) {
        return Err(AssertionRefusal::Audience.into());
    }
    if claims.client_id != *client.id() {
        return Err(AssertionRefusal::Client.into());
    }
    check_time(&claims, now)?;
    check_confirmation(client, &claims)?;
    let nameless = claims.sub.is_empty() || claims.sub.len() > 255 || claims.sub.chars().any(char::is_control);
    if nameless || claims.jti.is_empty() || claims.jti.len() > 512 {
        return Err(AssertionRefusal::Claims.into());
    }
    let used = Secret::<UsedOnce>::parse(format!("assertion {} {}", claims.iss, claims.jti))
        .map_err(|_| AssertionRefusal::Claims)?
        .digest();
    let (resource, scope) = what(policy, client, request, &claims)?;
    let name = name(&claims);
    let identity = ExternalIdentity { issuer: claims.iss, subject: claims.sub };
    Ok(Believed { identity, name, resource, scope, used, until: claims.exp.plus(2 * SKEW) })
}

fn check_time(claims: &Claims, now: Timestamp) -> Result<(), AssertionRefusal> {
    let begun = claims.iat <= now.plus(SKEW) && claims.nbf.is_none_or(|nbf| nbf <= now.plus(SKEW));
    let ended = claims.exp.plus(SKEW) <= now;
    if !begun || ended || claims.exp <= claims.iat || claims.exp.since(claims.iat) > MOST_LIFETIME {
        return Err(AssertionRefusal::Time);
    }
    Ok(())
}

/// An assertion that is bound to a key is used by its holder only.
///
/// Source: ID-JAG section 8.6.
fn check_confirmation(client: &AuthenticatedClient, claims: &Claims) -> Result<(), TokenRefusal> {
    if claims.authorization_details.is_some() {
        return Err(AssertionRefusal::Unsupported.into());
    }
    let Some(cnf) = &claims.cnf else { return Ok(()) };
    let only_a_key = cnf.as_object().is_some_and(|members| members.len() == 1);
    match serde_json::from_value::<Confirmation>(cnf.clone()) {
        Ok(confirmation) if only_a_key => check_key(client, Some(&confirmation.jkt)),
        _ => Err(AssertionRefusal::Unsupported.into()),
    }
}

/// The resource and the scopes: what was asserted, asked for, and can be had.
fn what(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &JwtBearerRequest,
    claims: &Claims,
) -> Result<(doorward_types::ResourceId, ScopeSet), TokenRefusal> {
    let resource = match (&claims.resource, policy.resources.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(named), _) => {
            named.only().and_then(|text| policy.resources.iter().find(|resource| resource.id.as_str() == text))
        }
    };
    let resource = resource.ok_or(AssertionRefusal::Resource)?;
    match request.resources.as_slice() {
        [] => {}
        [one] if *one == resource.id.as_str() => {}
        _ => return Err(TokenRefusal::OtherResource),
    }
    let most = policy.most_scope(client.client(), resource);
    let scope = match &claims.scope {
        Some(asserted) => {
            let asserted = Permission::with_implied(asserted).intersection(&most);
            match &request.scope {
                None => asserted,
                Some(asked) => {
                    ScopeSet::parse(asked).map_err(|_| TokenRefusal::ScopeNotGranted)?.intersection(&asserted)
                }
            }
        }
        // Who names no scope at all does not get all of them.
        None => narrowed(Some(request.scope.as_deref().unwrap_or_default()), &most)?,
    };
    if scope.is_empty() { Err(TokenRefusal::ScopeNotGranted) } else { Ok((resource.id.clone(), scope)) }
}

/// A name that can be one here, from what the provider says.
fn name(claims: &Claims) -> String {
    let candidates = [claims.email.as_deref(), Some(claims.sub.as_str())];
    let fit = candidates.into_iter().flatten().find_map(|text| account::check_name(text).ok());
    fit.unwrap_or("person").chars().take(48).collect()
}

/// What the decision looks at.
#[derive(Debug)]
pub struct JwtBearerFacts {
    /// Whether the assertion was used before.
    pub used: bool,
    /// The person's account, if there is one.
    pub account: Option<Account>,
    /// Whether another account has the name that a new one would get.
    pub name_taken: bool,
}

/// Decides on an assertion that is believed. Each is good once. The person's account is made when it first comes; there
/// is no refresh token, since the client can get another assertion as long as the enterprise allows it.
///
/// Source: ID-JAG sections 4.4.1 to 4.4.3.
pub fn grant(
    policy: &Policy,
    client: &AuthenticatedClient,
    believed: &Believed,
    facts: JwtBearerFacts,
    now: Timestamp,
    mut fresh: Fresh<'_>,
) -> Decision {
    if facts.used {
        return TokenRefusal::from(AssertionRefusal::Used).into();
    }
    if facts.account.as_ref().is_some_and(|account| account.disabled) {
        return TokenRefusal::AccountGone.into();
    }
    let known = facts.account.filter(|account| account.external.as_ref() == Some(&believed.identity));
    let is_new = known.is_none();
    let account = known.unwrap_or_else(|| new_account(believed, facts.name_taken, now, &mut fresh));
    let grant = Grant {
        id: GrantId(random::name("dwg_", fresh.entropy)),
        account: Some(account.id.clone()),
        client: client.id().clone(),
        kind: GrantKind::JwtBearer,
        redirect_uri: None,
        resource: believed.resource.clone(),
        scope: believed.scope.clone(),
        refreshes: false,
        dpop: None,
        created_at: now,
        expires_at: Some(now.plus(policy.lifetimes.access_token)),
        last_used_at: None,
        revoked_at: None,
    };
    let issued = match issue(policy, client, &grant, believed.scope.clone(), now, &mut fresh) {
        Ok(issued) => issued,
        Err(refusal) => return refusal.into(),
    };
    let mut writes = vec![Write::UseOnce { id: believed.used, until: believed.until }];
    writes.push(if is_new { Write::InsertAccount(account) } else { Write::HoldAccount(account.id) });
    writes.push(Write::InsertGrant(grant));
    writes.push(Write::HoldClient(client.id().clone()));
    writes.extend(issued.writes);
    Decision::Issue { response: issued.response, writes }
}

/// An account without a password: nobody signs in to it here.
fn new_account(believed: &Believed, name_taken: bool, now: Timestamp, fresh: &mut Fresh<'_>) -> Account {
    let name = match name_taken {
        false => believed.name.clone(),
        true => {
            let more: String = random::name("", fresh.entropy).chars().filter(char::is_ascii_alphanumeric).collect();
            format!("{}-{}", believed.name, &more[..more.len().min(8)])
        }
    };
    Account {
        id: AccountId(random::name("dwa_", fresh.entropy)),
        name,
        password: None,
        administrator: false,
        disabled: false,
        external: Some(believed.identity.clone()),
        created_at: now,
    }
}

#[cfg(test)]
mod tests;

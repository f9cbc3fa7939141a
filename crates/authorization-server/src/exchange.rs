//! Token exchange: a token for less, or, where the operator allows it, for another resource.

use doorward_types::{
    ClientId, Permission, ResourceId, Secret, Timestamp,
    jose::{AccessTokenClaims, Actor, KeySet},
    secret::AccessToken,
};

use crate::{
    Policy, Resource, TokenRefusal, Write,
    audit::{Event, EventKind},
    client_auth::AuthenticatedClient,
    client_credentials::check_client,
    facts::{Client, GrantFacts, GrantId},
    own_token,
    token::{Access, Decision, Fresh, check_grant, named_resource, narrowed, sign, touched},
};

/// The grant type's name.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The one kind of token that is exchanged, and that is issued.
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// How many clients may stand in a chain of exchanges.
const MOST_ACTORS: usize = 4;

/// What an exchange asks.
///
/// Source: RFC 8693 section 2.1.
#[derive(Clone, Debug)]
pub struct ExchangeRequest {
    /// The token that the new one rests on.
    pub subject_token: Secret<AccessToken>,
    /// The scopes, as text.
    pub scope: Option<String>,
    /// Every `resource` that was sent, and the `audience`, as text.
    pub targets: Vec<String>,
}

/// The claims of a token that we signed and that has not expired. Whether it may be exchanged is decided with the facts
/// of its grant.
#[derive(Debug)]
pub struct Subject {
    claims: AccessTokenClaims,
}

impl Subject {
    /// The grant, to load its facts.
    pub fn grant(&self) -> GrantId {
        GrantId(self.claims.gid.clone())
    }
}

/// Verifies the token that is to be exchanged.
///
/// # Errors
/// When it is none of ours or has expired.
/// Source: RFC 8693 sections 2.1 and 2.2.2.
pub fn subject(
    policy: &Policy,
    keys: &KeySet,
    request: &ExchangeRequest,
    now: Timestamp,
) -> Result<Subject, TokenRefusal> {
    let claims = own_token::claims(policy, keys, request.subject_token.expose());
    let claims = claims.ok_or(TokenRefusal::Subject("it is no access token of ours"))?;
    if claims.exp <= now {
        return Err(TokenRefusal::Subject("it has expired"));
    }
    Ok(Subject { claims })
}

/// Decides on an exchange.
///
/// A client may exchange its own tokens and, if it is itself a resource server, those that were sent to it. The new token
/// belongs to the same grant, so that ending the grant ends it; it allows no more than the person did and no more and no
/// longer than the one it rests on, and no refresh token comes with it. It is for the same resource, or for one that the
/// operator named for this client. When another client than the token's own acts, the new token says so in `act`.
///
/// A token that is bound to a key never becomes one that is not: its own client must prove the same key, a resource
/// server must prove one of its own.
///
/// Source: RFC 8693 sections 2 and 4.1, RFC 9449 section 5.
pub fn exchange(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &ExchangeRequest,
    subject: Subject,
    facts: Option<GrantFacts>,
    now: Timestamp,
    mut fresh: Fresh<'_>,
) -> Decision {
    match decide(policy, client, request, subject.claims, facts, now, &mut fresh) {
        Ok(decision) => decision,
        Err(refusal) => refusal.into(),
    }
}

fn decide(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &ExchangeRequest,
    claims: AccessTokenClaims,
    facts: Option<GrantFacts>,
    now: Timestamp,
    fresh: &mut Fresh<'_>,
) -> Result<Decision, TokenRefusal> {
    check_client(client, GRANT_TYPE)?;
    let own = claims.client_id == *client.id();
    if !own && client.client().protects.as_ref() != Some(&claims.aud) {
        return Err(TokenRefusal::Subject("it is another client's, and was not sent to this one"));
    }
    check_binding(client, &claims, own)?;
    let GrantFacts { grant, account } = facts
        .filter(|facts| facts.grant.id.0 == claims.gid)
        .ok_or(TokenRefusal::Subject("its grant does not exist"))?;
    if check_grant(policy, &grant, account.as_ref(), now).is_err() {
        return Err(TokenRefusal::Subject("its grant has ended"));
    }
    let target = target(policy, client.client(), &request.targets, &claims.aud)?;
    let allowed = [&grant.scope, &policy.most_scope(client.client(), target)]
        .into_iter()
        .fold(Permission::with_implied(&claims.scope), |all, limit| all.intersection(&Permission::with_implied(limit)));
    let scope = narrowed(request.scope.as_deref(), &allowed)?;
    if scope.is_empty() {
        return Err(TokenRefusal::ScopeNotGranted);
    }
    let act = actor(client, claims.act, own)?;
    let access = Access { grant: &grant, audience: &target.id, scope: scope.clone(), until: Some(claims.exp), act };
    let mut response = sign(policy, client, access, now, fresh);
    response.issued_token_type = Some(ACCESS_TOKEN.to_owned());
    let event = Event {
        account: grant.account.clone(),
        client: Some(client.id().clone()),
        grant: Some(grant.id.clone()),
        resource: Some(target.id.clone()),
        ..Event::new(now, EventKind::Exchanged).with_detail(scope.to_string())
    };
    let mut writes = vec![Write::Record(event), Write::TouchGrant(grant.id, now)];
    writes.extend(client.spent_proof());
    writes.extend(touched(policy, client.client(), now));
    Ok(Decision::Issue { response, writes })
}

fn check_binding(client: &AuthenticatedClient, claims: &AccessTokenClaims, own: bool) -> Result<(), TokenRefusal> {
    match (&claims.cnf, client.key()) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(TokenRefusal::NoProof),
        (Some(cnf), Some(key)) if own && cnf.jkt != *key.thumbprint() => Err(TokenRefusal::OtherKey),
        (Some(_), Some(_)) => Ok(()),
    }
}

/// The resource that the new token is for: the old one's when none is named. The person agreed to that one; to another
/// it goes only where the operator said so for this client.
fn target<'a>(
    policy: &'a Policy,
    client: &Client,
    named: &[String],
    before: &ResourceId,
) -> Result<&'a Resource, TokenRefusal> {
    let target = match named {
        [] => policy.resource(before).ok_or(TokenRefusal::UnknownResource)?,
        named => named_resource(policy, named)?,
    };
    let may = target.id == *before || client.exchanges_for.contains(&target.id);
    may.then_some(target).ok_or(TokenRefusal::UnknownResource)
}

/// The other resources that a token of this client at this resource can be exchanged for, by the client itself or by those
/// it is sent to, one after the other. People are told of them: what they allow is allowed there too.
pub fn reach<'a>(
    policy: &'a Policy,
    client: &ClientId,
    resource: &ResourceId,
    exchangers: &[Client],
) -> Vec<&'a Resource> {
    let mut reached = vec![resource];
    let mut looked_at = 0;
    while let Some(&at) = reached.get(looked_at) {
        let acting = exchangers.iter().filter(|one| one.id == *client || one.protects.as_ref() == Some(at));
        for next in acting.flat_map(|one| &one.exchanges_for) {
            if !reached.contains(&next) {
                reached.push(next);
            }
        }
        looked_at += 1;
    }
    reached.into_iter().skip(1).filter_map(|id| policy.resource(id)).collect()
}

fn actor(client: &AuthenticatedClient, before: Option<Actor>, own: bool) -> Result<Option<Actor>, TokenRefusal> {
    if own {
        return Ok(before);
    }
    let actor = Actor { sub: client.id().to_string(), act: before.map(Box::new) };
    if actor.depth() > MOST_ACTORS {
        return Err(TokenRefusal::Subject("too many clients act for one another"));
    }
    Ok(Some(actor))
}

#[cfg(test)]
mod tests;

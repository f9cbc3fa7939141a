//! The token endpoint: what every grant has in common.

use std::time::Duration;

use doorward_types::{
    Digest, Entropy, Permission, ResourceId, ScopeSet, Secret, Timestamp,
    jose::{AccessTokenClaims, Actor, Confirmation, SigningKey, Thumbprint},
    messages::TokenResponse,
    secret::{AccessToken, RefreshToken},
};

pub use crate::token_refusal::{TokenError, TokenRefusal};
use crate::{
    Policy, Resource, Write,
    client_auth::AuthenticatedClient,
    facts::{Account, Client, Grant, Refresh},
    random,
};

/// Fresh randomness and the key that signs: what issuing needs from outside.
pub struct Fresh<'a> {
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
    /// The key that signs access tokens.
    pub signer: &'a SigningKey,
}

/// What the token endpoint does. The writes are committed in either case, before the answer is sent.
#[derive(Debug)]
pub enum Decision {
    /// Tokens.
    Issue {
        /// The answer.
        response: TokenResponse,
        /// What must be durable before it is sent.
        writes: Vec<Write>,
    },
    /// No.
    Deny {
        /// Why.
        refusal: TokenRefusal,
        /// What the attempt changes all the same.
        writes: Vec<Write>,
    },
}

impl From<TokenRefusal> for Decision {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Deny { refusal, writes: Vec::new() }
    }
}

/// A `resource` that is sent must be the granted one, and be sent once; left out, it is the granted one.
///
/// Source: RFC 8707 section 2.2.
pub(crate) fn check_resource(resources: &[String], grant: &Grant) -> Result<(), TokenRefusal> {
    match resources {
        [] => Ok(()),
        [one] if ResourceId::parse(one.as_str()).ok().as_ref() == Some(&grant.resource) => Ok(()),
        _ => Err(TokenRefusal::OtherResource),
    }
}

/// The configured resource that is named, once or more often the same; the only one there is when none is named.
///
/// Source: RFC 8707 section 2.2.
pub(crate) fn named_resource<'a>(policy: &'a Policy, named: &[String]) -> Result<&'a Resource, TokenRefusal> {
    let found = match (named, policy.resources.as_slice()) {
        ([], [only]) => Some(only),
        ([], _) => None,
        ([first, rest @ ..], _) if rest.iter().all(|other| other == first) => {
            ResourceId::parse(first.as_str()).ok().and_then(|id| policy.resource(&id))
        }
        _ => None,
    };
    found.ok_or(TokenRefusal::UnknownResource)
}

/// Whether tokens may be issued under the grant at this moment.
pub(crate) fn check_grant(
    policy: &Policy,
    grant: &Grant,
    account: Option<&Account>,
    now: Timestamp,
) -> Result<(), TokenRefusal> {
    if !grant.is_live(now) {
        return Err(TokenRefusal::GrantEnded);
    }
    if let Some(wanted) = &grant.account
        && !account.is_some_and(|account| account.id == *wanted && !account.disabled)
    {
        return Err(TokenRefusal::AccountGone);
    }
    policy.resource(&grant.resource).map(|_| ()).ok_or(TokenRefusal::OtherResource)
}

/// A grant that is bound to a key is used by its holder only.
///
/// Source: RFC 9449 section 5, "refresh tokens issued to public clients".
pub(crate) fn check_key(client: &AuthenticatedClient, bound_to: Option<&Thumbprint>) -> Result<(), TokenRefusal> {
    match (bound_to, client.key()) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(TokenRefusal::NoProof),
        (Some(wanted), Some(key)) if wanted == key.thumbprint() => Ok(()),
        (Some(_), Some(_)) => Err(TokenRefusal::OtherKey),
    }
}

/// The scopes that are asked for, if `allowed` covers them with all that its scopes imply; all of `allowed` when none
/// is named.
///
/// Source: OAuth 2.1 sections 1.4.1 and 4.3, MCP 2026-07-28 authorization, "Step-Up Authorization Flow" (scope hierarchy).
pub(crate) fn narrowed(asked: Option<&str>, allowed: &ScopeSet) -> Result<ScopeSet, TokenRefusal> {
    let Some(asked) = asked else { return Ok(allowed.clone()) };
    let asked = ScopeSet::parse(asked).ok().filter(|asked| Permission::with_implied(allowed).covers(asked));
    asked.ok_or(TokenRefusal::ScopeNotGranted)
}

/// What one access token says.
pub(crate) struct Access<'a> {
    /// The grant it belongs to.
    pub(crate) grant: &'a Grant,
    /// The resource it is good at.
    pub(crate) audience: &'a ResourceId,
    /// What it allows.
    pub(crate) scope: ScopeSet,
    /// The moment that it does not outlive, besides the end of the grant.
    pub(crate) until: Option<Timestamp>,
    /// Who acts, when it is not the client that the grant was given to.
    pub(crate) act: Option<Actor>,
}

/// Signs an access token for the client, bound to the key that it proved to hold, if it did.
///
/// Source: RFC 9068 section 2.2, RFC 9449 sections 5 and 6.1.
pub(crate) fn sign(
    policy: &Policy,
    client: &AuthenticatedClient,
    access: Access<'_>,
    now: Timestamp,
    fresh: &mut Fresh<'_>,
) -> TokenResponse {
    let Access { grant, audience, scope, until, act } = access;
    let ends = [grant.expires_at, until].into_iter().flatten();
    let exp = ends.fold(now.plus(policy.lifetimes.access_token), Timestamp::min);
    let claims = AccessTokenClaims {
        iss: policy.issuer.clone(),
        sub: grant.account.as_ref().map_or_else(|| grant.client.to_string(), |account| account.0.clone()),
        aud: audience.clone(),
        client_id: client.id().clone(),
        scope: scope.clone(),
        iat: now,
        exp,
        jti: random::name("", fresh.entropy),
        gid: grant.id.0.clone(),
        cnf: client.key().map(|key| Confirmation { jkt: key.thumbprint().clone() }),
        act,
    };
    let access_token = Secret::<AccessToken>::parse(fresh.signer.sign(AccessTokenClaims::TYP, &claims))
        .expect("a compact JWS of bounded claims is an access token");
    TokenResponse {
        access_token,
        token_type: if client.key().is_some() { "DPoP" } else { "Bearer" }.to_owned(),
        expires_in: Some(exp.since(now).as_secs()),
        refresh_token: None,
        scope: Some(scope),
        issued_token_type: None,
        id_token: None,
    }
}

/// Tokens that were issued, with what must be durable before they are handed out.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The answer.
    pub(crate) response: TokenResponse,
    /// The digest of the refresh token in it.
    pub(crate) successor: Option<Digest<RefreshToken>>,
    /// The writes that go with it: the caller puts its own guarded one in front.
    pub(crate) writes: Vec<Write>,
}

impl Issued {
    /// The decision to hand them out, with this write before all others.
    pub(crate) fn after(self, first: Write) -> Decision {
        let mut writes = vec![first];
        writes.extend(self.writes);
        Decision::Issue { response: self.response, writes }
    }
}

/// Issues tokens under a grant that was checked: an access token with exactly these scopes and, when the grant
/// yields them and the client registered for it, a refresh token. Neither outlives the grant. With the first proof of a public client
/// its grant is bound to that key: from then on all its refresh tokens are.
///
/// # Errors
/// When the grant is bound to another key than the one that the client proved to hold.
/// Source: OAuth 2.1 section 3.2.3, RFC 9068 section 2.2, RFC 9449 section 5.
pub(crate) fn issue(
    policy: &Policy,
    client: &AuthenticatedClient,
    grant: &Grant,
    scope: ScopeSet,
    now: Timestamp,
    fresh: &mut Fresh<'_>,
) -> Result<Issued, TokenRefusal> {
    check_key(client, grant.dpop.as_ref())?;
    let access = Access { grant, audience: &grant.resource, scope, until: None, act: None };
    let mut response = sign(policy, client, access, now, fresh);
    let mut writes = Vec::new();
    if grant.refreshes && client.may_use("refresh_token") {
        let token = Secret::<RefreshToken>::generate(fresh.entropy);
        let unused = now.plus(policy.refresh_idle(client.client()));
        writes.push(Write::InsertRefresh(Refresh {
            digest: token.digest(),
            grant: grant.id.clone(),
            issued_at: now,
            expires_at: grant.expires_at.map_or(unused, |end| end.min(unused)),
            rotated: None,
        }));
        response.refresh_token = Some(token);
    }
    writes.push(Write::TouchGrant(grant.id.clone(), now));
    if let Some(key) = client.key().filter(|_| client.is_public() && grant.dpop.is_none()) {
        writes.push(Write::BindGrant { grant: grant.id.clone(), key: key.thumbprint().clone() });
    }
    writes.extend(client.spent_proof());
    writes.extend(touched(policy, client.client(), now));
    let successor = response.refresh_token.as_ref().map(Secret::digest);
    Ok(Issued { response, successor, writes })
}

/// Notes that a client is in use, once an hour: it is asked for when clients that nobody uses are cleared away.
pub(crate) fn touched(policy: &Policy, client: &Client, now: Timestamp) -> Option<Write> {
    const HOUR: Duration = Duration::from_secs(3600);
    let due = client.last_used_at.is_none_or(|last| now.since(last) >= HOUR);
    due.then(|| Write::TouchClient {
        client: client.id.clone(),
        at: now,
        expires_at: client.expires_at.map(|_| now.plus(policy.lifetimes.idle_client)),
    })
}

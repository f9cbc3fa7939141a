use std::{sync::Arc, time::Duration};

use doorward_types::{
    ClientId, Permission, ResourceId, ScopeSet, Timestamp,
    jose::{AccessTokenClaims, dpop},
};
use http::{HeaderMap, HeaderName, Method, Uri, header, request::Parts};

use crate::{Refusal, Verified};

/// How far two clocks may be apart.
const SKEW: Duration = Duration::from_secs(30);

/// Which grants were revoked before their tokens expired. The answer must be immediate: it is asked on every call.
pub trait Revocations: Send + Sync {
    /// Whether the grant of this name was revoked.
    fn is_revoked(&self, grant: &str) -> bool;

    /// Whether all revocations are known, as far as may be trusted at this moment. Not, when the place that they come
    /// from was not heard of for too long; then no token is believed.
    fn are_known(&self, now: Timestamp) -> bool {
        let _ = now;
        true
    }
}

/// Who is told of tokens that are ours and were refused: for the operator's record.
pub trait Denials: Send + Sync {
    /// A call by this principal was refused, because its token is for another resource, was revoked, or does not allow
    /// it. This must not wait: it is on the request's path.
    fn denied(&self, principal: &Principal, refusal: &Refusal);
}

/// Who is behind a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The account (`sub`).
    pub subject: String,
    /// The client that acts for it.
    pub client: ClientId,
    /// The grant under which it does.
    pub grant: String,
}

/// The proof that a token is good for this resource, now, and for what was asked. Only
/// [`Verified::admit`] makes one.
#[derive(Debug)]
pub struct Authorized {
    claims: Arc<AccessTokenClaims>,
}

impl Verified {
    /// Decides whether the token is for `resource`, still good, and broad enough for what `needed` names.
    ///
    /// # Errors
    /// Names the first check that failed.
    /// Source: RFC 9068 section 4, RFC 8707 section 2, MCP 2026-07-28 authorization, "Token Handling".
    pub fn admit(
        self,
        resource: &ResourceId,
        needed: &ScopeSet,
        revocations: &dyn Revocations,
        now: Timestamp,
    ) -> Result<Authorized, Refusal> {
        let claims = self.claims;
        if claims.aud != *resource {
            return Err(Refusal::Audience);
        }
        if claims.exp <= now {
            return Err(Refusal::Expired);
        }
        if claims.iat > now.plus(SKEW) {
            return Err(Refusal::NotYetValid);
        }
        if revocations.is_revoked(&claims.gid) {
            return Err(Refusal::Revoked);
        }
        if !revocations.are_known(now) {
            return Err(Refusal::RevocationsUnknown);
        }
        if !Permission::with_implied(&claims.scope).covers(needed) {
            return Err(Refusal::InsufficientScope { needed: needed.clone() });
        }
        Ok(Authorized { claims })
    }

    /// What the token allows, with everything that is implied: to filter lists by.
    pub fn scope(&self) -> ScopeSet {
        Permission::with_implied(&self.claims.scope)
    }

    /// Who presents the token. Good for finding what the request needs; admits nothing.
    pub fn principal(&self) -> Principal {
        principal(&self.claims)
    }
}

fn principal(claims: &AccessTokenClaims) -> Principal {
    Principal { subject: claims.sub.clone(), client: claims.client_id.clone(), grant: claims.gid.clone() }
}

impl Authorized {
    /// The verified token again, to judge another part of the same request.
    pub(crate) fn again(&self) -> Verified {
        Verified { claims: self.claims.clone() }
    }

    /// Who is behind the request.
    pub fn principal(&self) -> Principal {
        principal(&self.claims)
    }

    /// What the token allows, with everything that is implied.
    pub fn scope(&self) -> ScopeSet {
        Permission::with_implied(&self.claims.scope)
    }

    /// Until when the token is good.
    pub fn expires_at(&self) -> Timestamp {
        self.claims.exp
    }

    /// Why a stream that this opened may not go on; nothing when it may.
    pub fn withdrawn(&self, revocations: &dyn Revocations, now: Timestamp) -> Option<Refusal> {
        if self.claims.exp <= now {
            Some(Refusal::Expired)
        } else if self.is_revoked(revocations) {
            Some(Refusal::Revoked)
        } else {
            (!revocations.are_known(now)).then_some(Refusal::RevocationsUnknown)
        }
    }

    /// Whether the grant was taken back, whatever the time.
    pub fn is_revoked(&self, revocations: &dyn Revocations) -> bool {
        revocations.is_revoked(&self.claims.gid)
    }
}

/// A request that was let through. The caller's credentials are no longer in it, so nothing that takes
/// one of these can pass them on. Only [`Guard::admit`](crate::Guard::admit) makes one.
///
/// Source: MCP 2026-07-28 authorization, "Access Token Privilege Restriction".
#[derive(Debug)]
pub struct AuthorizedRequest<B> {
    authorized: Authorized,
    parts: Parts,
    body: B,
}

/// Headers that carry credentials, or that claim an identity which only a token can prove.
const WITHHELD: [HeaderName; 5] = [
    header::AUTHORIZATION,
    HeaderName::from_static(dpop::HEADER),
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::FORWARDED,
];
const WITHHELD_PREFIXES: [&str; 4] = ["x-forwarded-", "x-auth-", "x-user", "x-upstream-"];

impl<B> AuthorizedRequest<B> {
    pub(crate) fn new(authorized: Authorized, request: http::Request<B>) -> Self {
        let (mut parts, body) = request.into_parts();
        for name in &WITHHELD {
            parts.headers.remove(name);
        }
        let claimed: Vec<HeaderName> = parts
            .headers
            .keys()
            .filter(|name| WITHHELD_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix)))
            .cloned()
            .collect();
        for name in claimed {
            parts.headers.remove(name);
        }
        parts.extensions = http::Extensions::new();
        Self { authorized, parts, body }
    }

    /// The proof.
    pub fn authorized(&self) -> &Authorized {
        &self.authorized
    }
    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }
    /// The request's target.
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }
    /// The request's headers, without the caller's credentials.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }
    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }
    /// All of it.
    pub fn into_parts(self) -> (Authorized, Parts, B) {
        (self.authorized, self.parts, self.body)
    }
}

#[cfg(test)]
mod tests;

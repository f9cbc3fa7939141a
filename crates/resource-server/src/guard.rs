use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use doorward_types::{ResourceId, ScopeSet, Timestamp, challenge::BearerChallenge};
use http::{HeaderMap, HeaderValue, Request, Response, header};

use crate::{Authorized, AuthorizedRequest, Refusal, Revocations, Verified, Verifier, presented};

/// One protected resource with all it takes to judge a request to it.
pub struct Guard {
    resource: ResourceId,
    verifier: RwLock<Arc<Verifier>>,
    revocations: Arc<dyn Revocations>,
    initial_scope: ScopeSet,
}

impl Guard {
    /// Guards `resource`. A caller without a token is told to ask for `initial_scope`.
    pub fn new(
        resource: ResourceId,
        verifier: Verifier,
        revocations: Arc<dyn Revocations>,
        initial_scope: ScopeSet,
    ) -> Self {
        Self { resource, verifier: RwLock::new(Arc::new(verifier)), revocations, initial_scope }
    }

    /// The resource.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// Takes a new verifier, after the issuer's keys changed.
    pub fn replace_verifier(&self, verifier: Verifier) {
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }

    /// Finds the one token in the headers and verifies it.
    ///
    /// # Errors
    /// Names the first check that failed.
    pub fn verify(&self, headers: &HeaderMap, now: Timestamp) -> Result<Verified, Refusal> {
        let token = presented(headers)?;
        let verifier = self.verifier.read().unwrap_or_else(PoisonError::into_inner).clone();
        verifier.verify(&token, now)
    }

    /// Lets a request through if the token is for this resource, still good, and covers `needed`.
    ///
    /// # Errors
    /// Names the first check that failed.
    pub fn admit<B>(
        &self,
        verified: Verified,
        request: Request<B>,
        needed: &ScopeSet,
        now: Timestamp,
    ) -> Result<AuthorizedRequest<B>, Refusal> {
        let authorized = verified.admit(&self.resource, needed, &*self.revocations, now)?;
        Ok(AuthorizedRequest::new(authorized, request))
    }

    /// Whether a stream that `authorized` opened may go on.
    pub fn is_still_good(&self, authorized: &Authorized, now: Timestamp) -> bool {
        authorized.is_still_good(&*self.revocations, now)
    }

    /// The answer to a refused request: status, challenge, and a JSON body for whoever debugs it.
    ///
    /// Source: RFC 6750 section 3, RFC 9728 section 5.1, MCP 2026-07-28 authorization, "Error Handling".
    pub fn refuse(&self, refusal: &Refusal) -> Response<Bytes> {
        let scope = match refusal {
            Refusal::InsufficientScope { needed } => needed.clone(),
            _ => self.initial_scope.clone(),
        };
        let challenge = BearerChallenge {
            resource_metadata: Some(self.resource.metadata_url().into()),
            scope: Some(scope),
            error: refusal.error(),
            error_description: refusal.error().map(|_| refusal.to_string()),
        };
        let body = serde_json::json!({
            "error": refusal.error().unwrap_or("unauthorized"),
            "error_description": refusal.to_string(),
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = refusal.status();
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge.to_header());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

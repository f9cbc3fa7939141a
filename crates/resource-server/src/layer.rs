use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use doorward_types::{ScopeSet, Timestamp};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::{AuthorizedRequest, Guard};

/// Puts a [`Guard`] in front of any service that takes an [`AuthorizedRequest`]: for an axum or hyper
/// server that is itself the protected resource. The clock comes with it.
#[derive(Clone)]
pub struct RequireBearerLayer {
    guard: Arc<Guard>,
    needed: ScopeSet,
    clock: fn() -> Timestamp,
}

impl RequireBearerLayer {
    /// Every request must bear a token for the guard's resource that covers `needed`.
    pub fn new(guard: Arc<Guard>, needed: ScopeSet, clock: fn() -> Timestamp) -> Self {
        Self { guard, needed, clock }
    }
}

impl<S> Layer<S> for RequireBearerLayer {
    type Service = RequireBearer<S>;
    fn layer(&self, inner: S) -> RequireBearer<S> {
        RequireBearer { inner, layer: self.clone() }
    }
}

/// The service that [`RequireBearerLayer`] makes.
#[derive(Clone)]
pub struct RequireBearer<S> {
    inner: S,
    layer: RequireBearerLayer,
}

impl<S, B, R> Service<Request<B>> for RequireBearer<S>
where
    S: Service<AuthorizedRequest<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let RequireBearerLayer { guard, needed, clock } = &self.layer;
        let now = clock();
        // The public URL: the resource's, with the path of this request.
        let mut url = guard.resource().url();
        url.set_path(request.uri().path());
        let verified = guard.verify(request.headers(), request.method(), &url, now);
        let admitted = verified.and_then(|verified| guard.admit(verified, request, needed, now));
        match admitted {
            Ok(request) => Box::pin(self.inner.call(request)),
            Err(refusal) => {
                let refused = guard.refuse(&refusal).map(R::from);
                Box::pin(std::future::ready(Ok(refused)))
            }
        }
    }
}

#[cfg(test)]
mod tests;

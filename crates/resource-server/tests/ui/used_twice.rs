//! Evidence is for one request: it moves, and there is no second of it.

use doorward_resource_server::{AuthorizedRequest, Guard, Verified};
use doorward_types::{ScopeSet, Timestamp};

fn twice(guard: &Guard, verified: Verified, now: Timestamp) {
    let _ = guard.admit(verified, http::Request::new(()), &ScopeSet::none(), now);
    let _ = guard.admit(verified, http::Request::new(()), &ScopeSet::none(), now);
}

fn copied(request: &AuthorizedRequest<()>) -> AuthorizedRequest<()> {
    request.clone()
}

fn main() {
    let _ = (twice, copied);
}

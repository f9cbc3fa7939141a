//! Neither step of the chain can be made by hand.

use doorward_resource_server::{Authorized, AuthorizedRequest, Verified};

fn main() {
    let _ = Verified { claims: std::sync::Arc::new(unreachable!()) };
    let _ = Authorized { claims: std::sync::Arc::new(unreachable!()) };
    let _ = AuthorizedRequest::new(unreachable!(), http::Request::new(()));
}

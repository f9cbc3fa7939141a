//! What takes an authorized request takes neither a plain one nor a token that was only verified.

use doorward_resource_server::{AuthorizedRequest, Verified};

fn forward(_: AuthorizedRequest<()>) {}

fn with_verified(verified: Verified) {
    forward(verified);
}

fn main() {
    forward(http::Request::new(()));
    let _ = with_verified;
}

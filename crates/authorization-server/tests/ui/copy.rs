//! Evidence is used once and belongs to one request.

use doorward_authorization_server::{
    client_auth::AuthenticatedClient,
    consent::Pending,
    redirect_target::{MatchedRedirectUri, RedirectBack},
    session::{PasswordVerified, ResourceOwner},
};

fn copied<T: Clone>() {}

fn main() {
    copied::<MatchedRedirectUri>();
    copied::<RedirectBack>();
    copied::<AuthenticatedClient>();
    copied::<PasswordVerified>();
    copied::<ResourceOwner>();
    copied::<Pending>();
}

//! Evidence has private fields: nobody outside writes it down.

use doorward_authorization_server::{
    account::SetUpLink,
    client_auth::AuthenticatedClient,
    facts::{AccountId, Client},
    redirect_target::{MatchedRedirectUri, RedirectBack},
    session::{PasswordVerified, ResourceOwner},
};
use doorward_types::{
    Digest,
    redirect::Kind,
    secret::{SessionToken, SetupToken},
};

fn matched() -> MatchedRedirectUri {
    MatchedRedirectUri { requested: "https://evil.tld/".into(), kind: Kind::Https }
}

fn back(to: MatchedRedirectUri) -> RedirectBack {
    RedirectBack { url: "https://evil.tld/".into(), to, error: None }
}

fn authenticated(client: Client) -> AuthenticatedClient {
    AuthenticatedClient { client, key: None, writes: Vec::new() }
}

fn verified(account: AccountId) -> PasswordVerified {
    PasswordVerified { account }
}

fn owner(account: AccountId, session: Digest<SessionToken>) -> ResourceOwner {
    ResourceOwner { account, name: "root".into(), session }
}

fn link(token: Digest<SetupToken>) -> SetUpLink {
    SetUpLink { token }
}

fn main() {}

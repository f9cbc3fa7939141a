//! The person signs in at the identity provider: the login with a code, or with a device, of any authorization server, for
//! the sake of an ID token.
//!
//! Source: OpenID Connect Core section 3.1, MCP extension io.modelcontextprotocol/enterprise-managed-authorization.

use doorward_types::{ScopeSet, Secret, messages::TokenResponse, secret};

use super::{Errand, keys, nobody_here};
use crate::{
    Code, Failed, Note, Step,
    authorization::AwaitPort,
    connect::State,
    device,
    discovery::Found,
    scope,
    start::Flow,
    target::{By, Dpop},
    token_request::Fresh,
};

/// What is asked for besides who the person is, where the identity provider knows it.
const MORE: [&str; 2] = ["offline_access", "email"];

/// What a sign-in is for.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(super) errand: Errand,
    /// What the ID token has to repeat, where the request says one.
    pub(super) nonce: Option<Secret<secret::Nonce>>,
    /// Whether the person has to type their password although a session at the provider goes on.
    anew: bool,
}

impl SignIn {
    /// What the request for a code says in addition.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut all = Vec::new();
        all.extend(self.nonce.as_ref().map(|nonce| ("nonce", nonce.expose())));
        all.extend(self.anew.then_some(("prompt", "login")));
        all
    }
}

/// Sends the person to the identity provider. `why` says what makes that necessary.
///
/// # Errors
/// When nobody is there, or the identity provider has no page for them.
pub(super) fn start(errand: Errand, why: &str, anew: bool, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
    let Some(by) = errand.provider.by else { return Err(nobody_here(&errand, why)) };
    let server = errand.provider.server.clone();
    if by == By::Browser && server.authorization_endpoint().is_none() {
        return Err(Failed::new(
            Code::NoPkce,
            "the identity provider does not say that it protects the sign-in with PKCE (S256)",
            format!("{} has no sign-in page, or does not list S256", server.issuer()),
            "nobody is sent there; if it is known to support S256, add: --tolerate unlisted-pkce",
        ));
    }
    let mut target = errand.found.flow.target.clone();
    // Nothing is bound to a key but what the MCP server's authorization server gives.
    target.dpop = Dpop::Never;
    target.reach = errand.provider.reach;
    // What the user says of the server's own page is not for this one.
    target.authorize.clear();
    target.redirect_uri = None;
    let unlisted = errand.provider.unlisted_pkce;
    let flow = Flow {
        target,
        challenged: None,
        asked: true,
        wants_bound: false,
        notes: unlisted.then_some(Note::UnlistedPkce).into_iter().collect(),
    };
    let known = server.document().scopes_supported.iter().map(String::as_str);
    let wanted = scope::readable(["openid"]).union(&scope::readable(known.filter(|known| MORE.contains(known))));
    let client = errand.provider.client.clone();
    let nonce = (by == By::Browser).then(|| Secret::generate(fresh.entropy));
    let found = Box::new(Found {
        flow,
        // An ID token is for this program and not for a server.
        audience: String::new(),
        server,
        listed: ScopeSet::default(),
        scope: Some(wanted),
        guessed: false,
        key: None,
        identity: None,
        sign_in: Some(Box::new(SignIn { errand, nonce, anew })),
    });
    match by {
        By::Browser => AwaitPort::known(found, client, false),
        By::Device => device::ask(found, client, false, fresh),
    }
}

/// Goes on with what the identity provider gave for the code. Its access token is of no use here and is dropped.
pub(crate) fn signed_in(sign_in: SignIn, tokens: TokenResponse) -> Result<(State, Step), Failed> {
    let SignIn { errand, nonce, .. } = sign_in;
    let Some(id_token) = tokens.id_token else {
        return Err(Failed::new(
            Code::BadIdToken,
            "the identity provider did not say who signed in",
            format!("the answer of {} holds no ID token", errand.provider.server.token_endpoint()),
            "ask whoever runs the identity provider to let this program use the scope openid",
        ));
    };
    keys::ask(errand, keys::Unchecked { id_token, refresh_token: tokens.refresh_token, nonce, before: None })
}

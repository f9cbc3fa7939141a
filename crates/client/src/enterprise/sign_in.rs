//! The person signs in at the identity provider: the login with a code, or with a device, of any authorization server, for
//! the sake of an ID token.
//!
//! Source: OpenID Connect Core section 3.1, MCP extension io.modelcontextprotocol/enterprise-managed-authorization.

use doorward_types::{ScopeSet, Secret};

use crate::{
    Code, Failed, Note,
    command::login_command,
    device,
    found::{Errand, Flow, Found, SignIn},
    port, scope,
    state::Next,
    target::{By, Dpop},
    token_request::Fresh,
};

/// What is asked for besides who the person is, where the identity provider knows it.
const MORE: [&str; 2] = ["offline_access", "email"];

/// Sends the person to the identity provider. `why` says what makes that necessary.
///
/// # Errors
/// When nobody is there, or the identity provider has no page for them.
pub(super) fn start(errand: Errand, why: &str, anew: bool, fresh: &mut Fresh<'_>) -> Next {
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
        By::Browser => port::known(found, client, false),
        By::Device => device::ask(found, client, false, fresh),
    }
}

/// Nobody can sign in now.
pub(super) fn nobody_here(errand: &Errand, why: &str) -> Failed {
    Failed::new(
        Code::LoginNeeded,
        "you have to sign in at your organisation's identity provider again",
        format!("{}: {why}", errand.provider.server.issuer()),
        login_command(&errand.found.flow.target),
    )
}

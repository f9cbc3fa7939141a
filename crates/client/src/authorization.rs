//! The page that the person is sent to.

use doorward_types::{CodeVerifier, Secret, redirect::RedirectUri};
use url::Url;

use crate::{
    RegisteredClient, callback,
    found::{Found, Pending},
    provider, push,
    state::Next,
    token_request::Fresh,
};

/// Sends the person to the authorization endpoint.
///
/// Source: OAuth 2.1 section 4.1.1, RFC 8707 section 2.1, RFC 9449 section 10.
pub(crate) fn open(
    found: Box<Found>,
    client: RegisteredClient,
    redirect_uri: RedirectUri,
    stored: bool,
    fresh: &mut Fresh<'_>,
) -> Next {
    let pending = Pending {
        state: Secret::generate(fresh.entropy),
        verifier: CodeVerifier::generate(fresh.entropy),
        found,
        client,
        stored,
        redirect_uri,
    };
    let Some(page) = pending.found.server.authorization_endpoint() else {
        return Err(callback::no_page(&pending.found));
    };
    let url = url(&pending, page);
    if pending.found.server.document().require_pushed_authorization_requests {
        return push::push(pending, url, fresh);
    }
    Ok(callback::show(pending, url))
}

fn url(pending: &Pending, page: &Url) -> Url {
    let found = &pending.found;
    let challenge = pending.verifier.challenge();
    let scope = found.scope.as_ref().map(ToString::to_string);
    let bound = found.key.as_ref().map(|key| key.thumbprint());
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", pending.client.client_id().as_str()),
        ("redirect_uri", pending.redirect_uri.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", pending.state.expose()),
    ];
    parameters.extend(found.sign_in.iter().flat_map(|sign_in| sign_in.parameters()));
    // OpenID Connect Core section 3.1.2.1; others ignore it.
    if let Some(hint) = &found.flow.target.login_hint {
        parameters.push(("login_hint", hint));
    }
    if !found.audience.is_empty() {
        parameters.push(("resource", &found.audience));
    }
    // The code, too, is good only for whoever holds the key.
    if let Some(bound) = &bound {
        parameters.push(("dpop_jkt", bound.as_str()));
    }
    if let Some(scope) = &scope {
        parameters.push(("scope", scope));
        // A provider gives a refresh token only when the person is asked for it. At an identity provider it is not theirs to say:
        // whoever runs it has decided, and some refuse whoever asks all the same.
        if found.sign_in.is_none() && found.scope.as_ref().is_some_and(|scope| scope.contains_name("offline_access")) {
            parameters.push(("prompt", "consent"));
        }
    }
    for own in &found.flow.target.authorize {
        parameters.retain(|(name, _)| *name != own.name());
        parameters.push((own.name(), own.value()));
    }
    provider::authorize(found.server.issuer(), &mut parameters);
    let mut url = page.clone();
    let own: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !parameters.iter().any(|(ours, _)| name == ours))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(own).extend_pairs(parameters);
    url
}

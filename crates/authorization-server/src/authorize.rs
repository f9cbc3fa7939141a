//! The authorization request: refuse on our own page, send an error back, or ask a person.

use aws_lc_rs::hmac;
use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{
    ClientId, Digest, Entropy, Permission, ResourceId, S256Challenge, ScopeSet, Secret, Timestamp,
    form::Form,
    jose::Thumbprint,
    messages::ErrorResponse,
    secret::{InteractionToken, Kind, SessionToken, State},
};

use crate::{
    PageRefusal, Policy, Resource, Write,
    facts::{AnswerTo, AuthorizationRequest, Client, Interaction},
    policy::{OFFLINE_ACCESS, offline_access},
    redirect_target::{AuthorizationError, MatchedRedirectUri, RedirectBack},
    seal::Sealed,
};

/// What [`Sealed::seal`] is told when a waiting request is sealed.
pub(crate) const SEALED_REQUEST: &str = "authorization request";

/// How an authorization request goes on.
#[derive(Debug)]
pub enum Begin {
    /// Shown here: nobody may be sent anywhere.
    Refuse(PageRefusal),
    /// An error for the client, at its matched redirect URI. It is shown on a page first.
    Redirect(RedirectBack),
    /// A person is asked.
    Interact {
        /// Names the waiting request; it goes into the URL of the sign-in and consent pages.
        token: Secret<InteractionToken>,
        /// To be committed before the page is shown; on a conflict the same pushed request was begun just now.
        writes: Vec<Write>,
    },
}

/// The client that a request names, to load its facts.
///
/// # Errors
/// When `client_id` is missing or malformed.
pub fn client_id(form: &Form) -> Result<ClientId, PageRefusal> {
    let text = form.get("client_id").ok_or(PageRefusal::NoClient)?;
    ClientId::parse(text).map_err(|_| PageRefusal::UnknownClient)
}

/// Decides on an authorization request that was not pushed. `browser` is the digest of the browser's session cookie, signed
/// in or not: only this browser can answer. The redirect URI is matched before anything is sent anywhere.
///
/// Source: OAuth 2.1 section 4.1.1, RFC 8707 section 2, RFC 9207 section 2.
pub fn begin(
    policy: &Policy,
    form: &Form,
    client: Option<&Client>,
    browser: Digest<SessionToken>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Begin {
    let id = match client_id(form) {
        Ok(id) => id,
        Err(refusal) => return Begin::Refuse(refusal),
    };
    let Some(client) = client.filter(|client| client.id == id && client.exists(now)) else {
        return Begin::Refuse(PageRefusal::UnknownClient);
    };
    let redirect = match redirect(form, client) {
        Ok(redirect) => redirect,
        Err(refusal) => return Begin::Refuse(refusal),
    };
    let request = if policy.pushed_only || client.pushed_only {
        Err(RequestRefusal(AuthorizationError::InvalidRequest, "this request must be pushed (RFC 9126)"))
    } else {
        read(policy, form, client, &redirect, now)
    };
    match request {
        Err(RequestRefusal(error, description)) => {
            // A state that cannot be one is not echoed; everything else of it is, verbatim.
            let state = form.get("state").and_then(|state| Secret::<State>::parse(state).ok());
            let state = state.as_ref().map(Secret::expose);
            Begin::Redirect(RedirectBack::with_error(redirect, &policy.issuer, state, error, description))
        }
        Ok(request) => {
            let token = Secret::generate(entropy);
            let expires_at = now.plus(policy.lifetimes.interaction);
            let interaction = wait(&token, browser, &request, expires_at, entropy);
            Begin::Interact { token, writes: vec![Write::InsertInteraction(interaction)] }
        }
    }
}

/// The name of a request that can be begun once only. The same secret gives the same name, so that a page that is loaded
/// again finds what was begun.
pub(crate) fn derived<K: Kind>(secret: &Secret<K>, purpose: &str) -> Secret<InteractionToken> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let tag = hmac::sign(&key, format!("interaction\n{purpose}").as_bytes());
    let text = format!("{}{}", InteractionToken::PREFIX, Base64UrlUnpadded::encode_string(tag.as_ref()));
    Secret::parse(text).expect("base64url is an interaction token")
}

/// The row of a request that waits for this browser.
pub(crate) fn wait(
    token: &Secret<InteractionToken>,
    browser: Digest<SessionToken>,
    request: &AuthorizationRequest,
    expires_at: Timestamp,
    entropy: &mut dyn Entropy,
) -> Interaction {
    let plain = serde_json::to_vec(request).expect("a request serialises");
    Interaction {
        digest: token.digest(),
        browser,
        request: Sealed::seal(token, SEALED_REQUEST, &plain, entropy),
        expires_at,
        spent: false,
    }
}

/// What is wrong with a request, for the client: a code and a fixed sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRefusal(pub AuthorizationError, pub &'static str);

impl RequestRefusal {
    /// The body of the answer, where the request came from the client itself.
    pub fn response(self) -> ErrorResponse {
        ErrorResponse { error: self.0.as_str().to_owned(), error_description: Some(self.1.to_owned()) }
    }
}

/// The redirect URI that is asked for, matched.
pub(crate) fn redirect(form: &Form, client: &Client) -> Result<MatchedRedirectUri, PageRefusal> {
    let requested = form.get("redirect_uri").ok_or(PageRefusal::NoRedirectUri)?;
    client.match_redirect_uri(requested).ok_or_else(|| PageRefusal::redirect_uri(requested))
}

/// Judges an authorization request, whether it was pushed or came with the browser.
pub(crate) fn read(
    policy: &Policy,
    form: &Form,
    client: &Client,
    redirect: &MatchedRedirectUri,
    now: Timestamp,
) -> Result<AuthorizationRequest, RequestRefusal> {
    use AuthorizationError as E;
    if form.get("state").is_some_and(|state| Secret::<State>::parse(state).is_err()) {
        return Err(RequestRefusal(E::InvalidRequest, "state is too long or holds other than ASCII"));
    }
    if form.get("request").is_some() {
        return Err(RequestRefusal(E::RequestNotSupported, "request objects are not supported"));
    }
    if form.get("request_uri").is_some() {
        return Err(RequestRefusal(E::RequestUriNotSupported, "only the request_uri of a pushed request is supported"));
    }
    match form.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(RequestRefusal(E::UnsupportedResponseType, "the only response_type is code")),
        None => return Err(RequestRefusal(E::InvalidRequest, "response_type is missing")),
    }
    if !matches!(form.get("response_mode"), None | Some("query")) {
        return Err(RequestRefusal(E::InvalidRequest, "the only response_mode is query"));
    }
    if !client.may_use("authorization_code") {
        let description = "the client did not register the grant type authorization_code";
        return Err(RequestRefusal(E::UnauthorizedClient, description));
    }
    // A missing method would mean `plain` (RFC 7636 section 4.3), which does not exist here.
    if form.get("code_challenge_method") != Some("S256") {
        return Err(RequestRefusal(E::InvalidRequest, "code_challenge_method must be S256"));
    }
    let challenge = form
        .get("code_challenge")
        .and_then(|text| S256Challenge::parse(text).ok())
        .ok_or(RequestRefusal(E::InvalidRequest, "code_challenge must be the base64url form of a SHA-256 digest"))?;
    let dpop =
        form.get("dpop_jkt").map(Thumbprint::parse).transpose().map_err(|_| {
            RequestRefusal(E::InvalidRequest, "dpop_jkt must be the base64url form of a SHA-256 digest")
        })?;
    let resource = resource(policy, form)?;
    let (scope, offline) = scope(policy, form, client, resource)?;
    // Every answer needs a person here, so a request that forbids to ask one cannot succeed.
    if form.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|value| value == "none")) {
        return Err(RequestRefusal(E::InteractionRequired, "the person is always asked"));
    }
    let state = form.get("state").map(ToOwned::to_owned);
    Ok(AuthorizationRequest {
        client: client.id.clone(),
        face: Some(client.face().to_text()),
        answer_to: AnswerTo::Redirect { uri: redirect.as_str().to_owned(), state, challenge, dpop },
        resource: resource.id.clone(),
        scope,
        offline,
        requested_at: now,
    })
}

/// The one resource that is asked for: named once and known, or left out where there is only one.
pub(crate) fn resource<'a>(policy: &'a Policy, form: &Form) -> Result<&'a Resource, RequestRefusal> {
    let wrong = |description| RequestRefusal(AuthorizationError::InvalidTarget, description);
    let mut asked = form.all("resource");
    match (asked.next(), asked.next(), policy.resources.as_slice()) {
        (None, _, [only]) => Ok(only),
        (None, ..) => Err(wrong("resource is missing")),
        (Some(_), Some(_), _) => Err(wrong("only one resource can be asked for")),
        (Some(text), None, _) => ResourceId::parse(text)
            .ok()
            .and_then(|id| policy.resource(&id))
            .ok_or(wrong("the resource is not one of this server's protected resources")),
    }
}

/// The scopes that can be granted, and whether the client asks to stay connected and may. What a broad scope implies can
/// be granted without it, so that the person can narrow. All that the client may have, when it names none.
///
/// Source: MCP 2026-07-28 authorization, "Scope Selection Strategy" and "Step-Up Authorization Flow".
pub(crate) fn scope(
    policy: &Policy,
    form: &Form,
    client: &Client,
    resource: &Resource,
) -> Result<(ScopeSet, bool), RequestRefusal> {
    let wrong = |description| RequestRefusal(AuthorizationError::InvalidScope, description);
    let asked = ScopeSet::parse(form.get("scope").unwrap_or_default()).map_err(|_| wrong("scope is malformed"))?;
    let offline = asked.contains_name(OFFLINE_ACCESS) && client.may_use("refresh_token");
    let asked = asked.without(&offline_access());
    if !resource.scopes.covers(&asked) {
        return Err(wrong("a scope is not one of the resource's"));
    }
    let most = policy.most_scope(client, resource);
    let scope = if asked.is_empty() { most } else { Permission::with_implied(&asked).intersection(&most) };
    if scope.is_empty() {
        return Err(wrong("this client may not have any of these scopes"));
    }
    Ok((scope, offline))
}

#[cfg(test)]
mod tests;

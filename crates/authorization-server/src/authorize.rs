//! The authorization request: refuse on our own page, send an error back, or ask a person.

use doorward_types::{
    ClientId, Digest, Entropy, ResourceId, S256Challenge, Scope, ScopeSet, Secret, Timestamp,
    form::Form,
    secret::{InteractionToken, SessionToken, State},
};

use crate::{
    PageRefusal, Policy, Resource, Write,
    facts::{AuthorizationRequest, Client, Interaction},
    redirect_target::{AuthorizationError, RedirectBack},
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
        /// The request, as it will be read back.
        request: AuthorizationRequest,
        /// To be committed before the page is shown.
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

/// Decides on an authorization request. `browser` is the digest of the browser's session cookie, signed in or not:
/// only this browser can answer. The redirect URI is matched before anything is sent anywhere.
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
    let Some(client) = client.filter(|client| client.id == id) else {
        return Begin::Refuse(PageRefusal::UnknownClient);
    };
    let Some(requested) = form.get("redirect_uri") else {
        return Begin::Refuse(PageRefusal::NoRedirectUri);
    };
    let Some(redirect) = client.match_redirect_uri(requested) else {
        return Begin::Refuse(PageRefusal::redirect_uri(requested));
    };
    // A state that cannot be one is not echoed; everything else of it is, verbatim.
    let state = form.get("state").map(Secret::<State>::parse);
    let request = match &state {
        Some(Err(_)) => Err(Wrong(AuthorizationError::InvalidRequest, "state is too long or holds other than ASCII")),
        _ => read(policy, form, client, requested, now),
    };
    match request {
        Err(Wrong(error, description)) => {
            let state = state.as_ref().and_then(|state| state.as_ref().ok()).map(Secret::expose);
            Begin::Redirect(RedirectBack::with_error(redirect, &policy.issuer, state, error, description))
        }
        Ok(request) => {
            let token = Secret::generate(entropy);
            let plain = serde_json::to_vec(&request).expect("a request serialises");
            let interaction = Interaction {
                digest: token.digest(),
                browser,
                request: Sealed::seal(&token, SEALED_REQUEST, &plain, entropy),
                expires_at: now.plus(policy.lifetimes.interaction),
                spent: false,
            };
            Begin::Interact { token, request, writes: vec![Write::InsertInteraction(interaction)] }
        }
    }
}

/// An error for the client, with a fixed sentence.
struct Wrong(AuthorizationError, &'static str);

fn read(
    policy: &Policy,
    form: &Form,
    client: &Client,
    requested: &str,
    now: Timestamp,
) -> Result<AuthorizationRequest, Wrong> {
    use AuthorizationError as E;
    if form.get("request").is_some() {
        return Err(Wrong(E::RequestNotSupported, "request objects are not supported"));
    }
    if form.get("request_uri").is_some() {
        return Err(Wrong(E::RequestUriNotSupported, "request objects are not supported"));
    }
    match form.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(Wrong(E::UnsupportedResponseType, "the only response_type is code")),
        None => return Err(Wrong(E::InvalidRequest, "response_type is missing")),
    }
    if !matches!(form.get("response_mode"), None | Some("query")) {
        return Err(Wrong(E::InvalidRequest, "the only response_mode is query"));
    }
    if !client.grant_types.iter().any(|grant_type| grant_type == "authorization_code") {
        return Err(Wrong(E::UnauthorizedClient, "the client did not register the grant type authorization_code"));
    }
    // A missing method would mean `plain` (RFC 7636 section 4.3), which does not exist here.
    if form.get("code_challenge_method") != Some("S256") {
        return Err(Wrong(E::InvalidRequest, "code_challenge_method must be S256"));
    }
    let challenge = form
        .get("code_challenge")
        .and_then(|text| S256Challenge::parse(text).ok())
        .ok_or(Wrong(E::InvalidRequest, "code_challenge must be the base64url form of a SHA-256 digest"))?;
    let resource = resource(policy, form)?;
    let scope = scope(form, resource)?;
    // Every answer needs a person here, so a request that forbids to ask one cannot succeed.
    if form.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|value| value == "none")) {
        return Err(Wrong(E::InteractionRequired, "the person is always asked"));
    }
    Ok(AuthorizationRequest {
        client: client.id.clone(),
        redirect_uri: requested.to_owned(),
        state: form.get("state").map(ToOwned::to_owned),
        challenge,
        resource: resource.id.clone(),
        scope,
        requested_at: now,
    })
}

/// The one resource that is asked for: named once and known, or left out where there is only one.
fn resource<'a>(policy: &'a Policy, form: &Form) -> Result<&'a Resource, Wrong> {
    let wrong = |description| Wrong(AuthorizationError::InvalidTarget, description);
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

/// The scopes that are asked for; all of the resource's when none is named, for the person to narrow.
/// `offline_access` is passed over: it asks for what follows from the registration anyway.
fn scope(form: &Form, resource: &Resource) -> Result<ScopeSet, Wrong> {
    let wrong = |description| Wrong(AuthorizationError::InvalidScope, description);
    let asked = ScopeSet::parse(form.get("scope").unwrap_or_default()).map_err(|_| wrong("scope is malformed"))?;
    let offline: ScopeSet = Scope::parse("offline_access").into_iter().collect();
    let asked = asked.without(&offline);
    if asked.is_empty() {
        return Ok(resource.scopes.clone());
    }
    if resource.scopes.covers(&asked) { Ok(asked) } else { Err(wrong("a scope is not one of the resource's")) }
}

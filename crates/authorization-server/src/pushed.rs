//! Pushed authorization requests: a client hands its request in itself and gets a reference for the browser.
//!
//! Source: RFC 9126.

use doorward_types::{
    Digest, Entropy, Secret, Timestamp,
    form::Form,
    jose::{Thumbprint, dpop::ProvenKey},
    secret::{InteractionToken, RequestReference, SessionToken},
};
use serde::Serialize;

use crate::{
    PageRefusal, Policy, Write,
    authorize::{self, Begin, RequestRefusal, derived, wait},
    client_auth::AuthenticatedClient,
    consent,
    facts::{AnswerTo, AuthorizationRequest, Client, Interaction, PushedRequest},
    redirect_target::AuthorizationError,
    seal::Sealed,
};

/// What stands before the reference in a `request_uri`.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// What [`Sealed::seal`] is told when a pushed request is sealed.
const SEALED_PUSHED: &str = "pushed request";

/// The answer to a pushed request.
///
/// Source: RFC 9126 section 2.2.
#[derive(Debug, Serialize)]
pub struct PushedResponse {
    /// What the browser brings to the authorization endpoint. It names the request and gives nobody else access to it.
    pub request_uri: String,
    /// Seconds until it can no longer be used.
    pub expires_in: u64,
}

/// Takes a request that a client pushes: the same checks as with a browser, and no browser to send anywhere. `key` is the
/// key that the client proved to hold with the request.
///
/// # Errors
/// What an authorization request would be refused for, as an answer for the client.
/// Source: RFC 9126 section 2.1, RFC 9449 section 10.1.
pub fn push(
    policy: &Policy,
    client: &AuthenticatedClient,
    form: &Form,
    key: Option<Thumbprint>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(PushedResponse, Vec<Write>), RequestRefusal> {
    let invalid = |description| RequestRefusal(AuthorizationError::InvalidRequest, description);
    if form.get("request_uri").is_some() {
        return Err(invalid("a pushed request cannot name a request_uri"));
    }
    let client = client.client();
    let redirect = authorize::redirect(form, client).map_err(|refusal| match refusal {
        PageRefusal::NoRedirectUri => invalid("redirect_uri is missing"),
        _ => invalid("the redirect_uri is not one of those that the client registered"),
    })?;
    let mut request = authorize::read(policy, form, client, &redirect, now)?;
    if let (AnswerTo::Redirect { dpop, .. }, Some(key)) = (&mut request.answer_to, key)
        && *dpop.get_or_insert_with(|| key.clone()) != key
    {
        return Err(invalid("dpop_jkt is not the key of the DPoP proof"));
    }
    let reference = Secret::<RequestReference>::generate(entropy);
    let plain = serde_json::to_vec(&request).expect("a request serialises");
    let row = PushedRequest {
        digest: reference.digest(),
        client: client.id.clone(),
        form: Sealed::seal(&reference, SEALED_PUSHED, &plain, entropy),
        expires_at: now.plus(policy.lifetimes.pushed_request),
        spent: false,
    };
    let response = PushedResponse {
        request_uri: format!("{PREFIX}{}", reference.expose()),
        expires_in: policy.lifetimes.pushed_request.as_secs(),
    };
    Ok((response, vec![Write::InsertPushedRequest(row)]))
}

/// The proof of the key that came with a pushed request, used up.
pub fn spent(key: &ProvenKey) -> Write {
    Write::UseOnce { id: key.proof(), until: key.until() }
}

/// The reference in a request that a browser brings; nothing when the request was not pushed.
///
/// # Errors
/// When it cannot be one of ours.
pub fn reference(form: &Form) -> Result<Option<Secret<RequestReference>>, PageRefusal> {
    let Some(text) = form.get("request_uri").and_then(|uri| uri.strip_prefix(PREFIX)) else { return Ok(None) };
    let reference = Secret::parse(text).ok().filter(Secret::is_well_formed);
    reference.map(Some).ok_or(PageRefusal::UnknownPushedRequest)
}

/// The name under which a pushed request waits for a person once it was begun.
pub fn interaction(reference: &Secret<RequestReference>) -> Secret<InteractionToken> {
    derived(reference, "pushed request")
}

/// What is known of a pushed request.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The client that the browser's request names.
    pub client: Option<&'a Client>,
    /// The request as it was pushed.
    pub pushed: Option<&'a PushedRequest>,
    /// The same request, if it was begun before: what [`interaction`] names.
    pub begun: Option<&'a Interaction>,
}

/// Decides on a request that a browser brings by reference. Nothing of it counts but the reference and the client. It begins
/// once; loading the page again, or coming back to it, goes on with what was begun, in the same browser.
///
/// # Errors
/// What the person is told when there is nothing to go on with.
/// Source: RFC 9126 section 4.
pub fn begin(
    policy: &Policy,
    form: &Form,
    reference: &Secret<RequestReference>,
    facts: &Facts<'_>,
    browser: Digest<SessionToken>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Begin, PageRefusal> {
    let id = authorize::client_id(form)?;
    let client = facts.client.filter(|client| client.id == id).ok_or(PageRefusal::UnknownClient)?;
    let token = interaction(reference);
    if let Some(begun) = facts.begun {
        // Whether this browser may answer it, and whether it still can be, is judged where it is opened.
        return match consent::client_of(begun, &token)? == client.id {
            true => Ok(Begin::Interact { token, writes: Vec::new() }),
            false => Err(PageRefusal::UnknownPushedRequest),
        };
    }
    let pushed = facts.pushed.filter(|pushed| pushed.digest == reference.digest() && pushed.client == client.id);
    let pushed = pushed.filter(|pushed| !pushed.spent && pushed.expires_at > now);
    let request: AuthorizationRequest = pushed
        .and_then(|pushed| pushed.form.open(reference, SEALED_PUSHED))
        .and_then(|plain| serde_json::from_slice(&plain).ok())
        .ok_or(PageRefusal::UnknownPushedRequest)?;
    let waiting = wait(&token, browser, &request, now.plus(policy.lifetimes.interaction), entropy);
    let writes = vec![Write::SpendPushedRequest(reference.digest()), Write::InsertInteraction(waiting)];
    Ok(Begin::Interact { token, writes })
}

#[cfg(test)]
mod tests;

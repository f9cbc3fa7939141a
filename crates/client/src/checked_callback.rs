//! What comes to the callback is checked: first the state, then the issuer, and only then what it says.

use doorward_types::{Issuer, Secret, form::Form, messages::ErrorResponse, secret};

use crate::{found::Pending, step::NotTaken};

/// An authorization response that answers our request: its state was found, and its issuer is the one that we asked.
/// A code is exchanged, and a server's error shown, only by giving this up.
///
/// Source: RFC 9207 section 2.4, MCP 2026-07-28 authorization, "Authorization Response Validation".
#[derive(Debug)]
pub struct CheckedCallback {
    issuer: Issuer,
    pub(crate) answer: Answer,
}

/// What a checked response says.
#[derive(Debug)]
pub(crate) enum Answer {
    Code(CheckedCode),
    Error(ErrorResponse),
}

/// A code that came in a checked response. It is spent by value.
#[derive(Debug)]
pub(crate) struct CheckedCode(Secret<secret::AuthorizationCode>);

impl CheckedCode {
    /// The code, for the token request.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl CheckedCallback {
    /// The server that answered.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

/// Checks one request that came to the callback. A request that is not taken changes nothing.
pub(crate) fn check(pending: &Pending, query: &str) -> Result<CheckedCallback, NotTaken> {
    let form = Form::parse(query.as_bytes()).map_err(|_| NotTaken::Malformed)?;
    let state = form.get("state").and_then(|state| Secret::parse(state).ok()).ok_or(NotTaken::ForeignState)?;
    if !pending.state.is(&state) {
        return Err(NotTaken::ForeignState);
    }
    let server = &pending.found.server;
    let promised = server.document().authorization_response_iss_parameter_supported;
    // Present but empty is present, and wrong.
    let named = form.names().any(|name| name == "iss");
    match (form.get("iss"), named) {
        (Some(iss), _) if iss == server.named() => {}
        (None, false) if !promised => {}
        _ => return Err(NotTaken::WrongIssuer),
    }
    let answer = match (form.get("code"), form.get("error")) {
        (Some(code), None) => Answer::Code(CheckedCode(Secret::parse(code).map_err(|_| NotTaken::Malformed)?)),
        (None, Some(error)) => Answer::Error(ErrorResponse {
            error: error.to_owned(),
            error_description: form.get("error_description").map(str::to_owned),
        }),
        _ => return Err(NotTaken::NoAnswer),
    };
    Ok(CheckedCallback { issuer: server.issuer().clone(), answer })
}

//! What comes back from the browser. First the state, then the issuer, and only then what the answer says.

use std::time::Duration;

use doorward_types::{Issuer, Secret, Timestamp, form::Form, messages::ErrorResponse, secret};

use crate::{
    Code, Failed, Step,
    authorization::{self, Pending},
    connect::State,
    exchange, registration,
    step::NotTaken,
    token_request::Fresh,
};

/// How much longer the right answer is waited for after one that came from the wrong server.
const AFTER_WRONG_ISSUER: Duration = Duration::from_secs(5);

/// An authorization response that answers our request: its state was found, and its issuer is the one that we asked.
/// A code is exchanged, and a server's error shown, only by giving this up.
///
/// Source: RFC 9207 section 2.4, MCP 2026-07-28 authorization, "Authorization Response Validation".
#[derive(Debug)]
pub struct CheckedCallback {
    issuer: Issuer,
    answer: Answer,
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

/// Waits for the answer in the browser.
#[derive(Debug)]
pub(crate) struct AwaitCallback {
    pending: Pending,
    /// When waiting ends, once an answer came with our state and another issuer.
    until: Option<Timestamp>,
}

impl AwaitCallback {
    pub(crate) fn new(pending: Pending) -> Self {
        Self { pending, until: None }
    }

    pub(crate) fn on(mut self, query: &str, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
        let callback = match check(&self.pending, query) {
            Ok(callback) => callback,
            Err(why) => {
                if why == NotTaken::WrongIssuer {
                    self.until.get_or_insert(fresh.now.plus(AFTER_WRONG_ISSUER));
                }
                let at_most = self.until.map(|until| until.since(fresh.now));
                return Ok((State::Callback(self), Step::KeepWaiting { why, at_most }));
            }
        };
        let pending = self.pending;
        match callback.answer {
            Answer::Code(code) => exchange::redeem(pending, code, fresh),
            Answer::Error(error) => refused(pending, &error),
        }
    }

    pub(crate) fn time_up(self) -> Failed {
        let issuer = self.pending.found.server.issuer();
        match self.until {
            // Nothing of what came is told: its words may be chosen by whoever sent it.
            Some(_) => Failed::new(
                Code::CallbackIssuer,
                "the answer in the browser did not come from the authorization server that was asked",
                format!("its iss parameter is missing or is not {issuer}"),
                "nothing was sent to anybody; try again, and if it happens again ask the operator of the server",
            ),
            None => Failed::new(
                Code::LoginTimedOut,
                "nobody finished the login in the browser in time",
                format!("no answer came from {issuer}"),
                "try again, and finish the login in the browser",
            ),
        }
    }
}

/// The server's error, or one more registration when it says that it does not know the stored client.
fn refused(pending: Pending, error: &ErrorResponse) -> Result<(State, Step), Failed> {
    let issuer = pending.found.server.issuer();
    let forgotten = matches!(error.error.as_str(), "invalid_client" | "unauthorized_client" | "invalid_scope");
    if forgotten && exchange::may_register_again(pending.stored, &pending.client) {
        return registration::register_again(pending.found, pending.redirect_uri);
    }
    let why = format!("{issuer} answered {}", authorization::words(error));
    Err(if error.error == "access_denied" {
        Failed::new(Code::Denied, "access was denied in the browser", why, "log in again to allow it")
    } else {
        Failed::new(
            Code::AuthorizationRefused,
            "the authorization server refused the login",
            why,
            "try again; if it happens again ask the operator of the server",
        )
    })
}

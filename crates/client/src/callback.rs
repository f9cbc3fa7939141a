//! The person is sent to the page, and what comes back from the browser is taken or refused.

use std::time::Duration;

use doorward_types::messages::ErrorResponse;
use url::Url;

use crate::{
    Code, Failed, Step,
    checked_callback::{self, Answer},
    exchange,
    failed::words,
    found::{Found, Pending},
    registration,
    state::{AwaitCallback, Next, State},
    step::{NotTaken, OpenBrowser},
    token_request::Fresh,
};

/// How much longer the right answer is waited for after one that came from the wrong server.
const AFTER_WRONG_ISSUER: Duration = Duration::from_secs(5);

/// Shows the person this page, and waits for the answer.
pub(crate) fn show(mut pending: Pending, url: Url) -> (State, Step) {
    let page = OpenBrowser {
        url,
        issuer: pending.found.server.issuer().clone(),
        resource: pending.found.flow.target.resource.clone(),
        scope: pending.found.scope.clone(),
        notes: std::mem::take(&mut pending.found.flow.notes),
    };
    (State::Callback(AwaitCallback { pending, until: None }), Step::OpenBrowser(page))
}

/// The page was checked when the metadata was read for a login with a code.
pub(crate) fn no_page(found: &Found) -> Failed {
    Failed::new(
        Code::BadServerMetadata,
        "the authorization server has no sign-in page that is protected with PKCE (S256)",
        found.server.issuer().to_string(),
        "no login is started; ask the operator of the server",
    )
}

/// Goes on with a request that came to the port.
pub(crate) fn came(mut waiting: AwaitCallback, query: &str, fresh: &mut Fresh<'_>) -> Next {
    let callback = match checked_callback::check(&waiting.pending, query) {
        Ok(callback) => callback,
        Err(why) => {
            if why == NotTaken::WrongIssuer {
                waiting.until.get_or_insert(fresh.now.plus(AFTER_WRONG_ISSUER));
            }
            let at_most = waiting.until.map(|until| until.since(fresh.now));
            return Ok((State::Callback(waiting), Step::KeepWaiting { why, at_most }));
        }
    };
    let pending = waiting.pending;
    match callback.answer {
        Answer::Code(code) => exchange::redeem(pending, code, fresh),
        Answer::Error(error) => refused(pending, &error),
    }
}

/// Nobody came in time.
pub(crate) fn time_up(waiting: &AwaitCallback) -> Failed {
    let issuer = waiting.pending.found.server.issuer();
    match waiting.until {
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

/// The server's error, or one more registration when it says that it does not know the stored client.
fn refused(pending: Pending, error: &ErrorResponse) -> Next {
    let issuer = pending.found.server.issuer();
    let forgotten = matches!(error.error.as_str(), "invalid_client" | "unauthorized_client" | "invalid_scope");
    if forgotten && exchange::may_register_again(pending.stored, &pending.client) {
        return registration::register_again(pending.found, pending.redirect_uri);
    }
    let why = format!("{issuer} answered {}", words(error));
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

//! A login that is made on another device, while the bridge goes on: for hosts that can send a person to a page.

use std::time::Duration;

use doorward_client::{Code, Failed, Target, step::ShowDeviceCode};
use doorward_relay::bridge::LoginPage;
use doorward_store::Attempt;
use http::HeaderMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{browser, flow, ladder::Manner, place::Place};
use crate::output;

/// How long the servers may take until there is a code.
const A_CODE: Duration = Duration::from_secs(30);

/// Begins such a login; `None` when that is not possible: the authorization server gives no codes, mostly. It takes the
/// other processes' turn only as long as it registers: whoever types `doorward login` meanwhile does not wait for it.
pub(super) async fn begin(
    place: &Place,
    target: Target,
    challenge: HeaderMap,
    patience: Duration,
) -> Option<LoginPage> {
    place.store.prepare().await.ok()?;
    let lock = place.store.login_lock(&target.resource);
    let Ok(Attempt::Held(_turn)) = lock.try_acquire(2 * A_CODE).await else { return None };
    let (told, mut codes) = mpsc::channel(1);
    let manner = Manner { device: true, patience, told: Some(told), ..Manner::nobody() };
    let ended = CancellationToken::new();
    let (place, ends) = (place.tracing_login(&target), ended.clone().drop_guard());
    let trace = place.trace.clone();
    trace.challenged(&challenge);
    let login = tokio::spawn(async move {
        let _ends = ends;
        let outcome = flow::log_in(&place, target, Some(&challenge), &manner).await;
        place.trace.end(outcome.as_ref().err());
    });
    let why = match tokio::time::timeout(A_CODE, codes.recv()).await {
        Ok(Some(code)) if browser::may_open(&code.verification_uri) => return Some(page(code, ended)),
        // The login has ended, and said why.
        Ok(None) => return None,
        Ok(Some(_)) => "the page for the code has no address that may be opened",
        Err(_) => "the servers gave no code in time",
    };
    login.abort();
    trace.end(Some(&Failed::new(Code::LoginTimedOut, "nobody can sign in on another device", why, "doorward login")));
    None
}

/// Where a person goes, and what they are told.
fn page(code: ShowDeviceCode, ended: CancellationToken) -> LoginPage {
    // The code is typed by hand: whoever opens an address that holds it may not know whose login it is.
    let message = format!("Open the page, sign in, and type the code {} there", output::harmless(&code.user_code));
    LoginPage { url: code.verification_uri, message, ended }
}

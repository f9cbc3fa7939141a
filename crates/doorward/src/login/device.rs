//! Signing in with a browser anywhere, by a code.

use std::time::Duration;

use doorward_client::{Input, step::ShowDeviceCode};
use tokio::time::Instant;

use crate::output;

/// Says what the person has to do.
pub(super) fn show(code: &ShowDeviceCode) {
    output::tell("To sign in, open this page in a browser on any computer or telephone:");
    output::tell(&format!("  {}", code.verification_uri));
    output::tell(&format!("and enter the code  {}", output::harmless(&code.user_code)));
    if let Some(complete) = &code.complete {
        output::tell(&format!("or open {complete} and compare the code"));
    }
    output::tell(&format!("Waiting for the sign-in at {}, until {}.", code.issuer, output::moment(code.expires)));
}

/// Waits, but no longer than the person may take.
pub(super) async fn wait(time: Duration, until: Instant) -> Input {
    let next = Instant::now() + time;
    if next > until {
        tokio::time::sleep_until(until).await;
        return Input::TimeUp;
    }
    tokio::time::sleep_until(next).await;
    Input::Waited
}

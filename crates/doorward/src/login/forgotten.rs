//! Whether a server has forgotten the client that an earlier login registered.

use doorward_client::{CredentialStore as _, Failed, RegisteredClient, Registration, step::OpenBrowser};
use doorward_fetch::{Outbound, Reach, Redirects};
use http::{HeaderValue, StatusCode};

use super::{fail, place::Place};
use crate::output;

/// Whether the sign-in page would only tell the person that the client is unknown, which no callback ever reports. Then
/// the client is forgotten here as well.
pub(super) async fn is(
    place: &Place,
    client: &RegisteredClient,
    page: &OpenBrowser,
    reach: Reach,
) -> Result<bool, Failed> {
    // At the page of an identity provider it is another client.
    if client.registration() != Registration::Dynamic || *client.issuer() != page.issuer {
        return Ok(false);
    }
    // Where the request was pushed the server has said by then that it knows the client, and its name is good for one look.
    if page.url.query_pairs().any(|(name, _)| name == "request_uri") {
        return Ok(false);
    }
    let mut look = Outbound::metadata(page.url.clone(), reach);
    look.redirects = Redirects::Refuse;
    look.headers.insert(http::header::ACCEPT, HeaderValue::from_static("text/html"));
    let answer = place.send(look).await;
    let refused = |status: StatusCode| matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    if !answer.is_ok_and(|answer| refused(answer.status)) {
        return Ok(false);
    }
    place.trace.client_forgotten();
    output::tell(&format!("{} does not know this program any more, so it is made known to it again.", page.issuer));
    let removed = place.store.remove_client(&page.issuer, client.client_id()).await;
    // Where another process was first, what it registered is as good.
    removed.map(|_| true).map_err(|fault| fail::store(&fault))
}

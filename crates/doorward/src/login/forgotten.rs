//! Whether a server has forgotten the client that an earlier login registered.

use doorward_client::{CredentialStore as _, Failed, RegisteredClient, Registration, step::OpenBrowser};
use doorward_fetch::{Inbound, Outbound, Reach, Redirects};
use doorward_types::{json, messages::ErrorResponse};
use http::{HeaderValue, StatusCode};

use super::{fail, place::Place};
use crate::output;

/// When it is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The last page came to nothing, and another one is not yet shown.
    BeforeThePage,
    /// A person may be signing in there: a page that is refused to whoever has no session is no reason to end that.
    WhileItIsShown,
}

/// Whether the sign-in page would only tell the person that the client is unknown, which no callback ever reports. Then
/// the client is forgotten here as well.
pub(super) async fn is(
    place: &Place,
    client: &RegisteredClient,
    page: &OpenBrowser,
    reach: Reach,
    when: When,
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
    let Ok(answer) = place.send(look).await else { return Ok(false) };
    let refused = matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    if !refused || (when == When::WhileItIsShown && !names_the_client(&answer, client.client_id().as_str())) {
        return Ok(false);
    }
    place.trace.client_forgotten();
    output::tell(&format!("{} does not know this program any more, so it is made known to it again.", page.issuer));
    let removed = place.store.remove_client(&page.issuer, client.client_id()).await;
    // Where another process was first, what it registered is as good.
    removed.map(|_| true).map_err(|fault| fail::store(&fault))
}

/// Whether a refusal says that it is for the client's sake. That its identifier stands in a page means nothing: the way back to
/// this address may be in it.
fn names_the_client(answer: &Inbound, client_id: &str) -> bool {
    let page = String::from_utf8_lossy(&answer.body);
    if page.contains("invalid_client") || page.contains("unauthorized_client") {
        return true;
    }
    let said = json::parse_as::<ErrorResponse>(&answer.body).ok().and_then(|error| error.error_description);
    said.is_some_and(|said| said.contains(client_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_person_signs_in_only_a_word_about_the_client_ends_that() {
        // proves: KEY-12
        for (body, named) in [
            ("{\"error\":\"invalid_client\"}", true),
            ("<h1>oops</h1> <pre>error: invalid_client</pre>", true),
            ("{\"error\":\"unauthorized_client\"}", true),
            ("{\"error\":\"invalid_request\",\"error_description\":\"Client ID 'client-7' not found\"}", true),
            ("{\"error\":\"invalid_request\",\"error_description\":\"no session\"}", false),
            ("<a href=\"/sign-in?next=/authorize?client_id=client-7\">Sign in</a>", false),
            ("", false),
        ] {
            let answer =
                Inbound { status: StatusCode::BAD_REQUEST, headers: http::HeaderMap::new(), body: body.into() };
            assert_eq!(names_the_client(&answer, "client-7"), named, "{body}");
        }
    }
}

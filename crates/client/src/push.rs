//! An authorization request that the server wants to have before the person comes.

use doorward_types::{
    json,
    outbound::{FetchFailed, Inbound, Outbound},
};
use http::StatusCode;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::{
    Code, Failed, Step, callback,
    exchange::{self, may_register_again},
    failed::{no_answer, place},
    found::Pending,
    registration,
    state::{AwaitPushed, Next, State},
    token_request::{self, Fresh, Parameters},
};

const WHAT: &str = "the authorization server did not take the request for a sign-in";
/// The most bytes of the name that the server gives a request.
const MOST_NAME: usize = 2048;

#[derive(Deserialize)]
struct Answer {
    request_uri: String,
}

/// Pushes what would have stood in the page's address, with the client's proof of itself.
///
/// Source: RFC 9126 section 2.1.
pub(crate) fn push(pending: Pending, whole: Url, fresh: &mut Fresh<'_>) -> Next {
    let server = &pending.found.server;
    let Some(endpoint) = server.pushed_authorization_request_endpoint().cloned() else {
        return Err(Failed::new(
            Code::BadServerMetadata,
            WHAT,
            format!("{} takes pushed requests only and does not say where", server.issuer()),
            "ask the operator of the server",
        ));
    };
    let Some(page) = server.authorization_endpoint().cloned() else {
        return Err(callback::no_page(&pending.found));
    };
    let waiting = AwaitPushed { pending, endpoint, page, whole };
    let step = Step::Send(request(&waiting, fresh)?);
    Ok((State::Pushed(waiting), step))
}

/// The request as it is sent.
pub(crate) fn request(waiting: &AwaitPushed, fresh: &mut Fresh<'_>) -> Result<Outbound, Failed> {
    let AwaitPushed { pending: Pending { found, client, .. }, endpoint, whole, .. } = waiting;
    let (none, reach) = (Parameters::new(&[]), found.flow.target.reach);
    let mut request = token_request::authenticated(endpoint, &found.server, client, &none, reach, fresh)?;
    let proof = String::from_utf8(std::mem::take(&mut request.body)).unwrap_or_default();
    let named = form_urlencoded::parse(proof.as_bytes()).any(|(name, _)| name == "client_id");
    let mut form = form_urlencoded::Serializer::new(proof);
    form.extend_pairs(whole.query_pairs().filter(|(name, _)| !(named && name == "client_id")));
    request.body = form.finish().into_bytes();
    Ok(request)
}

/// Opens the page with the request's name in the place of its parameters.
///
/// Source: RFC 9126 sections 2.2, 2.3 and 4.
pub(crate) fn answered(waiting: AwaitPushed, answer: Result<Inbound, FetchFailed>) -> Next {
    let AwaitPushed { pending, endpoint, page, .. } = waiting;
    let answer = answer.map_err(|failed| no_answer(WHAT, &endpoint, &failed))?;
    if let Some(error) = token_request::refusal(WHAT, &endpoint, &answer)? {
        if error.error == "invalid_client" && may_register_again(pending.stored, &pending.client) {
            return registration::register_again(pending.found, pending.redirect_uri);
        }
        let code = if error.error == "invalid_client" { Code::ClientUnknown } else { Code::AuthorizationRefused };
        return Err(exchange::refused(code, &endpoint, &error));
    }
    let given = json::parse_as::<Answer>(&answer.body).ok().map(|answer| answer.request_uri);
    let right_status = matches!(answer.status, StatusCode::CREATED | StatusCode::OK);
    let Some(name) = given.filter(|name| right_status && (1..=MOST_NAME).contains(&name.len())) else {
        let why = format!("{} answered {} without a request_uri", place(&endpoint), answer.status);
        return Err(Failed::new(Code::AuthorizationRefused, WHAT, why, "ask the operator of the server"));
    };
    let id = pending.client.client_id().as_str().to_owned();
    let mut page = page;
    page.query_pairs_mut().append_pair("client_id", &id).append_pair("request_uri", &name);
    Ok(callback::show(pending, page))
}

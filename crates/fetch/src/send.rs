//! One request with its whole answer, held to the limits that it names.

use doorward_types::outbound::{FetchFailed, Inbound, Outbound, Redirects};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Response};
use url::Url;

use crate::{clients::Clients, failure};

/// How many redirects are followed within one origin.
const MOST_REDIRECTS: usize = 3;

pub(crate) async fn send(clients: &Clients, request: Outbound) -> Result<Inbound, FetchFailed> {
    let timeout = request.timeout;
    match tokio::time::timeout(timeout, follow(clients, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchFailed::Timeout(timeout)),
    }
}

async fn follow(clients: &Clients, request: Outbound) -> Result<Inbound, FetchFailed> {
    let mut url = request.url.clone();
    let mut hops = 0;
    loop {
        let answer = hop(clients, &request, url.clone()).await?;
        match redirect(&request, &url, &answer) {
            Some(next) if hops < MOST_REDIRECTS => {
                tracing::debug!(from = url.path(), to = next.path(), "redirect within the origin followed");
                hops += 1;
                url = next;
            }
            _ => return read(answer, request.most_bytes, request.timeout).await,
        }
    }
}

async fn hop(clients: &Clients, request: &Outbound, url: Url) -> Result<Response, FetchFailed> {
    let client = clients.pick(&url, request.reach)?;
    let mut sent = Request::new(request.method.clone(), url.clone());
    *sent.headers_mut() = request.headers.clone();
    sent.headers_mut().entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
    if !request.body.is_empty() || request.method == Method::POST {
        *sent.body_mut() = Some(request.body.clone().into());
    }
    let proxy = || clients.proxy_before(&url, request.reach);
    client.execute(sent).await.map_err(|error| failure::from_reqwest(error, &url, request.timeout, proxy))
}

/// Where a redirect leads, if it is one that may be followed: by a GET, to the same origin.
fn redirect(request: &Outbound, from: &Url, answer: &Response) -> Option<Url> {
    let is_redirect = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !is_redirect || request.redirects != Redirects::SameOrigin || request.method != Method::GET {
        return None;
    }
    let mut locations = answer.headers().get_all(header::LOCATION).iter();
    let (location, None) = (locations.next()?, locations.next()) else { return None };
    let mut to = from.join(location.to_str().ok()?).ok()?;
    to.set_fragment(None);
    (to.origin() == from.origin() && to.origin().is_tuple()).then_some(to)
}

async fn read(mut answer: Response, most: usize, timeout: std::time::Duration) -> Result<Inbound, FetchFailed> {
    let encoded = answer.headers().get(header::CONTENT_ENCODING);
    if encoded.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(FetchFailed::Other("the answer is compressed, which was not asked for".into()));
    }
    if answer.content_length().is_some_and(|length| length > most as u64) {
        return Err(FetchFailed::TooLong(most));
    }
    let url = answer.url().clone();
    let mut body = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|error| failure::from_reqwest(error, &url, timeout, || None))?
    {
        if body.len() + chunk.len() > most {
            return Err(FetchFailed::TooLong(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Inbound { status: answer.status(), headers: std::mem::take(answer.headers_mut()), body })
}

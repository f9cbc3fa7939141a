//! One request whose answer streams: the data plane of the bridge.

use std::time::Duration;

use bytes::Bytes;
use doorward_types::outbound::{FetchFailed, Reach};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderValue, header};
use url::Url;

use crate::{clients::Clients, failure};

pub(crate) async fn stream(
    clients: &Clients,
    request: http::Request<Bytes>,
    reach: Reach,
    header_timeout: Duration,
) -> Result<http::Response<impl Stream<Item = Result<Bytes, FetchFailed>> + Send + Unpin + 'static>, FetchFailed> {
    let url = Url::parse(&request.uri().to_string())
        .map_err(|_| FetchFailed::Other("the request's target is not an absolute URL".into()))?;
    let client = clients.pick(&url, reach)?;
    let (parts, body) = request.into_parts();
    let mut sent = reqwest::Request::new(parts.method, url.clone());
    *sent.headers_mut() = parts.headers;
    sent.headers_mut().entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
    if !body.is_empty() {
        *sent.body_mut() = Some(body.into());
    }
    let answer = tokio::time::timeout(header_timeout, client.execute(sent))
        .await
        .map_err(|_| FetchFailed::Timeout(header_timeout))?
        .map_err(|error| failure::from_reqwest(error, &url, header_timeout, || clients.proxy_before(&url, reach)))?;
    let mut out = http::Response::new(());
    *out.status_mut() = answer.status();
    *out.version_mut() = answer.version();
    *out.headers_mut() = answer.headers().clone();
    let body = answer
        .bytes_stream()
        .map(move |chunk| chunk.map_err(|e| failure::from_reqwest(e, &url, header_timeout, || None)));
    Ok(out.map(|()| Box::pin(body)))
}

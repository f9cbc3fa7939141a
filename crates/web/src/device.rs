use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use doorward_authorization_server::{device, store::Committed, waiting::Waiting};

use crate::{
    Site,
    common::{self, Early},
    peer::Source,
    token::{authenticated, read_form},
    waiting,
};

/// Where a request came from; unknown where nobody says.
type Sender = Option<Extension<ConnectInfo<SocketAddr>>>;

/// The address that a request came from, in words.
fn address(sender: &Sender) -> String {
    sender.as_ref().map_or_else(|| "unknown".to_owned(), |Extension(ConnectInfo(sender))| sender.ip().to_string())
}

/// How often a user code is drawn anew when it is taken.
const MOST_DRAWS: usize = 3;

/// A device asks to be let in.
///
/// Source: RFC 8628 section 3.1.
pub(crate) async fn ask(
    State(site): State<Arc<Site>>,
    source: Source,
    sender: Sender,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&site, source, &address(&sender), &headers, &body).await.unwrap_or_else(|early| *early)
}

async fn answer(
    site: &Site,
    source: Source,
    address: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Early> {
    let form = read_form(headers, body)?;
    let client = authenticated(site, source, headers, &form).await?;
    let now = (site.now)();
    let software = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked_from = if software.is_empty() { address.to_owned() } else { format!("{address} · {software}") };
    for draw in 0..MOST_DRAWS {
        let decided = device::ask(&site.policy, &client, &form, &asked_from, now, &mut *(site.entropy)());
        let (response, writes) = decided.map_err(|refusal| {
            tracing::info!(why = ?refusal, client = %client.id(), "a device was refused");
            Box::new(common::oauth_answer(StatusCode::BAD_REQUEST, &refusal.response()))
        })?;
        if draw == 0 {
            waiting::of_client(site, Waiting::Code, source, &client).await?;
        }
        if site.store.commit(writes).await.map_err(|fault| common::away_json(&fault))? == Committed::Done {
            return Ok(common::json(StatusCode::OK, response.to_json()));
        }
    }
    Err(common::away_json(&doorward_authorization_server::store::StoreFault("user codes are taken".into())))
}
